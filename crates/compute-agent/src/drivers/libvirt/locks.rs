//! One at a time: what powers a guest off or on.
//!
//! A call of libvirt that is given up goes on by itself. So whoever may start a guest keeps its
//! lock until the call has really returned, and whoever has to be sure that the guest is off
//! waits for that lock: otherwise a start that came late would make a second copy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::{DriverError, ServerUuid};

#[derive(Default)]
pub(super) struct GuestLocks(Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>);

/// Held by who may change whether the guest runs; moves into threads.
pub(super) type GuestLock = OwnedMutexGuard<()>;

impl GuestLocks {
    /// The guest's lock, when nobody holds it any more.
    pub(super) async fn take(
        &self,
        server: ServerUuid,
        within: Duration,
    ) -> Result<GuestLock, DriverError> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(server.0).or_default())
        };
        let taken = tokio::time::timeout(within, lock.lock_owned()).await;
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
    async fn a_guest_has_one_lock_and_each_guest_its_own() {
        let (locks, within) = (GuestLocks::default(), Duration::from_secs(5));
        let first = locks.take(GUEST, within).await.unwrap();
        locks.take(OTHER, within).await.unwrap();
        let second = locks.take(GUEST, within).await;
        assert!(matches!(second, Err(DriverError::Unavailable(_))));
        drop(first);
        locks.take(GUEST, within).await.unwrap();
    }
}
