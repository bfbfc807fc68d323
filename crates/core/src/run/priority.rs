//! Who begins first, where several wait for the same slots.
//!
//! What runs already goes on first. Then emergencies, drains, users, rebalancing; whoever waits is
//! raised by one of these each time it has waited for another [`AGEING`], so that nothing waits for
//! ever, but never above what runs. Among equals whoever was served the longest ago is next: each
//! host that is being emptied is a queue of its own, and one begins an operation after at most one
//! of each other's, however many those have. That is what "fair" means here: between queues, and
//! not between operations.

use std::cmp::Ordering;
use std::time::Duration;

use crate::plan::options::Priority;
use crate::time::Timestamp;

/// After waiting for this long an operation counts as of the next higher priority.
pub const AGEING: Duration = Duration::from_secs(600);

/// The next operation of a queue. Operations of a run that leave the same host are one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting<Q> {
    /// Which queue.
    pub queue: Q,
    /// Is it a step of something that has begun?
    pub goes_on: bool,
    /// Of its run.
    pub priority: Priority,
    /// Since when it might have begun, had there been slots.
    pub since: Timestamp,
    /// The number of the operation that its queue began last, all that begin being numbered in their
    /// order; before its first, the highest number when the queue came. So those that came later
    /// do not go first for ever.
    pub served: u64,
}

impl<Q> Waiting<Q> {
    /// What it counts as; a lower number comes first.
    fn class(&self, now: Timestamp) -> u64 {
        if self.goes_on {
            return 0;
        }
        let class = match self.priority {
            Priority::Emergency => 1,
            Priority::Drain => 2,
            Priority::User => 3,
            Priority::Rebalance => 4_u64,
        };
        let waited = now.since(self.since).as_secs();
        let raised = waited.checked_div(AGEING.as_secs()).unwrap_or(0);
        class.saturating_sub(raised).max(1)
    }
}

/// Which of two begins first at `now`: the lesser one. A total order of the heads of all queues.
pub fn compare<Q: Ord>(one: &Waiting<Q>, other: &Waiting<Q>, now: Timestamp) -> Ordering {
    let class = one.class(now).cmp(&other.class(now));
    class
        .then(one.served.cmp(&other.served))
        .then(one.since.cmp(&other.since))
        .then_with(|| one.queue.cmp(&other.queue))
}

#[cfg(test)]
mod tests;
