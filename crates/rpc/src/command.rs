//! What a conductor asks of an agent.

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::{BlockMigration, StorageMode};
use serde::{Deserialize, Serialize};

use crate::domain::Domain;
use crate::facts::HostFacts;

/// Which end of a move a host is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The guest comes from here.
    Source,
    /// The guest goes here.
    Destination,
}

impl Side {
    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// One move of one guest: what a migration is to the hosts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Move {
    /// The migration.
    pub migration: MigrationUuid,
    /// The guest.
    pub server: ServerUuid,
    /// Where it comes from.
    pub source: HostName,
    /// Where it goes.
    pub destination: HostName,
    /// How its disks get there.
    pub storage: StorageMode,
}

impl Move {
    /// Which end `host` is; `None` when it is neither.
    pub fn side_of(&self, host: &HostName) -> Option<Side> {
        if *host == self.source {
            Some(Side::Source)
        } else if *host == self.destination {
            Some(Side::Destination)
        } else {
            None
        }
    }
}

/// A command's place among those of its migration. An agent refuses what is older than what
/// it has taken: an effect that was superseded, or a conductor that lost its lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Rank {
    /// The effect's number.
    pub sequence: i64,
    /// How often the effect was leased.
    pub epoch: i64,
}

/// What every command carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// What it is about.
    pub what: Move,
    /// Its place.
    pub rank: Rank,
    /// The API request behind it, for logs.
    pub request_id: Option<String>,
}

/// May this guest leave, and how would its disks travel? Asked before a destination is settled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckSource {
    /// For logs.
    pub migration: MigrationUuid,
    /// The guest.
    pub server: ServerUuid,
    /// What the request says about disks.
    pub block_migration: BlockMigration,
    /// Where it would go.
    pub destination: HostFacts,
}

/// The source's answer when nothing speaks against the move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Movable {
    /// The guest as it is now.
    pub guest: Domain,
    /// How its disks would travel.
    pub storage: StorageMode,
}

/// Would this guest fit and run here?
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckDestination {
    /// For logs.
    pub migration: MigrationUuid,
    /// The guest, as its source described it.
    pub guest: Domain,
    /// Where it comes from.
    pub source: HostFacts,
    /// How its disks would travel.
    pub storage: StorageMode,
    /// Count allocated sizes (`Some(true)`) or virtual ones (`Some(false)`) against the room.
    /// A copy's allocated size is checked in any case.
    pub disk_over_commit: Option<bool>,
}

/// Destination: make ready to receive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepare {
    /// Which.
    pub command: Command,
    /// The guest, as its source described it.
    pub guest: Domain,
}

/// Source: begin to move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// Which.
    pub command: Command,
    /// Where to, as the destination described itself.
    pub destination: HostFacts,
}

/// Both sides: the guest is on its source, clean up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RollBack {
    /// Which.
    pub command: Command,
    /// Source: start the guest again that the move stopped. Only ever set where
    /// [`godwit_core::recovery::judge`] proved that the destination never executed it.
    pub resume: bool,
}

/// How a move is got over with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForceMeans {
    /// The guest goes on at the destination, its memory follows.
    PostCopy,
    /// The guest stands still until its memory is there.
    Pause,
}
