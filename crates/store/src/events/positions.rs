//! The places of events in the one order of all.
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

use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::events;
use crate::{Store, StoreError, dialect};

/// Events that get their positions in one transaction.
const AT_ONCE: i64 = 1_000;

/// Gives positions to events that have none. In the order in which they were appended, which
/// within a migration is that of their sequence, as its row is locked meanwhile.
pub(super) fn give_positions(connection: &mut Database) -> Result<(), StoreError> {
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
pub(super) fn is_one_without_position(connection: &mut Database) -> Result<bool, StoreError> {
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
}
