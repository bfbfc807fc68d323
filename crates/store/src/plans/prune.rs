//! Plans that were kept for long enough. Those with a run are removed with that.

use diesel::prelude::*;
use godwit_core::effect::SubjectKind;
use godwit_core::event_type::EventKind;
use godwit_core::time::Timestamp;

use crate::columns::instant;
use crate::connection::Database;
use crate::dialect::pruning;
use crate::prepared::Prepare as _;
use crate::schema::{effects, events, operations, plans};
use crate::{Store, StoreError};

/// Those that are over, and of which nothing was told that a reader may still come upon. A number
/// that an event is to have by now and is not seen to have is that of an event just being told.
const PRUNABLE: &str = "SELECT p.id FROM plans AS p
     WHERE p.ended_at IS NOT NULL AND p.ended_at <= $1
       AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.plan_id = p.id)
       AND (p.event_sequence = 0
            OR EXISTS (SELECT 1 FROM events AS e
                       WHERE e.subject_kind = 'plan' AND e.subject_id = p.id
                         AND e.sequence = p.event_sequence
                         AND e.position <= (SELECT MAX(position) FROM events_expired)))
     ORDER BY p.ended_at, p.id
     LIMIT $2";

fn prune(connection: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let of = (PRUNABLE, "p");
    let found = pruning::prunable(connection, of, instant(before), limit)?;
    for id in &found {
        remove(connection, *id)?;
    }
    Ok(found.len())
}

/// Removes a plan with all that was written of it.
pub(crate) fn remove(connection: &mut Database, id: i64) -> Result<(), StoreError> {
    diesel::delete(events::table)
        .filter(events::subject_kind.eq(EventKind::Plan.as_str()))
        .filter(events::subject_id.eq(id))
        .prepared()
        .execute(connection)?;
    diesel::delete(effects::table)
        .filter(effects::subject_kind.eq(SubjectKind::Plan.as_str()))
        .filter(effects::subject_id.eq(id))
        .prepared()
        .execute(connection)?;
    diesel::delete(operations::table.filter(operations::plan_id.eq(id)))
        .prepared()
        .execute(connection)?;
    diesel::delete(plans::table.find(id))
        .prepared()
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// Removes plans without a run that were over by `before` and whose events have expired, the
    /// longest over first, `limit` at most; returns how many.
    pub async fn plans_prune(&self, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
        self.write(move |connection| prune(connection, before, limit))
            .await
    }
}
