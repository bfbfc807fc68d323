//! What goes wrong, and when. A fault strikes once.

use std::collections::BTreeMap;

use godwit_core::failure::Failure;
use godwit_core::ids::HostName;
use serde::{Deserialize, Serialize};

/// Where a fault can strike: the steps of a driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    CheckSource,
    CheckDestination,
    Prepare,
    Start,
    /// The move itself, in the middle of its first pass over memory. At the source.
    Move,
    ForceComplete,
    Abort,
    /// Settling a success, on either side.
    Finish,
    /// Settling a failure, on either side.
    RollBack,
    /// The destination's check before an evacuation.
    CheckBoot,
    /// Starting the guest from its definition.
    Boot,
    /// Giving the guest up, on either side.
    Withdraw,
    /// Powering off a guest that goes nowhere.
    PowerOff,
    PowerOn,
}

impl Step {
    pub const ALL: &'static [Self] = &[
        Self::CheckSource,
        Self::CheckDestination,
        Self::Prepare,
        Self::Start,
        Self::Move,
        Self::ForceComplete,
        Self::Abort,
        Self::Finish,
        Self::RollBack,
        Self::CheckBoot,
        Self::Boot,
        Self::Withdraw,
        Self::PowerOff,
        Self::PowerOn,
    ];
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The step fails with this reason.
    Fail(Failure),
    /// The step does not end before it is cancelled or [`super::Fabric::release`]d; the move
    /// itself stalls.
    Hang,
    /// The link is lost: the step cannot be done now; a move breaks off.
    LoseLink,
}

/// The faults to come: for each host and step a queue.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<(HostName, Step), Vec<Fault>>);

impl Faults {
    pub(super) fn add(&mut self, host: HostName, step: Step, fault: Fault) {
        self.0.entry((host, step)).or_default().push(fault);
    }

    pub(super) fn take(&mut self, host: &HostName, step: Step) -> Option<Fault> {
        let queue = self.0.get_mut(&(host.clone(), step))?;
        (!queue.is_empty()).then(|| queue.remove(0))
    }
}
