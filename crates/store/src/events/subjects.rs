//! Events of hosts and discrepancies: appended with the change that they follow from.
//!
//! A host is known by its name: its events are numbered by a row of their own, which stays when the
//! host is removed and comes back. So are those of a zone, pod or cluster, whose row is called
//! `KIND:NAME`, as no host is. A discrepancy has two events at most, each with all that is to be
//! said of it, as its row may be gone when they are read.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::discrepancy::{DiscrepancyEvent, DiscrepancySubject};
use godwit_core::event_type::EventKind;
use godwit_core::host::event::{HostEvent, ScopeEvent};
use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::ServerUuid;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Actor;
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{event_kinds, events, servers};
use crate::{ActionNote, ChangeNote, Service, ServiceBinary, StoreError, dialect, scopes};

/// The kinds that the release before this one does not read.
const NEW: [EventKind; 5] = [
    EventKind::Host,
    EventKind::Discrepancy,
    EventKind::Plan,
    EventKind::Run,
    EventKind::Maintenance,
];

/// Who made something happen, and when.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) actor: Actor,
    request_id: Option<String>,
    user_id: Option<String>,
    project_id: Option<String>,
    pub(crate) at: Timestamp,
}

impl Cause {
    /// It follows from something else.
    pub(crate) const fn by(actor: Actor, at: Timestamp) -> Self {
        Self {
            actor,
            request_id: None,
            user_id: None,
            project_id: None,
            at,
        }
    }

    /// Of a change that is noted like this.
    pub(crate) fn noted(note: &ChangeNote) -> Self {
        Self {
            actor: note.actor.clone(),
            request_id: note.by.request_id.clone(),
            user_id: note.by.user.clone(),
            project_id: note.by.project.clone(),
            at: note.at,
        }
    }

    /// Somebody asked for it, through the API.
    pub(crate) fn requested(by: &Requester, at: Timestamp) -> Self {
        Self {
            actor: Actor::Api,
            request_id: by.request_id.clone(),
            user_id: by.user.clone(),
            project_id: by.project.clone(),
            at,
        }
    }

    /// The same, as actions are noted.
    pub(crate) fn asked(note: &ActionNote) -> Self {
        Self {
            actor: Actor::Api,
            request_id: Some(note.request_id.clone()),
            user_id: note.user_id.clone(),
            project_id: note.project_id.clone(),
            at: note.at,
        }
    }
}

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

/// Says that every process from now on reads all kinds of events.
pub(crate) fn understand_all(connection: &mut Database) -> Result<(), StoreError> {
    for kind in NEW {
        sql_query("INSERT INTO event_kinds (kind) VALUES ($1) ON CONFLICT (kind) DO NOTHING")
            .bind::<Text, _>(kind.as_str())
            .execute(connection)?;
    }
    Ok(())
}

/// Does every process read events of this kind? One of the release before would read nothing any
/// more.
pub(crate) fn is_understood(
    connection: &mut Database,
    kind: EventKind,
) -> Result<bool, StoreError> {
    let found: Option<String> = event_kinds::table
        .find(kind.as_str())
        .select(event_kinds::kind)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// What the log of a scope is called, among those of hosts.
pub(super) fn log_of(kind: ScopeKind, name: &str) -> String {
    format!("{kind}:{name}")
}

/// The scope whose log is called so; `None`: it is a host's.
pub(super) fn scope_of(log: &str) -> Option<(ScopeKind, String)> {
    let (kind, name) = log.split_once(':')?;
    Some((kind.parse().ok()?, name.to_owned()))
}

/// The row that numbers the events of a host, or of a scope, and the next number. The row stays
/// locked, so that their order is that of their numbers: whoever takes it takes no other lock behind
/// it.
fn next_of_log(connection: &mut Database, log: &str) -> Result<(i64, i64), StoreError> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = BigInt)]
        event_sequence: i64,
    }
    let next: Next = sql_query(
        "INSERT INTO host_logs (host, event_sequence) VALUES ($1, 1)
         ON CONFLICT (host) DO UPDATE SET event_sequence = host_logs.event_sequence + 1
         RETURNING id, event_sequence",
    )
    .bind::<Text, _>(log)
    .prepared()
    .get_result(connection)?;
    Ok((next.id, next.event_sequence))
}

/// What is appended.
struct New<'a> {
    kind: EventKind,
    subject: i64,
    sequence: i64,
    name: &'static str,
    /// Whose server it is about.
    owner: Option<&'a str>,
    detail: Value,
}

fn insert(connection: &mut Database, new: &New<'_>, cause: &Cause) -> Result<(), StoreError> {
    diesel::insert_into(events::table)
        .values((
            events::subject_kind.eq(new.kind.as_str()),
            events::subject_id.eq(new.subject),
            events::sequence.eq(new.sequence),
            events::at.eq(instant(cause.at)),
            events::name.eq(new.name),
            // These have no status.
            events::to_status.eq(""),
            events::actor.eq(cause.actor.to_string()),
            events::request_id.eq(&cause.request_id),
            events::user_id.eq(&cause.user_id),
            events::project_id.eq(&cause.project_id),
            events::owner_project_id.eq(new.owner),
            events::detail.eq(json(&new.detail)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// A plan, a run or a maintenance, whose row is locked.
pub(crate) struct Numbered<'a> {
    pub(crate) kind: EventKind,
    /// Its row.
    pub(crate) id: i64,
    /// The number of its last event.
    pub(crate) last: i64,
    /// The project whose it is.
    pub(crate) owner: Option<&'a str>,
}

/// Tells what happened to it, and returns the number of its last event, which its row is to keep.
pub(crate) fn append_numbered(
    connection: &mut Database,
    it: &Numbered<'_>,
    name: &'static str,
    detail: Value,
    note: &ChangeNote,
) -> Result<i64, StoreError> {
    if !is_understood(connection, it.kind)? {
        return Ok(it.last);
    }
    let sequence = it.last.saturating_add(1);
    let new = New {
        kind: it.kind,
        subject: it.id,
        sequence,
        name,
        owner: it.owner,
        detail,
    };
    insert(connection, &new, &Cause::noted(note))?;
    Ok(sequence)
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
        HostEvent::Registered
        | HostEvent::Removed
        | HostEvent::Down
        | HostEvent::Up
        | HostEvent::ForcedDown
        | HostEvent::ForcedUp
        | HostEvent::Unmanaged
        | HostEvent::Managed => {}
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

/// As [`next_of_log`], for many hosts.
fn next_of_logs(
    connection: &mut Database,
    hosts: &[&(Service, HostEvent)],
) -> Result<HashMap<String, (i64, i64)>, StoreError> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        host: String,
        #[diesel(sql_type = BigInt)]
        event_sequence: i64,
    }
    let names: Vec<Value> = hosts
        .iter()
        .map(|(service, _)| json!({ "host": service.host }))
        .collect();
    let rows = dialect::rows_of(connection, &[("host", "text")]);
    let statement = format!(
        "INSERT INTO host_logs (host, event_sequence)
         SELECT sample.host, 1 FROM {rows} WHERE TRUE ORDER BY sample.host
         ON CONFLICT (host) DO UPDATE SET event_sequence = host_logs.event_sequence + 1
         RETURNING id, host, event_sequence"
    );
    let next: Vec<Next> = sql_query(statement)
        .bind::<Text, _>(json!(names).to_string())
        .prepared()
        .load(connection)?;
    let numbered = |next: Next| (next.host, (next.id, next.event_sequence));
    Ok(next.into_iter().map(numbered).collect())
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

/// A discrepancy that something happened to.
pub(crate) struct OfDiscrepancy<'a> {
    pub(crate) id: i64,
    pub(crate) subject: &'a DiscrepancySubject,
    /// What is odd, or why it no longer is.
    pub(crate) text: &'a str,
}

/// Tells what happened to a discrepancy.
pub(crate) fn append_of_discrepancy(
    connection: &mut Database,
    it: &OfDiscrepancy<'_>,
    event: DiscrepancyEvent,
    cause: &Cause,
) -> Result<(), StoreError> {
    if !is_understood(connection, EventKind::Discrepancy)? {
        return Ok(());
    }
    let subject = it.subject;
    let owner = match subject.server {
        Some(server) => owner(connection, server)?,
        None => None,
    };
    let mut detail = json!({
        "kind": subject.kind,
        "server": subject.server,
        "migration": subject.migration,
        "host": subject.host,
    });
    let text = match event {
        DiscrepancyEvent::Opened => "text",
        DiscrepancyEvent::Closed => "because",
    };
    detail[text] = json!(it.text);
    let new = New {
        kind: EventKind::Discrepancy,
        subject: it.id,
        sequence: told_of_discrepancy(connection, it.id)? + 1,
        name: event.as_str(),
        owner: owner.as_deref(),
        detail,
    };
    insert(connection, &new, cause)
}

/// How many events a discrepancy has. What was open before this release was opened untold.
fn told_of_discrepancy(connection: &mut Database, id: i64) -> Result<i64, StoreError> {
    let last: Option<i64> = events::table
        .filter(events::subject_kind.eq(EventKind::Discrepancy.as_str()))
        .filter(events::subject_id.eq(id))
        .order(events::sequence.desc())
        .select(events::sequence)
        .first(connection)
        .optional()?;
    Ok(last.unwrap_or(0))
}

fn owner(connection: &mut Database, server: ServerUuid) -> Result<Option<String>, StoreError> {
    let owner = servers::table
        .filter(servers::uuid.eq(text(server)))
        .select(servers::project_id)
        .first(connection)
        .optional()?;
    Ok(owner)
}
