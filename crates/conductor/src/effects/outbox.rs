//! The loop around the outbox.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::effect::Effect;
use godwit_store::{Claimed, ClaimedEffect, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, error, info_span, warn};

use super::{Performed, perform};
use crate::context::Context;

/// How long a clean stop may take to give leases back; after that they run out by themselves.
const FAREWELL: Duration = Duration::from_secs(2);

/// Moves are followed for as long as they last, and guests take their time to power off, so they
/// must not take the places of what is done in a moment.
struct Places {
    brief: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

impl Places {
    fn of(ctx: &Context) -> Self {
        Self {
            brief: Arc::new(Semaphore::new(ctx.config.effects_at_once.get())),
            watches: Arc::new(Semaphore::new(ctx.config.watches_at_once.get())),
        }
    }

    fn take(&self, claimed: &Claimed) -> Option<OwnedSemaphorePermit> {
        let places = match claimed {
            Claimed::Migration(ClaimedEffect { effect, .. }) => self.of_migration(*effect),
            Claimed::Server(_) => &self.watches,
        };
        places.clone().try_acquire_owned().ok()
    }

    const fn of_migration(&self, effect: Effect) -> &Arc<Semaphore> {
        match effect {
            Effect::Watch => &self.watches,
            Effect::Schedule
            | Effect::Cancel
            | Effect::Prepare
            | Effect::Start
            | Effect::Abort
            | Effect::ForceComplete
            | Effect::Finish
            | Effect::RollBack
            | Effect::Boot
            | Effect::Withdraw => &self.brief,
        }
    }
}

/// Claims and performs until told to stop; then lets go of everything at once, since every
/// effect can be taken up by another.
pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let places = Places::of(ctx);
    let mut tasks = JoinSet::new();
    while !stop.is_cancelled() {
        while let Some(ended) = tasks.try_join_next() {
            note_panic(ended);
        }
        let more = match claim(ctx, &places, &mut tasks).await {
            Ok(more) => more,
            Err(error) => {
                warn!(%error, "the outbox could not be read");
                false
            }
        };
        if more {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = ctx.wake.effects(ctx.config.poll_interval) => {}
        }
    }
    tasks.shutdown().await;
    let released = ctx.store.effects_release(&ctx.owner);
    match tokio::time::timeout(FAREWELL, released).await {
        Ok(Ok(count)) => debug!(count, "leases given back"),
        Ok(Err(error)) => warn!(%error, "leases could not be given back"),
        Err(_) => warn!("leases could not be given back in time"),
    }
}

/// Claims as much as there is room for. Is there more, and room?
async fn claim(
    ctx: &Arc<Context>,
    places: &Places,
    tasks: &mut JoinSet<()>,
) -> Result<bool, StoreError> {
    let room = places.brief.available_permits();
    if room == 0 {
        return Ok(false);
    }
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    let (lease, from) = (ctx.config.lease, Instant::now());
    let claimed = ctx
        .store
        .effects_claim(&ctx.owner, ctx.now(), lease, limit)
        .await?;
    let full = claimed.len() == room;
    for effect in claimed {
        match places.take(&effect) {
            Some(place) => {
                let task = hold(Arc::clone(ctx), effect, from + lease, place);
                tasks.spawn(task);
            }
            None => {
                let later = ctx.now().plus(ctx.pause(1));
                let reason = "as many moves are being followed as may be";
                ctx.store
                    .effect_retry(effect.lease(), later, reason)
                    .await?;
            }
        }
    }
    Ok(full && places.brief.available_permits() > 0)
}

fn span(claimed: &Claimed) -> Span {
    let (verb, sequence) = (claimed.verb(), claimed.sequence());
    let epoch = claimed.lease().epoch;
    match claimed {
        Claimed::Migration(claimed) => info_span!(
            "effect",
            migration = %claimed.migration,
            effect = verb,
            sequence,
            epoch,
            request_id = tracing::field::Empty,
        ),
        Claimed::Server(claimed) => info_span!(
            "effect",
            server = %claimed.server,
            effect = verb,
            sequence,
            epoch,
            request_id = tracing::field::Empty,
        ),
    }
}

/// Performs an effect for as long as its lease lasts.
async fn hold(ctx: Arc<Context>, claimed: Claimed, until: Instant, place: OwnedSemaphorePermit) {
    let span = span(&claimed);
    let task = async {
        let mut holding = ctx.leases.hold(claimed.lease(), until);
        let begun = Instant::now();
        let performed = tokio::select! {
            biased;
            () = holding.lost() => {
                debug!("the lease is lost");
                ctx.metrics.effect_ended(claimed.verb(), "lost", begun.elapsed());
                return;
            }
            performed = perform(&ctx, &claimed) => performed,
        };
        let outcome = if performed.is_ok() { "done" } else { "again" };
        ctx.metrics
            .effect_ended(claimed.verb(), outcome, begun.elapsed());
        if let Err(error) = settle(&ctx, &claimed, performed).await {
            warn!(%error, "an effect could not be ticked off; its lease will run out");
        }
    };
    task.instrument(span).await;
    drop(place);
    ctx.wake.wake();
}

async fn settle(ctx: &Context, claimed: &Claimed, performed: Performed) -> Result<(), StoreError> {
    match performed {
        Ok(()) => {
            ctx.store.effect_done(claimed.lease(), ctx.now()).await?;
        }
        Err(again) => {
            let attempts = u32::try_from(claimed.attempts()).unwrap_or(u32::MAX);
            let pause = ctx.pause(attempts.saturating_add(1));
            warn!(
                reason = again.reason,
                attempts,
                ?pause,
                "an effect will be tried again"
            );
            let later = ctx.now().plus(pause);
            ctx.store
                .effect_retry(claimed.lease(), later, &again.reason)
                .await?;
        }
    }
    Ok(())
}

/// A panic in one effect is a bug, and must not end the others. The lease runs out, and the
/// effect is tried again.
fn note_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "performing an effect panicked");
    }
}
