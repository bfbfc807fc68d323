//! One at a time: what powers a guest off or on.
//!
//! A call of libvirt that is given up goes on by itself. So whoever may start a guest keeps its
//! turn until the call has really returned, and whoever has to be sure that the guest is off
//! waits for that turn: otherwise a start that came late would make a second copy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use godwit_core::ids::ServerUuid;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::driver::DriverError;

/// The turns of all guests.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>);

/// Held by who may change whether the guest runs; moves into threads.
pub(super) type Turn = OwnedMutexGuard<()>;

impl Turns {
    /// The guest's turn, when nobody has it any more.
    pub(super) async fn take(
        &self,
        server: ServerUuid,
        patience: Duration,
    ) -> Result<Turn, DriverError> {
        let lock = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(turns.entry(server.0).or_default())
        };
        let taken = tokio::time::timeout(patience, lock.lock_owned()).await;
        taken.map_err(|_| {
            DriverError::Unavailable(format!("{server} is still being powered on or off"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: ServerUuid = ServerUuid(Uuid::from_u128(1));
    const OTHER: ServerUuid = ServerUuid(Uuid::from_u128(2));

    #[tokio::test(start_paused = true)]
    async fn a_guest_has_one_turn_and_each_guest_its_own() {
        let (turns, patience) = (Turns::default(), Duration::from_secs(5));
        let first = turns.take(GUEST, patience).await.unwrap();
        turns.take(OTHER, patience).await.unwrap();
        let second = turns.take(GUEST, patience).await;
        assert!(matches!(second, Err(DriverError::Unavailable(_))));
        drop(first);
        turns.take(GUEST, patience).await.unwrap();
    }
}
