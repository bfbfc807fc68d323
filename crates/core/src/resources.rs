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

    /// The smaller amount of each, and not less than nothing.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        let least = |one: i64, other: i64| one.min(other).max(0);
        Self {
            vcpus: least(self.vcpus, other.vcpus),
            memory_mb: least(self.memory_mb, other.memory_mb),
            disk_gb: least(self.disk_gb, other.disk_gb),
        }
    }

    /// The larger amount of each.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            vcpus: self.vcpus.max(other.vcpus),
            memory_mb: self.memory_mb.max(other.memory_mb),
            disk_gb: self.disk_gb.max(other.disk_gb),
        }
    }

    /// Is there enough of everything in what is `free`? Of what is not needed a host may have less than
    /// nothing: whose disks are all elsewhere goes to one whose own are too full.
    pub fn fits(self, free: Self) -> bool {
        let fits = |needed: i64, free: i64| needed <= 0 || needed <= free;
        fits(self.vcpus, free.vcpus)
            && fits(self.memory_mb, free.memory_mb)
            && fits(self.disk_gb, free.disk_gb)
    }
}

/// Virtual for each real one; Nova's defaults.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllocationRatios {
    /// Processors. Default 4.
    pub cpu: f64,
    /// Memory. Default 1.
    pub memory: f64,
    /// Local disk. Default 1.
    pub disk: f64,
}

impl Default for AllocationRatios {
    fn default() -> Self {
        Self {
            cpu: 4.0,
            memory: 1.0,
            disk: 1.0,
        }
    }
}

impl AllocationRatios {
    /// What a host may give in all that has `real`.
    pub fn capacity(self, real: Resources) -> Resources {
        Resources {
            vcpus: times(real.vcpus, self.cpu),
            memory_mb: times(real.memory_mb, self.memory),
            disk_gb: times(real.disk_gb, self.disk),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "float to integer saturates, and nobody has 2^53 of anything here"
)]
fn times(amount: i64, ratio: f64) -> i64 {
    (amount as f64 * ratio) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_cut_and_never_wrap() {
        let real = Resources {
            vcpus: 7,
            memory_mb: i64::MAX,
            disk_gb: 5,
        };
        let ratios = AllocationRatios {
            cpu: 1.5,
            memory: 16.0,
            disk: f64::NAN,
        };
        let expected = Resources {
            vcpus: 10,
            memory_mb: i64::MAX,
            disk_gb: 0,
        };
        assert_eq!(ratios.capacity(real), expected);
    }

    #[test]
    fn what_is_not_needed_cannot_be_short() {
        let of = |vcpus, memory_mb, disk_gb| Resources {
            vcpus,
            memory_mb,
            disk_gb,
        };
        assert!(of(1, 2, 0).fits(of(1, 2, -3)));
        assert!(!of(1, 2, 1).fits(of(1, 2, -3)));
        assert!(!of(1, 2, 1).fits(of(1, 2, 0)));
        assert!(of(0, 0, 0).fits(of(-1, -1, -1)));
    }
}
