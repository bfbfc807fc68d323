//! What comes of a plan: it is made, or cannot be, or its time is over.

use std::collections::BTreeMap;

use diesel::prelude::*;
use godwit_core::failure::Failure;
use godwit_core::ids::{HostName, PlanUuid};
use godwit_core::plan::{Estimate, Event, PlanState};
use godwit_core::reason::WrittenReason;
use godwit_core::resources::Resources;
use godwit_core::run::Run;
use godwit_core::time::Timestamp;
use serde_json::Value;

use super::row::LockedPlan;
use super::write::{Beside, write};
use super::{Blocked, PlanRecord, PlanStepError, PlannedOperation};
use crate::columns::instant;
use crate::connection::Database;
use crate::schema::plans;
use crate::{ChangeNote, Store, StoreError, maintenance, runs};

/// A plan, as the planner made it.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanMade {
    /// Hosts or pools that servers or disks are to leave; hosts of a rolling maintenance in the order
    /// of their turns.
    pub sources: Vec<String>,
    /// What the inventory was, as a digest.
    pub fingerprint: String,
    /// The same as facts, which the planner compares.
    pub facts: Value,
    /// What the run needs of each host at the same time, as [`godwit_core::run::room::Room`] says it.
    pub room: BTreeMap<HostName, Resources>,
    /// In the order in which they are to begin where nothing else decides.
    pub operations: Vec<PlannedOperation>,
    /// Servers that it cannot move.
    pub blocked: Vec<Blocked>,
    /// How long its run is expected to take, in seconds.
    pub makespan: Option<Estimate>,
    /// No plan for the same wish would be faster, in seconds.
    pub lower_bound: Option<f64>,
}

/// Why a plan cannot be made.
#[derive(Clone, PartialEq, Debug)]
pub struct NotMade {
    /// In one sentence.
    pub failure: Failure,
    /// With evidence and fixes.
    pub reasons: Vec<WrittenReason>,
}

impl PlanMade {
    /// Its run, before it begins.
    fn run(&self, plan: &PlanRecord) -> Result<Run, PlanStepError> {
        let operations = self.operations.iter().map(PlannedOperation::waiting);
        let operations = operations.collect();
        Ok(Run::of_plan(
            &plan.target.in_turns(&self.sources),
            &plan.options,
            operations,
            self.blocked.len(),
        )?)
    }
}

fn made(
    connection: &mut Database,
    uuid: PlanUuid,
    made: &PlanMade,
    note: &ChangeNote,
) -> Result<PlanRecord, PlanStepError> {
    // Before the plan, as everybody locks.
    let serves = maintenance::lock_of_plan(connection, uuid)?;
    let locked = LockedPlan::load(connection, uuid)?.ok_or(PlanStepError::NotFound)?;
    // What would never begin is no plan.
    made.run(&locked.0)?;
    let event = Event::Made {
        blocked: made.blocked.len(),
    };
    let beside = Beside {
        made: Some(made),
        reasons: &[],
    };
    let record = write(connection, &locked, &event, beside, note)?;
    if let (Some(serves), PlanState::Ready) = (serves, record.plan.state) {
        maintenance::planned(connection, serves, &record.blocked, note)?;
    }
    after_making(connection, record, note)
}

/// Where somebody waits for its run, that begins, or ends with it.
fn after_making(
    connection: &mut Database,
    record: PlanRecord,
    note: &ChangeNote,
) -> Result<PlanRecord, PlanStepError> {
    match record.plan.state {
        PlanState::Ready => runs::begin_promised(connection, record, note),
        PlanState::Aborted => {
            runs::refuse_promised(connection, &record, note)?;
            Ok(record)
        }
        PlanState::Initializing | PlanState::Expired => Ok(record),
    }
}

impl Store {
    /// A plan is made. It is ready, or aborted if servers are blocked and it may not be partial. The
    /// run that waits for it, if one does, begins or ends.
    ///
    /// # Errors
    /// It is being made no longer, or its operations would wait for each other for ever.
    pub async fn plan_made(
        &self,
        uuid: PlanUuid,
        plan: PlanMade,
        note: ChangeNote,
    ) -> Result<PlanRecord, PlanStepError> {
        self.write(move |connection| made(connection, uuid, &plan, &note))
            .await
    }

    /// A plan cannot be made: it is aborted, and so is the run that waits for it.
    ///
    /// # Errors
    /// It is being made no longer.
    pub async fn plan_not_made(
        &self,
        uuid: PlanUuid,
        why: NotMade,
        note: ChangeNote,
    ) -> Result<PlanRecord, PlanStepError> {
        self.write(move |connection| {
            let locked = LockedPlan::load(connection, uuid)?.ok_or(PlanStepError::NotFound)?;
            let event = Event::NotMade(why.failure.clone());
            let beside = Beside {
                made: None,
                reasons: &why.reasons,
            };
            let record = write(connection, &locked, &event, beside, &note)?;
            after_making(connection, record, &note)
        })
        .await
    }

    /// The deadline of a plan has passed: it was not made in time, or not run in time.
    ///
    /// # Errors
    /// It has none, or it has not passed.
    pub async fn plan_expire(
        &self,
        uuid: PlanUuid,
        note: ChangeNote,
    ) -> Result<PlanRecord, PlanStepError> {
        self.write(move |connection| {
            let locked = LockedPlan::load(connection, uuid)?.ok_or(PlanStepError::NotFound)?;
            let nothing = Beside::default();
            let record = write(connection, &locked, &Event::DeadlinePassed, nothing, &note)?;
            after_making(connection, record, &note)
        })
        .await
    }

    /// Plans whose deadline is at or before `now`, the most overdue first.
    pub async fn plans_overdue(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<PlanUuid>, StoreError> {
        self.read(move |connection| {
            Ok(plans::table
                .filter(plans::due_at.le(instant(now)))
                .order((plans::due_at, plans::id))
                .limit(limit)
                .select(plans::uuid)
                .load(connection)?)
        })
        .await
    }
}
