//! What an agent tells the conductors.

use std::time::Duration;

use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::time::Timestamp;
use semver::Version;
use uuid::Uuid;

use crate::facts::Inventory;
use crate::progress::Ended;

/// An agent introduces its host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Where the agent serves; see [`crate::transport::Address`].
    pub agent_address: String,
    /// One run of the agent's process.
    pub boot_id: Uuid,
    /// The host and its domains.
    pub inventory: Inventory,
    /// What the agent speaks.
    pub rpc_version: Version,
    /// What it can do beyond that.
    pub capabilities: Vec<String>,
    /// Migrations of which something may be left over on the host.
    pub unsettled: Vec<MigrationUuid>,
}

/// The conductor's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Unfinished migrations from or to the host. What the agent has left over of any other
    /// may be cleaned up.
    pub unfinished: Vec<MigrationUuid>,
    /// Those of the unsettled ones that ended with the guest on its destination.
    pub completed: Vec<MigrationUuid>,
    /// How often to send a [`Heartbeat`].
    pub heartbeat_interval: Duration,
}

/// A sign of life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Whose.
    pub host: HostName,
    /// One run of the agent's process.
    pub boot_id: Uuid,
    /// Sent when something changed, and now and then.
    pub inventory: Option<Inventory>,
}

/// The conductor's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// False: the conductor does not know this run of the agent, which has to register.
    pub registered: bool,
}

/// A terminal outcome; sent to any conductor until one has made it durable.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Report {
    pub host: HostName,
    pub migration: MigrationUuid,
    /// The newest command the agent had taken.
    pub sequence: i64,
    pub ended: Ended,
    pub at: Timestamp,
}
