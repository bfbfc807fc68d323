//! A migration as its row holds it: what decides its course, and what only describes it.

use godwit_core::ids::HostName;
use godwit_core::migration::Migration;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A migration with all that is recorded of it.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct MigrationRecord {
    /// Nova's integer id: unique in this database only.
    pub id: i64,
    /// All that decides its course.
    pub migration: Migration,
    /// The source's hypervisor hostname; `None` of a live one until a destination was accepted.
    pub source_node: Option<String>,
    /// The destination as the API shows it: also a forced host that was never accepted, where
    /// [`Migration::placement`] is `None`, and that of an imported migration.
    pub dest_compute: Option<HostName>,
    /// The destination's hypervisor hostname, as the API shows it.
    pub dest_node: Option<String>,
    /// The destination's address; Nova leaves it null for live migrations.
    pub dest_host: Option<String>,
    /// The flavor before, by its database id; null for evacuations.
    pub old_flavor_id: Option<i64>,
    /// The flavor after, by its database id.
    pub new_flavor_id: Option<i64>,
    pub user_id: Option<String>,
    /// The project of who asked for it, which need not be the server's.
    pub project_id: Option<String>,
    /// The HTTP request that began it.
    pub request_id: Option<String>,
    pub progress: Progress,
    pub created_at: Timestamp,
    /// When anything in the row last changed; `None` before the first change.
    pub updated_at: Option<Timestamp>,
    /// When it entered its status.
    pub status_since: Timestamp,
    /// When its guest was first on its way.
    pub started_at: Option<Timestamp>,
    /// When it ended: when its server was free of it.
    pub ended_at: Option<Timestamp>,
    /// Kept out of `/os-migrations`.
    pub hidden: bool,
    /// Came from another database; without effects until its host has an agent.
    pub imported: bool,
}

/// What the hypervisor reports while it moves a guest. A hint: it never decides anything.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// Memory; `None` before the first sample.
    pub memory: Option<Amounts>,
    /// Disks being copied; `None` before the first sample.
    pub disk: Option<Amounts>,
    /// What the guest writes to its memory, in bytes a second.
    pub dirty_rate: Option<i64>,
    /// What the move transfers, in bytes a second.
    pub throughput: Option<i64>,
    /// How long the guest stood still, or is expected to, in milliseconds.
    pub downtime_ms: Option<i64>,
}

impl Progress {
    /// What the guest was seen to write to its memory, in bytes a second. A hypervisor counts what
    /// was written between two looks at the whole memory: before the second look it says 0, as of a
    /// guest that stands still, and has measured nothing.
    pub fn measured_dirty_rate(&self) -> Option<i64> {
        self.dirty_rate.filter(|rate| *rate > 0)
    }

    /// Nova's `progress` of a server: the per cent of its memory that need not be sent any
    /// more (`contract: state-machine.md §6`).
    pub fn percent(&self) -> i32 {
        let Some(memory) = self.memory else { return 0 };
        if memory.total <= 0 {
            return 0;
        }
        let remaining = memory.remaining.clamp(0, memory.total) as f64 / memory.total as f64;
        100 - (remaining * 100.0).round() as i32
    }
}

/// Bytes. `processed` may exceed `total`, as pages that got dirty are sent again, and
/// `remaining` may grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Amounts {
    pub total: i64,
    pub processed: i64,
    pub remaining: i64,
}

/// Amounts of columns, which are null together.
pub(super) fn amounts(
    total: Option<i64>,
    processed: Option<i64>,
    remaining: Option<i64>,
) -> Option<Amounts> {
    Some(Amounts {
        total: total?,
        processed: processed?,
        remaining: remaining?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rate_is_no_measurement() {
        let measured = |dirty_rate| {
            let progress = Progress {
                dirty_rate,
                ..Progress::default()
            };
            progress.measured_dirty_rate()
        };
        assert_eq!(
            [None, Some(0), Some(7)].map(measured),
            [None, None, Some(7)]
        );
    }

    fn progress(total: i64, remaining: i64) -> i32 {
        let memory = Some(Amounts {
            total,
            processed: 0,
            remaining,
        });
        Progress {
            memory,
            ..Progress::default()
        }
        .percent()
    }

    #[test]
    fn percent_is_novas() {
        assert_eq!(Progress::default().percent(), 0);
        assert_eq!(progress(0, 0), 0, "no total yet means all remains");
        assert_eq!(progress(1000, 1000), 0);
        assert_eq!(progress(1000, 994), 1);
        assert_eq!(progress(1000, 0), 100);
        assert_eq!(progress(1000, 5000), 0, "remaining may exceed total");
    }
}
