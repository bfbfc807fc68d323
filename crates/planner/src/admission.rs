//! How many moves take part in what each host does: who begins is [`crate::schedule`]'s to say.

use std::collections::HashMap;

use godwit_core::ids::HostName;
use godwit_core::slots::SlotRole;

/// How many slots are taken, per host and role.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SlotsTaken {
    at_source: HashMap<HostName, u32>,
    at_destination: HashMap<HostName, u32>,
}

impl SlotsTaken {
    /// Counts `more` moves of `host` in `role`.
    pub fn take(&mut self, role: SlotRole, host: &HostName, more: u32) {
        let slots = match role {
            SlotRole::Source => &mut self.at_source,
            SlotRole::Destination => &mut self.at_destination,
        };
        let taken = slots.entry(host.clone()).or_default();
        *taken = taken.saturating_add(more);
    }

    /// Moves under way of `host` in `role`.
    pub fn taken(&self, role: SlotRole, host: &HostName) -> u32 {
        let slots = match role {
            SlotRole::Source => &self.at_source,
            SlotRole::Destination => &self.at_destination,
        };
        slots.get(host).copied().unwrap_or_default()
    }
}
