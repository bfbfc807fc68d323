//! Hosts that are to be empty, and those that are.
//!
//! ```text
//!   each held host ─► what does it execute? ─► the store counts what may arrive ─► core judges
//!                 └─► who has left it otherwise? ─► no blocker any more, and no home
//!   whose pause is over ─► its blockers are tried again, or the start of those that were shut down
//! ```
//!
//! Every conductor looks. What two of them ask at the same time, the store takes one after the other,
//! and nothing that was begun before the host could be reached by anything ([`evidence`]).

mod departures;
mod evidence;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use godwit_core::host::maintenance::Event;
use godwit_core::ids::{HostName, RunUuid};
use godwit_store::{Actor, ChangeNote, FreshIds, MaintenanceError, MaintenanceRecord, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use self::metrics::MaintenanceMetrics;
use crate::context::Context;
use crate::ticks::Ticks;

/// How often one looks. A host waits for two inventories before it is safe.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How old an inventory may be of a host where something else is missing than evidence.
const AS_OLD_AS: Duration = Duration::from_secs(5);

/// At which of its looks one asks who has left a host otherwise. Nothing waits for that.
const THOROUGH: u64 = 6;

/// Hosts that are looked at together.
const AT_ONCE: usize = 16;

/// Hosts whose blockers are tried again in one go.
const RETRIES: i64 = 64;

pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let mut ticks = Ticks::every(LOOK_EVERY);
    let mut looks = 0_u64;
    while ticks.next(stop).await {
        looks = looks.wrapping_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            done = pass(ctx, looks.is_multiple_of(THOROUGH)) => if let Err(error) = done {
                warn!(%error, "maintenance could not be looked at");
            }
        }
    }
}

async fn pass(ctx: &Arc<Context>, thorough: bool) -> Result<(), StoreError> {
    let active = ctx.store.maintenances_active().await?;
    futures::stream::iter(&active)
        .for_each_concurrent(AT_ONCE, async |it| {
            if let Err(error) = look(ctx, it, thorough).await {
                warn!(%error, host = %it.host, "the maintenance of a host could not be looked at");
            }
        })
        .await;
    retry(ctx).await
}

async fn look(
    ctx: &Arc<Context>,
    record: &MaintenanceRecord,
    thorough: bool,
) -> Result<(), MaintenanceError> {
    let it = &record.maintenance;
    let age = it.evidence.seen_at().map(|at| ctx.now().since(at));
    let is_due = age.is_none_or(|age| age >= AS_OLD_AS);
    if it.forbids_arrivals() && (is_due || it.awaits_evidence()) {
        evidence::take(ctx, record).await?;
    }
    match thorough {
        true => departures::tell(ctx, record).await,
        false => Ok(()),
    }
}

/// Tries again what could not be done, where the pause is over.
async fn retry(ctx: &Context) -> Result<(), StoreError> {
    for host in ctx.store.maintenances_to_retry(ctx.now(), RETRIES).await? {
        match apply(ctx, &host, Event::RetryDue).await {
            Ok(()) => {}
            Err(MaintenanceError::Store(error)) => return Err(error),
            Err(error @ (MaintenanceError::Rejected(_) | MaintenanceError::NotYet)) => {
                warn!(%error, %host, "blockers could not be tried again");
            }
        }
    }
    Ok(())
}

/// What happens to a host's maintenance. Another conductor may have been quicker, or somebody have
/// left the host: then it is no news.
async fn apply(ctx: &Context, host: &HostName, event: Event) -> Result<(), MaintenanceError> {
    let store = &ctx.store;
    let applied = store.maintenance_apply(host.clone(), event, fresh(ctx), note(ctx));
    match applied.await {
        Ok(record) => {
            wake(ctx, None, &record);
            Ok(())
        }
        Err(MaintenanceError::Rejected(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Somebody is to make the plan of a run that was not asked for `before`.
fn wake(ctx: &Context, before: Option<RunUuid>, after: &MaintenanceRecord) {
    let run = after.maintenance.run();
    if run.is_some() && run != before {
        ctx.wake.wake();
    }
}

fn fresh(ctx: &Context) -> FreshIds {
    FreshIds {
        plan: (ctx.ids)().into(),
        run: (ctx.ids)().into(),
    }
}

fn note(ctx: &Context) -> ChangeNote {
    ChangeNote::new(Actor::Conductor, ctx.now())
}
