//! The filters of a list of servers (`contract: actions.md §8.3`).
//!
//! A filter that somebody may not use is ignored, as in Nova.

use godwit_core::ids::ServerUuid;
use godwit_core::server::{DISPLAY_STATUSES, PowerState, TaskState, VmState};
use godwit_store::{Deleted, ServerAttribute, ServerFilter};
use regex::Regex;

use super::super::paging::{changes, unstorable};
use super::scope::{Scope, yes_or_no};
use crate::http::query::boolean;
use crate::nova::call::{Call, read_uuid};
use crate::nova::error::ApiError;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schemas::servers::JOINED;

/// What the query asks for; `None` where nothing can match.
pub(super) fn read(call: &Call, scope: Scope) -> Result<Option<ServerFilter>, ApiError> {
    let filters = Filters {
        call,
        all: scope.all_filters,
    };
    filters.refuse_internal()?;
    if call.query.pairs().any(|(_, value)| unstorable(value)) {
        return Ok(None);
    }
    let statuses = match filters.statuses()? {
        Some(statuses) if statuses.is_empty() => return Ok(None),
        statuses => statuses,
    };
    let deleted = filters.deleted()?;
    if filters.matches_nothing() {
        return Ok(None);
    }
    let text = |name| filters.last(name).map(str::to_owned);
    let (changes_since, changes_before) = changes(|name| filters.last(name))?;
    Ok(Some(ServerFilter {
        uuids: filters
            .last("uuid")
            .and_then(read_uuid)
            .map(|uuid| vec![ServerUuid(uuid)]),
        host: text("host"),
        node: filters.pattern("node"),
        name: filters
            .pattern("name")
            .or_else(|| filters.pattern("display_name")),
        attributes: filters.attributes(),
        project_id: scope.project_id,
        user_id: scope.user_id.or_else(|| text("user_id")),
        statuses,
        vm_states: filters
            .last("vm_state")
            .and_then(|word| word.parse().ok())
            .map(|state| vec![state]),
        task_state: filters.last("task_state").map(|word| word.parse().ok()),
        power_state: filters.last("power_state").and_then(power_state),
        flavor: text("flavor"),
        image: filters
            .last("image")
            .or(filters.last("image_ref"))
            .map(str::to_owned),
        locked: filters.last("locked").map(yes_or_no).transpose()?,
        deleted,
        changes_since,
        changes_before,
    }))
}

/// The filters of a query, as far as the caller may use them.
struct Filters<'a> {
    call: &'a Call,
    all: bool,
}

impl<'a> Filters<'a> {
    fn last(&self, name: &str) -> Option<&'a str> {
        let allowed = self.all || for_everybody(name, self.call.version);
        self.call.query.last(name).filter(|_| allowed)
    }

    /// The pattern was checked with the query.
    fn pattern(&self, name: &str) -> Option<Regex> {
        Regex::new(self.last(name)?).ok()
    }

    fn attributes(&self) -> Vec<(ServerAttribute, Regex)> {
        let asked = |(name, attribute): &(&'static str, ServerAttribute)| {
            Some((*attribute, self.pattern(name)?))
        };
        ATTRIBUTES.iter().filter_map(asked).collect()
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
        if known.iter().any(|word| word == "DELETED") && !self.call.caller.is_admin() {
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
            if !self.call.caller.is_admin() {
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

    /// What other tables say, and what nobody outside knows of.
    fn refuse_internal(&self) -> Result<(), ApiError> {
        let internal = |name: &str| name.starts_with('_') || JOINED.contains(&name);
        let mut pairs = self.call.query.pairs().filter(|_| self.all);
        match pairs.find(|(name, _)| internal(name)) {
            Some((name, _)) => Err(ApiError::BadRequest(format!(
                "Invalid filter field: {name}."
            ))),
            None => Ok(()),
        }
    }

    /// Does it ask for what no server here has, or for a word that is none?
    fn matches_nothing(&self) -> bool {
        NOBODY_HAS
            .iter()
            .any(|name| self.last(name).is_some_and(|value| !value.is_empty()))
            || self
                .last("uuid")
                .is_some_and(|text| read_uuid(text).is_none())
            // Its schema does not look whether it is a pattern.
            || self
                .last("launch_index")
                .is_some_and(|text| Regex::new(text).is_err())
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

/// Filters that are patterns.
const ATTRIBUTES: [(&str, ServerAttribute); 18] = [
    ("access_ip_v4", ServerAttribute::AccessIpv4),
    ("access_ip_v6", ServerAttribute::AccessIpv6),
    ("auto_disk_config", ServerAttribute::AutoDiskConfig),
    ("availability_zone", ServerAttribute::AvailabilityZone),
    ("config_drive", ServerAttribute::ConfigDrive),
    ("created_at", ServerAttribute::CreatedAt),
    ("display_description", ServerAttribute::Description),
    ("hostname", ServerAttribute::Hostname),
    ("kernel_id", ServerAttribute::KernelId),
    ("key_name", ServerAttribute::KeyName),
    ("launch_index", ServerAttribute::LaunchIndex),
    ("launched_at", ServerAttribute::LaunchedAt),
    ("locked_by", ServerAttribute::LockedBy),
    ("progress", ServerAttribute::Progress),
    ("ramdisk_id", ServerAttribute::RamdiskId),
    ("reservation_id", ServerAttribute::ReservationId),
    ("root_device_name", ServerAttribute::RootDeviceName),
    ("terminated_at", ServerAttribute::TerminatedAt),
];

/// Attributes that no server has. `description` and `soft_deleted` were never looked at.
const NOBODY_HAS: [&str; 4] = ["ip", "ip6", "tags", "tags-any"];

/// Filters that are not for administrators alone.
fn for_everybody(name: &str, version: Microversion) -> bool {
    match name {
        "changes-since" | "flavor" | "image" | "ip" | "name" | "reservation_id" | "status" => true,
        "ip6" => version >= milestone::IPV6_FILTER,
        "not-tags" | "not-tags-any" | "tags" | "tags-any" => version >= milestone::TAGS,
        "changes-before" => version >= milestone::CHANGES_BEFORE,
        "locked" => version >= milestone::LOCKED_REASON,
        "availability_zone" | "config_drive" | "created_at" | "key_name" | "launched_at"
        | "power_state" | "progress" | "task_state" | "terminated_at" | "user_id" | "vm_state" => {
            version >= milestone::MORE_FILTERS
        }
        "hostname" => version >= milestone::HOSTNAME,
        _ => false,
    }
}

fn only_administrators_list_deleted() -> ApiError {
    ApiError::Forbidden("Only administrators may list deleted instances".to_owned())
}

fn power_state(number: &str) -> Option<PowerState> {
    let number: i32 = number.parse().ok()?;
    PowerState::ALL
        .iter()
        .copied()
        .find(|state| state.as_i32() == number)
}
