//! Whether a cluster's hosts are ours to move servers between.
//!
//! ```text
//!  managed ──► unmanaged ◄──► reconciling ──► managed
//! ```
//!
//! While somebody upgrades a cluster's hypervisors, it is unmanaged: nothing moves in or out, and
//! agents come and go without alarm. Records may be wrong after that, so on the way back they are
//! first compared with what every host says, and nothing moves until they agree.

use crate::status::words;

words!(
    /// How far a cluster is managed.
    Management, "cluster management", {
        /// Its servers move as everywhere.
        Managed = "managed",
        /// Left alone.
        Unmanaged = "unmanaged",
        /// To be managed again, as soon as what is recorded of its hosts is what they say.
        Reconciling = "reconciling",
    }
);

words!(
    /// What happens to it.
    ManagementEvent, "event of a cluster's management", {
        /// Somebody leaves it alone.
        Unmanaged = "unmanaged",
        /// Somebody wants it managed.
        ManagedRequested = "managed_requested",
        /// What is recorded of all its hosts is what they say.
        Reconciled = "reconciled",
    }
);

words!(
    /// What shall be done.
    ManagementEffect, "effect of a cluster's management", {
        /// Ask each of its hosts, and put the records right.
        Reconcile = "reconcile",
    }
);

/// The event means nothing to the cluster as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} does not apply to a cluster that is {state}")]
pub struct ManagementRejected {
    /// What it is.
    pub state: Management,
    /// What was to happen.
    pub event: ManagementEvent,
}

impl Management {
    /// May a server move away from its hosts, or to one of them?
    pub const fn permits_moves(self) -> bool {
        matches!(self, Self::Managed)
    }

    /// Is somebody to be told when one of its agents falls silent?
    pub const fn expects_agents(self) -> bool {
        match self {
            Self::Managed | Self::Reconciling => true,
            Self::Unmanaged => false,
        }
    }

    /// What becomes of it, and what is to be done.
    ///
    /// # Errors
    /// It is reconciled, but nobody wants it managed, or it is managed already.
    pub fn step(
        self,
        event: ManagementEvent,
    ) -> Result<(Self, Option<ManagementEffect>), ManagementRejected> {
        use ManagementEvent as E;
        match (self, event) {
            (Self::Managed | Self::Reconciling | Self::Unmanaged, E::Unmanaged) => {
                Ok((Self::Unmanaged, None))
            }
            (Self::Unmanaged, E::ManagedRequested) => {
                Ok((Self::Reconciling, Some(ManagementEffect::Reconcile)))
            }
            // Asked for already.
            (Self::Managed | Self::Reconciling, E::ManagedRequested) => Ok((self, None)),
            (Self::Reconciling, E::Reconciled) => Ok((Self::Managed, None)),
            (Self::Managed | Self::Unmanaged, E::Reconciled) => {
                Err(ManagementRejected { state: self, event })
            }
        }
    }
}
