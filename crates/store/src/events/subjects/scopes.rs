//! Events of zones, pods and clusters, and of the hosts in them.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::event_type::EventKind;
use godwit_core::host::event::{HostEvent, ScopeEvent};
use godwit_core::host::scope::ScopeKind;
use serde_json::{Value, json};

use super::cause::Cause;
use super::hosts::{ServiceState, effective};
use super::logs::{log_of, next_of_log, next_of_logs};
use super::readers::is_understood;
use super::{New, insert};
use crate::columns::instant;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::{Service, StoreError, dialect};

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

/// Hosts told with one statement.
const AT_ONCE: usize = 500;

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
    // In one order, so that two who tell of the same hosts wait for each other at most once.
    let mut hosts: Vec<&(Service, HostEvent)> = it.hosts.iter().collect();
    hosts.sort_by(|a, b| a.0.host.cmp(&b.0.host));
    for hosts in hosts.chunks(AT_ONCE) {
        let numbers = next_of_logs(connection, hosts)?;
        let rows: Vec<Value> = hosts
            .iter()
            .filter_map(|(service, event)| {
                let (subject, sequence) = numbers.get(service.host.as_str())?;
                let detail = json!({
                    "service": ServiceState::from(service),
                    "scope": { "kind": it.kind, "name": it.name },
                    "reason": it.reason,
                });
                Some(json!({
                    "subject": subject,
                    "sequence": sequence,
                    "name": event.as_str(),
                    "detail": with_effect(detail, *event).to_string(),
                }))
            })
            .collect();
        insert_many(connection, &json!(rows).to_string(), cause)?;
    }
    Ok(())
}

/// What comes of a scope's switch for a host of which that is told.
fn with_effect(mut detail: Value, event: HostEvent) -> Value {
    if matches!(event, HostEvent::Disabled | HostEvent::Enabled) {
        detail["effective"] = json!(effective(event == HostEvent::Disabled));
    }
    detail
}

/// Appends events of hosts: a JSON array of objects with `subject`, `sequence`, `name` and `detail`,
/// which is text.
fn insert_many(connection: &mut Database, rows: &str, cause: &Cause) -> Result<(), StoreError> {
    let columns = [
        ("subject", "bigint"),
        ("sequence", "bigint"),
        ("name", "text"),
        ("detail", "text"),
    ];
    let list = dialect::rows_of(connection, &columns);
    // These have no status.
    let statement = format!(
        "WITH told AS (SELECT * FROM {list})
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, to_status, actor,
                             request_id, user_id, project_id, detail)
         SELECT $2, told.subject, told.sequence, $3, told.name, '', $4, $5, $6, $7, told.detail
         FROM told"
    );
    sql_query(statement)
        .bind::<Text, _>(rows)
        .bind::<Text, _>(EventKind::Host.as_str())
        .bind::<SqlTimestamp, _>(instant(cause.at))
        .bind::<Text, _>(cause.actor.to_string())
        .bind::<Nullable<Text>, _>(&cause.request_id)
        .bind::<Nullable<Text>, _>(&cause.user_id)
        .bind::<Nullable<Text>, _>(&cause.project_id)
        .prepared()
        .execute(connection)?;
    Ok(())
}
