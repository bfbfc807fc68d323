//! What the tables look at: one migration, as far as its course depends on it.
//!
//! ```text
//!   phase     where it is in its table, and so what Nova's API shows
//!   intent    what somebody asked for; the hypervisor may be faster
//! ```
//!
//! Nova has no word for "aborting" or "rolling back", and clients of its API would not
//! know what to do with one. So its status is not the phase, but follows from it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cold;
use crate::failure::Failure;
use crate::ids::{HostName, MigrationUuid, ServerUuid};
use crate::phase::Phase;
use crate::plan::options::Affinity;
use crate::seconds;
use crate::server::VmState;
use crate::status::{MigrationKind, MigrationStatus, words};
use crate::time::Timestamp;

words!(
    /// What was asked of a migration under way. `Abort` wins over `ForceComplete`.
    Intent, "intent", {
        /// End it, and leave the guest on its source.
        Abort = "abort",
        /// Get it over with, whatever it costs the guest.
        ForceComplete = "force_complete",
    }
);

words!(
    /// How the disks get to the destination.
    StorageMode, "storage mode", {
        /// Both hosts see them.
        Shared = "shared",
        /// They are copied along.
        Copied = "copied",
    }
);

words!(
    /// What a request says about disks (`block_migration`).
    BlockMigration, "block_migration", {
        /// Let the pre-check find out.
        Auto = "auto",
        /// Copy.
        Yes = "true",
        /// Do not copy.
        No = "false",
    }
);

words!(
    /// What happens when a running migration exceeds its completion time-out.
    TimeoutAction, "time-out action", {
        /// Give up; the guest stays on its source.
        Abort = "abort",
        /// Get it over with.
        ForceComplete = "force_complete",
    }
);

words!(
    /// How a migration will end as soon as its hosts are settled. Rows hold it beside the status;
    /// both follow from the phase.
    Settling, "settling", {
        /// The guest was handed over; the destination confirms, the source is cleaned.
        Finishing = "finishing",
        /// The guest is on its source; the destination is cleaned. Then `cancelled`, or
        /// `reverted` when a cold move is undone.
        Cancelling = "cancelling",
        /// The guest is on its source; the destination is cleaned. Then `failed`, or `error`
        /// when it was a cold move.
        Failing = "failing",
    }
);

/// What the requester wants, as one domain command whatever the body's shape was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LiveRequest {
    /// The named destination.
    pub host: Option<HostName>,
    /// Skip the scheduler for the named destination (Nova's forced destinations).
    pub forced: bool,
    /// Copy the disks?
    pub block_migration: BlockMigration,
    /// Count the disks' real instead of their virtual sizes; `None` where the
    /// microversion has no such field, and then the space is not checked (as Nova).
    pub disk_over_commit: Option<bool>,
    /// Does the caller wait for the pre-checks, as below microversion 2.34?
    #[serde(default)]
    pub synchronous: bool,
    /// How far the rules of its group bind it, as the plan that it is part of was asked for.
    #[serde(default, skip_serializing_if = "Affinity::is_strict")]
    pub affinity: Affinity,
    /// Only to a host where it ends by itself, as far as is known: what plans ask for, since nobody
    /// stands by to force it to complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_converge: bool,
}

impl LiveRequest {
    /// Asks for nothing in particular.
    pub const fn anywhere() -> Self {
        Self {
            host: None,
            forced: false,
            block_migration: BlockMigration::Auto,
            disk_over_commit: None,
            synchronous: false,
            affinity: Affinity::Strict,
            must_converge: false,
        }
    }

    /// As an operation of a plan asks for it.
    pub fn of_plan() -> Self {
        Self {
            must_converge: true,
            ..Self::anywhere()
        }
    }
}

/// A cold move, as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ColdRequest {
    /// The named destination.
    pub host: Option<HostName>,
    /// What the server was when the move began, `active` or `stopped`; a failed or reverted
    /// move gives it back, and a guest that was stopped is never started.
    pub was: VmState,
    /// How far the rules of its group bind it, as the plan that it is part of was asked for.
    #[serde(default, skip_serializing_if = "Affinity::is_strict")]
    pub affinity: Affinity,
}

/// An evacuation, as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EvacuationRequest {
    /// The named destination.
    pub host: Option<HostName>,
    /// Skip the scheduler for the named destination.
    pub forced: bool,
    /// What the server was when its host died: `active`, `stopped` or `error`.
    pub was: VmState,
    /// Leave the guest off: it was stopped, or the request is of 2.95 or later.
    pub end_stopped: bool,
    /// How far the rules of its group bind it, as the plan that it is part of was asked for.
    #[serde(default, skip_serializing_if = "Affinity::is_strict")]
    pub affinity: Affinity,
}

/// What was asked for; which table drives the migration follows from
/// [`Migration::kind`], and the two agree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "StoredRequest", into = "TaggedRequest")]
pub enum Request {
    /// Live.
    Live(LiveRequest),
    /// Cold, and resizes that were imported.
    Cold(ColdRequest),
    /// Evacuation.
    Evacuation(EvacuationRequest),
}

impl Request {
    /// The named destination.
    pub const fn host(&self) -> Option<&HostName> {
        match self {
            Self::Live(request) => request.host.as_ref(),
            Self::Cold(request) => request.host.as_ref(),
            Self::Evacuation(request) => request.host.as_ref(),
        }
    }

    /// Is the scheduler to be skipped for the named destination?
    pub const fn is_forced(&self) -> bool {
        match self {
            Self::Live(request) => request.forced,
            Self::Evacuation(request) => request.forced,
            Self::Cold(_) => false,
        }
    }

    /// What it says about copying disks. A cold move takes them as they are; whoever evacuates
    /// has only what is shared, the rest died with the source.
    pub const fn block_migration(&self) -> BlockMigration {
        match self {
            Self::Live(request) => request.block_migration,
            Self::Cold(_) => BlockMigration::Auto,
            Self::Evacuation(_) => BlockMigration::No,
        }
    }

    /// How far the rules of the server's group bind it.
    pub const fn affinity(&self) -> Affinity {
        match self {
            Self::Live(request) => request.affinity,
            Self::Cold(request) => request.affinity,
            Self::Evacuation(request) => request.affinity,
        }
    }

    /// What the server was when the move began; what is moved live is active all along.
    pub const fn was(&self) -> VmState {
        match self {
            Self::Live(_) => VmState::Active,
            Self::Cold(request) => request.was,
            Self::Evacuation(request) => request.was,
        }
    }

    /// See [`LiveRequest::disk_over_commit`].
    pub const fn disk_over_commit(&self) -> Option<bool> {
        match self {
            Self::Live(request) => request.disk_over_commit,
            Self::Cold(_) | Self::Evacuation(_) => None,
        }
    }
}

/// A request in a row, with its kind beside its fields.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum TaggedRequest {
    Live(LiveRequest),
    Cold(ColdRequest),
    Evacuation(EvacuationRequest),
}

/// A request as rows may hold it: those of the first release knew live moves only and say no
/// kind.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredRequest {
    Tagged(TaggedRequest),
    Untagged(LiveRequest),
}

impl From<Request> for TaggedRequest {
    fn from(request: Request) -> Self {
        match request {
            Request::Live(request) => Self::Live(request),
            Request::Cold(request) => Self::Cold(request),
            Request::Evacuation(request) => Self::Evacuation(request),
        }
    }
}

impl From<StoredRequest> for Request {
    fn from(stored: StoredRequest) -> Self {
        match stored {
            StoredRequest::Untagged(request)
            | StoredRequest::Tagged(TaggedRequest::Live(request)) => Self::Live(request),
            StoredRequest::Tagged(TaggedRequest::Cold(request)) => Self::Cold(request),
            StoredRequest::Tagged(TaggedRequest::Evacuation(request)) => Self::Evacuation(request),
        }
    }
}

/// Time limits of one migration, fixed when it is placed so that a changed
/// configuration never moves the goal of a move under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// To find a destination.
    #[serde(with = "seconds")]
    pub accepted: Duration,
    /// To wait for slots.
    #[serde(with = "seconds")]
    pub queued: Duration,
    /// To make the destination ready.
    #[serde(with = "seconds")]
    pub preparing: Duration,
    /// From `running` to the time-out action; zero: never.
    #[serde(with = "seconds")]
    pub completion: Duration,
    /// Between two looks at what ought to have ended: after a time-out's action, after
    /// the switch to post-copy, and while finishing.
    #[serde(with = "seconds")]
    pub grace: Duration,
    /// To clean the destination before the migration ends without it.
    #[serde(with = "seconds")]
    pub rollback: Duration,
    /// What a completion time-out does.
    pub timeout_action: TimeoutAction,
    /// Cold: for the source to power the guest off.
    #[serde(with = "seconds", default = "Limits::default_stopping")]
    pub stopping: Duration,
    /// For the destination to start the guest.
    #[serde(with = "seconds", default = "Limits::default_booting")]
    pub booting: Duration,
    /// Cold: from `finished` to its confirmation; zero: that waits for an operator.
    #[serde(with = "seconds", default)]
    pub confirm: Duration,
}

impl Limits {
    const fn default_stopping() -> Duration {
        Duration::from_secs(300)
    }

    const fn default_booting() -> Duration {
        Duration::from_secs(300)
    }
}

impl Default for Limits {
    /// The defaults of the configuration; the completion time-out is Nova's floor,
    /// 800 s per GiB of at least 2 GiB (`contract: state-machine.md §6`).
    fn default() -> Self {
        Self {
            accepted: Duration::from_secs(300),
            queued: Duration::from_secs(86_400),
            preparing: Duration::from_secs(300),
            completion: Duration::from_secs(1_600),
            grace: Duration::from_secs(60),
            rollback: Duration::from_secs(120),
            timeout_action: TimeoutAction::Abort,
            stopping: Self::default_stopping(),
            booting: Self::default_booting(),
            confirm: Duration::ZERO,
        }
    }
}

/// Where a migration goes, and how: what is known of it once it is placed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Placement {
    /// The destination's service host.
    pub host: HostName,
    /// The destination's hypervisor hostname.
    pub node: String,
    /// How the disks get there.
    pub storage: StorageMode,
}

/// One migration, as its row holds it: all that decides its course.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Migration {
    pub uuid: MigrationUuid,
    pub server: ServerUuid,
    /// Which table drives it.
    pub kind: MigrationKind,
    /// Where it is in its table.
    pub phase: Phase,
    /// What was asked of it meanwhile.
    pub intent: Option<Intent>,
    pub request: Request,
    /// Where the guest comes from.
    pub source_compute: HostName,
    /// Where it goes; `None` until it is placed, and for imported rows: nobody knows how their
    /// disks were to get there.
    pub placement: Option<Placement>,
    pub limits: Limits,
    /// When the current phase ends of itself; `None`: it has ended, waits for somebody for as long
    /// as it takes, or was imported, and nobody drives it.
    pub deadline: Option<Timestamp>,
    /// Why it ended, or will end, without the guest on its destination.
    pub failure: Option<Failure>,
    /// The row's version: every change compares and swaps it.
    pub generation: i64,
    /// The number of the last effect handed out; agents refuse older ones.
    pub effect_sequence: i64,
}

impl Migration {
    /// What Nova's API shows.
    pub const fn status(&self) -> MigrationStatus {
        self.phase.status()
    }

    /// The host that it goes to, once it is placed.
    pub fn destination(&self) -> Option<&HostName> {
        self.placement.as_ref().map(|placement| &placement.host)
    }

    /// What the server was before this cold move powered it off, while it is off for the move's
    /// sake; its power state says nothing then. `None`: the guest is where and as it should be.
    pub const fn keeps_off(&self) -> Option<VmState> {
        match self.phase {
            Phase::Cold(
                cold::Phase::Choosing
                | cold::Phase::Preparing
                | cold::Phase::Stopping
                | cold::Phase::Booting
                | cold::Phase::Reverting
                | cold::Phase::Withdrawing
                | cold::Phase::RollingBack(_),
            ) => Some(self.request.was()),
            Phase::Cold(cold::Phase::Finished | cold::Phase::Confirming)
            | Phase::Live(_)
            | Phase::Evacuation(_)
            | Phase::Ended(_) => None,
        }
    }

    /// Is the guest on its way?
    pub const fn is_moving(&self) -> bool {
        match self.status() {
            MigrationStatus::Running
            | MigrationStatus::RunningPostCopy
            | MigrationStatus::Migrating => true,
            MigrationStatus::PreMigrating => match self.kind {
                MigrationKind::Evacuation => true,
                MigrationKind::LiveMigration | MigrationKind::Migration | MigrationKind::Resize => {
                    false
                }
            },
            MigrationStatus::Accepted
            | MigrationStatus::Queued
            | MigrationStatus::Preparing
            | MigrationStatus::PostMigrating
            | MigrationStatus::Finished
            | MigrationStatus::Confirming
            | MigrationStatus::Confirmed
            | MigrationStatus::Reverting
            | MigrationStatus::Reverted
            | MigrationStatus::Done
            | MigrationStatus::Completed
            | MigrationStatus::Cancelled
            | MigrationStatus::Failed
            | MigrationStatus::Error => false,
        }
    }
}
