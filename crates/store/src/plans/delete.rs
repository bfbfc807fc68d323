//! Plans that nobody wants any more.

use diesel::prelude::*;
use godwit_core::ids::PlanUuid;
use serde_json::json;

use super::row::LockedPlan;
use super::write::tell;
use crate::columns::{instant, instants};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{operations, plans, runs};
use crate::{ChangeNote, Store, StoreError, effects};

/// A plan was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum PlanDeleteError {
    /// There is no such plan.
    #[error("there is no such plan")]
    NotFound,
    /// It has been run, or a run waits for it, which says of it what it does.
    #[error("the plan has a run")]
    HasRun,
    /// It changed since somebody looked at it.
    #[error("the plan has changed meanwhile")]
    Changed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Its row stays until its events have expired: they are told of something.
fn delete(
    connection: &mut Database,
    uuid: PlanUuid,
    generation: Option<i64>,
    note: &ChangeNote,
) -> Result<(), PlanDeleteError> {
    let locked = LockedPlan::load(connection, uuid)?.ok_or(PlanDeleteError::NotFound)?;
    let plan = &locked.0;
    if generation.is_some_and(|known| known != plan.plan.generation) {
        return Err(PlanDeleteError::Changed);
    }
    let run: Option<i64> = runs::table
        .filter(runs::plan_id.eq(plan.id))
        .select(runs::id)
        .first(connection)
        .optional()
        .map_err(StoreError::from)?;
    if run.is_some() {
        return Err(PlanDeleteError::HasRun);
    }
    let detail = json!({"from": plan.plan.state});
    let last = tell(connection, plan, "deleted", detail, note)?;
    diesel::update(plans::table.find(plan.id))
        .set((
            plans::deleted_at.eq(instant(note.at)),
            plans::ended_at.eq(instants(plan.ended_at.or(Some(note.at)))),
            plans::due_at.eq(None::<chrono::NaiveDateTime>),
            plans::generation.eq(plan.plan.generation.saturating_add(1)),
            plans::event_sequence.eq(last),
        ))
        .prepared()
        .execute(connection)
        .map_err(StoreError::from)?;
    diesel::delete(operations::table.filter(operations::plan_id.eq(plan.id)))
        .prepared()
        .execute(connection)
        .map_err(StoreError::from)?;
    effects::supersede_of_plan(connection, plan.id, None, note.at)?;
    Ok(())
}

impl Store {
    /// Deletes a plan that has no run; one that is being made is given up. Where `generation` is
    /// given, only if it is still that.
    pub async fn plan_delete(
        &self,
        uuid: PlanUuid,
        generation: Option<i64>,
        note: ChangeNote,
    ) -> Result<(), PlanDeleteError> {
        self.write(move |connection| delete(connection, uuid, generation, &note))
            .await
    }
}
