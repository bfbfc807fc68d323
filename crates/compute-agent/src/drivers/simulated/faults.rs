//! What goes wrong, and when. A fault strikes once.

use std::collections::BTreeMap;

use godwit_core::failure::Failure;
use godwit_core::ids::HostName;
use godwit_core::words;
use serde::{Deserialize, Serialize};

words!(
    /// Where a fault can strike: the steps of a driver.
    Step, "step of a driver", {
        CheckSource = "check_source",
        CheckDestination = "check_destination",
        Prepare = "prepare",
        Start = "start",
        /// The move itself, in the middle of its first pass over memory. At the source.
        Move = "move",
        ForceComplete = "force_complete",
        Abort = "abort",
        /// Settling a success, on either side.
        Finish = "finish",
        /// Settling a failure, on either side.
        RollBack = "roll_back",
        /// The destination's check before an evacuation.
        CheckBoot = "check_boot",
        /// Starting the guest from its definition.
        Boot = "boot",
        /// Giving the guest up, on either side.
        Withdraw = "withdraw",
        /// Powering off a guest that goes nowhere.
        PowerOff = "power_off",
        PowerOn = "power_on",
    }
);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
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
