//! What a host can run out of.

use serde::{Deserialize, Serialize};

/// An amount of each of the three things that servers take of a host. Differences may be
/// negative: an adopted host can be fuller than it ought to be.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Resources {
    /// Virtual processors.
    pub vcpus: i64,
    /// Memory in MiB.
    pub memory_mb: i64,
    /// Disk in GiB on storage of the host's own.
    pub disk_gb: i64,
}

impl Resources {
    /// This and `other` together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            vcpus: self.vcpus.saturating_add(other.vcpus),
            memory_mb: self.memory_mb.saturating_add(other.memory_mb),
            disk_gb: self.disk_gb.saturating_add(other.disk_gb),
        }
    }

    /// What is left of this after `used`.
    #[must_use]
    pub fn less(self, used: Self) -> Self {
        Self {
            vcpus: self.vcpus.saturating_sub(used.vcpus),
            memory_mb: self.memory_mb.saturating_sub(used.memory_mb),
            disk_gb: self.disk_gb.saturating_sub(used.disk_gb),
        }
    }

    /// Is there enough of everything in `capacity`?
    pub fn fits(self, capacity: Self) -> bool {
        self.vcpus <= capacity.vcpus
            && self.memory_mb <= capacity.memory_mb
            && self.disk_gb <= capacity.disk_gb
    }
}
