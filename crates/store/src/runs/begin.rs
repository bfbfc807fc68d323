//! How runs begin: with their plan, or before it is made.

use diesel::prelude::*;
use godwit_core::effect::RunEffect;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::host::maintenance::Holder;
use godwit_core::ids::{HostName, PlanUuid, RunUuid};
use godwit_core::plan::{NotRunnable, Rejected};
use godwit_core::run::{Event, Operation, Run, RunState};
use serde_json::json;

use super::row::LockedRun;
use super::write::{ask, tell, write, write_row};
use super::{RunRecord, RunStepError};
use crate::columns::{instant, instants, json as written, text};
use crate::connection::Database;
use crate::error::TransactionError;
use crate::maintenance::{self, LockedMaintenance};
use crate::plans::{
    self, InventoryScope, LockedPlan, NewPlan, PlanInventory, PlanRecord, PlanStepError, inventory,
    operations_of,
};
use crate::prepared::Prepare as _;
use crate::schema::{operations, runs};
use crate::{ChangeNote, FreshIds, Hold, MaintenanceError, Store, StoreError};

/// A run to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRun {
    /// Its uuid, made by the caller.
    pub uuid: RunUuid,
    /// The host whose maintenance it works for.
    pub host: Option<HostName>,
    /// Who holds that host from now on, where nobody does so already; it comes with ids for a run that
    /// may have to be made.
    pub hold: Option<(Holder, FreshIds)>,
}

/// No run began. `D` says what has changed in the inventory.
#[derive(Debug, thiserror::Error)]
pub enum PlanRunError<D> {
    /// There is no such plan.
    #[error("there is no such plan")]
    NotFound,
    /// It is not to be run.
    #[error("the plan is not to be run")]
    NotRunnable(NotRunnable<D>),
    /// The host cannot be held before the upgrade has ended.
    #[error("no host is held before the upgrade has ended")]
    NotYet,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<D: Send + 'static> TransactionError for PlanRunError<D> {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotFound | Self::NotRunnable(_) | Self::NotYet => None,
        }
    }
}

/// The run of a plan, with these operations.
fn run_of(plan: &PlanRecord, operations: Vec<Operation>) -> Result<Run, StoreError> {
    let target = plan.target.in_turns(&plan.sources);
    // What cannot be run was no plan.
    Run::of_plan(&target, &plan.options, operations, plan.blocked.len())
        .map_err(|circle| StoreError::Corrupt(circle.into()))
}

/// What a plan has for its run.
fn planned_run(connection: &mut Database, plan: &PlanRecord) -> Result<Run, StoreError> {
    diesel::update(operations::table)
        .filter(operations::plan_id.eq(plan.id))
        .set((
            operations::state.eq(godwit_core::run::OperationState::Waiting.as_str()),
            operations::destination.eq(operations::planned_destination.nullable()),
            operations::waits_for_host.eq(operations::after_host),
        ))
        .prepared()
        .execute(connection)?;
    let rows = operations_of(connection, plan.id)?;
    run_of(
        plan,
        rows.iter().filter_map(|row| row.operation()).collect(),
    )
}

/// Writes the first row of a run, and its first event. Its operations are written.
fn insert(
    connection: &mut Database,
    plan: &PlanRecord,
    new: &NewRun,
    (run, planned): (&Run, bool),
    note: &ChangeNote,
) -> Result<LockedRun, StoreError> {
    let nothing = "[]";
    diesel::insert_into(runs::table)
        .values((
            (
                runs::uuid.eq(text(new.uuid)),
                runs::plan_id.eq(plan.id),
                runs::project_id.eq(&note.by.project),
                runs::user_id.eq(&note.by.user),
                runs::request_id.eq(&note.by.request_id),
                runs::kind.eq(run.kind.as_str()),
                runs::state.eq(run.state.as_str()),
                runs::priority.eq(plan.options.priority(run.kind).as_str()),
                runs::planned.eq(planned),
                runs::host.eq(new.host.as_ref().map(text)),
            ),
            (
                runs::constraints.eq(written(&run.constraints)),
                runs::blocked.eq(i64::from(run.blocked)),
                runs::attempts_max.eq(i64::from(run.attempts_max)),
                runs::deadline.eq(instants(run.deadline)),
                runs::is_late.eq(run.is_late),
                runs::rolling.eq(run.rolling.as_ref().map(written)),
                runs::percent.eq(i64::from(run.progress.percent())),
            ),
            runs::waits_for.eq(nothing),
            runs::messages.eq(nothing),
            runs::generation.eq(run.generation),
            runs::effect_sequence.eq(0_i64),
            runs::created_at.eq(instant(note.at)),
        ))
        .prepared()
        .execute(connection)?;
    let gone = || StoreError::Corrupt("a run is gone that was just made".into());
    let LockedRun(before) = LockedRun::load(connection, new.uuid)?.ok_or_else(gone)?;
    let mut after = before.clone();
    let detail = json!({"to": run.state, "type": run.kind, "plan": plan.uuid});
    after.event_sequence = tell(connection, &before, "requested", detail, note)?;
    if planned {
        ask(connection, &mut after, &[RunEffect::Drive], note)?;
    }
    write_row(connection, &before, &after)?;
    Ok(LockedRun(after))
}

fn begin<D>(
    connection: &mut Database,
    uuid: PlanUuid,
    new: &NewRun,
    differences: impl FnOnce(&mut Database, &PlanRecord) -> Result<Vec<D>, StoreError>,
    note: &ChangeNote,
) -> Result<RunRecord, PlanRunError<D>> {
    let held = new.host.as_ref().zip(new.hold.as_ref());
    if let Some((host, _)) = held {
        // Before the plan, as everybody locks.
        LockedMaintenance::load_or_begin(connection, host, note.at)?;
    }
    let locked = LockedPlan::load(connection, uuid)?.ok_or(PlanRunError::NotFound)?;
    // Nothing is looked up for one that is not to be run anyway.
    let checked = locked.0.plan.check(note.at, Vec::new());
    checked.map_err(PlanRunError::NotRunnable)?;
    let differences = differences(connection, &locked.0)?;
    let checked = locked.0.plan.check(note.at, differences);
    checked.map_err(PlanRunError::NotRunnable)?;
    if LockedRun::of_plan(connection, locked.0.id)?.is_some() {
        return Err(PlanRunError::NotRunnable(NotRunnable::AlreadyRun));
    }
    let plan = plans::begin_run(connection, &locked, note).map_err(|error| match error {
        PlanStepError::Store(error) => PlanRunError::Store(error),
        // It was checked, and is locked.
        PlanStepError::NotFound
        | PlanStepError::Rejected(Rejected::OutOfPlace { .. } | Rejected::TooEarly)
        | PlanStepError::Circle(_) => PlanRunError::NotRunnable(NotRunnable::Expired),
    })?;
    let run = planned_run(connection, &plan)?;
    let LockedRun(record) = insert(connection, &plan, new, (&run, true), note)?;
    if let Some((host, (holder, fresh))) = held {
        let hold = Hold {
            holder: holder.clone(),
            run: Some(new.uuid),
        };
        let held = maintenance::hold(connection, host, &hold, *fresh, note);
        held.map_err(|error| match error {
            MaintenanceError::Store(error) => PlanRunError::Store(error),
            // It can always be held.
            MaintenanceError::NotYet | MaintenanceError::Rejected(_) => PlanRunError::NotYet,
        })?;
    }
    Ok(record)
}

/// Asks for a plan whose run somebody is told of at once.
pub(crate) fn promise(
    connection: &mut Database,
    plan: &NewPlan,
    new: &NewRun,
    note: &ChangeNote,
) -> Result<RunRecord, StoreError> {
    let plan = plans::insert(connection, plan, note)?;
    let run = run_of(&plan, Vec::new())?;
    let LockedRun(record) = insert(connection, &plan, new, (&run, false), note)?;
    Ok(record)
}

/// The plan of a promised run is ready: it is run, unless its run was cancelled meanwhile.
pub(crate) fn begin_promised(
    connection: &mut Database,
    plan: PlanRecord,
    note: &ChangeNote,
) -> Result<PlanRecord, PlanStepError> {
    let Some(LockedRun(before)) = LockedRun::of_plan(connection, plan.id)? else {
        return Ok(plan);
    };
    // The effect is done by now.
    let note = ChangeNote {
        performed: None,
        message: None,
        ..note.clone()
    };
    let plan = plans::begin_run(connection, &LockedPlan(plan), &note)?;
    if before.run.ended_at.is_some() {
        return Ok(plan);
    }
    let run = planned_run(connection, &plan)?;
    let mut after = RunRecord {
        planned: true,
        updated_at: Some(note.at),
        run: Run {
            generation: before.run.generation.saturating_add(1),
            is_late: before.run.is_late,
            progress: before.run.progress,
            cancel_requested_at: before.run.cancel_requested_at,
            ..run
        },
        ..before.clone()
    };
    ask(connection, &mut after, &[RunEffect::Drive], &note)?;
    write_row(connection, &before, &after)?;
    Ok(plan)
}

/// The plan of a promised run was not made, so that ends.
pub(crate) fn refuse_promised(
    connection: &mut Database,
    plan: &PlanRecord,
    note: &ChangeNote,
) -> Result<(), PlanStepError> {
    let Some(locked) = LockedRun::of_plan(connection, plan.id)? else {
        return Ok(());
    };
    if locked.0.run.state != RunState::Pending {
        return Ok(());
    }
    let text = "Servers of the plan are blocked, and it may not be partial.";
    let blocked = || Failure::new(FailureCode::NoValidHost, text);
    let failure = plan.plan.failure.clone().unwrap_or_else(blocked);
    let note = ChangeNote {
        performed: None,
        ..note.clone()
    };
    let refused = write(
        connection,
        locked,
        &Event::RoomRefused(failure),
        None,
        &note,
    );
    match refused {
        Ok(_) => Ok(()),
        Err(RunStepError::Store(error)) => Err(PlanStepError::Store(error)),
        // It is pending.
        Err(RunStepError::NotFound | RunStepError::Refused(_) | RunStepError::Rejected(_)) => {
            Ok(())
        }
    }
}

impl Store {
    /// Runs a plan: its run waits for room from now on. `differences` says how the inventory, of which
    /// it is given what `scope` says, has changed since the plan was made, in ways that matter to it. It
    /// is asked in the transaction that begins the run.
    pub async fn plan_run_compared<D: Send + 'static>(
        &self,
        uuid: PlanUuid,
        new: NewRun,
        scope: InventoryScope,
        differences: impl Fn(&PlanRecord, PlanInventory) -> Result<Vec<D>, StoreError> + Send + 'static,
        note: ChangeNote,
    ) -> Result<RunRecord, PlanRunError<D>> {
        self.write(move |connection| {
            let compare = |connection: &mut Database, plan: &PlanRecord| {
                differences(plan, inventory(connection, &scope)?)
            };
            begin(connection, uuid, &new, compare, &note)
        })
        .await
    }

    /// The same for whoever knows already what has changed.
    pub async fn plan_run<D: Clone + Send + 'static>(
        &self,
        uuid: PlanUuid,
        new: NewRun,
        differences: Vec<D>,
        note: ChangeNote,
    ) -> Result<RunRecord, PlanRunError<D>> {
        self.write(move |connection| {
            let known = |_: &mut Database, _: &PlanRecord| Ok(differences.clone());
            begin(connection, uuid, &new, known, &note)
        })
        .await
    }
}
