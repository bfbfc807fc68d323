//! What a hypervisor says it executes, and what that proves.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::ServerUuid;
use crate::time::Timestamp;

/// What a hypervisor said when it was asked once.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Inventory {
    /// When it was asked, by the clock of whoever asked: what it says is not older.
    pub began_at: Timestamp,
    /// What it executes, paused guests included.
    pub executing: BTreeSet<ServerUuid>,
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
