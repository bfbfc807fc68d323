//! How far a move is, and how it ended.

use std::time::Duration;

use godwit_core::failure::Failure;
use serde::{Deserialize, Serialize};

/// Bytes of one kind, as QEMU counts them: `processed` grows past `total` when pages are sent
/// again, and `remaining` may rise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Amounts {
    /// All there is.
    pub total: u64,
    /// Sent.
    pub processed: u64,
    /// To be sent, as far as known.
    pub remaining: u64,
}

/// How far a move is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// Memory, bytes.
    pub memory: Amounts,
    /// Copied disks, bytes; `None` when storage is shared.
    pub disk: Option<Amounts>,
    /// Bytes of memory the guest changes a second.
    pub dirty_rate: u64,
    /// Bytes that cross the link a second.
    pub throughput: u64,
    /// While moving: the expected downtime. At the end: what it was.
    pub downtime: Option<Duration>,
    /// Passes over memory so far.
    pub iteration: u32,
}

impl Progress {
    /// Everything sent so far, bytes: what a stall watchdog looks at.
    pub fn bytes_moved(&self) -> u64 {
        let disk = self.disk.map_or(0, |disk| disk.processed);
        self.memory.processed.saturating_add(disk)
    }
}

/// How a move ended, by the hypervisor's word.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The guest executes at the destination.
    HandedOver,
    /// A cold move: the guest is off at its source, and all that it needs is at the
    /// destination. Its definition and its disks are kept at the source.
    Stopped,
    /// Aborted; the guest is at its source in the state it had.
    Cancelled,
    /// Failed; the guest is at its source in the state it had.
    Failed(Failure),
    /// The guest executes nowhere any more.
    Lost(Failure),
}

impl Outcome {
    /// The word in logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::HandedOver => "handed_over",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
            Self::Lost(_) => "lost",
        }
    }
}

/// The end of a move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// The final figures, where the hypervisor gave any.
    pub progress: Option<Progress>,
}

/// What a follower of a move hears. Hints but for the last two, after which the stream ends;
/// at least one comes every few seconds while the agent lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchEvent {
    /// How far it is.
    Progress(Progress),
    /// The guest now executes at the destination. Said once, also to who comes later.
    PostCopyStarted,
    /// It is over.
    Ended(Ended),
    /// This agent follows no such move and remembers no end of it: only the hypervisors on
    /// both sides can tell (see [`godwit_core::recovery::judge`]).
    Unknown,
}
