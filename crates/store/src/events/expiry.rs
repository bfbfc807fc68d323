//! Events that were kept for long enough.
//!
//! Events expire in the order of their positions, and who would go on from before those that are
//! left is told so. The rows of expired ones are removed with their migration or discrepancy; those
//! of hosts, which stay, by themselves. So what a migration has in its log is all or nothing, and what
//! a reader is given has no gap. Decision 21.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use godwit_core::time::Timestamp;

use super::positions::newest_position;
use crate::columns::instant;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{events, events_expired};
use crate::{Store, StoreError};

/// The position from which on nothing has been missed; 0 where all are kept.
pub(super) fn beginning(connection: &mut Database) -> Result<i64, StoreError> {
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

/// What stays while its events expire. The words stand in the texts, or the indexes of these events
/// would not be used.
const OF_HOSTS: &[&str] = &[
    "DELETE FROM events WHERE id IN (
         SELECT id FROM events
         WHERE subject_kind = 'host'
           AND position <= (SELECT MAX(position) FROM events_expired)
         ORDER BY position LIMIT $1)",
    "DELETE FROM events WHERE id IN (
         SELECT id FROM events
         WHERE subject_kind = 'maintenance'
           AND position <= (SELECT MAX(position) FROM events_expired)
         ORDER BY position LIMIT $1)",
];

impl Store {
    /// Lets the oldest events expire, if they happened by `before`; looks at `limit` at most, and
    /// returns how many. They are still in the logs of their migrations.
    pub async fn events_expire(&self, before: Timestamp, limit: i64) -> Result<i64, StoreError> {
        // Nobody may have read them.
        self.give_positions().await?;
        self.write(move |connection| expire(connection, before, limit))
            .await
    }

    /// Removes events of hosts and of their maintenance that have expired, `limit` of each at most;
    /// returns how many.
    pub async fn host_events_prune(&self, limit: i64) -> Result<usize, StoreError> {
        self.write(move |connection| {
            let mut removed = 0;
            for statement in OF_HOSTS {
                removed += sql_query(*statement)
                    .bind::<BigInt, _>(limit)
                    .prepared()
                    .execute(connection)?;
            }
            Ok(removed)
        })
        .await
    }
}
