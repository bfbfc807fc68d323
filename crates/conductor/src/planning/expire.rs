//! Plans whose time is over: not made in time, or not run in time.

use std::sync::Arc;

use godwit_store::{Actor, ChangeNote, PlanStepError, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::ticks::Ticks;

/// Plans looked at in one go; the others are not late enough to matter.
const BATCH: i64 = 256;

pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.poll_interval);
    while ticks.next(stop).await {
        if let Err(error) = pass(ctx).await {
            warn!(%error, "plans that are overdue could not be looked at");
        }
    }
}

async fn pass(ctx: &Arc<Context>) -> Result<(), StoreError> {
    let now = ctx.now();
    for plan in ctx.store.plans_overdue(now, BATCH).await? {
        let note = ChangeNote::new(Actor::Conductor, now);
        match ctx.store.plan_expire(plan, note).await {
            Ok(record) => ctx.metrics.plan_ended(record.plan.state),
            // Another conductor was first, or it was made, run or deleted just now.
            Err(PlanStepError::NotFound | PlanStepError::Rejected(_)) => {}
            Err(error @ (PlanStepError::Circle(_) | PlanStepError::Store(_))) => {
                warn!(%plan, %error, "a plan could not expire");
            }
        }
    }
    Ok(())
}
