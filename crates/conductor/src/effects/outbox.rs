//! The loop around the outbox.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use godwit_store::{Claimed, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, warn};

use super::{Performed, Share, perform, share, span};
use crate::context::Context;
use crate::metrics;

/// How long a clean stop may take to give leases back; after that they run out by themselves.
const FAREWELL: Duration = Duration::from_secs(2);

/// How many effects may be performed at one time.
struct Permits {
    brief: Arc<Semaphore>,
    moves: Arc<Semaphore>,
    runs: Arc<Semaphore>,
    actions: Arc<Semaphore>,
}

impl Permits {
    fn of(ctx: &Context) -> Self {
        let so_many = |most: NonZeroUsize| Arc::new(Semaphore::new(most.get()));
        Self {
            brief: so_many(ctx.config.effects_at_once),
            moves: so_many(ctx.config.watches_at_once),
            runs: so_many(ctx.config.runs_at_once),
            actions: so_many(ctx.config.actions_at_once),
        }
    }

    fn take(&self, of: Share) -> Option<OwnedSemaphorePermit> {
        let permits = match of {
            Share::Brief => &self.brief,
            Share::Moves => &self.moves,
            Share::Runs => &self.runs,
            Share::Actions => &self.actions,
        };
        permits.clone().try_acquire_owned().ok()
    }
}

/// Sees to it that migrations begin, however many effects of others wait: what is not placed in time
/// fails.
#[derive(Default)]
struct Turns {
    /// How many were claimed, while more waited, since the last one with which a migration begins.
    others: usize,
}

impl Turns {
    /// Of those that are claimed while more wait, one in so many begins a migration.
    const SHARE: usize = 4;

    /// How many of the next `room` effects are to be some with which a migration begins.
    fn beginnings(&self, room: usize) -> usize {
        if self.others + 1 < Self::SHARE {
            return 0;
        }
        room.div_ceil(Self::SHARE)
    }

    /// These were claimed, and perhaps more wait.
    fn count(&mut self, claimed: &[Claimed], more: bool) {
        self.others = if !more || claimed.iter().any(|it| it.subject.begins()) {
            0
        } else {
            self.others.saturating_add(claimed.len())
        };
    }
}

/// Claims and performs until told to stop; then lets go of everything at once, since every
/// effect can be taken up by another.
pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let permits = Permits::of(ctx);
    let mut turns = Turns::default();
    let mut tasks = JoinSet::new();
    while !stop.is_cancelled() {
        while let Some(ended) = tasks.try_join_next() {
            note_panic(ended);
        }
        let more = match claim(ctx, &permits, &mut turns, &mut tasks).await {
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
    permits: &Permits,
    turns: &mut Turns,
    tasks: &mut JoinSet<()>,
) -> Result<bool, StoreError> {
    let room = permits.brief.available_permits();
    if room == 0 {
        return Ok(false);
    }
    let (lease, from) = (ctx.config.lease, Instant::now());
    let limit = |effects: usize| i64::try_from(effects).unwrap_or(i64::MAX);
    let (owner, store) = (&ctx.owner, &ctx.store);
    let beginnings = limit(turns.beginnings(room));
    let mut claimed = store
        .effects_claim_beginnings(owner, ctx.now(), lease, beginnings)
        .await?;
    let others = limit(room.saturating_sub(claimed.len()));
    let others = store.effects_claim(owner, ctx.now(), lease, others);
    claimed.append(&mut others.await?);
    let full = claimed.len() == room;
    turns.count(&claimed, full);
    for effect in claimed {
        let share = share(effect.subject);
        match permits.take(share) {
            Some(permit) => {
                let task = hold(Arc::clone(ctx), effect, from + lease, permit);
                tasks.spawn(task);
            }
            None => {
                if share == Share::Runs {
                    ctx.turns.ask();
                }
                let later = ctx.now().plus(ctx.pause(1));
                let reason = "as much of this is being done as may be";
                ctx.store.effect_retry(effect.lease, later, reason).await?;
            }
        }
    }
    Ok(full && permits.brief.available_permits() > 0)
}

/// Performs an effect for as long as its lease lasts.
async fn hold(ctx: Arc<Context>, claimed: Claimed, until: Instant, permit: OwnedSemaphorePermit) {
    let span = span(&claimed);
    let task = async {
        let mut held = ctx.leases.hold(claimed.lease, until);
        let begun = Instant::now();
        let performed = tokio::select! {
            biased;
            () = held.lost() => {
                debug!("the lease is lost");
                ctx.metrics.effect_ended(claimed.subject.verb(), metrics::LOST, begun.elapsed());
                return;
            }
            performed = perform(&ctx, &claimed) => performed,
        };
        let outcome = if performed.is_ok() { "done" } else { "again" };
        ctx.metrics
            .effect_ended(claimed.subject.verb(), outcome, begun.elapsed());
        if performed.is_ok() && held.is_ticked_off() {
            return;
        }
        if let Err(error) = tick_off(&ctx, &claimed, performed).await {
            warn!(%error, "an effect could not be ticked off; its lease will run out");
        }
    };
    task.instrument(span).await;
    drop(permit);
    ctx.wake.wake();
}

async fn tick_off(
    ctx: &Context,
    claimed: &Claimed,
    performed: Performed,
) -> Result<(), StoreError> {
    match performed {
        Ok(()) => {
            ctx.store.effect_done(claimed.lease, ctx.now()).await?;
        }
        Err(retry) => {
            let attempts = u32::try_from(claimed.attempts).unwrap_or(u32::MAX);
            let pause = ctx.pause(attempts.saturating_add(1));
            warn!(
                reason = retry.reason,
                attempts,
                ?pause,
                "an effect will be tried again"
            );
            let later = ctx.now().plus(pause);
            ctx.store
                .effect_retry(claimed.lease, later, &retry.reason)
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

#[cfg(test)]
mod tests {
    use godwit_core::effect::{Effect, Subject};
    use godwit_core::ids::MigrationUuid;
    use godwit_core::time::Timestamp;
    use godwit_store::Lease;
    use uuid::Uuid;

    use super::*;

    fn claimed(effect: Effect) -> Claimed {
        Claimed {
            lease: Lease {
                effect: 1,
                epoch: 1,
            },
            subject: Subject::Migration(MigrationUuid(Uuid::nil()), effect),
            sequence: 1,
            attempts: 0,
            created_at: Timestamp::from_micros(0).unwrap(),
            trace: None,
        }
    }

    #[test]
    fn a_migration_begins_for_every_three_effects_of_others() {
        let mut turns = Turns::default();
        for _ in 0..3 {
            assert_eq!(turns.beginnings(1), 0);
            turns.count(&[claimed(Effect::Finish)], true);
        }
        assert_eq!((turns.beginnings(1), turns.beginnings(32)), (1, 8));
        turns.count(&[claimed(Effect::Schedule)], true);
        assert_eq!(turns.beginnings(32), 0);
        turns.count(&vec![claimed(Effect::Watch); 32], true);
        assert_eq!(turns.beginnings(2), 1);
        turns.count(&[claimed(Effect::Watch)], false);
        assert_eq!(turns.beginnings(2), 0, "nobody waits");
    }
}
