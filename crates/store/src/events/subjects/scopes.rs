//! Events of zones, pods and clusters, and of the hosts in them.

use godwit_core::event_type::EventKind;
use godwit_core::host::event::{HostEvent, ScopeEvent};
use godwit_core::host::scope::ScopeKind;
use serde_json::{Value, json};

use super::cause::Cause;
use super::hosts::{OfHost, append_of_hosts, effective};
use super::logs::{log_of, next_of_log};
use super::readers::is_understood;
use super::{New, insert};
use crate::connection::Database;
use crate::{Service, StoreError};

/// A zone, pod or cluster that something happened to, and what of its hosts follows from that.
pub(crate) struct OfScope<'a> {
    pub(crate) kind: ScopeKind,
    pub(crate) name: &'a str,
    pub(crate) event: Option<ScopeEvent>,
    /// Why, where somebody gave a reason.
    pub(crate) reason: Option<&'a str>,
    /// How many hosts are in it.
    pub(crate) of_hosts: usize,
    /// Those whose own state changes by it.
    pub(crate) hosts: Vec<(Service, HostEvent)>,
}

/// Tells what happened to a scope, once, and then to each host that it changes: so many statements for
/// any five hundred of them.
pub(crate) fn append_of_scope(
    connection: &mut Database,
    it: &OfScope<'_>,
    cause: &Cause,
) -> Result<(), StoreError> {
    if !is_understood(connection, EventKind::Host)? {
        return Ok(());
    }
    if let Some(event) = it.event {
        let (subject, sequence) = next_of_log(connection, &log_of(it.kind, it.name))?;
        let new = New {
            kind: EventKind::Host,
            subject,
            sequence,
            name: event.as_str(),
            owner: None,
            detail: json!({
                "scope": it.kind,
                "name": it.name,
                "reason": it.reason,
                "hosts": it.of_hosts,
                "hosts_changed": it.hosts.len(),
            }),
        };
        insert(connection, &new, cause)?;
    }
    let scope = json!({ "kind": it.kind, "name": it.name });
    let told = |(service, event): &(Service, HostEvent)| OfHost {
        service: service.clone(),
        event: *event,
        detail: with_effect(json!({ "scope": scope, "reason": it.reason }), *event),
    };
    append_of_hosts(connection, it.hosts.iter().map(told).collect(), cause)
}

/// What comes of a scope's switch for a host of which that is told.
pub(crate) fn with_effect(mut detail: Value, event: HostEvent) -> Value {
    if matches!(event, HostEvent::Disabled | HostEvent::Enabled) {
        detail["effective"] = json!(effective(event == HostEvent::Disabled));
    }
    detail
}
