//! The outbox: effects that a transition asked for, performed at least once by whoever holds
//! their lease.

use std::time::Duration;

use godwit_core::effect::Effect;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use crate::{Store, StoreError};

/// The right to perform an effect, for a while. A later holder has a greater epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    /// Which effect.
    pub effect: i64,
    /// The lease's number for this effect: it goes with every command, so that an agent can
    /// refuse a holder who was replaced.
    pub epoch: i64,
}

/// An effect to perform.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedEffect {
    /// The right to perform it.
    pub lease: Lease,
    /// For which migration.
    pub migration: MigrationUuid,
    /// Of which server.
    pub server: ServerUuid,
    /// The effect's number for its migration; agents refuse older ones.
    pub sequence: i64,
    /// What to do.
    pub effect: Effect,
    /// How often it was tried and given back by [`Store::effect_retry`].
    pub attempts: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Store {
    /// Leases up to `limit` effects to `owner` until `now + lease`: those whose time has come,
    /// that nobody holds, and whose order allows it ([`Effect::overtakes`],
    /// [`Effect::blocks_later`]). No effect is ever leased to two owners at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effects_claim(
        &self,
        owner: &str,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<ClaimedEffect>, StoreError> {
        unimplemented!("{owner} {now} {lease:?} {limit}")
    }

    /// Prolongs a lease. `false` if it is lost: the effect is done, superseded, or somebody
    /// else's. Then performing it must stop.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effect_renew(&self, lease: Lease, until: Timestamp) -> Result<bool, StoreError> {
        unimplemented!("{lease:?} {until}")
    }

    /// The effect was performed. `false` if the lease is lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effect_done(&self, lease: Lease, at: Timestamp) -> Result<bool, StoreError> {
        unimplemented!("{lease:?} {at}")
    }

    /// The effect failed in a way that may pass: it is given back, to be tried again at
    /// `not_before`. `false` if the lease is lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effect_retry(
        &self,
        lease: Lease,
        not_before: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError> {
        unimplemented!("{lease:?} {not_before} {error}")
    }

    /// Gives back all that `owner` holds, so that others need not wait for the leases to end:
    /// for a clean stop. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn effects_release(&self, owner: &str) -> Result<usize, StoreError> {
        unimplemented!("{owner}")
    }
}
