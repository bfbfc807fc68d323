//! The event log of each migration: append-only, without gaps, numbered from 1.

mod stream;

use std::fmt;

use diesel::prelude::*;
use godwit_core::effect::SubjectKind;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;

pub use self::stream::PositionedEvent;
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
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api => f.write_str("api"),
            Self::Conductor => f.write_str("conductor"),
            Self::Agent(host) => write!(f, "agent:{host}"),
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
            events::detail.eq(json(&event.detail)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
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
                detail: detail.clone(),
            };
            append(connection, id, &event)?;
            Ok(true)
        })
        .await
    }
}
