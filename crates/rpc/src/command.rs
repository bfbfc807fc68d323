//! What a conductor asks of an agent.

use godwit_core::failure::Failure;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::power::PowerAction;
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;
use godwit_core::words;
use serde::{Deserialize, Serialize};

use crate::domain::Domain;
use crate::facts::{HostFacts, Pool};

words!(
    /// Which end of a move a host is.
    Side, "side of a move", {
        /// The guest comes from here.
        Source = "source",
        /// The guest goes here.
        Destination = "destination",
    }
);

words!(
    /// How a guest gets to its destination.
    #[derive(Default)]
    MoveKind, "kind of move", {
        /// It executes all the way. What everything was before there were other kinds.
        #[default]
        Live = "live",
        /// It is powered off at its source, and started at its destination if it ran.
        Cold = "cold",
        /// Its source is dead: it is started at its destination, from what is known of it.
        Evacuation = "evacuation",
    }
);

/// One move of one guest: what a migration is to the hosts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Move {
    pub migration: MigrationUuid,
    /// How the guest gets there.
    #[serde(default)]
    pub kind: MoveKind,
    pub server: ServerUuid,
    pub source: HostName,
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

/// A command's place among those of its migration, or of its server. An agent refuses what is older than what
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
    /// How it would travel: for a cold move it need not be in memory.
    pub kind: MoveKind,
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
    /// The command.
    pub command: Command,
    /// The guest, as its source described it.
    pub guest: Domain,
}

/// The destination's answer when it is ready: what its source has to know to reach it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Receiver {
    /// Where the move connects to; only drivers of the same kind read it.
    pub target: String,
    /// The storage that the destination reaches. What lies elsewhere has to travel.
    pub pools: Vec<Pool>,
}

/// Source: begin to move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// The command.
    pub command: Command,
    /// What the destination answered when it was prepared.
    pub receiver: Receiver,
}

/// Both sides: the guest is on its source, clean up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RollBack {
    /// The command.
    pub command: Command,
    /// Source: start the guest again that the move stopped. Only ever set where
    /// [`godwit_core::recovery::judge`] proved that the destination never executed it.
    pub resume: bool,
}

/// Could this guest be started here, from what is known of it? Asked where no source can
/// describe it any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckBoot {
    /// For logs.
    pub migration: MigrationUuid,
    /// The guest.
    pub server: ServerUuid,
    /// See [`Domain::definition`].
    pub definition: String,
}

/// Destination: define the guest, and start it.
///
/// Only ever sent when its source is proven not to execute it: it was powered off there, or the
/// source is dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Boot {
    /// The command.
    pub command: Command,
    /// See [`Domain::definition`]. `None`: that of the guest the host was prepared for.
    pub definition: Option<String>,
    /// Start it, too. A guest that was off when its move began is never started.
    pub power_on: bool,
}

/// Either side: give up the guest, which belongs elsewhere.
///
/// Only ever sent when it is decided for good that the guest is not here: its destination has
/// it (an evacuation's source that came back), or its source will (a cold move's destination).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Withdraw {
    /// The command.
    pub command: Command,
    /// When the migration began. A guest that came to this host later, by another migration,
    /// is none of its business.
    pub began_at: Timestamp,
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

/// The server's host: power it off, on, or off and on.
///
/// Only ever sent while no migration of the server is under way. Its place is among the commands
/// of its server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Power {
    /// The server.
    pub server: ServerUuid,
    /// What is done to it.
    pub action: PowerAction,
    /// Its place.
    pub rank: Rank,
    /// The API request behind it, for logs.
    pub request_id: Option<String>,
}

/// What came of a [`Power`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Powered {
    /// What the hypervisor says now.
    pub power_state: PowerState,
    /// It was tried, or looked into, and does not work.
    pub failure: Option<Failure>,
}
