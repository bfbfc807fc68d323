//! What may be placed on a host: nothing, if it or what it is in is disabled.
//!
//! A switch stands on each zone, pod, cluster and host, and holds for everything below it. A host's
//! maintenance disables it as well, and stands apart from the operator's switch: whoever enables a
//! host that is held for maintenance changes the switch alone, and when the maintenance ends, the
//! switch is what it was.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::host::maintenance::Maintenance;
use crate::ids::HostName;
use crate::status::words;
use crate::time::Timestamp;

mod management;

pub use management::{Management, ManagementEffect, ManagementEvent, ManagementRejected};

words!(
    /// Where a host can be disabled; a wider one comes before what is in it.
    Scope, "allocation scope", {
        /// The availability zone that it is in.
        Zone = "zone",
        /// The pod that it is in.
        Pod = "pod",
        /// The cluster that it is in.
        Cluster = "cluster",
        /// The host itself.
        Host = "host",
        /// It is held for maintenance.
        Maintenance = "maintenance",
    }
);

words!(
    /// May servers be placed there?
    AllocationState, "allocation state", {
        /// They may.
        Enabled = "enabled",
        /// Nothing is placed, not even by a decision that was taken just before.
        Disabled = "disabled",
    }
);

/// What somebody has set on a zone, a pod, a cluster or a host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Switch {
    /// What it is set to.
    pub state: AllocationState,
    /// Why; nothing is disabled without.
    pub reason: Option<String>,
    /// Who set it; `None`: it is as it came.
    pub by: Option<String>,
    /// Since when it is in this state.
    pub since: Timestamp,
}

/// Something was to be disabled without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("whoever disables says why")]
pub struct ReasonMissing;

impl Switch {
    /// As a host has it that is new, in the state that is configured for such.
    pub fn first(state: AllocationState, now: Timestamp) -> Self {
        let reason = match state {
            AllocationState::Enabled => None,
            AllocationState::Disabled => Some("It is new, and nobody has enabled it.".to_owned()),
        };
        Self {
            state,
            reason,
            by: None,
            since: now,
        }
    }

    /// As somebody sets it. What was disabled before stays so since then, with the new reason.
    ///
    /// # Errors
    /// It is to be disabled, and nobody says why.
    pub fn set(
        &self,
        state: AllocationState,
        reason: Option<&str>,
        by: &str,
        now: Timestamp,
    ) -> Result<Self, ReasonMissing> {
        let reason = reason.filter(|reason| !reason.trim().is_empty());
        if state == AllocationState::Disabled && reason.is_none() {
            return Err(ReasonMissing);
        }
        Ok(Self {
            state,
            reason: reason.map(str::to_owned),
            by: Some(by.to_owned()),
            since: if state == self.state { self.since } else { now },
        })
    }
}

/// The switch of something that a host is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Above<'a> {
    /// What kind of thing.
    pub scope: Scope,
    /// Its name.
    pub name: &'a str,
    /// What is set there.
    pub switch: &'a Switch,
}

/// Something that disables a host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Because {
    /// Where it is disabled.
    pub scope: Scope,
    /// What the zone, pod, cluster or host is called.
    pub name: String,
    /// What whoever disabled it said.
    pub reason: Option<String>,
    /// Who that was.
    pub by: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// What may be placed on a host, with everything that forbids it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Allocation {
    /// The operator's switch of the host.
    pub state: AllocationState,
    /// What holds, with everything that the host is in, and its maintenance.
    pub effective: AllocationState,
    /// What disables it, from the widest scope to its maintenance; empty if it is enabled.
    pub because: Vec<Because>,
    /// Of the host's switch.
    pub reason: Option<String>,
    /// Of the host's switch.
    pub by: Option<String>,
    /// Of the host's switch.
    pub since: Timestamp,
}

impl Allocation {
    /// What holds for a host that has this switch, is in all of `above`, and is in this state of
    /// maintenance.
    pub fn of(
        host: &HostName,
        switch: &Switch,
        above: &[Above<'_>],
        maintenance: &Maintenance,
    ) -> Self {
        let own = Above {
            scope: Scope::Host,
            name: host.as_str(),
            switch,
        };
        let switches = above.iter().chain([&own]);
        let disabled = switches.filter(|at| at.switch.state == AllocationState::Disabled);
        let mut because: Vec<_> = disabled.map(|at| because_of(*at)).collect();
        if maintenance.forbids_arrivals() {
            because.extend(maintenance.holders.iter().map(|holder| Because {
                scope: Scope::Maintenance,
                name: host.to_string(),
                reason: holder.reason.clone(),
                by: Some(holder.by.clone()),
                since: holder.since,
            }));
        }
        because.sort_by_key(|because| because.scope);
        Self {
            state: switch.state,
            effective: match because.is_empty() {
                true => AllocationState::Enabled,
                false => AllocationState::Disabled,
            },
            because,
            reason: switch.reason.clone(),
            by: switch.by.clone(),
            since: switch.since,
        }
    }

    /// May a server be placed on the host?
    pub const fn permits_arrivals(&self) -> bool {
        matches!(self.effective, AllocationState::Enabled)
    }

    /// What Nova's `os-services` shows of the host, which knows no scope above it: `disabled` with
    /// the operator's reason, else with that of the maintenance.
    pub fn service(&self) -> (AllocationState, Option<&str>) {
        let held = || {
            let mut because = self.because.iter();
            because.find(|because| because.scope == Scope::Maintenance)
        };
        match self.state {
            AllocationState::Disabled => (AllocationState::Disabled, self.reason.as_deref()),
            AllocationState::Enabled => match held() {
                Some(held) => (AllocationState::Disabled, held.reason.as_deref()),
                None => (AllocationState::Enabled, None),
            },
        }
    }
}

fn because_of(at: Above<'_>) -> Because {
    Because {
        scope: at.scope,
        name: at.name.to_owned(),
        reason: at.switch.reason.clone(),
        by: at.switch.by.clone(),
        since: at.switch.since,
    }
}

/// The hosts that anything may be sent to, of all hosts with what is known of them. Two that are
/// being emptied at the same time are both missing, so neither is sent what the other one has.
pub fn destinations(hosts: &BTreeMap<HostName, (Allocation, Management)>) -> BTreeSet<&HostName> {
    let permitted = hosts.iter().filter(|(_, (allocation, management))| {
        allocation.permits_arrivals() && management.permits_moves()
    });
    permitted.map(|(host, _)| host).collect()
}

#[cfg(test)]
mod tests;
