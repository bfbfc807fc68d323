//! What has been kept for long enough is forgotten, a little at a time.

use std::time::Duration;

use godwit_core::webhook;
use godwit_store::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::ticks::Ticks;

/// How often one looks for something to forget.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Rows forgotten in one transaction, for which nobody waits long.
const BATCH: i64 = 1_000;

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(LOOK_EVERY);
    while ticks.next(stop).await {
        tokio::select! {
            () = stop.cancelled() => return,
            done = pass(ctx) => if let Err(error) = done {
                warn!(%error, "what is no longer kept could not be forgotten");
            }
        }
    }
}

async fn pass(ctx: &Context) -> Result<(), StoreError> {
    let now = ctx.now();
    while ctx.store.idempotency_prune(now, BATCH).await? > 0 {}
    let kept = now.minus(webhook::KEPT);
    while ctx.store.webhook_deliveries_prune(kept, BATCH).await? > 0 {}
    Ok(())
}
