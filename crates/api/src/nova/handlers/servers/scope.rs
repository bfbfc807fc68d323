//! Whose servers a list is about.

use crate::http::query::boolean;
use crate::nova::handlers::{ApiError, Call, rules};

/// What the caller may ask for, and does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scope {
    /// Only this project's; `None`: every project's.
    pub(super) project_id: Option<String>,
    /// Only this user's: for tokens without a project.
    pub(super) user_id: Option<String>,
    /// May every filter be used? Those that may not are ignored.
    pub(super) all_filters: bool,
}

impl Scope {
    /// `all_projects` is the rule that has to allow `all_tenants`.
    pub(super) fn of(call: &Call, all_projects: &'static str) -> Result<Self, ApiError> {
        let all_filters = call.caller.permits_own(rules::SERVERS_ALL_FILTERS);
        if all_tenants(call)? {
            call.caller.enforce_own(all_projects)?;
            let asked = call
                .query
                .last("project_id")
                .or(call.query.last("tenant_id"));
            let project_id = asked.filter(|_| all_filters).map(str::to_owned);
            return Ok(Self {
                project_id,
                user_id: None,
                all_filters,
            });
        }
        Ok(match call.caller.project_id() {
            Some(project) => Self {
                project_id: Some(project.to_owned()),
                user_id: None,
                all_filters,
            },
            None => Self {
                project_id: None,
                user_id: call.caller.user_id().map(str::to_owned),
                all_filters,
            },
        })
    }
}

/// The bare parameter is a yes, too.
fn all_tenants(call: &Call) -> Result<bool, ApiError> {
    match call.query.last("all_tenants") {
        None => Ok(false),
        Some("") => Ok(true),
        Some(text) => yes_or_no(text),
    }
}

/// Reads a word for yes or no, which it has to be.
pub(super) fn yes_or_no(text: &str) -> Result<bool, ApiError> {
    boolean(text).ok_or_else(|| {
        ApiError::BadRequest(format!(
            "Unrecognized value '{text}', acceptable values are: '0', '1', 'f', 'false', 'n', \
             'no', 'off', 'on', 't', 'true', 'y', 'yes'"
        ))
    })
}
