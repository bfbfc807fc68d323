//! What is remembered of one migration.

use godwit_core::time::Timestamp;
use godwit_rpc::command::{Command, Move, Rank, Side};
use godwit_rpc::progress::Ended;
use serde::{Deserialize, Serialize};

/// How far a migration got on this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A command came, and nothing has been done.
    Known,
    /// Destination: is being made ready, or was when the agent died.
    Preparing,
    /// Destination: ready.
    Prepared,
    /// Source: the job is being begun, or was when the agent died. Whether it runs, only the
    /// hypervisor knows.
    Starting,
    /// Source: the job was begun.
    Moving,
    /// Finished or rolled back: nothing is left over here.
    Settled,
}

/// How a move ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// By the hypervisor's word.
    pub ended: Ended,
    /// When it was seen.
    pub at: Timestamp,
    /// Has a conductor made it durable (or refused to hear it)?
    pub acknowledged: bool,
}

/// One migration, on this host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What moves.
    pub what: Move,
    /// Which end this host is.
    pub side: Side,
    /// The newest command taken.
    pub rank: Rank,
    /// How far it got.
    pub stage: Stage,
    /// How the move ended.
    pub verdict: Option<Verdict>,
    /// The driver's page.
    pub notes: Option<serde_json::Value>,
    /// When the first command came.
    pub created_at: Timestamp,
    /// When this was written.
    pub updated_at: Timestamp,
}

impl Entry {
    pub(super) fn new(command: &Command, side: Side, now: Timestamp) -> Self {
        Self {
            what: command.what.clone(),
            side,
            rank: command.rank,
            stage: Stage::Known,
            verdict: None,
            notes: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Source: was a job begun, or may it have been, whose end nobody here has seen?
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Moving) && self.verdict.is_none()
    }

    /// Does a conductor still have to hear how it ended?
    pub fn is_untold(&self) -> bool {
        self.verdict
            .as_ref()
            .is_some_and(|verdict| !verdict.acknowledged)
    }

    /// Will nothing ever be done here for this migration, and does everybody know?
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Settled && !self.is_untold()
    }
}
