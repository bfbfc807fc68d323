//! Runs that were kept for long enough, which are removed with their plans.

use diesel::prelude::*;
use godwit_core::effect::SubjectKind;
use godwit_core::event_type::EventKind;
use godwit_core::time::Timestamp;

use crate::columns::instant;
use crate::connection::Database;
use crate::dialect::pruning;
use crate::prepared::Prepare as _;
use crate::schema::{effects, events, run_claims, run_revisions, runs};
use crate::{Store, StoreError, plans};

/// Those that have ended, with nothing left to be done, and of which nothing was told, nor of their
/// plans, that a reader may still come upon.
const PRUNABLE: &str = "SELECT r.id FROM runs AS r
     WHERE r.ended_at IS NOT NULL AND r.ended_at <= $1
       AND NOT EXISTS (SELECT 1 FROM effects AS f
                       WHERE f.subject_kind = 'run' AND f.subject_id = r.id AND f.done_at IS NULL)
       AND (r.event_sequence = 0
            OR EXISTS (SELECT 1 FROM events AS e
                       WHERE e.subject_kind = 'run' AND e.subject_id = r.id
                         AND e.sequence = r.event_sequence
                         AND e.position <= (SELECT MAX(position) FROM events_expired)))
       AND EXISTS (SELECT 1 FROM plans AS p
                   WHERE p.id = r.plan_id AND (p.event_sequence = 0
                       OR EXISTS (SELECT 1 FROM events AS e
                                  WHERE e.subject_kind = 'plan' AND e.subject_id = p.id
                                    AND e.sequence = p.event_sequence
                                    AND e.position <= (SELECT MAX(position)
                                                       FROM events_expired))))
     ORDER BY r.ended_at, r.id
     LIMIT $2";

fn prune(connection: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let of = (PRUNABLE, "r");
    let found = pruning::prunable(connection, of, instant(before), limit)?;
    for id in &found {
        remove(connection, *id)?;
    }
    Ok(found.len())
}

fn remove(connection: &mut Database, id: i64) -> Result<(), StoreError> {
    let plan: i64 = runs::table
        .find(id)
        .select(runs::plan_id)
        .first(connection)?;
    diesel::delete(events::table)
        .filter(events::subject_kind.eq(EventKind::Run.as_str()))
        .filter(events::subject_id.eq(id))
        .prepared()
        .execute(connection)?;
    diesel::delete(effects::table)
        .filter(effects::subject_kind.eq(SubjectKind::Run.as_str()))
        .filter(effects::subject_id.eq(id))
        .prepared()
        .execute(connection)?;
    diesel::delete(run_revisions::table.filter(run_revisions::run_id.eq(id)))
        .prepared()
        .execute(connection)?;
    diesel::delete(run_claims::table.filter(run_claims::run_id.eq(id)))
        .prepared()
        .execute(connection)?;
    diesel::delete(runs::table.find(id))
        .prepared()
        .execute(connection)?;
    plans::remove(connection, plan)
}

impl Store {
    /// Removes runs that ended by `before` and whose events have expired, with their plans, the
    /// longest ended first, `limit` at most; returns how many.
    pub async fn runs_prune(&self, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
        self.write(move |connection| prune(connection, before, limit))
            .await
    }
}
