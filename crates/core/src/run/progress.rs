//! How far a run is.

use serde::{Deserialize, Serialize};

use crate::run::{Operation, OperationState, Tally};

/// A percentage that never decreases, and is 100 only when all is done.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Progress(u8);

/// More than this is only said of what is completed.
const NEARLY: u8 = 99;

impl Progress {
    /// Nothing is done.
    pub const NONE: Self = Self(0);
    /// All is done.
    pub const COMPLETED: Self = Self(100);

    /// From 0 to 100.
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// Not less than it was, and at most 99.
    #[must_use]
    pub fn raised_to(self, percent: u8) -> Self {
        self.max(Self(percent.min(NEARLY)))
    }

    /// Raised to the share of what has ended: each operation counts by how long it was estimated to
    /// take, and one that runs by as much of that as `percent_of` says; of `others` none does. What was
    /// cancelled was not done, so that a run is not nearly completed for being cancelled.
    #[must_use]
    pub fn after(
        self,
        operations: &[Operation],
        others: Tally,
        percent_of: impl Fn(&Operation) -> u8,
    ) -> Self {
        let mut all: u64 = 0;
        let mut done: u64 = 0;
        for state in OperationState::ALL {
            let weight = others.of_state(*state).weight;
            let percent = match state {
                OperationState::Waiting | OperationState::Running | OperationState::Cancelled => 0,
                OperationState::Completed | OperationState::Failed | OperationState::Skipped => 100,
            };
            all = all.saturating_add(weight);
            done = done.saturating_add(weight.saturating_mul(percent));
        }
        for operation in operations {
            let weight = operation.share();
            let percent = match operation.state {
                OperationState::Waiting | OperationState::Cancelled => 0,
                OperationState::Running => percent_of(operation).min(NEARLY),
                OperationState::Completed | OperationState::Failed | OperationState::Skipped => 100,
            };
            all = all.saturating_add(weight);
            done = done.saturating_add(weight.saturating_mul(u64::from(percent)));
        }
        let percent = done.checked_div(all).unwrap_or(0);
        self.raised_to(u8::try_from(percent).unwrap_or(NEARLY))
    }
}

#[cfg(test)]
mod tests;
