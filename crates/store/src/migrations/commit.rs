//! The transaction that writes a transition.

use godwit_core::ids::HostName;
use godwit_core::migration::Migration;
use godwit_core::time::Timestamp;
use godwit_core::transition::Transition;
use serde::{Deserialize, Serialize};

use super::MigrationRecord;
use crate::effects::Lease;
use crate::{Actor, SlotRole, Store, StoreError};

/// What is written down beside a transition, and what else is taken with it.
#[derive(Clone, PartialEq, Debug)]
pub struct CommitNote {
    /// Who made it happen.
    pub actor: Actor,
    /// The HTTP request behind it, if one is.
    pub request_id: Option<String>,
    /// More about it for the event log, such as the hosts that were rejected and why; `Null`
    /// for nothing.
    pub detail: serde_json::Value,
    /// The present.
    pub at: Timestamp,
    /// Room to claim at the destination; replaces an earlier claim of the migration. Ignored
    /// when the transition did not place it there.
    pub claim: Option<Claim>,
    /// Take a slot at the source and one at the destination, if that keeps these limits.
    /// Ignored when the transition did not begin to prepare.
    pub slots: Option<SlotLimits>,
    /// The effect whose outcome this is; it becomes done in the same transaction, if the lease
    /// is still held.
    pub performed: Option<Lease>,
}

impl CommitNote {
    /// A note that takes nothing.
    pub fn new(actor: Actor, at: Timestamp) -> Self {
        Self {
            actor,
            request_id: None,
            detail: serde_json::Value::Null,
            at,
            claim: None,
            slots: None,
            performed: None,
        }
    }
}

/// An amount of a host's capacity.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Room {
    /// Virtual CPUs.
    pub vcpus: i64,
    /// Memory in MiB.
    pub memory_mb: i64,
    /// Disk in GiB on storage of the host's own.
    pub disk_gb: i64,
}

impl Room {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            vcpus: self.vcpus.saturating_add(other.vcpus),
            memory_mb: self.memory_mb.saturating_add(other.memory_mb),
            disk_gb: self.disk_gb.saturating_add(other.disk_gb),
        }
    }

    /// Is there enough of everything in `capacity`?
    pub fn fits(self, capacity: Self) -> bool {
        self.vcpus <= capacity.vcpus
            && self.memory_mb <= capacity.memory_mb
            && self.disk_gb <= capacity.disk_gb
    }
}

/// Room at a destination, held for a migration until it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Where.
    pub host: HostName,
    /// How much.
    pub room: Room,
    /// What the host may give in all, overcommitment included: servers on it and claims on it
    /// must stay within.
    pub capacity: Room,
}

/// How many migrations may be under way at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotLimits {
    /// From one source.
    pub source: i64,
    /// To one destination.
    pub destination: i64,
}

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The row is no longer what the transition began from. Load it and step again.
    #[error("the migration has changed meanwhile")]
    Lost,
    /// The host has as many migrations in this role as it may.
    #[error("no {role} slot is free on {host}")]
    NoSlot {
        /// Which host.
        host: HostName,
        /// As what.
        role: SlotRole,
    },
    /// Somebody else took the room meanwhile.
    #[error("{host} has no room for it: {used:?} of {capacity:?} are taken")]
    NoRoom {
        /// Which host.
        host: HostName,
        /// By the servers on it and claims for it, without this one.
        used: Room,
        /// Of how much.
        capacity: Room,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Writes a transition that the caller made from `before`: the migration's row by
    /// compare-and-swap on its generation, its event, its effects, its claim and slots, and
    /// the change to its server, all or nothing.
    ///
    /// Most callers want [`Store::migration_step`], which cannot lose.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn migration_commit(
        &self,
        before: &Migration,
        event: &'static str,
        transition: Transition,
        note: CommitNote,
    ) -> Result<MigrationRecord, CommitError> {
        unimplemented!("{before:?} {event} {transition:?} {note:?}")
    }
}
