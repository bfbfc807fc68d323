//! Who begins now: first come, first served, within limits per source and per destination.
//!
//! A move that must wait does not hold up those behind it that need other hosts: with a limit
//! of one per source, a thousand moves off one host must not keep the rest of the fleet still.
//! What a move may not do is take a slot that an older one could have had at that moment.

use std::collections::HashMap;

use godwit_core::ids::HostName;

/// Most moves at one time; `None`: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotLimits {
    /// Away from one host.
    pub per_source: Option<u32>,
    /// Towards one host.
    pub per_destination: Option<u32>,
}

/// A placed move that waits for its slots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting<Id> {
    /// Which.
    pub id: Id,
    /// The host it leaves.
    pub source: HostName,
    /// The host it goes to.
    pub destination: HostName,
}

/// How many slots are taken, per host and role.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Slots {
    leaving: HashMap<HostName, u32>,
    arriving: HashMap<HostName, u32>,
}

impl Slots {
    /// Counts one more move off `host`.
    pub fn leave(&mut self, host: &HostName) {
        count(&mut self.leaving, host);
    }

    /// Counts one more move towards `host`.
    pub fn arrive(&mut self, host: &HostName) {
        count(&mut self.arriving, host);
    }

    /// Moves under way off `host`.
    pub fn leaving(&self, host: &HostName) -> u32 {
        self.leaving.get(host).copied().unwrap_or_default()
    }

    /// Moves under way towards `host`.
    pub fn arriving(&self, host: &HostName) -> u32 {
        self.arriving.get(host).copied().unwrap_or_default()
    }

    /// Is there a slot at both ends?
    pub fn has_room(&self, source: &HostName, destination: &HostName, limits: SlotLimits) -> bool {
        let below = |taken: u32, limit: Option<u32>| limit.is_none_or(|limit| taken < limit);
        below(self.leaving(source), limits.per_source)
            && below(self.arriving(destination), limits.per_destination)
    }
}

fn count(slots: &mut HashMap<HostName, u32>, host: &HostName) {
    let taken = slots.entry(host.clone()).or_default();
    *taken = taken.saturating_add(1);
}

/// Those of `queue` (the oldest first) that begin now, in the order of the queue; `taken` is
/// what is under way already.
pub fn admit<Id: Copy>(queue: &[Waiting<Id>], mut taken: Slots, limits: SlotLimits) -> Vec<Id> {
    let mut admitted = Vec::new();
    for waiting in queue {
        if taken.has_room(&waiting.source, &waiting.destination, limits) {
            taken.leave(&waiting.source);
            taken.arrive(&waiting.destination);
            admitted.push(waiting.id);
        }
    }
    admitted
}

#[cfg(test)]
mod tests;
