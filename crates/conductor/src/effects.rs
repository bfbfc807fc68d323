//! The outbox: effects are claimed by lease, performed, and ticked off.
//!
//! An effect may be performed twice (whoever held it died before ticking it off), late, or when
//! the row has moved on. So each one first looks whether its row still wants it, and every
//! command carries the effect's number and the lease's epoch, by which agents tell old from
//! new. What goes wrong in a way that may pass gives the effect back with a pause; what cannot
//! pass is an event like any other.

mod abort;
mod cancel;
mod finish;
mod force_complete;
mod outbox;
mod prepare;
mod roll_back;
mod schedule;
mod start;
mod task;
mod watch;

use godwit_core::effect::Effect;
use godwit_core::live::Phase;
use godwit_core::migration::Migration;
use godwit_store::ClaimedEffect;

pub(crate) use self::outbox::run;
use self::task::Task;
pub(crate) use self::task::{Again, Performed};
use crate::context::Context;

/// Performs one effect, as far as its row still wants it.
async fn perform(ctx: &Context, claimed: &ClaimedEffect) -> Performed {
    let Some(record) = ctx.store.migration_find(claimed.migration).await? else {
        return Ok(());
    };
    if !is_wanted(claimed.effect, &record.migration) {
        return Ok(());
    }
    tracing::Span::current().record("request_id", record.request_id.as_deref());
    let task = Task::new(ctx, claimed, record);
    match claimed.effect {
        Effect::Schedule => schedule::perform(&task).await,
        Effect::Cancel => cancel::perform(&task).await,
        Effect::Prepare => prepare::perform(&task).await,
        Effect::Start => start::perform(&task).await,
        Effect::Watch => watch::perform(task).await,
        Effect::Abort => abort::perform(&task).await,
        Effect::ForceComplete => force_complete::perform(&task).await,
        Effect::Finish => finish::perform(&task).await,
        Effect::RollBack => roll_back::perform(&task).await,
        Effect::Boot | Effect::Withdraw => Ok(()),
    }
}

/// Does the row still ask for this? An effect that was handed out in one phase means nothing
/// in the next.
fn is_wanted(effect: Effect, migration: &Migration) -> bool {
    let Some(phase) = Phase::of(migration) else {
        return false;
    };
    match effect {
        Effect::Schedule => phase == Phase::Accepted,
        Effect::Cancel => matches!(phase, Phase::Accepted | Phase::Queued),
        Effect::Prepare => phase == Phase::Preparing,
        Effect::Start | Effect::Abort | Effect::ForceComplete => phase == Phase::Running,
        Effect::Watch => matches!(phase, Phase::Running | Phase::PostCopy),
        Effect::Finish => phase == Phase::Finishing,
        Effect::RollBack => phase == Phase::Unwinding,
        Effect::Boot | Effect::Withdraw => false,
    }
}
