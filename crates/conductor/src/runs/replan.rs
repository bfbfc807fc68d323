//! Another destination for operations whose own did not do.

use std::sync::Arc;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::reason::{Reason, ReasonCode};
use godwit_core::run::{Event, Operation};
use godwit_store::{ClaimedOfRun, NewDestination, PlanRecord, RoomError, RunRecord, RunStepError};
use tracing::info;

use super::check::gone;
use super::{applied, note};
use crate::context::Context;
use crate::effects::{Performed, Retry};
use crate::planning::{self, Replanned};

/// Finds one for each that waits for one.
pub(super) async fn perform(ctx: &Arc<Context>, claimed: &ClaimedOfRun) -> Performed {
    let (run, _) = claimed.subject;
    let Some(record) = ctx.store.run_find(run, None).await? else {
        return Ok(());
    };
    let waiting = record.run.operations.iter().filter(|it| it.replan);
    let waiting: Vec<&Operation> = waiting.collect();
    if waiting.is_empty() || record.run.ended_at.is_some() {
        return Ok(());
    }
    let Some(plan) = ctx.store.plan_find(record.plan, None).await? else {
        return Ok(());
    };
    // One that has to be asked for again keeps no other from its destination.
    let mut again = Ok(());
    for operation in waiting {
        let found = one(ctx, claimed, (&record, &plan.record), operation).await;
        again = again.and(found);
        ctx.wake.runs();
    }
    again
}

async fn one(
    ctx: &Arc<Context>,
    claimed: &ClaimedOfRun,
    (record, plan): (&RunRecord, &PlanRecord),
    operation: &Operation,
) -> Result<(), Retry> {
    match planning::replan(ctx, record, plan, operation.id).await? {
        Replanned::To(to) => revise(ctx, claimed, operation, to).await,
        Replanned::Nowhere(reasons) => {
            let is_down = reasons.iter().any(|it| it.code == ReasonCode::Down);
            if is_down && ctx.is_young(ctx.now()) {
                return Err(Retry::because("waiting for agents to report"));
            }
            end(ctx, claimed, operation, nowhere(operation, &reasons)).await
        }
    }
}

async fn revise(
    ctx: &Context,
    claimed: &ClaimedOfRun,
    operation: &Operation,
    to: NewDestination,
) -> Result<(), Retry> {
    let ((run, _), host) = (claimed.subject, to.host.clone());
    let store = &ctx.store;
    let revised = store.operation_revise(run, operation.id, to, note(ctx, claimed.trace));
    match revised.await {
        Ok(_) => {
            info!(%run, operation = %operation.id, %host, "an operation goes elsewhere");
            Ok(())
        }
        // Somebody took it in between; asked again, it is not suggested.
        Err(error @ RoomError::NoRoom(_)) => Err(Retry::because(error.to_string())),
        Err(RoomError::Step(RunStepError::Store(error))) => Err(error.into()),
        // It is not to go anywhere any more.
        Err(RoomError::Step(RunStepError::NotFound | RunStepError::Rejected(_))) => Ok(()),
        Err(RoomError::Step(RunStepError::Refused(never))) => match never {},
    }
}

fn nowhere(operation: &Operation, reasons: &[Reason]) -> Failure {
    if reasons.iter().any(|it| it.code == ReasonCode::Deleted) {
        return gone();
    }
    let texts: Vec<&str> = reasons.iter().map(|it| it.text.as_str()).collect();
    let why = operation.failure.as_ref().map(|it| it.message.as_str());
    let text = format!(
        "No other host fits: {}. {} was given up: {}",
        texts.join("; "),
        operation.destination,
        why.unwrap_or("it is not known why.")
    );
    Failure::new(FailureCode::NoValidHost, text)
}

async fn end(
    ctx: &Context,
    claimed: &ClaimedOfRun,
    operation: &Operation,
    failure: Failure,
) -> Result<(), Retry> {
    let (run, _) = claimed.subject;
    info!(%run, operation = %operation.id, %failure, "an operation goes nowhere");
    let event = Event::OperationNotRevised(operation.id, failure);
    let ended = ctx
        .store
        .run_apply_part(run, event, note(ctx, claimed.trace))
        .await;
    applied(ended)?;
    Ok(())
}
