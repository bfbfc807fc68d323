//! What is remembered of one migration.

use godwit_core::ids::MigrationUuid;
use godwit_core::time::Timestamp;
use godwit_core::trace::TraceContext;
use godwit_rpc::command::{Command, Move, MoveKind, Rank, Side};
use godwit_rpc::progress::Ended;
use serde::{Deserialize, Serialize};

use super::files::Remembered;

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
    /// Destination: the guest is being started from its definition, or was when the agent died.
    Booting,
    /// Destination: the guest was started, or only defined if it was off. That is done once.
    Booted,
    /// Finished, or rolled back at the source: nothing is left over here.
    Settled,
    /// Nothing of the guest is here: rolled back at the destination, or withdrawn.
    Cleared,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordedOutcome {
    /// By the hypervisor's word.
    pub ended: Ended,
    pub at: Timestamp,
    /// Has a conductor made it durable (or refused to hear it)?
    pub acknowledged: bool,
}

/// One migration, on this host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub what: Move,
    pub side: Side,
    /// The newest command taken.
    pub rank: Rank,
    pub stage: Stage,
    /// How the move ended. Called what it was when agents first wrote it.
    #[serde(rename = "verdict")]
    pub outcome: Option<RecordedOutcome>,
    /// Destination of a cold move: what the guest will be started from.
    #[serde(default)]
    pub definition: Option<String>,
    /// What the driver saved.
    // As above.
    #[serde(rename = "notes")]
    pub driver_state: Option<serde_json::Value>,
    /// Source: what began the job, in the trace. Whoever follows the job goes on from there, also
    /// after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Remembered for Entry {
    type Key = MigrationUuid;
    const SUBJECT: &'static str = "migration";

    fn key(&self) -> MigrationUuid {
        self.what.migration
    }
}

impl Entry {
    pub(super) fn new(command: &Command, side: Side, now: Timestamp) -> Self {
        Self {
            what: command.what.clone(),
            side,
            rank: command.rank,
            stage: Stage::Known,
            outcome: None,
            definition: None,
            driver_state: None,
            trace: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Source: was a job begun, or may it have been, whose end nobody here has seen?
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Moving) && self.outcome.is_none()
    }

    /// Does a conductor still have to hear how it ended?
    pub fn is_unreported(&self) -> bool {
        self.outcome
            .as_ref()
            .is_some_and(|recorded| !recorded.acknowledged)
    }

    /// May nothing of this migration be left over here?
    pub fn is_settled(&self) -> bool {
        match self.stage {
            Stage::Settled | Stage::Cleared => true,
            // What an evacuation booted is there to stay.
            Stage::Booted => self.what.kind == MoveKind::Evacuation,
            Stage::Known
            | Stage::Preparing
            | Stage::Prepared
            | Stage::Starting
            | Stage::Moving
            | Stage::Booting => false,
        }
    }

    /// Did this migration bring the guest here at `instant` or later, or may it have?
    pub fn arrived_since(&self, instant: Timestamp) -> bool {
        self.side == Side::Destination && self.stage != Stage::Cleared && self.created_at >= instant
    }

    /// Will nothing ever be done here for this migration, and does everybody know?
    pub(super) fn is_over(&self) -> bool {
        self.is_settled() && !self.is_unreported()
    }
}
