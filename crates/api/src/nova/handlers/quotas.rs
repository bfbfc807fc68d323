//! Quotas, of which there are none: clients that ask how much is left hear that.
//!
//! Nova asks Keystone whether the project exists, and takes it for granted where that cannot be
//! asked. Here it never is.

use godwit_policy::Target;
use godwit_store::ProjectUsage;

use super::paging::unstorable;
use super::{Answer, ApiError, Call, Reply, rules};
use crate::nova::views::quota::QuotaSet;

pub async fn show(call: &Call) -> Answer {
    limits(call, rules::QUOTAS_SHOW)
}

pub async fn defaults(call: &Call) -> Answer {
    limits(call, rules::QUOTAS_DEFAULTS)
}

pub async fn detail(call: &Call) -> Answer {
    let project = project(call, rules::QUOTAS_DETAIL)?;
    let usage = match unstorable(project) {
        true => ProjectUsage::default(),
        false => call.state.store.project_usage(project).await?,
    };
    let quotas = QuotaSet::details(project, usage, call.version);
    Reply::document("quota_set", &quotas)
}

fn limits(call: &Call, rule: &'static str) -> Result<Reply, ApiError> {
    let project = project(call, rule)?;
    Reply::document("quota_set", &QuotaSet::limits(project, call.version))
}

/// The project that the path names, if `rule` allows to ask about it.
fn project<'a>(call: &'a Call, rule: &'static str) -> Result<&'a str, ApiError> {
    let project = call.ids.id.as_str();
    call.caller
        .enforce(rule, &Target::of_project(Some(project)))?;
    Ok(project)
}
