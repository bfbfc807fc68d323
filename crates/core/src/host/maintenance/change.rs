//! A transition under construction, so that the table reads as one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::host::maintenance::event::{Effect, Rejected, Transition, is_due};
use crate::host::maintenance::{
    Evidence, Holder, Inventory, Left, Maintenance, Purpose, RETRY_FIRST, RETRY_LONGEST, State,
    Work,
};
use crate::ids::{RunUuid, ServerUuid};
use crate::plan::options::ReturnHome;
use crate::time::Timestamp;

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
        self.next.home.clone_from(guests);
        self.enter_again(in_flight)
    }

    pub(super) fn enter_again(mut self, in_flight: u32) -> Self {
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

    /// Whoever holds the host, or no longer does, may have changed what is done with servers that
    /// cannot leave. Whoever holds it once more wants to see them tried once more.
    pub(super) fn ask_again(self, before: &Maintenance, insists: bool) -> Self {
        let works = self.next.work.is_some();
        let decided = works && self.next.state == State::Entering;
        let blocked = self.next.blockers().next().is_some();
        let skipped = self.next.left_as(Left::Skipped).next().is_some();
        let otherwise = before.immovable() != self.next.immovable();
        let again = otherwise && (decided || blocked || skipped);
        if again || insists && blocked && !works {
            self.begin_emptying(None)
        } else {
            self
        }
    }

    /// Empties the host, by `run` if that does so anyway.
    pub(super) fn begin_emptying(self, run: Option<RunUuid>) -> Self {
        let work = Work {
            run: run.unwrap_or(self.fresh),
            purpose: Purpose::Emptying,
            made: run.is_some(),
            cancelling: false,
        };
        self.begin(work)
    }

    fn begin_returning(self) -> Self {
        let work = Work {
            run: self.fresh,
            purpose: Purpose::Returning,
            made: false,
            cancelling: false,
        };
        self.begin(work)
    }

    /// What is under way is cancelled first, and may take its time to end.
    fn begin(mut self, work: Work) -> Self {
        self.next.retry_at = None;
        if self.next.work.is_some() {
            let promised = self.next.next;
            // It reads what is wanted when its turn comes, and somebody was told its id.
            let kept = promised.filter(|it| it.purpose == work.purpose && !work.made);
            self.next.next = kept.or(Some(work));
            return self.cancel();
        }
        self.next.work = Some(work);
        if !work.made {
            self.effects.push(match work.purpose {
                Purpose::Emptying => Effect::MakePlan(work.run),
                Purpose::Returning => Effect::PlanReturn(work.run),
            });
        }
        self
    }

    fn cancel(mut self) -> Self {
        if let Some(work) = self.next.work.as_mut().filter(|work| !work.cancelling) {
            work.cancelling = true;
            self.effects.push(Effect::CancelRun(work.run));
        }
        self
    }

    pub(super) fn planned(
        mut self,
        run: RunUuid,
        left: &BTreeMap<ServerUuid, Left>,
    ) -> Result<Self, Rejected> {
        let emptying = |work: &Work| work.run == run && work.purpose == Purpose::Emptying;
        if !self.next.work.as_ref().is_some_and(emptying) {
            return Err(Rejected::OtherRun(run));
        }
        self.leave_behind(left);
        Ok(self)
    }

    pub(super) fn end_run(
        mut self,
        run: RunUuid,
        left: &BTreeMap<ServerUuid, Left>,
    ) -> Result<Self, Rejected> {
        // It was cancelled before its turn came.
        if self.next.next.is_some_and(|work| work.run == run) {
            self.next.next = None;
            return Ok(self);
        }
        let Some(work) = self.next.work.filter(|work| work.run == run) else {
            return Err(Rejected::OtherRun(run));
        };
        match work.purpose {
            Purpose::Emptying => self.leave_behind(left),
            Purpose::Returning => self.next.left.clone_from(left),
        }
        self.next.work = None;
        self.next.run_ended_at = Some(self.now);
        self.ended = Some(work.purpose);
        match self.next.next.take() {
            Some(work) => Ok(self.begin(work)),
            None => Ok(self),
        }
    }

    /// What an earlier run shut down is still to be started again, whatever a later one says of it.
    fn leave_behind(&mut self, left: &BTreeMap<ServerUuid, Left>) {
        let shut_down: Vec<_> = self.next.shut_down().collect();
        self.next.left.clone_from(left);
        let again = shut_down.into_iter().map(|server| (server, Left::ShutDown));
        self.next.left.extend(again);
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
        self.next.next = None;
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

    /// It is being left, and a run has ended. One that was cancelled may have shut servers down
    /// before it ended, which was not known when the host was released.
    pub(super) fn left(self) -> Result<Transition, Rejected> {
        if self.next.work.is_some() {
            self.stay()
        } else if self.ended == Some(Purpose::Emptying) && self.somebody_returns() {
            self.begin_returning().stay()
        } else {
            self.end()
        }
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
        // At once, but only once: a guest that no run finds is nothing to plan for at each inventory.
        if self.shows_a_guest_that_no_run_knew() && self.next.retries == 0 && !self.is_late() {
            self.next.retries = 1;
            self = self.begin_emptying(None);
        }
        self.next.state = self.state();
        if self.next.state == State::InMaintenance {
            self.next.retries = 0;
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

    /// Somebody has started it since, or it came from where nobody looks. Only an inventory that was
    /// begun after the run had ended says so.
    fn shows_a_guest_that_no_run_knew(&self) -> bool {
        let next = &self.next;
        let known = |server: &ServerUuid| match next.left.get(server) {
            Some(Left::Blocked | Left::Skipped) => true,
            Some(Left::ShutDown) | None => false,
        };
        let last = next.evidence.last();
        let since = next.run_ended_at;
        let last = last.filter(|last| since.is_some_and(|since| since < last.began_at));
        next.work.is_none() && last.is_some_and(|last| !last.executing.iter().all(known))
    }

    fn schedule_retry(&mut self) {
        let next = &self.next;
        let blocked = next.blockers().next().is_some() || self.shows_a_guest_that_no_run_knew();
        let waits = next.work.is_none() && blocked;
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
