//! Nova's rules about zones: no host is in two, and no server changes its zone by what becomes
//! of an aggregate.

use godwit_core::ids::HostName;
use godwit_store::{Aggregate, AggregateUse};

use crate::nova::error::ApiError;
use crate::nova::python;

/// What is done to an aggregate, as refusals call it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AggregateAction {
    Add,
    /// Of a host, or of the aggregate itself: Nova calls both by one name.
    Remove,
    Update,
    Metadata,
}

impl AggregateAction {
    pub(super) fn refusal(self, id: i64, reason: &str) -> String {
        let what = match self {
            Self::Add => "Cannot add host to aggregate",
            Self::Remove => "Cannot remove host from aggregate",
            Self::Update => "Cannot update aggregate",
            Self::Metadata => "Cannot update metadata of aggregate",
        };
        format!("{what} {id}. Reason: {reason}.")
    }

    /// A refusal with the status that Nova gives to those of its own rules.
    pub(super) fn refused(self, id: i64, reason: &str) -> ApiError {
        let text = self.refusal(id, reason);
        match self {
            Self::Add | Self::Remove => ApiError::Conflict(text),
            Self::Update | Self::Metadata => ApiError::BadRequest(text),
        }
    }
}

/// May the aggregate, which is called `name` then, make `zone` of its hosts? The outer `None`:
/// nothing is said of its zone. The inner one: it shall have none, which cannot be asked for.
pub(super) fn check(
    action: AggregateAction,
    used: &AggregateUse,
    name: &str,
    zone: Option<&Option<String>>,
) -> Result<(), ApiError> {
    let AggregateUse {
        aggregate, servers, ..
    } = used;
    let refused = |reason: &str| Err(ApiError::BadRequest(action.refusal(aggregate.id, reason)));
    let Some(zone) = zone else { return Ok(()) };
    let Some(zone) = zone.as_deref().filter(|zone| !zone.is_empty()) else {
        return refused(&format!(
            "Aggregate {name} does not support empty named availability zone"
        ));
    };
    if let Some(reason) = conflict(used, zone, &aggregate.hosts) {
        return refused(&reason);
    }
    let changes = aggregate.availability_zone.as_deref() != Some(zone);
    if changes
        && aggregate
            .hosts
            .iter()
            .any(|host| servers.contains_key(host))
    {
        return refused("One or more hosts contain instances in this zone");
    }
    Ok(())
}

/// The other zones in which some of `hosts` are already, as a reason to refuse.
pub(super) fn conflict(used: &AggregateUse, zone: &str, hosts: &[HostName]) -> Option<String> {
    let shares = |other: &&Aggregate| other.hosts.iter().any(|host| hosts.contains(host));
    let others = used.others.iter().filter(shares);
    let zones = others.filter_map(|other| other.availability_zone.as_deref());
    let zones: Vec<_> = zones.filter(|other| *other != zone).collect();
    let list = (!zones.is_empty()).then(|| python::repr_list(zones))?;
    Some(format!(
        "One or more hosts already in availability zone(s) {list}"
    ))
}

/// Why servers keep a host where it is; `verb` is what was asked for.
pub(super) fn servers_would_move(
    verb: &str,
    from: Option<&str>,
    to: Option<&str>,
    servers: i64,
) -> String {
    let [from, to] = [from, to].map(|zone| zone.unwrap_or("None"));
    format!(
        "The host cannot be {verb} the aggregate as the availability zone of the host would \
         change from '{from}' to '{to}' but the host already has {servers} instance(s). Changing \
         the AZ of an existing instance is not supported by this action. Move the instances away \
         from this host then try again. If you need to move the instances between AZs then you \
         can use shelve_offload and unshelve to achieve this."
    )
}
