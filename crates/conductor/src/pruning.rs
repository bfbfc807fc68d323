//! What has been kept for long enough is forgotten, a little at a time.
//!
//! Events come before migrations, discrepancies, plans and runs, which stay until all that was told of
//! them has expired.

use std::time::Duration;

use godwit_core::retention::{Retention, over};
use godwit_core::time::Timestamp;
use godwit_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::context::Context;
use crate::ticks::Ticks;

/// How often one looks for something to forget.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Rows forgotten in one transaction, for which nobody waits long.
const BATCH: i64 = 1_000;

/// Migrations forgotten in one: each has a dozen events and some effects.
const MIGRATIONS: i64 = 50;

/// Plans and runs forgotten in one: each may have thousands of operations.
const PLANS: i64 = 5;

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(LOOK_EVERY);
    while ticks.next(stop).await {
        tokio::select! {
            () = stop.cancelled() => return,
            done = pass(&ctx.store, &ctx.config.retention, ctx.now()) => if let Err(error) = done {
                warn!(%error, "what is no longer kept could not be forgotten");
            }
        }
    }
}

async fn pass(store: &Store, kept: &Retention, now: Timestamp) -> Result<(), StoreError> {
    if let Some(over) = over(kept.idempotency_keys, now) {
        while store.idempotency_prune(over, BATCH).await? > 0 {}
    }
    if let Some(over) = over(kept.webhook_deliveries, now) {
        while store.webhook_deliveries_prune(over, BATCH).await? > 0 {}
    }
    if let Some(over) = over(kept.events, now) {
        while store.events_expire(over, BATCH).await? > 0 {}
        while store.host_events_prune(BATCH).await? > 0 {}
    }
    if let Some(over) = over(kept.migrations, now) {
        let mut removed = 0;
        loop {
            match store.migrations_prune(over, MIGRATIONS).await? {
                0 => break,
                some => removed += some,
            }
        }
        if removed > 0 {
            info!(removed, ended_by = %over, "migrations were kept for long enough");
        }
        while store.discrepancies_prune(over, BATCH).await? > 0 {}
    }
    if let Some(over) = over(kept.plans, now) {
        while store.runs_prune(over, PLANS).await? > 0 {}
        while store.plans_prune(over, PLANS).await? > 0 {}
    }
    Ok(())
}
