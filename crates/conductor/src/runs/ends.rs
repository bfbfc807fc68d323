//! What operations have come to.

use godwit_core::event::Event as OfMigration;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::run::{Event, OperationKind, OperationState, Outcome};
use godwit_core::server::{TaskState, VmState};
use godwit_core::status::MigrationStatus;
use godwit_store::{
    Actor, CommitNote, MigrationRecord, RunRecord, RunStep, RunStepError, RunningOperation,
};

use super::check::gone;
use super::drive::{Changed, Driver};
use crate::effects::Retry;

/// Writes how those of its operations ended that have ended; `None`: none has.
pub(super) async fn notice(
    driver: &Driver<'_>,
    record: &RunRecord,
) -> Result<Option<Changed>, Retry> {
    let runs = record.run.in_state(OperationState::Running).next();
    if runs.is_none() {
        return Ok(None);
    }
    let (store, now) = (&driver.ctx.store, driver.ctx.now());
    let mut ended: Vec<(RunningOperation, RunStep)> = Vec::new();
    for running in store.operations_running(Some(driver.run)).await? {
        if let Some(outcome) = outcome(driver, &running).await? {
            let step = RunStep {
                event: Event::OperationEnded(running.operation, outcome),
                actual: Some(running.actual(now)),
            };
            ended.push((running, step));
        }
    }
    if ended.is_empty() {
        return Ok(None);
    }
    let events = ended.iter().map(|(_, step)| step.event.clone()).collect();
    // What somebody else has written meanwhile is not said again; least of all of an attempt that was
    // begun since, whose guest may be on its way.
    let decide = move |record: &RunRecord| {
        let steps = ended.iter().filter(|(running, _)| running.runs_in(record));
        let steps: Vec<RunStep> = steps.map(|(_, step)| step.clone()).collect();
        match steps.is_empty() {
            true => Err(Known),
            false => Ok(steps),
        }
    };
    let stepped = store.run_step_part(driver.run, events, driver.note(), decide);
    match stepped.await {
        Ok(next) => {
            let metrics = &driver.ctx.metrics.runs;
            metrics.operations_ended(record, next.record());
            Ok(Some(Changed::part(next)))
        }
        Err(RunStepError::NotFound | RunStepError::Refused(Known) | RunStepError::Rejected(_)) => {
            Ok(None)
        }
        Err(RunStepError::Store(error)) => Err(error.into()),
    }
}

/// All of it is written already.
#[derive(Debug)]
struct Known;

/// How an operation ended; `None`: it has not.
async fn outcome(
    driver: &Driver<'_>,
    running: &RunningOperation,
) -> Result<Option<Outcome>, Retry> {
    match running.kind {
        OperationKind::Live | OperationKind::Cold | OperationKind::Evacuate => {
            let Some(migration) = &running.migration else {
                let text = "Its migration is not known any more.";
                let failure = Failure::new(FailureCode::Superseded, text);
                return Ok(Some(Outcome::Failed(failure)));
            };
            if migration.migration.status() == MigrationStatus::Finished {
                decide_cold(driver, running, migration).await?;
                return Ok(None);
            }
            Ok(running.outcome())
        }
        OperationKind::Shutdown => of_power(driver, running, VmState::Stopped).await,
        OperationKind::Start => of_power(driver, running, VmState::Active).await,
        // None begins.
        OperationKind::Storage => Ok(None),
    }
}

/// A cold move waits for somebody to say that it is well: the run does, unless it was to end.
async fn decide_cold(
    driver: &Driver<'_>,
    running: &RunningOperation,
    migration: &MigrationRecord,
) -> Result<(), Retry> {
    let event = match running.aborting {
        true => OfMigration::RevertRequested,
        false => OfMigration::ConfirmRequested,
    };
    let note = CommitNote::new(Actor::Conductor, driver.ctx.now());
    driver.ctx.apply_to(migration, event, note).await?;
    Ok(())
}

/// A server was asked to be on or off: it is over when it has that task no longer.
async fn of_power(
    driver: &Driver<'_>,
    running: &RunningOperation,
    wanted: VmState,
) -> Result<Option<Outcome>, Retry> {
    let Some(server) = driver.ctx.store.server_find(running.server).await? else {
        return Ok(Some(Outcome::Skipped(gone())));
    };
    if let Some(TaskState::PoweringOff | TaskState::PoweringOn) = server.task_state {
        return Ok(None);
    }
    if server.vm_state == wanted {
        return Ok(Some(Outcome::Completed));
    }
    let text = match wanted {
        VmState::Stopped => "Its host did not shut it down.",
        _ => "Its host did not start it.",
    };
    let failure = Failure::new(FailureCode::PowerState, text);
    Ok(Some(Outcome::Failed(failure)))
}
