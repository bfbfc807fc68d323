//! Discrepancies that were closed long ago, which are removed with their events.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Timestamp as SqlTimestamp};
use godwit_core::event_type::EventKind;
use godwit_core::time::Timestamp;

use crate::columns::instant;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::events;
use crate::{Store, StoreError};

/// One is removed once all that was told of it has expired. Who removes at the same time finds those
/// gone that this one takes.
fn prune(connection: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    #[derive(QueryableByName)]
    struct Removed {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let removed: Vec<Removed> = sql_query(
        "DELETE FROM discrepancies WHERE id IN (
             SELECT d.id FROM discrepancies AS d
             WHERE d.closed_at IS NOT NULL AND d.closed_at <= $1
               AND NOT EXISTS (
                   SELECT 1 FROM events AS e
                   WHERE e.subject_kind = 'discrepancy' AND e.subject_id = d.id
                     AND (e.position IS NULL
                          OR e.position > (SELECT MAX(position) FROM events_expired)))
             ORDER BY d.closed_at, d.id LIMIT $2)
         RETURNING id",
    )
    .bind::<SqlTimestamp, _>(instant(before))
    .bind::<BigInt, _>(limit)
    .prepared()
    .load(connection)?;
    for Removed { id } in &removed {
        diesel::delete(events::table)
            .filter(events::subject_kind.eq(EventKind::Discrepancy.as_str()))
            .filter(events::subject_id.eq(*id))
            .prepared()
            .execute(connection)?;
    }
    Ok(removed.len())
}

impl Store {
    /// Removes discrepancies that were closed by `before` and whose events have expired, the longest
    /// closed first, `limit` at most; returns how many.
    pub async fn discrepancies_prune(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.write(move |connection| prune(connection, before, limit))
            .await
    }
}
