//! Events of one host.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::event_type::EventKind;
use godwit_core::host::event::HostEvent;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cause::Cause;
use super::logs::{next_of_log, next_of_logs};
use super::readers::is_understood;
use super::{New, insert};
use crate::columns::instant;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::{Service, ServiceBinary, StoreError, dialect, scopes};

/// A host's service behind an event of the host, in the event's detail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ServiceState {
    pub uuid: Uuid,
    pub binary: ServiceBinary,
    pub zone: String,
    pub disabled: bool,
    pub disabled_reason: Option<String>,
    pub forced_down: bool,
    pub last_seen_up: Option<Timestamp>,
    pub report_count: i64,
    pub version: String,
}

impl From<&Service> for ServiceState {
    fn from(service: &Service) -> Self {
        Self {
            uuid: service.uuid,
            binary: service.binary,
            zone: service.zone.clone(),
            disabled: service.disabled,
            disabled_reason: service.disabled_reason.clone(),
            forced_down: service.forced_down,
            last_seen_up: service.last_seen_up,
            report_count: service.report_count,
            version: service.version.clone(),
        }
    }
}

/// Tells what happened to the host of `service`, which is as it is behind that.
pub(crate) fn append_of_host(
    connection: &mut Database,
    service: &Service,
    event: HostEvent,
    cause: &Cause,
) -> Result<(), StoreError> {
    if !is_understood(connection, EventKind::Host)? {
        return Ok(());
    }
    let mut detail = json!({ "service": ServiceState::from(service) });
    match event {
        HostEvent::Disabled => {
            detail["reason"] = json!(service.disabled_reason);
            detail["effective"] = json!(effective(true));
        }
        HostEvent::Enabled => {
            detail["effective"] = json!(effective(scopes::is_disabled(connection, service)?));
        }
        HostEvent::ForcedDown => {
            detail["reason"] = json!(service.forced_down_reason);
        }
        HostEvent::Registered
        | HostEvent::Removed
        | HostEvent::Down
        | HostEvent::Up
        | HostEvent::ForcedUp
        | HostEvent::Unmanaged
        | HostEvent::Managed
        | HostEvent::TopologyChanged => {}
    }
    let (subject, sequence) = next_of_log(connection, service.host.as_str())?;
    let new = New {
        kind: EventKind::Host,
        subject,
        sequence,
        name: event.as_str(),
        owner: None,
        detail,
    };
    insert(connection, &new, cause)
}

/// Whether anything is put on a host, as it is shown.
pub(crate) const fn effective(is_disabled: bool) -> &'static str {
    match is_disabled {
        true => "disabled",
        false => "enabled",
    }
}

/// A host that something happened to.
pub(crate) struct OfHost {
    /// As it is behind that.
    pub(crate) service: Service,
    pub(crate) event: HostEvent,
    /// What is to be said beside its service; an object.
    pub(crate) detail: Value,
}

/// Hosts told with one statement.
const AT_ONCE: usize = 500;

/// Tells what happened to hosts, each of which is there once: so many statements for any five hundred
/// of them.
pub(crate) fn append_of_hosts(
    connection: &mut Database,
    mut hosts: Vec<OfHost>,
    cause: &Cause,
) -> Result<(), StoreError> {
    if hosts.is_empty() || !is_understood(connection, EventKind::Host)? {
        return Ok(());
    }
    // In one order, so that two who tell of the same hosts wait for each other at most once.
    hosts.sort_by(|a, b| a.service.host.cmp(&b.service.host));
    for hosts in hosts.chunks(AT_ONCE) {
        let names = hosts.iter().map(|it| &it.service.host);
        let numbers = next_of_logs(connection, names)?;
        let row = |it: &OfHost| {
            let (subject, sequence) = numbers.get(it.service.host.as_str())?;
            let mut detail = it.detail.clone();
            detail["service"] = json!(ServiceState::from(&it.service));
            Some(json!({
                "subject": subject,
                "sequence": sequence,
                "name": it.event.as_str(),
                "detail": detail.to_string(),
            }))
        };
        let rows: Vec<Value> = hosts.iter().filter_map(row).collect();
        insert_many(connection, &json!(rows).to_string(), cause)?;
    }
    Ok(())
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
