//! The runs that work for a host, one after the other.
//!
//! One that the maintenance asks for waits until nothing is under way any more. One that somebody else
//! has begun waits for nobody, and is known beside what is under way, so that nobody plans for the same
//! servers, and what it shuts down is started again.

use std::collections::BTreeMap;

use super::Change;
use crate::host::maintenance::event::{Effect, Rejected};
use crate::host::maintenance::{Left, Maintenance, Purpose, State, Work};
use crate::ids::{RunUuid, ServerUuid};

impl Change {
    /// Is what is done with servers that cannot leave another thing than `before`, and does that
    /// matter to what was planned?
    fn is_outdated(&self, before: &Maintenance) -> bool {
        let decided = self.next.work.is_some() && self.next.state == State::Entering;
        let blocked = self.next.blockers().next().is_some();
        let skipped = self.next.left_as(Left::Skipped).next().is_some();
        before.immovable() != self.next.immovable() && (decided || blocked || skipped)
    }

    /// Whoever holds the host, or no longer does, may have changed what is done with servers that
    /// cannot leave. Whoever holds it once more wants to see them tried once more, also where
    /// somebody has cancelled that; nobody else does.
    pub(in crate::host::maintenance) fn ask_again(
        self,
        before: &Maintenance,
        insists: bool,
    ) -> Self {
        let cancelled = self.next.cancelled_by.is_some();
        let again = self.is_outdated(before) && (insists || !cancelled);
        let waits = self.next.blockers().next().is_some() || cancelled;
        if again || insists && waits && self.next.work.is_none() {
            self.begin_emptying(None)
        } else {
            self
        }
    }

    /// Somebody's run empties the host, which is held already.
    pub(in crate::host::maintenance) fn join(mut self, before: &Maintenance, run: RunUuid) -> Self {
        if self.next.empties(run) {
            return self.ask_again(before, false);
        }
        let outdated = self.is_outdated(before);
        if outdated && self.next.work.is_some() {
            self = self.cancel();
        }
        let joined = self.emptying(Some(run));
        self = self.add(joined);
        if outdated && self.next.next.is_none() {
            self.next.next = Some(self.emptying(None));
        }
        self
    }

    fn emptying(&self, run: Option<RunUuid>) -> Work {
        Work {
            run: run.unwrap_or(self.fresh),
            purpose: Purpose::Emptying,
            made: run.is_some(),
            cancelling: false,
        }
    }

    /// Empties the host, by `run` if that does so anyway.
    pub(in crate::host::maintenance) fn begin_emptying(self, run: Option<RunUuid>) -> Self {
        let work = self.emptying(run);
        self.begin(work)
    }

    pub(super) fn begin_returning(self) -> Self {
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
        if self.next.work.is_none() {
            return self.add(work);
        }
        let promised = self.next.next.filter(|it| it.purpose == work.purpose);
        self = self.cancel();
        if work.made {
            self.next.next = promised;
            return self.add(work);
        }
        self.next.retry_at = None;
        self.next.cancelled_by = None;
        // It reads what is wanted when its turn comes, and somebody was told its id.
        self.next.next = promised.or(Some(work));
        self
    }

    /// It is under way from now on.
    fn add(mut self, work: Work) -> Self {
        self.next.retry_at = None;
        self.next.cancelled_by = None;
        if self.next.work.is_some() {
            if !self.next.empties(work.run) {
                self.next.beside.push(work);
            }
            return self;
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

    pub(super) fn cancel(mut self) -> Self {
        let under_way = self.next.work.iter_mut().chain(&mut self.next.beside);
        for work in under_way.filter(|work| !work.cancelling) {
            work.cancelling = true;
            self.effects.push(Effect::CancelRun(work.run));
        }
        self
    }

    pub(in crate::host::maintenance) fn planned(
        mut self,
        run: RunUuid,
        left: &BTreeMap<ServerUuid, Left>,
    ) -> Result<Self, Rejected> {
        let emptying = |work: &Work| work.run == run && work.purpose == Purpose::Emptying;
        let Some(work) = self.next.work.filter(emptying) else {
            return Err(Rejected::OtherRun(run));
        };
        self.leave_behind(left, work.made);
        Ok(self)
    }

    pub(in crate::host::maintenance) fn end_run(
        mut self,
        run: RunUuid,
        left: &BTreeMap<ServerUuid, Left>,
        cancelled_by: Option<&str>,
    ) -> Result<Self, Rejected> {
        // It was cancelled before its turn came.
        if self.next.next.is_some_and(|work| work.run == run) {
            self.next.next = None;
            return Ok(self);
        }
        if let Some(place) = self.next.beside.iter().position(|work| work.run == run) {
            self.next.beside.remove(place);
            let shut_down = left.iter().filter(|(_, why)| **why == Left::ShutDown);
            self.next.left.extend(shut_down);
            return Ok(self);
        }
        let Some(work) = self.next.work.filter(|work| work.run == run) else {
            return Err(Rejected::OtherRun(run));
        };
        match work.purpose {
            Purpose::Emptying => self.leave_behind(left, work.made),
            Purpose::Returning => self.next.left.clone_from(left),
        }
        self.next.run_ended_at = Some(self.now);
        self.ended = Some(work.purpose);
        Ok(self.follow(work, cancelled_by))
    }

    /// What is under way beside it goes on, and then what waits for all of that.
    fn follow(mut self, ended: Work, cancelled_by: Option<&str>) -> Self {
        self.next.work = None;
        if !self.next.beside.is_empty() {
            self.next.work = Some(self.next.beside.remove(0));
            return self;
        }
        if let Some(work) = self.next.next.take() {
            return self.add(work);
        }
        // One that the maintenance has cancelled was nobody's wish.
        if !ended.cancelling {
            self.next.cancelled_by = cancelled_by.map(str::to_owned);
        }
        self
    }

    /// What an earlier run shut down is still to be started again, whatever a later one says of it.
    /// One that was not made for the host as it is says nothing of servers that it does not name.
    fn leave_behind(&mut self, left: &BTreeMap<ServerUuid, Left>, made: bool) {
        let before = std::mem::take(&mut self.next.left);
        let shut_down = before.iter().filter(|(_, why)| **why == Left::ShutDown);
        let shut_down: Vec<_> = shut_down.map(|(server, why)| (*server, *why)).collect();
        if made {
            self.next.left = before;
        }
        self.next.left.extend(left);
        self.next.left.extend(shut_down);
    }
}
