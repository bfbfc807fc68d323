//! Runs of which only a part is at hand.
//!
//! A run may have tens of thousands of operations, and what happens to it is about one or two of them.
//! So whoever keeps runs loads those alone, and counts the others: what follows is the same.

use serde::{Deserialize, Serialize};

use crate::ids::{HostName, OperationUuid};
use crate::run::{Event, Operation, OperationState, Run};

/// Operations of one state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Count {
    /// How many.
    pub operations: u64,
    /// Their shares in the run's percentage together.
    pub weight: u64,
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            operations: self.operations.saturating_add(other.operations),
            weight: self.weight.saturating_add(other.weight),
        }
    }

    fn less(self, other: Self) -> Self {
        Self {
            operations: self.operations.saturating_sub(other.operations),
            weight: self.weight.saturating_sub(other.weight),
        }
    }
}

/// How many operations are in each state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the states")]
pub struct Tally {
    pub waiting: Count,
    pub running: Count,
    pub completed: Count,
    pub failed: Count,
    pub skipped: Count,
    pub cancelled: Count,
}

impl Tally {
    /// Of these.
    pub fn of<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Self {
        let mut tally = Self::default();
        for it in operations {
            let one = Count {
                operations: 1,
                weight: it.share(),
            };
            let count = tally.of_state_mut(it.state);
            *count = count.plus(one);
        }
        tally
    }

    /// Those in this state.
    pub const fn of_state(&self, state: OperationState) -> Count {
        match state {
            OperationState::Waiting => self.waiting,
            OperationState::Running => self.running,
            OperationState::Completed => self.completed,
            OperationState::Failed => self.failed,
            OperationState::Skipped => self.skipped,
            OperationState::Cancelled => self.cancelled,
        }
    }

    /// The same, to be changed.
    pub const fn of_state_mut(&mut self, state: OperationState) -> &mut Count {
        match state {
            OperationState::Waiting => &mut self.waiting,
            OperationState::Running => &mut self.running,
            OperationState::Completed => &mut self.completed,
            OperationState::Failed => &mut self.failed,
            OperationState::Skipped => &mut self.skipped,
            OperationState::Cancelled => &mut self.cancelled,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, Count::plus)
    }

    /// Without those.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        self.with(other, Count::less)
    }

    fn with(self, other: Self, of: impl Fn(Count, Count) -> Count) -> Self {
        Self {
            waiting: of(self.waiting, other.waiting),
            running: of(self.running, other.running),
            completed: of(self.completed, other.completed),
            failed: of(self.failed, other.failed),
            skipped: of(self.skipped, other.skipped),
            cancelled: of(self.cancelled, other.cancelled),
        }
    }

    pub(super) const fn is_any(&self, state: OperationState) -> bool {
        self.of_state(state).operations > 0
    }
}

/// The operations that an event is about: what follows from it depends on no other one, but for how
/// many there are in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About<'a> {
    /// None.
    Nothing,
    /// This one.
    Operation(OperationUuid),
    /// This one, those that it comes after, and all that run.
    Beginning(OperationUuid),
    /// Those that take servers from this host.
    Source(&'a HostName),
    /// All.
    Everything,
}

impl Event {
    /// The operations that it is about. Whether one may begin that has constraints to keep to is a
    /// matter of all.
    pub const fn about(&self, constrained: bool) -> About<'_> {
        match self {
            Self::OperationBegun(..) if constrained => About::Everything,
            Self::OperationBegun(id, _) => About::Beginning(*id),
            Self::OperationRefused(id, _)
            | Self::OperationEnded(id, _)
            | Self::OperationRevised(id, _, _)
            | Self::OperationNotRevised(id, _)
            | Self::OperationUnneeded(id, _)
            | Self::SkipRequested(id) => About::Operation(*id),
            Self::HostDone(host) | Self::HostReleased(host) => About::Source(host),
            Self::HostHeld(_) | Self::HostReady(_) | Self::HostReturned(_) => About::Nothing,
            Self::RoomClaimed
            | Self::RoomRefused(_)
            | Self::CancelRequested { .. }
            | Self::DeadlinePassed => About::Everything,
        }
    }
}

impl Run {
    /// All its operations, counted.
    pub fn tally(&self) -> Tally {
        self.others.plus(Tally::of(&self.operations))
    }

    pub(super) fn is_any(&self, state: OperationState) -> bool {
        self.others.is_any(state) || self.in_state(state).next().is_some()
    }
}

#[cfg(test)]
mod tests;
