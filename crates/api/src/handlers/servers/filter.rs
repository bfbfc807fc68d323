//! The filters of a list of servers (`contract: actions.md §8.3`).
//!
//! A filter that somebody may not use is ignored, as in Nova. One that is allowed but cannot
//! be applied here is refused: to ignore it would list servers that were not asked for.

use godwit_core::ids::ServerUuid;
use godwit_core::server::{DISPLAY_STATUSES, PowerState, TaskState, VmState};
use godwit_store::{Deleted, ServerFilter};
use regex::Regex;
use uuid::Uuid;

use super::super::paging::unstorable;
use super::scope::Scope;
use crate::call::Call;
use crate::error::ApiError;
use crate::microversion::{Microversion, milestone};
use crate::query::boolean;
use crate::timestamps;

/// What the query asks for; `None` where nothing can match.
pub(super) fn read(call: &Call, scope: Scope) -> Result<Option<ServerFilter>, ApiError> {
    let asked = Asked {
        call,
        all: scope.all_filters,
    };
    asked.refuse_internal()?;
    if call.query.pairs().any(|(_, value)| unstorable(value)) {
        return Ok(None);
    }
    let statuses = match asked.statuses()? {
        Some(statuses) if statuses.is_empty() => return Ok(None),
        statuses => statuses,
    };
    let deleted = asked.deleted()?;
    asked.refuse_unknown()?;
    if asked.matches_nothing() {
        return Ok(None);
    }
    let text = |name| asked.last(name).map(str::to_owned);
    let time = |name| asked.last(name).and_then(timestamps::parse);
    let (changes_since, changes_before) = (time("changes-since"), time("changes-before"));
    if changes_since
        .zip(changes_before)
        .is_some_and(|(since, before)| since > before)
    {
        return Err(ApiError::BadRequest(
            "The value of changes-since must be less than or equal to changes-before.".to_owned(),
        ));
    }
    Ok(Some(ServerFilter {
        uuids: asked
            .last("uuid")
            .and_then(uuid)
            .map(|uuid| vec![ServerUuid(uuid)]),
        host: text("host"),
        node: asked.pattern("node"),
        name: asked
            .pattern("name")
            .or_else(|| asked.pattern("display_name")),
        project_id: scope.project_id,
        user_id: scope.user_id.or_else(|| text("user_id")),
        statuses,
        vm_states: asked
            .last("vm_state")
            .and_then(|word| word.parse().ok())
            .map(|state| vec![state]),
        task_state: asked.last("task_state").map(|word| word.parse().ok()),
        power_state: asked.last("power_state").and_then(power_state),
        flavor: text("flavor"),
        image: asked
            .last("image")
            .or(asked.last("image_ref"))
            .map(str::to_owned),
        locked: asked
            .last("locked")
            .map(|word| boolean(word).unwrap_or(false)),
        deleted,
        changes_since,
        changes_before,
    }))
}

/// The filters of a query, as far as the caller may use them.
struct Asked<'a> {
    call: &'a Call,
    all: bool,
}

impl<'a> Asked<'a> {
    fn last(&self, name: &str) -> Option<&'a str> {
        let allowed = self.all || for_everybody(name, self.call.version);
        self.call.query.last(name).filter(|_| allowed)
    }

    /// The pattern was checked with the query.
    fn pattern(&self, name: &str) -> Option<Regex> {
        Regex::new(self.last(name)?).ok()
    }

    /// The words asked for; empty where none of them is a status.
    fn statuses(&self) -> Result<Option<Vec<String>>, ApiError> {
        let mut asked = self.call.query.all("status").peekable();
        if asked.peek().is_none() {
            return Ok(None);
        }
        let known = asked
            .map(str::to_uppercase)
            .filter(|word| DISPLAY_STATUSES.contains(&&**word));
        let known: Vec<_> = known.collect();
        if known.is_empty() && self.call.version >= milestone::STRICT_SERVER_STATUS {
            return Err(ApiError::BadRequest("Invalid status value".to_owned()));
        }
        if known.iter().any(|word| word == "DELETED") && !self.call.is_admin() {
            return Err(only_administrators_list_deleted());
        }
        Ok(Some(known))
    }

    fn deleted(&self) -> Result<Deleted, ApiError> {
        let status = || {
            self.call
                .query
                .all("status")
                .any(|word| word.eq_ignore_ascii_case("deleted"))
        };
        // Whoever asks what changed wants to know what went, too.
        let changes = ["changes-since", "changes-before"].map(|name| self.last(name).is_some());
        let changes = changes.contains(&true);
        if self.last("vm_state") == Some("deleted") {
            if !self.call.is_admin() {
                return Err(only_administrators_list_deleted());
            }
            return Ok(Deleted::Yes);
        }
        Ok(match self.last("deleted") {
            Some(word) if boolean(word).unwrap_or(false) => Deleted::Yes,
            Some(_) => Deleted::No,
            None if status() => Deleted::Yes,
            None if changes => Deleted::Any,
            None => Deleted::No,
        })
    }

    fn refuse_internal(&self) -> Result<(), ApiError> {
        match self
            .call
            .query
            .pairs()
            .find(|(name, _)| name.starts_with('_'))
        {
            Some((name, _)) => Err(ApiError::BadRequest(format!(
                "Invalid filter field: {name}."
            ))),
            None => Ok(()),
        }
    }

    fn refuse_unknown(&self) -> Result<(), ApiError> {
        match UNKNOWN.iter().find(|name| self.last(name).is_some()) {
            Some(name) => {
                let text = format!("Servers cannot be filtered by {name}.");
                Err(ApiError::BadRequest(text))
            }
            None => Ok(()),
        }
    }

    /// Does it ask for what no server here has, or for a word that is none?
    fn matches_nothing(&self) -> bool {
        NOBODY_HAS
            .iter()
            .any(|name| self.last(name).is_some_and(|value| !value.is_empty()))
            || self
                .last("vm_state")
                .is_some_and(|word| word.parse::<VmState>().is_err())
            || self
                .last("task_state")
                .is_some_and(|word| word.parse::<TaskState>().is_err())
            || self
                .last("power_state")
                .is_some_and(|number| power_state(number).is_none())
    }
}

/// Attributes that servers have, but cannot be filtered by.
const UNKNOWN: [&str; 14] = [
    "auto_disk_config",
    "availability_zone",
    "config_drive",
    "created_at",
    "description",
    "display_description",
    "hostname",
    "key_name",
    "launch_index",
    "launched_at",
    "locked_by",
    "progress",
    "soft_deleted",
    "terminated_at",
];

/// Attributes that no server has.
const NOBODY_HAS: [&str; 9] = [
    "access_ip_v4",
    "access_ip_v6",
    "ip",
    "ip6",
    "kernel_id",
    "ramdisk_id",
    "reservation_id",
    "tags",
    "tags-any",
];

fn for_everybody(name: &str, version: Microversion) -> bool {
    match name {
        "changes-since" | "changes-before" | "flavor" | "image" | "ip" | "ip6" | "locked"
        | "name" | "not-tags" | "not-tags-any" | "reservation_id" | "status" | "tags"
        | "tags-any" => true,
        "availability_zone" | "config_drive" | "created_at" | "key_name" | "launched_at"
        | "power_state" | "progress" | "task_state" | "terminated_at" | "user_id" | "vm_state" => {
            version >= milestone::MORE_FILTERS
        }
        _ => false,
    }
}

fn only_administrators_list_deleted() -> ApiError {
    ApiError::Forbidden("Only administrators may list deleted instances".to_owned())
}

/// Dashes are optional here: the query's schema takes both forms.
fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok()
}

fn power_state(number: &str) -> Option<PowerState> {
    let number: i32 = number.parse().ok()?;
    PowerState::ALL
        .iter()
        .copied()
        .find(|state| state.as_i32() == number)
}
