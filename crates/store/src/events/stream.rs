//! The events of all subjects in one order, for readers that go on where
//! they stopped.
//!
//! A reader that wants only some events is told how far was looked, so that it goes on from there
//! and what it does not want is looked at once. What a later release tells of is passed over.

use diesel::prelude::*;
use godwit_core::event_type::EventKind;
use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::{HostName, MigrationUuid, PlanUuid, RunUuid, ServerUuid};
use godwit_core::status::{MigrationStatus, UnknownWord};
use godwit_core::time::Timestamp;

use super::MigrationEvent;
use super::expiry::beginning;
use super::logged::{LoggedEvent, PositionedEvent, SubjectEvent};
use super::positions::{give_positions, is_one_without_position, newest_position};
use super::subjects;
use crate::columns::{Json, storable, text};
use crate::connection::Database;
use crate::schema::{events, host_logs, maintenances, migrations, plans, runs};
use crate::{Store, StoreError};

/// What events may be about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventSubject {
    /// A migration.
    Migration(MigrationUuid),
    /// A host.
    Host(HostName),
    /// A zone, pod or cluster, by its name.
    Scope(ScopeKind, String),
    /// A discrepancy, by its number.
    Discrepancy(i64),
    /// A plan.
    Plan(PlanUuid),
    /// A run.
    Run(RunUuid),
    /// The maintenance of a host.
    Maintenance(HostName),
}

/// Types of events: those of whole kinds, and some by their names.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EventTypes {
    /// All of these kinds.
    pub kinds: Vec<EventKind>,
    /// Such as `migration.placed`.
    pub names: Vec<String>,
}

/// Which events a reader wants. Conditions, all of which an event must meet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventQuery {
    /// Those that follow this position; `None`: all that are kept.
    pub after: Option<i64>,
    /// About exactly this.
    pub subject: Option<EventSubject>,
    /// Of these types.
    pub types: Option<EventTypes>,
    /// About servers, plans and runs of exactly this project, or about hosts, if those are wanted.
    pub project: Option<String>,
    /// Those that are about hosts before anything else ([`EventKind::is_of_hosts`]), too.
    pub hosts: bool,
    /// At most so many.
    pub limit: i64,
}

impl EventQuery {
    /// All that follows `after` (0 for the beginning), at most `limit`.
    pub const fn after(after: i64, limit: i64) -> Self {
        Self {
            after: Some(after),
            subject: None,
            types: None,
            project: None,
            hosts: true,
            limit,
        }
    }

    /// Is this event among those that are wanted, as far as it is not a matter of its position?
    pub fn wants(&self, PositionedEvent { event, .. }: &PositionedEvent) -> bool {
        let kind = event.kind();
        let is_own = match &self.project {
            Some(own) => is_of_no_project(kind) || event.server_project_id() == Some(own),
            None => true,
        };
        let is_of_types = self.types.as_ref().is_none_or(|types| {
            types.kinds.contains(&kind) || types.names.contains(&event.event_type())
        });
        let is_about = self.subject.as_ref().is_none_or(|it| event.is_about(it));
        (self.hosts || !kind.is_of_hosts()) && is_own && is_of_types && is_about
    }

    /// Does it want all but what is behind its position?
    const fn wants_all(&self) -> bool {
        self.types.is_none() && self.project.is_none() && self.hosts
    }
}

/// What belongs to no project, and so is seen by whoever may see hosts.
const fn is_of_no_project(kind: EventKind) -> bool {
    match kind {
        EventKind::Host | EventKind::Maintenance => true,
        EventKind::Migration | EventKind::Discrepancy | EventKind::Plan | EventKind::Run => false,
    }
}

/// The words of some kinds.
fn kinds(wanted: impl Fn(EventKind) -> bool) -> Vec<&'static str> {
    let all = EventKind::ALL.iter().copied();
    all.filter(|it| wanted(*it))
        .map(EventKind::as_str)
        .collect()
}

/// What there is of what a reader wants.
#[derive(Clone, PartialEq, Debug)]
pub struct EventPage {
    /// In the order of their positions.
    pub events: Vec<PositionedEvent>,
    /// Whoever goes on after this position misses none that it wants.
    pub last_position: i64,
    /// Is something behind it by now?
    pub more: bool,
}

/// No events.
#[derive(Debug, thiserror::Error)]
pub enum EventReadError {
    /// What followed this position is no longer kept, or no such position was ever given.
    #[error("events are not kept from position {0} on")]
    Expired(i64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Events that are looked at for one page, where a reader does not want all of them.
const LOOKED_AT: i64 = 10_000;

/// A row of the table, whatever it is about.
#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct AnyRow {
    subject_kind: String,
    subject_id: i64,
    sequence: i64,
    at: Timestamp,
    name: String,
    from_status: Option<String>,
    to_status: String,
    actor: String,
    request_id: Option<String>,
    user_id: Option<String>,
    project_id: Option<String>,
    owner_project_id: Option<String>,
    detail: Json<serde_json::Value>,
}

impl AnyRow {
    fn of_migration(self) -> Result<MigrationEvent, StoreError> {
        Ok(MigrationEvent {
            sequence: self.sequence,
            at: self.at,
            name: self.name,
            from_status: self.from_status.map(|it| status(&it)).transpose()?,
            to_status: status(&self.to_status)?,
            actor: self.actor,
            request_id: self.request_id,
            user_id: self.user_id,
            project_id: self.project_id,
            detail: self.detail.0,
        })
    }

    fn of_other(self) -> SubjectEvent {
        SubjectEvent {
            sequence: self.sequence,
            at: self.at,
            name: self.name,
            actor: self.actor,
            request_id: self.request_id,
            user_id: self.user_id,
            project_id: self.project_id,
            detail: self.detail.0,
        }
    }
}

fn status(word: &str) -> Result<MigrationStatus, StoreError> {
    word.parse()
        .map_err(|error: UnknownWord| StoreError::Corrupt(error.into()))
}

/// An event's position and row, and what it is about.
type Row = (i64, AnyRow, OfMigration, OfOther);

/// A migration, its server, and whose that is.
type OfMigration = (Option<MigrationUuid>, Option<ServerUuid>, Option<String>);

/// A host or a scope, as events of it are numbered, a plan, a run, a host in maintenance.
type OfOther = (
    Option<String>,
    Option<PlanUuid>,
    Option<RunUuid>,
    Option<HostName>,
);

/// `None`: it is of a kind that only a later release knows.
fn positioned(row: Row) -> Result<Option<PositionedEvent>, StoreError> {
    let (position, row, of_migration, of_other) = row;
    let (migration, server, server_project_id) = of_migration;
    let (host, plan, run, maintenance) = of_other;
    let Ok(kind) = row.subject_kind.parse::<EventKind>() else {
        return Ok(None);
    };
    let of_nothing = || StoreError::Corrupt(format!("event {position} is of nothing").into());
    let event = match kind {
        EventKind::Migration => LoggedEvent::Migration {
            migration: migration.ok_or_else(of_nothing)?,
            server: server.ok_or_else(of_nothing)?,
            server_project_id,
            line: row.of_migration()?,
        },
        EventKind::Host => of_log(&host.ok_or_else(of_nothing)?, row.of_other())?,
        EventKind::Discrepancy => LoggedEvent::Discrepancy {
            id: row.subject_id,
            server_project_id: row.owner_project_id.clone(),
            line: row.of_other(),
        },
        EventKind::Plan => LoggedEvent::Plan {
            plan: plan.ok_or_else(of_nothing)?,
            project_id: row.owner_project_id.clone(),
            line: row.of_other(),
        },
        EventKind::Run => LoggedEvent::Run {
            run: run.ok_or_else(of_nothing)?,
            project_id: row.owner_project_id.clone(),
            line: row.of_other(),
        },
        EventKind::Maintenance => LoggedEvent::Maintenance {
            host: maintenance.ok_or_else(of_nothing)?,
            line: row.of_other(),
        },
    };
    Ok(Some(PositionedEvent { position, event }))
}

/// An event of a host, or of a scope, by what its log is called.
fn of_log(log: &str, line: SubjectEvent) -> Result<LoggedEvent, StoreError> {
    if let Some((scope, name)) = subjects::scope_of(log) {
        return Ok(LoggedEvent::Scope { scope, name, line });
    }
    match HostName::new(log) {
        Ok(host) => Ok(LoggedEvent::Host { host, line }),
        Err(error) => Err(StoreError::Corrupt(error.into())),
    }
}

/// What was found, and the position of the last row, if there are as many as were wanted.
struct Found {
    events: Vec<PositionedEvent>,
    full_at: Option<i64>,
}

fn load(
    connection: &mut Database,
    query: &EventQuery,
    after: i64,
    until: i64,
) -> Result<Found, StoreError> {
    let of = |kind: EventKind| events::subject_kind.eq(kind.as_str());
    // A condition on the subject would have SQLite look at all events of that kind, and sort them.
    let of_migration = of(EventKind::Migration).and(events::subject_id.eq(migrations::id));
    let of_host = of(EventKind::Host).and(events::subject_id.eq(host_logs::id));
    let of_plan = of(EventKind::Plan).and(events::subject_id.eq(plans::id));
    let of_run = of(EventKind::Run).and(events::subject_id.eq(runs::id));
    let of_maintenance = of(EventKind::Maintenance).and(events::subject_id.eq(maintenances::id));
    let mut rows = events::table
        .left_join(migrations::table.on(of_migration))
        .left_join(host_logs::table.on(of_host))
        .left_join(plans::table.on(of_plan))
        .left_join(runs::table.on(of_run))
        .left_join(maintenances::table.on(of_maintenance))
        .filter(events::position.gt(after))
        .filter(events::position.le(until))
        .select((
            events::position.assume_not_null(),
            AnyRow::as_select(),
            (
                migrations::uuid.nullable(),
                migrations::instance_uuid.nullable(),
                migrations::server_project_id.nullable(),
            ),
            (
                host_logs::host.nullable(),
                plans::uuid.nullable(),
                runs::uuid.nullable(),
                maintenances::host.nullable(),
            ),
        ))
        .into_boxed();
    if let Some(EventTypes { kinds, names }) = &query.types {
        let kinds: Vec<&'static str> = kinds.iter().map(|it| it.as_str()).collect();
        let name = events::subject_kind.concat(".").concat(events::name);
        rows = rows.filter(
            events::subject_kind
                .eq_any(kinds)
                .or(name.eq_any(names.clone())),
        );
    }
    if !query.hosts {
        rows = rows.filter(events::subject_kind.eq_any(kinds(|it| !it.is_of_hosts())));
    }
    if let Some(project) = &query.project {
        let own = migrations::server_project_id.eq(project.clone());
        rows = rows.filter(
            own.or(events::owner_project_id.eq(project.clone()))
                .or(events::subject_kind.eq_any(kinds(is_of_no_project))),
        );
    }
    // The order of a subject is that of its numbers, in which an index has them.
    let rows = match &query.subject {
        Some(EventSubject::Migration(uuid)) => rows
            .filter(migrations::uuid.eq(text(uuid)))
            .order(events::sequence),
        Some(EventSubject::Host(host)) => rows
            .filter(host_logs::host.eq(host.as_str().to_owned()))
            .order(events::sequence),
        Some(EventSubject::Scope(kind, name)) => rows
            .filter(host_logs::host.eq(subjects::log_of(*kind, name)))
            .order(events::sequence),
        Some(EventSubject::Discrepancy(id)) => rows
            .filter(of(EventKind::Discrepancy))
            .filter(events::subject_id.eq(*id))
            .order(events::sequence),
        Some(EventSubject::Plan(uuid)) => rows
            .filter(plans::uuid.eq(text(uuid)))
            .order(events::sequence),
        Some(EventSubject::Run(uuid)) => rows
            .filter(runs::uuid.eq(text(uuid)))
            .order(events::sequence),
        Some(EventSubject::Maintenance(host)) => rows
            .filter(maintenances::host.eq(host.as_str().to_owned()))
            .order(events::sequence),
        None => rows.order(events::position),
    };
    let rows: Vec<Row> = rows.limit(query.limit).load(connection)?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|found| found >= query.limit);
    let full_at = rows.last().filter(|_| is_full).map(|row| row.0);
    let events = rows
        .into_iter()
        .filter_map(|row| positioned(row).transpose());
    Ok(Found {
        events: events.collect::<Result<_, _>>()?,
        full_at,
    })
}

fn page(connection: &mut Database, query: &EventQuery) -> Result<EventPage, EventReadError> {
    loop {
        let after = match query.after {
            Some(after) => after,
            None => beginning(connection)?,
        };
        let page = page_after(connection, query, after)?;
        // Looked at behind what was read: what expires meanwhile may be removed as well.
        if after >= beginning(connection)? {
            return Ok(page);
        }
        if query.after.is_some() {
            return Err(EventReadError::Expired(after));
        }
    }
}

fn page_after(
    connection: &mut Database,
    query: &EventQuery,
    after: i64,
) -> Result<EventPage, EventReadError> {
    let newest = newest_position(connection)?;
    if after > newest {
        return Err(EventReadError::Expired(after));
    }
    let until = match query.subject {
        None if !query.wants_all() => newest.min(after.saturating_add(LOOKED_AT)),
        None | Some(_) => newest,
    };
    let possible = query.project.as_deref().is_none_or(storable);
    let found = match possible {
        true => load(connection, query, after, until)?,
        false => Found {
            events: Vec::new(),
            full_at: None,
        },
    };
    let last_position = found.full_at.unwrap_or(until);
    Ok(EventPage {
        events: found.events,
        last_position,
        more: last_position < newest || is_one_without_position(connection)?,
    })
}

impl Store {
    /// The events that a reader wants. Whoever goes on after [`EventPage::last_position`] misses
    /// none, whoever writes meanwhile.
    pub async fn events_page(&self, query: &EventQuery) -> Result<EventPage, EventReadError> {
        // What does not get one now gets it at the next page.
        if self.read(is_one_without_position).await? {
            self.write(give_positions).await?;
        }
        let query = query.clone();
        self.read(move |connection| page(connection, &query)).await
    }
}
