//! A run: the operations of a plan, carried out as one.
//!
//! ```text
//!  pending ──► running ──► completed, partial, failed
//!     │           │
//!     │           ▼
//!     │       cancelling ──► cancelled, completed
//!     ▼
//!  cancelled, partial, failed
//! ```
//!
//! ```text
//!  waiting ◄──► running ──► completed, failed, skipped, cancelled
//!     │
//!     ▼
//!  completed, failed, skipped, cancelled
//! ```
//!
//! A run waits until all the room that it needs is claimed for it ([`room`]), and then begins
//! operations as soon as their order, their constraints and the slots permit ([`order`]). One that
//! fails is planned anew, so many times and no more, and within what its plan was asked for: a server
//! that cannot be moved while it runs goes cold only where that is permitted. It is cancelled only when nothing of it moves
//! any more, guests that return to a host included; if everything had been moved by then, it is
//! completed.
//!
//! A run of many hosts empties some of them at a time ([`rolling`]).

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureCode};
use crate::ids::{HostName, MigrationUuid, OperationUuid, ServerUuid};
use crate::plan::options::{Constraint, Fallback};
use crate::plan::request::Target;
use crate::plan::{Options, PlanKind};
use crate::status::words;
use crate::time::Timestamp;

mod change;
mod event;
pub mod order;
pub mod part;
pub mod priority;
mod progress;
pub mod rolling;
pub mod room;
mod step;

pub use event::{Effect, Event, Outcome, Rejected, Transition};
pub use part::{About, Tally};
pub use progress::Progress;
pub use rolling::{Rolling, RollingHost, RollingState};
pub use step::step;

words!(
    /// What the `state` of a run can say.
    RunState, "run state", {
        /// It waits for room.
        Pending = "pending",
        /// It begins operations.
        Running = "running",
        /// Nothing begins any more, and something still runs.
        Cancelling = "cancelling",
        /// Terminal: all was done.
        Completed = "completed",
        /// Terminal: some was done, or it was not for a failure that the rest was not.
        Partial = "partial",
        /// Terminal: nothing was done, as all of it failed or some did and the rest could not.
        Failed = "failed",
        /// Terminal: it was cancelled, and nothing runs.
        Cancelled = "cancelled",
    }
);

impl RunState {
    /// Will it never change again?
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Partial | Self::Failed | Self::Cancelled => true,
            Self::Pending | Self::Running | Self::Cancelling => false,
        }
    }
}

words!(
    /// What the `state` of an operation can say.
    OperationState, "operation state", {
        /// It has not begun, or is to be tried again.
        Waiting = "waiting",
        /// Its migration, or what it is, is under way.
        Running = "running",
        /// Terminal: done.
        Completed = "completed",
        /// Terminal: it failed, and is not tried again.
        Failed = "failed",
        /// Terminal: it was left out, by request or because its time was over.
        Skipped = "skipped",
        /// Terminal: the run was cancelled, or somebody aborted what it was doing.
        Cancelled = "cancelled",
    }
);

impl OperationState {
    /// Will it never change again?
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Skipped | Self::Cancelled => true,
            Self::Waiting | Self::Running => false,
        }
    }
}

words!(
    /// What an operation does.
    OperationKind, "operation kind", {
        /// Moves a server that runs on.
        Live = "live",
        /// Moves a server that is off meanwhile.
        Cold = "cold",
        /// Starts a server of a dead host elsewhere.
        Evacuate = "evacuate",
        /// Moves disks to another pool.
        Storage = "storage",
        /// Shuts a server down for its host's maintenance.
        Shutdown = "shutdown",
        /// Starts it again.
        Start = "start",
    }
);

impl OperationKind {
    /// Does it bring a server from one host to another?
    pub const fn moves_server(self) -> bool {
        match self {
            Self::Live | Self::Cold | Self::Evacuate => true,
            Self::Storage | Self::Shutdown | Self::Start => false,
        }
    }

    /// Does it bring anything anywhere, a server to a host or its disks to a pool?
    pub const fn has_destination(self) -> bool {
        self.moves_server() || matches!(self, Self::Storage)
    }
}

/// How often an operation is begun at most, where a plan allows to try again.
pub const ATTEMPTS_MAX: u32 = 3;
/// How often an operation's destination is changed at most.
pub const REVISIONS_MAX: u32 = 16;

/// What is decided by of an operation.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Of the plan, and of the run.
    pub id: OperationUuid,
    /// What it does.
    pub kind: OperationKind,
    /// With which server.
    pub server: ServerUuid,
    /// The host, of kind `storage` the pool, that it takes the server from.
    pub source: String,
    /// The host, or pool, that it brings it to.
    pub destination: String,
    /// Operations that have ended, however, before it begins.
    pub after: Vec<OperationUuid>,
    /// A host of the run that is done before it begins.
    pub after_done: Option<HostName>,
    /// How long it was estimated to take, in seconds: its share in the run's percentage.
    pub weight: u32,
    /// Where it is.
    pub state: OperationState,
    /// What it started last.
    pub migration: Option<MigrationUuid>,
    /// How often it was begun, or was refused when it was to begin.
    pub attempts: u32,
    /// How often its destination was changed.
    pub revisions: u32,
    /// It waits for a destination, as the one that it had did not do.
    pub replan: bool,
    /// What it is doing was asked to end.
    pub aborting: bool,
    /// Why it failed last, or was left out.
    pub failure: Option<Failure>,
}

impl Operation {
    /// One that has not begun.
    pub fn waiting(
        id: OperationUuid,
        kind: OperationKind,
        server: ServerUuid,
        (source, destination): (&str, &str),
    ) -> Self {
        Self {
            id,
            kind,
            server,
            source: source.to_owned(),
            destination: destination.to_owned(),
            after: Vec::new(),
            after_done: None,
            weight: 1,
            state: OperationState::Waiting,
            migration: None,
            attempts: 0,
            revisions: 0,
            replan: false,
            aborting: false,
            failure: None,
        }
    }

    /// Its share in the run's percentage: one that takes no time counts as well.
    pub(crate) fn share(&self) -> u64 {
        u64::from(self.weight.max(1))
    }
}

impl Operation {
    /// May it be a cold one, where its server cannot be moved while it runs?
    pub fn may_go_cold(&self, fallback: Fallback) -> bool {
        fallback == Fallback::Cold && self.kind == OperationKind::Live
    }

    /// Is it to be a cold one when it is tried again, as its server has kept it from ending?
    pub fn goes_cold(&self, fallback: Fallback) -> bool {
        let failure = self.failure.as_ref();
        self.may_go_cold(fallback) && failure.is_some_and(|it| is_kept_by_server(it.code))
    }
}

/// A change of what was planned, while it was carried out.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// Of which operation.
    pub operation: OperationUuid,
    /// Where it was to go.
    pub from: String,
    /// Where it goes instead.
    pub to: String,
    /// Why, if something had failed.
    pub because: Option<Failure>,
    /// When.
    pub at: Timestamp,
}

/// What is decided by of a run.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Run {
    /// What its plan was asked for.
    pub kind: PlanKind,
    /// Where it is.
    pub state: RunState,
    /// In the order in which they are to begin where nothing else decides.
    pub operations: Vec<Operation>,
    /// Those that are not at hand, as nothing that is to be decided is about them ([`part`]).
    #[serde(default)]
    pub others: Tally,
    /// What they have to keep to.
    pub constraints: Vec<Constraint>,
    /// Servers that the plan was not able to move: with one the run ends as partial at best.
    pub blocked: u32,
    /// How often each is begun at most; 1: there is no other destination.
    pub attempts_max: u32,
    /// What is done with a server that cannot be moved while it runs.
    pub fallback: Fallback,
    /// When nothing new starts any more.
    pub deadline: Option<Timestamp>,
    /// That time is over.
    pub is_late: bool,
    /// Of a run of many hosts.
    pub rolling: Option<Rolling>,
    /// What was changed.
    pub revisions: Vec<Revision>,
    /// How far it is.
    pub progress: Progress,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When somebody asked for its cancellation first.
    pub cancel_requested_at: Option<Timestamp>,
    /// Counts changes, for compare and swap.
    pub generation: i64,
}

/// A plan's operations wait for each other in a circle, so they would never begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operation {0} waits for itself")]
pub struct Circle(pub OperationUuid);

impl Run {
    /// One that waits for room.
    ///
    /// # Errors
    /// Its operations and constraints wait for each other in a circle.
    pub fn pending(
        kind: PlanKind,
        operations: Vec<Operation>,
        constraints: Vec<Constraint>,
    ) -> Result<Self, Circle> {
        let run = Self {
            kind,
            state: RunState::Pending,
            operations,
            others: Tally::default(),
            constraints,
            blocked: 0,
            attempts_max: ATTEMPTS_MAX,
            fallback: Fallback::None,
            deadline: None,
            is_late: false,
            rolling: None,
            revisions: Vec::new(),
            progress: Progress::NONE,
            started_at: None,
            ended_at: None,
            cancel_requested_at: None,
            generation: 1,
        };
        match order::first_in_circle(&run) {
            Some(operation) => Err(Circle(operation)),
            None => Ok(run),
        }
    }

    /// The run of a plan for `target`, whose planning left so many servers blocked.
    ///
    /// # Errors
    /// As [`Self::pending`] and [`Self::of_hosts`] have them.
    pub fn of_plan(
        target: &Target,
        options: &Options,
        operations: Vec<Operation>,
        blocked: usize,
    ) -> Result<Self, Circle> {
        let run = Self::pending(target.kind(), operations, options.constraints.clone())?;
        let named = matches!(target, Target::Server(_, Some(_)));
        let run = Self {
            blocked: u32::try_from(blocked).unwrap_or(u32::MAX),
            attempts_max: if named { 1 } else { ATTEMPTS_MAX },
            fallback: options.fallback,
            deadline: options.deadline,
            ..run
        };
        match target {
            Target::Rolling {
                hosts,
                max_unavailable,
            } => run.of_hosts(Rolling::of(hosts.iter().cloned(), *max_unavailable)),
            Target::Server(..)
            | Target::Servers(_)
            | Target::Host(_)
            | Target::Maintenance(_)
            | Target::Pool { .. }
            | Target::ReturnHome(_) => Ok(run),
        }
    }

    /// The same, of many hosts.
    ///
    /// # Errors
    /// An operation waits for one of a host whose turn comes later.
    pub fn of_hosts(mut self, rolling: Rolling) -> Result<Self, Circle> {
        self.rolling = Some(rolling);
        match order::first_out_of_turn(&self) {
            Some(operation) => Err(Circle(operation)),
            None => Ok(self),
        }
    }

    /// The operation of this id.
    pub fn operation(&self, id: OperationUuid) -> Option<&Operation> {
        self.operations.iter().find(|it| it.id == id)
    }

    /// Those in this state.
    pub fn in_state(&self, state: OperationState) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(move |it| it.state == state)
    }

    /// Is nothing of this host's waiting or running?
    pub fn is_done_with(&self, host: &HostName) -> bool {
        let of_host = self
            .operations
            .iter()
            .filter(|it| it.source == host.as_str());
        of_host.map(|it| it.state).all(OperationState::is_terminal)
    }
}

/// Did a live move go on and on, and not end? That is no matter of its destination.
const fn is_kept_by_server(code: FailureCode) -> bool {
    matches!(code, FailureCode::Stalled | FailureCode::TimedOut)
}

#[cfg(test)]
mod tests;
