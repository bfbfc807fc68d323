//! Plans, carried out.
//!
//! ```text
//!   effect drive ──► room ──► begin ◄──► ends ──► the run has ended
//!                              │ ▲
//!                       check ─┘ └── replan, abort, hold, release: effects of their own
//! ```
//!
//! One conductor drives a run: whoever holds the lease of its effect. All that it knows is in the
//! store, and each of its steps is one transaction that the run has to accept, so whoever takes over
//! goes on from the rows, and two who overlap for a moment do nothing twice.
//!
//! - [`drive`]: the loop of one run, from its room to its end.
//! - [`room`]: all the room that it needs, or whom it waits for.
//! - [`candidates`]: operations that may begin but for links; [`queues`]: which of them do, where
//!   several wait for the same ones; [`check`]: whether their facts still hold; [`begin`]: each begins
//!   with what it starts.
//! - [`ends`]: what operations have come to.
//! - [`replan`], [`abort`]: another destination, and the end of what runs.
//! - [`hosts`]: what a run says to the maintenance of hosts.
//! - [`progress`]: how far it is.
//! - [`turns`]: who is driven, where not all are.

mod abort;
mod begin;
mod candidates;
mod check;
mod drive;
mod ends;
mod hosts;
mod progress;
mod queues;
mod replan;
mod room;
mod turns;

use std::sync::Arc;

use godwit_core::effect::RunEffect;
use godwit_core::ids::{PlanUuid, RunUuid};
use godwit_core::run::Event;
use godwit_core::trace::TraceContext;
use godwit_store::{Actor, ChangeNote, ClaimedOfRun, FreshIds, RunStepError, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use self::queues::Queues;
pub(crate) use self::turns::RunTurns;
use crate::context::Context;
use crate::effects::{Performed, Retry};
use crate::ticks::Ticks;

/// Runs whose deadline is looked at in one go; the others are not late enough to matter.
const BATCH: i64 = 256;

/// Performs one effect of a run, as far as the run still wants it.
pub(crate) async fn perform(ctx: &Arc<Context>, claimed: ClaimedOfRun) -> Performed {
    let (_, effect) = claimed.subject;
    match effect {
        RunEffect::Drive => drive::perform(ctx, &claimed).await,
        RunEffect::Abort => abort::perform(ctx, &claimed).await,
        RunEffect::Replan => replan::perform(ctx, &claimed).await,
        RunEffect::Hold => hosts::hold(ctx, &claimed).await,
        RunEffect::Release => hosts::release(ctx, &claimed).await,
        RunEffect::ReportEnd => hosts::report_end(ctx, &claimed).await,
    }
}

/// Tells runs whose deadline has passed.
pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.poll_interval);
    while ticks.next(stop).await {
        if let Err(error) = deadlines(ctx).await {
            warn!(%error, "deadlines of runs could not be looked at");
        }
    }
}

async fn deadlines(ctx: &Context) -> Result<(), StoreError> {
    let now = ctx.now();
    for run in ctx.store.runs_overdue(now, BATCH).await? {
        let note = ChangeNote::new(Actor::Conductor, now);
        match ctx.store.run_apply(run, Event::DeadlinePassed, note).await {
            Ok(_) => ctx.wake.runs(),
            // It has ended meanwhile, or has heard of it.
            Err(RunStepError::NotFound | RunStepError::Rejected(_)) => {}
            Err(RunStepError::Refused(never)) => match never {},
            // The others' deadlines have passed as well.
            Err(RunStepError::Store(error)) => {
                warn!(%run, %error, "the deadline of a run could not be told");
            }
        }
    }
    Ok(())
}

/// For a change that follows from what was found, in the trace of whoever asked for the run.
fn note(ctx: &Context, trace: Option<TraceContext>) -> ChangeNote {
    ChangeNote {
        trace,
        ..ChangeNote::new(Actor::Conductor, ctx.now())
    }
}

/// For a run that may have to be made, and its plan.
fn fresh(ctx: &Context) -> FreshIds {
    FreshIds {
        plan: PlanUuid((ctx.ids)()),
        run: RunUuid((ctx.ids)()),
    }
}

/// `None`: the event does not apply any more, which is nobody's fault.
fn applied<T>(result: Result<T, RunStepError>) -> Result<Option<T>, Retry> {
    match result {
        Ok(applied) => Ok(Some(applied)),
        Err(RunStepError::NotFound | RunStepError::Rejected(_)) => Ok(None),
        Err(RunStepError::Refused(never)) => match never {},
        Err(RunStepError::Store(error)) => Err(error.into()),
    }
}
