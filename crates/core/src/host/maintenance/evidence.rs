//! What a hypervisor says it executes, and what that proves.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::ServerUuid;
use crate::recovery::Sighting;
use crate::time::Timestamp;

/// What a hypervisor said when it was asked once.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Inventory {
    /// When it was asked, by the clock of whoever asked: what it says is not older.
    pub began_at: Timestamp,
    /// What it executes, paused guests included.
    pub executing: BTreeSet<ServerUuid>,
}

impl Inventory {
    /// Of what a host says of its guests. Whatever is in memory executes, whoever started it, and if it
    /// is paused. `None`: one of them could not be looked at, so that nothing is proven.
    pub fn of(
        began_at: Timestamp,
        sightings: impl IntoIterator<Item = (ServerUuid, Sighting)>,
    ) -> Option<Self> {
        let mut executing = BTreeSet::new();
        for (server, sighting) in sightings {
            match sighting {
                Sighting::Unreachable => return None,
                Sighting::Absent | Sighting::Inactive => {}
                Sighting::Incoming
                | Sighting::Executing
                | Sighting::Moving
                | Sighting::HandedOver => {
                    executing.insert(server);
                }
            }
        }
        Some(Self {
            began_at,
            executing,
        })
    }
}

/// The last inventories, and since when they say that nothing will come any more.
///
/// An inventory proves something only if it was begun when nothing could arrive any more. One that
/// was begun earlier may have missed a guest that came a moment later.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// Placements that may still lead a guest here.
    pub placements_in_flight: u32,
    /// An inventory that was begun later counts: since then the host is held, the last arrival is
    /// over, and the agent has not been dead.
    pub counts_after: Timestamp,
    /// The last two, the latest last.
    pub inventories: Vec<Inventory>,
}

impl Evidence {
    /// Nothing was seen.
    pub(super) fn none(now: Timestamp) -> Self {
        Self {
            placements_in_flight: 0,
            counts_after: now,
            inventories: Vec::new(),
        }
    }

    /// One that is not later than the last is the last once more, or was overtaken by it.
    pub(super) fn add(&mut self, inventory: &Inventory) {
        let last = self.inventories.last().map(|last| last.began_at);
        if last.is_some_and(|last| inventory.began_at <= last) {
            return;
        }
        self.inventories.push(inventory.clone());
        if self.inventories.len() > 2 {
            self.inventories.remove(0);
        }
    }

    /// So many placements may still lead a guest here.
    pub(super) fn in_flight(&mut self, placements: u32, now: Timestamp) {
        if placements > 0 || self.placements_in_flight > 0 {
            self.void(now);
        }
        self.placements_in_flight = placements;
    }

    /// What was seen until now proves nothing any more, also if it was seen by a clock that is ahead.
    pub(super) fn void(&mut self, now: Timestamp) {
        let seen_at = self.seen_at().unwrap_or(now);
        self.counts_after = self.counts_after.max(now).max(seen_at);
    }

    /// Those that count.
    fn counting(&self) -> impl Iterator<Item = &Inventory> {
        let none_arrives = self.placements_in_flight == 0;
        let after = self.counts_after;
        let inventories = self.inventories.iter();
        inventories.filter(move |one| none_arrives && one.began_at > after)
    }

    /// Does it prove anything?
    pub fn counts(&self) -> bool {
        self.last().is_some()
    }

    /// The last one, if it counts.
    pub(super) fn last(&self) -> Option<&Inventory> {
        self.counting().last()
    }

    /// Does one that counts show this server?
    pub(super) fn shows(&self, server: ServerUuid) -> bool {
        self.counting().any(|one| one.executing.contains(&server))
    }

    /// Do two successive inventories show nothing but what is `permitted`?
    pub(super) fn shows_twice(&self, permitted: impl Fn(&ServerUuid) -> bool) -> bool {
        self.counting().count() == 2
            && self
                .counting()
                .all(|inventory| inventory.executing.iter().all(&permitted))
    }

    /// How many guests the last inventory shows, whether it counts or not.
    pub fn guests_seen(&self) -> Option<usize> {
        self.inventories.last().map(|last| last.executing.len())
    }

    /// When the last inventory was begun.
    pub fn seen_at(&self) -> Option<Timestamp> {
        self.inventories.last().map(|last| last.began_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::noon;

    fn server(number: u128) -> ServerUuid {
        uuid::Uuid::from_u128(number).into()
    }

    #[test]
    fn what_could_not_be_looked_at_proves_nothing() {
        let of = |sightings: &[(u128, Sighting)]| {
            let all = sightings.iter().map(|(number, it)| (server(*number), *it));
            Inventory::of(noon(), all).map(|it| it.executing)
        };
        for sighting in Sighting::ALL {
            let executing = of(&[(1, Sighting::Executing), (2, *sighting)]);
            let expected = match sighting {
                Sighting::Unreachable => None,
                Sighting::Absent | Sighting::Inactive => Some([server(1)].into()),
                Sighting::Incoming
                | Sighting::Executing
                | Sighting::Moving
                | Sighting::HandedOver => Some([server(1), server(2)].into()),
            };
            assert_eq!(executing, expected, "{sighting:?}");
        }
    }
}
