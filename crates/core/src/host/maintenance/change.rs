//! A transition under construction, so that the table reads as one.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::host::maintenance::event::{Effect, Rejected, Transition, is_due};
use crate::host::maintenance::{
    Evidence, Holder, Inventory, Left, Maintenance, Purpose, RETRY_FIRST, RETRY_LONGEST, State,
};
use crate::ids::{RunUuid, ServerUuid};
use crate::plan::options::ReturnHome;
use crate::time::Timestamp;

mod work;

pub(super) struct Change {
    now: Timestamp,
    fresh: RunUuid,
    next: Maintenance,
    effects: Vec<Effect>,
    /// What the run was for that has ended just now.
    ended: Option<Purpose>,
}

impl Change {
    pub(super) fn of(maintenance: &Maintenance, fresh: RunUuid, now: Timestamp) -> Self {
        Self {
            now,
            fresh,
            next: Maintenance {
                generation: maintenance.generation.saturating_add(1),
                ..maintenance.clone()
            },
            effects: Vec::new(),
            ended: None,
        }
    }

    pub(super) fn enter(mut self, guests: &BTreeSet<ServerUuid>, in_flight: u32) -> Self {
        self.next.home.extend(guests);
        self.next.evidence = Evidence::none(self.now);
        self.next.evidence.in_flight(in_flight, self.now);
        self.next.run_ended_at = None;
        self
    }

    pub(super) fn hold(mut self, holder: &Holder) -> Self {
        let known = self.next.holders.iter_mut();
        match known.into_iter().find(|it| it.holder == holder.holder) {
            Some(entry) => {
                *entry = Holder {
                    since: entry.since,
                    ..holder.clone()
                }
            }
            None => self.next.holders.push(holder.clone()),
        }
        self.next.retries = 0;
        self
    }

    pub(super) fn release(mut self, holder: &str) -> Result<Self, Rejected> {
        let before = self.next.holders.len();
        self.next.holders.retain(|it| it.holder != holder);
        match self.next.holders.len() < before {
            true => Ok(self),
            false => Err(Rejected::HolderUnknown(holder.to_owned())),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        !self.next.holders.is_empty()
    }

    pub(super) fn see(mut self, inventory: &Inventory) -> Self {
        self.next.evidence.add(inventory);
        self
    }

    pub(super) fn in_flight(mut self, placements: u32) -> Self {
        self.next.evidence.in_flight(placements, self.now);
        self
    }

    pub(super) fn void(mut self) -> Self {
        self.next.evidence.void(self.now);
        self
    }

    /// One that was shut down is to be started again, wherever it is by now.
    pub(super) fn forget(mut self, server: ServerUuid, by_maintenance: bool) -> Self {
        if self.next.left.get(&server) != Some(&Left::ShutDown) {
            self.next.left.remove(&server);
        }
        // What shows it still is older than its leaving, and it is no guest that somebody started.
        if self.next.evidence.shows(server) {
            self.next.evidence.void(self.now);
        }
        if !by_maintenance {
            self.next.home.remove(&server);
        }
        self
    }

    /// Nobody has to start it again.
    pub(super) fn no_longer_shut_down(mut self, server: ServerUuid) -> Self {
        if self.next.left.get(&server) == Some(&Left::ShutDown) {
            self.next.left.remove(&server);
        }
        self
    }

    pub(super) fn return_again(mut self) -> Self {
        self.next.retries = self.next.retries.saturating_add(1);
        self.begin_returning()
    }

    pub(super) fn retry(mut self) -> Self {
        self.next.retry_at = None;
        if self.is_late() {
            return self;
        }
        self.next.retries = self.next.retries.saturating_add(1);
        self.begin_emptying(None)
    }

    fn is_late(&self) -> bool {
        is_due(self.next.deadline(), self.now)
    }

    /// The last holder has released it.
    pub(super) fn leave(mut self, return_home: ReturnHome) -> Result<Transition, Rejected> {
        self.next.state = State::Leaving;
        self.next.return_home = return_home;
        self.next.retry_at = None;
        self.next.retries = 0;
        self.next.cancelled_by = None;
        self.next.next = None;
        self.keep_only_shut_down();
        if self.somebody_returns() {
            self.begin_returning().stay()
        } else if self.next.work.is_some() {
            self.cancel().stay()
        } else {
            self.end()
        }
    }

    fn somebody_returns(&self) -> bool {
        let home = self.next.return_home != ReturnHome::Never && !self.next.home.is_empty();
        home || self.next.shut_down().next().is_some()
    }

    fn keep_only_shut_down(&mut self) {
        self.next.left.retain(|_, why| *why == Left::ShutDown);
    }

    /// It is being left, and a run has ended, or servers are started by others. A run that was
    /// cancelled may have shut servers down before it ended, which was not known when the host was
    /// released. What cannot return stays where it is, but what was shut down is tried again until it
    /// is started.
    pub(super) fn left(mut self) -> Result<Transition, Rejected> {
        self.keep_only_shut_down();
        if self.next.work.is_some() {
            return self.stay();
        }
        if self.ended == Some(Purpose::Emptying) && self.somebody_returns() {
            return self.begin_returning().stay();
        }
        if self.next.shut_down().next().is_none() {
            return self.end();
        }
        if self.ended.is_some() {
            self.next.home.clear();
            let pause = pause(self.next.retries);
            let waits = self.next.cancelled_by.is_none();
            self.next.retry_at = waits.then(|| self.now.plus(pause));
        }
        self.stay()
    }

    fn end(self) -> Result<Transition, Rejected> {
        let generation = self.next.generation;
        Ok(Transition {
            next: Maintenance {
                generation,
                ..Maintenance::none(self.now)
            },
            effects: self.effects,
        })
    }

    pub(super) fn stay(self) -> Result<Transition, Rejected> {
        Ok(Transition {
            next: self.next,
            effects: self.effects,
        })
    }

    /// It is held: says where it is by what is left and what was seen.
    pub(super) fn held(mut self) -> Result<Transition, Rejected> {
        let cancelled = self.next.cancelled_by.is_some();
        if cancelled {
            self.block_guests_that_no_run_knew();
        }
        // At once, but only once: a guest that no run finds is nothing to plan for at each inventory.
        let finds = !self.guests_that_no_run_knew().is_empty();
        if finds && !cancelled && self.next.retries == 0 && !self.is_late() {
            self.next.retries = 1;
            self = self.begin_emptying(None);
        }
        self.next.state = self.state();
        if self.next.state == State::InMaintenance {
            self.next.retries = 0;
            self.next.cancelled_by = None;
        }
        self.schedule_retry();
        self.stay()
    }

    fn state(&self) -> State {
        let next = &self.next;
        let skipped = |server: &ServerUuid| next.left.get(server) == Some(&Left::Skipped);
        let last = next.evidence.last();
        let settled = next.work.is_none() && next.blockers().next().is_none();
        // A host that is rebooted shows nothing for a while, and is still in maintenance.
        let nothing_new = last.is_none_or(|last| last.executing.iter().all(skipped));
        let stays = next.state == State::InMaintenance && nothing_new;
        if settled && (stays || next.evidence.shows_twice(skipped)) {
            State::InMaintenance
        } else if last.is_some_and(|last| last.executing.is_empty()) {
            State::Empty
        } else {
            State::Entering
        }
    }

    /// Somebody has started them since, or they came from where nobody looks. Only an inventory that
    /// was begun after the run had ended says so.
    fn guests_that_no_run_knew(&self) -> BTreeSet<ServerUuid> {
        let next = &self.next;
        let known = |server: &ServerUuid| match next.left.get(server) {
            Some(Left::Blocked | Left::Skipped) => true,
            Some(Left::ShutDown) | None => false,
        };
        let last = next.evidence.last().filter(|_| next.work.is_none());
        let since = next.run_ended_at;
        let last = last.filter(|last| since.is_some_and(|since| since < last.began_at));
        let executing = last.into_iter().flat_map(|last| &last.executing);
        executing.filter(|it| !known(it)).copied().collect()
    }

    /// Nothing is planned for them, so they wait for whoever holds the host once more.
    fn block_guests_that_no_run_knew(&mut self) {
        let guests = self.guests_that_no_run_knew().into_iter();
        let blocked = guests.map(|server| (server, Left::Blocked));
        self.next.left.extend(blocked);
    }

    fn schedule_retry(&mut self) {
        let next = &self.next;
        let blocked =
            next.blockers().next().is_some() || !self.guests_that_no_run_knew().is_empty();
        let waits = next.work.is_none() && next.cancelled_by.is_none() && blocked;
        self.next.retry_at = match (waits, next.retry_at) {
            (false, _) => None,
            (true, Some(at)) => Some(at),
            (true, None) => Some(self.now.plus(pause(next.retries))).filter(|_| !self.is_late()),
        };
    }
}

/// How long blockers are left alone that were tried again so often.
fn pause(retries: u32) -> Duration {
    let factor = 2_u32.saturating_pow(retries);
    RETRY_FIRST.saturating_mul(factor).min(RETRY_LONGEST)
}
