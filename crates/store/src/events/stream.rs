//! The events of all migrations in one order, for readers that go on where they stopped.
//!
//! The numbers that a database gives out when rows are written do not do for that: of two writers
//! the later one may commit first, and a reader that has gone on to its number never sees the
//! other. So an event gets its position once it is committed, from whoever reads it first:
//!
//! ```text
//!   writers   … append … append …          position IS NULL
//!   reader    ─────── gives 7, 8, 9 to what is committed ──► reads what follows 6
//! ```
//!
//! Positions count from 1 without a gap, and whoever sees one sees all before it. Decision 13.
//!
//! A reader that wants only some events is told how far was looked, so that it goes on from there
//! and what it does not want is looked at once.
//!
//! Events expire in the order of their positions, and who would go on from before those that are
//! left is told so. The rows of expired ones are removed with their migration. So what a migration
//! has in its log is all or nothing, and what a reader is given has no gap.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use godwit_core::effect::SubjectKind;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use super::{EventRow, MigrationEvent};
use crate::columns::{instant, storable, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{events, events_expired, migrations};
use crate::{Store, StoreError, dialect};

/// A line of a migration's log, with its position among all.
#[derive(Clone, PartialEq, Debug)]
pub struct PositionedEvent {
    /// 1, 2, 3 and so on over all migrations.
    pub position: i64,
    /// Of which migration.
    pub migration: MigrationUuid,
    /// Of which server.
    pub server: ServerUuid,
    /// Whose server that is; `None` where there is no such server.
    pub server_project_id: Option<String>,
    /// The line.
    pub event: MigrationEvent,
}

/// Which events a reader wants. Conditions, all of which an event must meet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventQuery {
    /// Those that follow this position; `None`: all that are kept.
    pub after: Option<i64>,
    /// Of exactly this migration.
    pub migration: Option<MigrationUuid>,
    /// With one of these names.
    pub names: Option<Vec<String>>,
    /// Of servers of exactly this project.
    pub project: Option<String>,
    /// At most so many.
    pub limit: i64,
}

impl EventQuery {
    /// All that follows `after` (0 for the beginning), at most `limit`.
    pub fn after(after: i64, limit: i64) -> Self {
        Self {
            after: Some(after),
            migration: None,
            names: None,
            project: None,
            limit,
        }
    }

    /// Is this event among those that are wanted, as far as it is not a matter of its position?
    pub fn wants(&self, event: &PositionedEvent) -> bool {
        let project = self.project.as_deref();
        self.migration.is_none_or(|it| it == event.migration)
            && project.is_none_or(|it| event.server_project_id.as_deref() == Some(it))
            && self
                .names
                .as_ref()
                .is_none_or(|names| names.contains(&event.event.name))
    }
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

/// Events that get their positions in one transaction.
const AT_ONCE: i64 = 1_000;

/// Events that are looked at for one page, where a reader does not want all of them.
const LOOKED_AT: i64 = 10_000;

/// Gives positions to events that have none. In the order in which they were appended, which
/// within a migration is that of their sequence, as its row is locked meanwhile.
fn give_positions(connection: &mut Database) -> Result<(), StoreError> {
    // Before the statement, which then sees what the one before it gave.
    dialect::lock_positions(connection)?;
    sql_query(
        "UPDATE events SET position = given.position
         FROM (SELECT id, (SELECT COALESCE(MAX(position), 0) FROM events
                           WHERE position IS NOT NULL)
                          + ROW_NUMBER() OVER (ORDER BY id) AS position
               FROM (SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT $1) AS next)
              AS given
         WHERE events.id = given.id",
    )
    .bind::<BigInt, _>(AT_ONCE)
    .prepared()
    .execute(connection)?;
    Ok(())
}

/// Is there an event without a position?
fn is_one_without_position(connection: &mut Database) -> Result<bool, StoreError> {
    let found: Option<i64> = events::table
        .filter(events::position.is_null())
        .select(events::id)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// The last position, once all that is committed by now has one.
pub(crate) fn end(connection: &mut Database) -> Result<i64, StoreError> {
    while is_one_without_position(connection)? {
        give_positions(connection)?;
    }
    newest_position(connection)
}

/// The last position that was given; 0 where none was.
pub(crate) fn newest_position(connection: &mut Database) -> Result<i64, StoreError> {
    let newest: Option<i64> = events::table
        .filter(events::position.is_not_null())
        .order(events::position.desc())
        .select(events::position.assume_not_null())
        .first(connection)
        .optional()?;
    Ok(newest.unwrap_or(0))
}

/// The position from which on nothing has been missed; 0 where all are kept.
fn beginning(connection: &mut Database) -> Result<i64, StoreError> {
    let expired = expired_position(connection)?;
    let oldest: Option<i64> = events::table
        .filter(events::position.is_not_null())
        .order(events::position)
        .select(events::position.assume_not_null())
        .first(connection)
        .optional()?;
    Ok(expired.max(oldest.unwrap_or(1) - 1))
}

/// Up to which position events have expired.
fn expired_position(connection: &mut Database) -> Result<i64, StoreError> {
    let expired: Option<i64> = events_expired::table
        .select(events_expired::position)
        .first(connection)
        .optional()?;
    Ok(expired.unwrap_or(0))
}

/// Lets events expire that happened by `before`, until the first that did not; looks at `limit` at
/// most, and returns how many. The last of all stays, as the next one's position follows from it.
fn expire(connection: &mut Database, before: Timestamp, limit: i64) -> Result<i64, StoreError> {
    let (expired, newest) = (expired_position(connection)?, newest_position(connection)?);
    let last = expired.saturating_add(limit).min(newest - 1);
    if last <= expired {
        return Ok(0);
    }
    let kept: Option<i64> = events::table
        .filter(events::position.gt(expired))
        .filter(events::position.le(last))
        .filter(events::at.gt(instant(before)))
        .order(events::position)
        .select(events::position.assume_not_null())
        .first(connection)
        .optional()?;
    let to = kept.map_or(last, |kept| kept - 1);
    if to > expired {
        // Another conductor may have been quicker.
        diesel::update(events_expired::table)
            .filter(events_expired::position.lt(to))
            .set(events_expired::position.eq(to))
            .prepared()
            .execute(connection)?;
    }
    Ok(to - expired)
}

/// An event's row, and whose it is.
type Row = (
    i64,
    Option<MigrationUuid>,
    Option<ServerUuid>,
    Option<String>,
    EventRow,
);

fn positioned(row: Row) -> Result<PositionedEvent, StoreError> {
    let (position, migration, server, server_project_id, row) = row;
    let (Some(migration), Some(server)) = (migration, server) else {
        let text = format!("event {position} is of nothing");
        return Err(StoreError::Corrupt(text.into()));
    };
    Ok(PositionedEvent {
        position,
        migration,
        server,
        server_project_id,
        event: MigrationEvent::from(row),
    })
}

fn load(
    connection: &mut Database,
    query: &EventQuery,
    after: i64,
    until: i64,
) -> Result<Vec<PositionedEvent>, StoreError> {
    // A condition on the subject would have SQLite look at all events of that kind, and sort them.
    let subject = events::subject_kind
        .eq(SubjectKind::Migration.as_str())
        .and(events::subject_id.eq(migrations::id));
    let mut rows = events::table
        .left_join(migrations::table.on(subject))
        .filter(events::position.gt(after))
        .filter(events::position.le(until))
        .select((
            events::position.assume_not_null(),
            migrations::uuid.nullable(),
            migrations::instance_uuid.nullable(),
            migrations::server_project_id.nullable(),
            EventRow::as_select(),
        ))
        .into_boxed();
    if let Some(names) = &query.names {
        rows = rows.filter(events::name.eq_any(names.clone()));
    }
    if let Some(project) = &query.project {
        rows = rows.filter(migrations::server_project_id.eq(project.clone()));
    }
    let rows = match query.migration {
        // The same order, in which an index has them.
        Some(uuid) => rows
            .filter(migrations::uuid.eq(text(uuid)))
            .order(events::sequence),
        None => rows.order(events::position),
    };
    let rows: Vec<Row> = rows.limit(query.limit).load(connection)?;
    rows.into_iter().map(positioned).collect()
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
    let wants_some = query.names.is_some() || query.project.is_some();
    let until = match query.migration {
        None if wants_some => newest.min(after.saturating_add(LOOKED_AT)),
        None | Some(_) => newest,
    };
    let possible = query.project.as_deref().is_none_or(storable);
    let events = match possible {
        true => load(connection, query, after, until)?,
        false => Vec::new(),
    };
    let full = i64::try_from(events.len()).is_ok_and(|found| found >= query.limit);
    let last_position = match events.last() {
        Some(last) if full => last.position,
        Some(_) | None => until,
    };
    Ok(EventPage {
        events,
        last_position,
        more: last_position < newest || is_one_without_position(connection)?,
    })
}

impl Store {
    /// Gives positions to all that is committed by now, so that readers see it.
    pub(crate) async fn give_positions(&self) -> Result<(), StoreError> {
        while self.read(is_one_without_position).await? {
            self.write(give_positions).await?;
        }
        Ok(())
    }

    /// The last position of all that is committed by now: whoever goes on after it misses nothing
    /// that is to come.
    pub async fn events_end(&self) -> Result<i64, StoreError> {
        self.give_positions().await?;
        self.read(newest_position).await
    }

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

    /// Lets the oldest events expire, if they happened by `before`; looks at `limit` at most, and
    /// returns how many. They are still in the logs of their migrations.
    pub async fn events_expire(&self, before: Timestamp, limit: i64) -> Result<i64, StoreError> {
        // Nobody may have read them.
        self.give_positions().await?;
        self.write(move |connection| expire(connection, before, limit))
            .await
    }
}
