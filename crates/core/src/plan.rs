//! A plan: moves that are seen before they happen.
//!
//! ```text
//!  initializing ──► ready ──► expired
//!       │
//!       ▼
//!    aborted
//! ```
//!
//! Making one takes time, and may find that it cannot be done; then it is aborted, with reasons. One
//! that is ready is a promise about the inventory that it was made for, so it is run once, for a
//! limited time, and only while nothing has changed that matters to it. The same wish can always be
//! planned anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureCode};
use crate::status::words;
use crate::time::Timestamp;

pub mod constraints;
pub mod estimate;
pub mod options;
pub mod request;

pub use estimate::{Actual, Estimate, Estimates};
pub use options::Options;

words!(
    /// What the `state` of a plan can say.
    PlanState, "plan state", {
        /// It is being made.
        Initializing = "initializing",
        /// It may be run.
        Ready = "ready",
        /// It cannot be done.
        Aborted = "aborted",
        /// It was ready for too long.
        Expired = "expired",
    }
);

words!(
    /// What a plan was asked for.
    PlanKind, "plan type", {
        /// To move one server.
        Server = "server",
        /// To move several.
        Servers = "servers",
        /// To empty a host.
        Host = "host",
        /// To empty a host, which enters maintenance.
        Maintenance = "maintenance",
        /// To do so with many hosts, one after the other.
        Rolling = "rolling",
        /// To empty a storage pool.
        Pool = "pool",
        /// To bring servers back to the host that they had to leave.
        ReturnHome = "return_home",
    }
);

/// How long making one may take, before it is given up.
pub const MAKING_MAX: Duration = Duration::from_secs(600);

/// What is decided by: the rest of a plan stands beside it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Where it is.
    pub state: PlanState,
    /// Is it ready although some servers are blocked?
    pub may_be_partial: bool,
    /// How long it may be run after it is ready.
    #[serde(with = "crate::seconds")]
    pub valid: Duration,
    /// When making it is given up, and then until when it may be run; `None`: aborted.
    pub valid_until: Option<Timestamp>,
    /// Has it been run?
    pub has_run: bool,
    /// Why it was aborted, where no server is the reason.
    pub failure: Option<Failure>,
    /// Counts changes, for compare and swap.
    pub generation: i64,
}

/// What happens to a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It is made; so many of its servers are blocked.
    Made {
        /// How many.
        blocked: usize,
    },
    /// It cannot be made at all.
    NotMade(Failure),
    /// It is run, having been found runnable by [`Plan::check`].
    RunBegun,
    /// `valid_until` has passed.
    DeadlinePassed,
}

impl Event {
    /// The names of all.
    pub const NAMES: &'static [&'static str] =
        &["made", "not_made", "run_begun", "deadline_passed"];

    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Made { .. } => "made",
            Self::NotMade(_) => "not_made",
            Self::RunBegun => "run_begun",
            Self::DeadlinePassed => "deadline_passed",
        }
    }
}

/// The event means nothing to the plan as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It does not belong to this state.
    #[error("{event} does not apply to a plan that is {state}")]
    OutOfPlace {
        /// The state.
        state: PlanState,
        /// The event's name.
        event: &'static str,
    },
    /// The deadline has not passed.
    #[error("the deadline has not passed")]
    TooEarly,
}

/// Why a plan is not run. `D` says what has changed in the inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRunnable<D> {
    /// It is being made, or was aborted.
    #[error("the plan is {0}")]
    NotReady(PlanState),
    /// It has been run.
    #[error("the plan has been run")]
    AlreadyRun,
    /// It was ready for too long.
    #[error("the plan has expired")]
    Expired,
    /// The inventory has changed in a way that matters to it.
    #[error("the inventory has changed")]
    Stale(Vec<D>),
}

impl<D> NotRunnable<D> {
    /// The code of the problem that says so.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotReady(_) => "plan-not-ready",
            Self::AlreadyRun => "plan-already-run",
            Self::Expired => "plan-expired",
            Self::Stale(_) => "plan-stale",
        }
    }
}

impl Plan {
    /// One that is to be made.
    pub fn begun(kind: PlanKind, options: &Options, now: Timestamp) -> Self {
        Self {
            state: PlanState::Initializing,
            may_be_partial: options.may_be_partial(kind),
            valid: Duration::from_secs(u64::from(options.valid_seconds)),
            valid_until: Some(now.plus(MAKING_MAX)),
            has_run: false,
            failure: None,
            generation: 1,
        }
    }

    /// What becomes of it.
    ///
    /// # Errors
    /// The event does not apply; nothing changes.
    pub fn step(&self, event: &Event, now: Timestamp) -> Result<Self, Rejected> {
        let next = |state, valid_until| Self {
            state,
            valid_until,
            generation: self.generation.saturating_add(1),
            ..self.clone()
        };
        let aborted = |failure| Self {
            failure,
            ..next(PlanState::Aborted, None)
        };
        let overdue = self.valid_until.is_some_and(|until| until <= now);
        match (self.state, event) {
            (PlanState::Initializing, Event::Made { blocked }) => {
                if *blocked == 0 || self.may_be_partial {
                    Ok(next(PlanState::Ready, Some(now.plus(self.valid))))
                } else {
                    Ok(aborted(None))
                }
            }
            (PlanState::Initializing, Event::NotMade(failure)) => {
                Ok(aborted(Some(failure.clone())))
            }
            (PlanState::Initializing, Event::DeadlinePassed) if overdue => Ok(aborted(Some(
                Failure::new(FailureCode::TimedOut, "The plan was not made in time."),
            ))),
            (PlanState::Ready, Event::RunBegun) if !self.has_run && !overdue => Ok(Self {
                has_run: true,
                ..next(PlanState::Ready, self.valid_until)
            }),
            (PlanState::Ready, Event::DeadlinePassed) if overdue => {
                Ok(next(PlanState::Expired, self.valid_until))
            }
            (PlanState::Initializing | PlanState::Ready, Event::DeadlinePassed) => {
                Err(Rejected::TooEarly)
            }

            // Every other pair. Written out, so that a new state or event has to come by here.
            (
                PlanState::Initializing
                | PlanState::Ready
                | PlanState::Aborted
                | PlanState::Expired,
                Event::Made { .. } | Event::NotMade(_) | Event::RunBegun | Event::DeadlinePassed,
            ) => Err(Rejected::OutOfPlace {
                state: self.state,
                event: event.name(),
            }),
        }
    }

    /// May it be run, the inventory having changed in this way since it was made? Asked in the
    /// transaction that begins the run. A time that has passed counts also where nobody has noticed.
    ///
    /// # Errors
    /// The first reason why not. Whether it was run comes before what time or the inventory did to
    /// it since: its run is the answer to that.
    pub fn check<D>(&self, now: Timestamp, differences: Vec<D>) -> Result<(), NotRunnable<D>> {
        match self.state {
            PlanState::Initializing | PlanState::Aborted => {
                return Err(NotRunnable::NotReady(self.state));
            }
            PlanState::Ready | PlanState::Expired => {}
        }
        if self.has_run {
            return Err(NotRunnable::AlreadyRun);
        }
        if self.state == PlanState::Expired || self.valid_until.is_none_or(|until| until <= now) {
            return Err(NotRunnable::Expired);
        }
        match differences.is_empty() {
            true => Ok(()),
            false => Err(NotRunnable::Stale(differences)),
        }
    }
}

#[cfg(test)]
mod tests;
