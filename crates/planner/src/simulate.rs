//! How a plan would go: events in time over links of limited width.
//!
//! A move is prepared, sends its guest in rounds as [`crate::precopy`] says, pauses it for the
//! last one, and has ended. Hosts of a rolling maintenance are done as soon as they are empty.

mod engine;
mod gates;
mod job;
mod policy;

use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::table::{OperationNo, Table};

pub use policy::Policy;

/// What differs from what was planned with.
#[derive(Clone, PartialEq, Debug)]
pub struct Conditions {
    /// How much links carry of what is said.
    pub link_share: f64,
    /// By how much guests dirty more than is believed: this for all, or else one for each
    /// operation.
    pub dirty_factor: f64,
    pub dirty_factors: Vec<f64>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            link_share: 1.0,
            dirty_factor: 1.0,
            dirty_factors: Vec::new(),
        }
    }
}

/// How one operation went.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Course {
    pub began_at: f64,
    pub ended_at: f64,
    pub bytes: f64,
    pub downtime_seconds: f64,
    /// Ten rounds one after the other sent as much as the one before.
    pub stalled: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Infinite where something waits for ever.
    pub makespan_seconds: f64,
    pub courses: Table<OperationNo, Course>,
}

/// Runs a plan of `fleet`.
pub fn simulate(fleet: &Fleet, plan: &Plan, policy: Policy, conditions: &Conditions) -> Outcome {
    let jobs = job::jobs(fleet, plan, conditions);
    engine::Engine::new(fleet, plan, jobs, policy, conditions.link_share).run()
}

#[cfg(test)]
mod tests;
