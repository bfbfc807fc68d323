//! What hosts see: the hypervisor is the truth about where a guest runs, and here the records
//! follow it where that is safe, or a discrepancy says that it is not.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;

use super::Disk;
use crate::{Discrepancy, FlavorSpec, Room, Store, StoreError};

/// Everything a host has, at one time.
#[derive(Clone, PartialEq, Debug)]
pub struct Inventory {
    /// Which host.
    pub host: HostName,
    /// When the agent began to look, by the store's clocks: the time of receipt less the age
    /// that the agent gave. What has been settled since is not touched.
    pub at: Timestamp,
    /// All domains there are; a known server that is missing here is not on the host.
    pub domains: Vec<Observed>,
}

/// A domain on a host.
#[derive(Clone, PartialEq, Debug)]
pub struct Observed {
    /// The domain's uuid, and so the server's.
    pub uuid: ServerUuid,
    /// The domain's name.
    pub instance_name: String,
    /// What the host says of it.
    pub sighting: Sighting,
    /// What the hypervisor says of it.
    pub power_state: PowerState,
    /// What it takes of the host; disks on storage of the host's own.
    pub room: Room,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Who owns it, should the server be unknown.
    pub owner: Owner,
}

/// Whose a server is and how it is called: from Nova's metadata in the domain, or else from
/// the agent's configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The server's name.
    pub name: String,
    /// Its project.
    pub project_id: String,
    /// Its user.
    pub user_id: String,
    /// Its flavor; `None`: one is made of its vcpus, memory and disks.
    pub flavor: Option<FlavorSpec>,
    /// Its image.
    pub image_ref: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// What one host last said of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SightingRecord {
    /// Which server.
    pub server: ServerUuid,
    /// Which host.
    pub host: HostName,
    /// What it said.
    pub sighting: Sighting,
    /// What the hypervisor said.
    pub power_state: PowerState,
    /// When.
    pub at: Timestamp,
}

/// What an inventory changed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Observation {
    /// Servers that were unknown before.
    pub adopted: Vec<ServerUuid>,
    /// Servers whose record followed the hypervisor.
    pub moved_by_hand: Vec<MovedByHand>,
    /// What became odd.
    pub opened: Vec<Discrepancy>,
    /// What is odd no longer.
    pub closed: Vec<Discrepancy>,
}

/// A server that somebody moved behind the service's back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MovedByHand {
    /// Which server.
    pub server: ServerUuid,
    /// Where it was recorded.
    pub from: Option<HostName>,
    /// Where it is.
    pub to: HostName,
}

impl Store {
    /// Takes note of all that a host has.
    ///
    /// Unknown domains become servers. A server without an unfinished migration follows the
    /// one host where it executes. Where two execute it, or none has it, a discrepancy is
    /// opened; nothing is guessed. Discrepancies of this kind close themselves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn inventory_record(&self, inventory: Inventory) -> Result<Observation, StoreError> {
        unimplemented!("{inventory:?}")
    }

    /// What every host last said of a server.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sightings(&self, server: ServerUuid) -> Result<Vec<SightingRecord>, StoreError> {
        unimplemented!("{server}")
    }
}
