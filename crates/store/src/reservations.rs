//! Claims and slots: what a migration holds of its hosts until it ends.

use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::words;

use crate::{Room, Store, StoreError};

words!(
    /// As what a host takes part in a migration.
    SlotRole, "slot role", {
        /// The guest comes from here.
        Source = "source",
        /// The guest goes here.
        Destination = "destination",
    }
);

/// A slot in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// By whom.
    pub migration: MigrationUuid,
    /// Where.
    pub host: HostName,
    /// As what.
    pub role: SlotRole,
}

/// Room held at a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldClaim {
    /// By whom.
    pub migration: MigrationUuid,
    /// Where.
    pub host: HostName,
    /// How much.
    pub room: Room,
}

impl Store {
    /// All slots in use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn slot_list(&self) -> Result<Vec<Slot>, StoreError> {
        unimplemented!()
    }

    /// All claims held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_list(&self) -> Result<Vec<HeldClaim>, StoreError> {
        unimplemented!()
    }
}
