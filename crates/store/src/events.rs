//! The event log of each migration: append-only, without gaps, numbered from 1. Beside it, in the same
//! table, those of hosts, discrepancies, plans, runs and maintenance.

mod expiry;
mod logged;
mod positions;
mod stream;
mod subjects;

use std::collections::HashMap;
use std::fmt;

use diesel::prelude::*;
use godwit_core::effect::SubjectKind;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;

pub use self::logged::{LoggedEvent, PositionedEvent, SubjectEvent};
pub(crate) use self::positions::{end, newest_position};
pub use self::stream::{EventPage, EventQuery, EventReadError, EventSubject, EventTypes};
pub use self::subjects::ServiceState;
pub(crate) use self::subjects::{
    Cause, Numbered, OfDiscrepancy, OfHost, OfScope, append_numbered, append_of_discrepancy,
    append_of_host, append_of_hosts, append_of_scope, is_understood, understand_all, with_effect,
};
use crate::among::{among, load_all};
use crate::columns::{Json, instant, json, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{events, migrations};
use crate::{Store, StoreError, dialect};

/// Who made something happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A user, through the API.
    Api,
    /// A conductor: its loops and its decisions.
    Conductor,
    /// A host's agent.
    Agent(HostName),
    /// Somebody with access to the database, by a command.
    Operator,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api => f.write_str("api"),
            Self::Conductor => f.write_str("conductor"),
            Self::Agent(host) => write!(f, "agent:{host}"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// One line of the log.
#[derive(Clone, PartialEq, Debug)]
pub struct MigrationEvent {
    /// 1, 2, 3 and so on, for each migration.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// What happened; [`godwit_core::event::Event::name`], or `requested` for the first.
    pub name: String,
    /// The status before; `None` for the first.
    pub from_status: Option<MigrationStatus>,
    /// The status after.
    pub to_status: MigrationStatus,
    /// Who made it happen; the [`Actor`] as text.
    pub actor: String,
    /// The HTTP request behind it.
    pub request_id: Option<String>,
    /// Who asked for it; `None` where it follows from something else, or nobody wrote it down.
    pub user_id: Option<String>,
    /// The project of who asked for it.
    pub project_id: Option<String>,
    /// More about it; `Null` for nothing.
    pub detail: serde_json::Value,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct EventRow {
    sequence: i64,
    at: Timestamp,
    name: String,
    from_status: Option<MigrationStatus>,
    to_status: MigrationStatus,
    actor: String,
    request_id: Option<String>,
    user_id: Option<String>,
    project_id: Option<String>,
    detail: Json<serde_json::Value>,
}

impl From<EventRow> for MigrationEvent {
    fn from(row: EventRow) -> Self {
        Self {
            sequence: row.sequence,
            at: row.at,
            name: row.name,
            from_status: row.from_status,
            to_status: row.to_status,
            actor: row.actor,
            request_id: row.request_id,
            user_id: row.user_id,
            project_id: row.project_id,
            detail: row.detail.0,
        }
    }
}

/// Appends a line. Its sequence is one more than the last, which the caller knows because it
/// holds the migration's row.
pub(crate) fn append(
    connection: &mut Database,
    migration: i64,
    event: &MigrationEvent,
) -> Result<(), StoreError> {
    diesel::insert_into(events::table)
        .values((
            events::subject_kind.eq(SubjectKind::Migration.as_str()),
            events::subject_id.eq(migration),
            events::sequence.eq(event.sequence),
            events::at.eq(instant(event.at)),
            events::name.eq(&event.name),
            events::from_status.eq(event.from_status.map(MigrationStatus::as_str)),
            events::to_status.eq(event.to_status.as_str()),
            events::actor.eq(&event.actor),
            events::request_id.eq(&event.request_id),
            events::user_id.eq(&event.user_id),
            events::project_id.eq(&event.project_id),
            events::detail.eq(json(&event.detail)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// The logs of these migrations, by their row ids, each in order.
pub(crate) fn logs_of(
    connection: &mut Database,
    migrations: &[i64],
) -> Result<HashMap<i64, Vec<MigrationEvent>>, StoreError> {
    let rows: Vec<(i64, EventRow)> = load_all!(connection, migrations, |migrations| {
        events::table
            .filter(events::subject_kind.eq(SubjectKind::Migration.as_str()))
            .filter(among(events::subject_id, migrations))
            .order((events::subject_id, events::sequence))
            .select((events::subject_id, EventRow::as_select()))
    });
    let mut logs: HashMap<i64, Vec<MigrationEvent>> = HashMap::new();
    for (migration, row) in rows {
        logs.entry(migration).or_default().push(row.into());
    }
    Ok(logs)
}

impl Store {
    /// A migration's log from `after` (exclusive; 0 for all of it), in order.
    pub async fn migration_events(
        &self,
        migration: MigrationUuid,
        after: i64,
    ) -> Result<Vec<MigrationEvent>, StoreError> {
        self.read(move |connection| {
            let rows: Vec<EventRow> = events::table
                .inner_join(migrations::table.on(events::subject_id.eq(migrations::id)))
                .filter(events::subject_kind.eq(SubjectKind::Migration.as_str()))
                .filter(migrations::uuid.eq(text(migration)))
                .filter(events::sequence.gt(after))
                .order(events::sequence)
                .select(EventRow::as_select())
                .load(connection)?;
            Ok(rows.into_iter().map(MigrationEvent::from).collect())
        })
        .await
    }

    /// Appends to a migration's log what is worth knowing and changes nothing.
    /// `false` if there is no such migration.
    pub async fn migration_event_append(
        &self,
        migration: MigrationUuid,
        name: &'static str,
        actor: Actor,
        detail: serde_json::Value,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            if !dialect::lock_migration(connection, &text(migration))? {
                return Ok(false);
            }
            let found: Option<(i64, i64, MigrationStatus)> = migrations::table
                .filter(migrations::uuid.eq(text(migration)))
                .select((
                    migrations::id,
                    migrations::event_sequence,
                    migrations::status,
                ))
                .first(connection)
                .optional()?;
            let Some((id, last, status)) = found else {
                return Ok(false);
            };
            diesel::update(migrations::table.find(id))
                .set(migrations::event_sequence.eq(last + 1))
                .prepared()
                .execute(connection)?;
            let event = MigrationEvent {
                sequence: last + 1,
                at,
                name: name.to_owned(),
                from_status: Some(status),
                to_status: status,
                actor: actor.to_string(),
                request_id: None,
                user_id: None,
                project_id: None,
                detail: detail.clone(),
            };
            append(connection, id, &event)?;
            Ok(true)
        })
        .await
    }
}
