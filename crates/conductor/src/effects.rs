//! The outbox: effects are claimed by lease, performed, and ticked off.
//!
//! An effect may be performed twice (whoever held it died before ticking it off), late, or when
//! the row has moved on. So each one first looks whether its row still wants it, and every
//! command carries the effect's number and the lease's epoch, by which agents tell old from
//! new. What goes wrong in a way that may pass gives the effect back with a pause; what cannot
//! pass is an event like any other.

mod abort;
mod boot;
mod cancel;
mod finish;
mod force_complete;
mod outbox;
mod power;
mod prepare;
mod roll_back;
mod schedule;
mod start;
mod task;
mod watch;
mod withdraw;

use godwit_core::effect::Effect;
use godwit_core::transition::wants;
use godwit_store::{Claimed, ClaimedEffect};

pub(crate) use self::outbox::run;
use self::task::Task;
pub(crate) use self::task::{Again, Performed};
use crate::context::Context;

/// Performs one effect, as far as its subject still wants it.
async fn perform(ctx: &Context, claimed: &Claimed) -> Performed {
    match claimed {
        Claimed::Migration(claimed) => perform_of_migration(ctx, claimed).await,
        Claimed::Server(claimed) => power::perform(ctx, claimed).await,
    }
}

async fn perform_of_migration(ctx: &Context, claimed: &ClaimedEffect) -> Performed {
    let Some(record) = ctx.store.migration_find(claimed.migration).await? else {
        return Ok(());
    };
    if !wants(&record.migration, claimed.effect) {
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
        Effect::Boot => boot::perform(&task).await,
        Effect::Withdraw => withdraw::perform(&task).await,
    }
}
