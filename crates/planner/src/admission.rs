//! Who begins now: first come, first served, within limits per source and per destination.
//!
//! A move that must wait does not hold up those behind it that need other hosts: with a limit
//! of one per source, a thousand moves off one host must not keep the rest of the fleet still.
//! What a move may not do is take a slot that an older one could have had at that moment.

use std::collections::HashMap;

use godwit_core::ids::HostName;
use godwit_core::slots::{SlotLimits, SlotRole};

/// A placed move that waits for its slots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting<Id> {
    pub id: Id,
    pub source: HostName,
    pub destination: HostName,
}

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

    /// Is there a slot at both ends?
    pub fn has_free(&self, source: &HostName, destination: &HostName, limits: SlotLimits) -> bool {
        [
            (SlotRole::Source, source),
            (SlotRole::Destination, destination),
        ]
        .into_iter()
        .all(|(role, host)| limits.allow(role, self.taken(role, host)))
    }
}

/// Those of `queue` (the oldest first) that begin now, in the order of the queue; `taken` is
/// what is under way already, and then includes them.
pub fn admit<Id: Copy>(
    queue: &[Waiting<Id>],
    taken: &mut SlotsTaken,
    limits: SlotLimits,
) -> Vec<Id> {
    let mut admitted = Vec::new();
    for waiting in queue {
        if taken.has_free(&waiting.source, &waiting.destination, limits) {
            taken.take(SlotRole::Source, &waiting.source, 1);
            taken.take(SlotRole::Destination, &waiting.destination, 1);
            admitted.push(waiting.id);
        }
    }
    admitted
}

#[cfg(test)]
mod tests;
