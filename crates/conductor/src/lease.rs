//! Holding on to leases while their effects are performed.
//!
//! One task renews all of them. Whoever performs an effect races it against the loss of its
//! lease, and stops at once: somebody else may be at it. A lease counts as lost when the store
//! says so, and also when it could not be renewed in time; then the store may be out of reach
//! for us alone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use godwit_store::Lease;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::ticks::Ticks;

/// The leases that this conductor holds.
#[derive(Clone, Default)]
pub(crate) struct Leases {
    held: Arc<Mutex<HashMap<Lease, Held>>>,
}

struct Held {
    until: watch::Sender<Instant>,
    /// The effect was ticked off with what it led to.
    ticked_off: bool,
}

/// A lease that is being renewed for as long as this lives.
pub(crate) struct HeldLease {
    lease: Lease,
    until: watch::Receiver<Instant>,
    leases: Leases,
}

impl Leases {
    /// Keeps `lease`, which runs until `until` if nobody renews it.
    pub(crate) fn hold(&self, lease: Lease, until: Instant) -> HeldLease {
        let (sender, receiver) = watch::channel(until);
        let held = Held {
            until: sender,
            ticked_off: false,
        };
        self.held().insert(lease, held);
        HeldLease {
            lease,
            until: receiver,
            leases: self.clone(),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.held().len()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Lease, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prolonged(&self, lease: Lease, until: Instant) {
        if let Some(held) = self.held().get(&lease) {
            held.until.send_replace(until);
        }
    }

    /// The effect of `lease` was ticked off in the transaction of what it led to.
    pub(crate) fn tick_off(&self, lease: Lease) {
        if let Some(held) = self.held().get_mut(&lease) {
            held.ticked_off = true;
        }
    }

    fn lost(&self, lease: Lease) {
        self.held().remove(&lease);
    }
}

impl HeldLease {
    /// Is there nothing left to say of its effect?
    pub(crate) fn is_ticked_off(&self) -> bool {
        let held = self.leases.held();
        held.get(&self.lease).is_some_and(|held| held.ticked_off)
    }

    pub(crate) async fn lost(&mut self) {
        loop {
            let until = *self.until.borrow_and_update();
            tokio::select! {
                biased;
                changed = self.until.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.leases.lost(self.lease);
    }
}

/// Renews every lease held, three times in its length.
pub(crate) async fn keep(ctx: &Context, stop: &CancellationToken) {
    let span = ctx.config.lease;
    let mut ticks = Ticks::every((span / 3).max(Duration::from_millis(1)));
    while ticks.next(stop).await {
        let held: Vec<Lease> = ctx.leases.held().keys().copied().collect();
        if held.is_empty() {
            continue;
        }
        let from = Instant::now();
        let renewed = ctx
            .store
            .effects_renew(held.clone(), ctx.now().plus(span))
            .await;
        match renewed.map(HashSet::<Lease>::from_iter) {
            Ok(renewed) => {
                for lease in held {
                    if renewed.contains(&lease) {
                        ctx.leases.prolonged(lease, from + span);
                    } else {
                        ctx.leases.lost(lease);
                    }
                }
            }
            Err(error) => warn!(%error, "leases could not be renewed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Lease = Lease {
        effect: 7,
        epoch: 1,
    };
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_nobody_renews_is_lost_in_time() {
        let begin = Instant::now();
        Leases::default().hold(LEASE, begin + SECOND).lost().await;
        assert_eq!(begin.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_lease_lasts_longer() {
        let begin = Instant::now();
        let leases = Leases::default();
        let mut held = leases.hold(LEASE, begin + SECOND);
        let early = tokio::time::timeout(SECOND / 2, held.lost()).await;
        assert!(early.is_err());
        leases.prolonged(LEASE, begin + 3 * SECOND);
        held.lost().await;
        assert_eq!(begin.elapsed(), 3 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_the_store_gave_away_is_lost_at_once() {
        let begin = Instant::now();
        let leases = Leases::default();
        let mut held = leases.hold(LEASE, begin + SECOND);
        leases.lost(LEASE);
        held.lost().await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[test]
    fn what_is_no_longer_performed_is_no_longer_renewed() {
        let leases = Leases::default();
        drop(leases.hold(LEASE, Instant::now()));
        assert!(leases.held().is_empty());
    }
}
