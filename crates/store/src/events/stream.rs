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

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use godwit_core::effect::SubjectKind;
use godwit_core::ids::MigrationUuid;

use super::{EventRow, MigrationEvent};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{events, migrations};
use crate::{Store, StoreError, dialect};

/// A line of a migration's log, with its position among all.
#[derive(Clone, PartialEq, Debug)]
pub struct PositionedEvent {
    /// 1, 2, 3 and so on over all migrations.
    pub position: i64,
    /// Of which migration.
    pub migration: MigrationUuid,
    /// The line.
    pub event: MigrationEvent,
}

/// Events that get their positions in one transaction.
const AT_ONCE: i64 = 1_000;

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

fn load(
    connection: &mut Database,
    after: i64,
    limit: i64,
) -> Result<Vec<PositionedEvent>, StoreError> {
    // A condition on the subject would have SQLite look at all events of that kind, and sort them.
    let subject = events::subject_kind
        .eq(SubjectKind::Migration.as_str())
        .and(events::subject_id.eq(migrations::id));
    let rows: Vec<(i64, Option<MigrationUuid>, EventRow)> = events::table
        .left_join(migrations::table.on(subject))
        .filter(events::position.gt(after))
        .order(events::position)
        .limit(limit)
        .select((
            events::position.assume_not_null(),
            migrations::uuid.nullable(),
            EventRow::as_select(),
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|(position, migration, row)| {
            let of_none = || StoreError::Corrupt(format!("event {position} is of nothing").into());
            Ok(PositionedEvent {
                position,
                migration: migration.ok_or_else(of_none)?,
                event: MigrationEvent::from(row),
            })
        })
        .collect()
}

impl Store {
    /// The events that follow position `after` (0 for all), at most `limit`, in order. Whoever
    /// goes on after the last one that it got misses none, whoever writes meanwhile.
    pub async fn events_after(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<PositionedEvent>, StoreError> {
        let found = self
            .read(move |connection| load(connection, after, limit))
            .await?;
        let full = i64::try_from(found.len()).is_ok_and(|found| found >= limit);
        if full || !self.read(is_one_without_position).await? {
            return Ok(found);
        }
        self.write(give_positions).await?;
        self.read(move |connection| load(connection, after, limit))
            .await
    }
}
