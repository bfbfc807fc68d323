//! The clock as a witness: a row whose deadline is behind us hears about it.

use std::sync::Arc;

use godwit_core::event::Event;
use godwit_store::{Actor, CommitNote, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::ticks::Ticks;

/// Rows looked at in one go; the others are not late enough to matter.
const BATCH: i64 = 256;

pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.poll_interval);
    while ticks.next(stop).await {
        if let Err(error) = pass(ctx).await {
            warn!(%error, "deadlines could not be looked at");
        }
    }
}

async fn pass(ctx: &Arc<Context>) -> Result<(), StoreError> {
    let now = ctx.now();
    for overdue in ctx.store.migrations_overdue(now, BATCH).await? {
        let uuid = overdue.migration.uuid;
        let note = CommitNote::new(Actor::Conductor, now);
        if let Err(error) = ctx.apply(uuid, Event::DeadlinePassed, note).await {
            warn!(migration = %uuid, %error, "a deadline could not be passed");
        }
    }
    Ok(())
}
