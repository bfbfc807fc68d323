//! A transition under construction, so that the table reads as one.

use crate::failure::{Failure, FailureCode};
use crate::ids::{HostName, MigrationUuid, OperationUuid};
use crate::plan::PlanKind;
use crate::run::event::{Effect, Event, Outcome, Rejected, Transition};
use crate::run::order::may_start;
use crate::run::{
    Operation, OperationKind, OperationState as Is, Progress, REVISIONS_MAX, Revision, RollingHost,
    RollingState, Run, RunState,
};
use crate::time::Timestamp;

pub(super) struct Change {
    now: Timestamp,
    next: Run,
    effects: Vec<Effect>,
    /// There is no room for it.
    refused: bool,
}

impl Change {
    pub(super) fn of(run: &Run, now: Timestamp) -> Self {
        Self {
            now,
            next: Run {
                generation: run.generation.saturating_add(1),
                ..run.clone()
            },
            effects: Vec::new(),
            refused: false,
        }
    }

    pub(super) fn start(mut self) -> Self {
        self.next.state = RunState::Running;
        self.next.started_at = Some(self.now);
        self
    }

    pub(super) fn fail_waiting(mut self, failure: &Failure) -> Self {
        self.refused = true;
        self.end_waiting(is_waiting, Is::Failed, Some(failure));
        self
    }

    pub(super) fn cancel_waiting(mut self) -> Self {
        self.next.cancel_requested_at = Some(self.now);
        self.end_waiting(is_waiting, Is::Cancelled, None);
        if self.next.state == RunState::Running {
            self.next.state = RunState::Cancelling;
        }
        self
    }

    pub(super) fn be_late(mut self) -> Self {
        self.next.is_late = true;
        let text = "The deadline passed before it could begin.";
        let failure = Failure::new(FailureCode::TimedOut, text);
        self.end_waiting(is_waiting, Is::Skipped, Some(&failure));
        self
    }

    fn end_waiting(
        &mut self,
        ends: impl Fn(&Operation) -> bool,
        state: Is,
        because: Option<&Failure>,
    ) {
        let operations = self.next.operations.iter_mut();
        for operation in operations.filter(|it| ends(it)) {
            operation.state = state;
            operation.replan = false;
            // What failed before says more than that it is not tried again.
            if operation.failure.is_none() {
                operation.failure = because.cloned();
            }
        }
    }

    pub(super) fn abort_running(mut self, abort: bool) -> Self {
        let operations = self.next.operations.iter_mut();
        for operation in operations.filter(|it| abort && it.state == Is::Running && !it.aborting) {
            operation.aborting = true;
            self.effects.push(Effect::Abort(operation.id));
        }
        self
    }

    fn operation(&mut self, id: OperationUuid, is: Is) -> Result<&mut Operation, Rejected> {
        let mut operations = self.next.operations.iter_mut();
        match operations.find(|it| it.id == id) {
            None => Err(Rejected::UnknownOperation(id)),
            Some(operation) if operation.state == is => Ok(operation),
            Some(operation) => Err(Rejected::Operation(operation.state)),
        }
    }

    pub(super) fn skip(mut self, id: OperationUuid) -> Result<Self, Rejected> {
        let operation = self.operation(id, Is::Waiting)?;
        operation.state = Is::Skipped;
        operation.replan = false;
        Ok(self)
    }

    pub(super) fn begin(
        mut self,
        before: &Run,
        id: OperationUuid,
        migration: Option<MigrationUuid>,
    ) -> Result<Self, Rejected> {
        let operation = self.operation(id, Is::Waiting)?;
        if !may_start(before, operation) {
            return Err(Rejected::NotStartable(id));
        }
        operation.state = Is::Running;
        operation.migration = migration;
        operation.attempts = operation.attempts.saturating_add(1);
        Ok(self)
    }

    pub(super) fn refuse(mut self, id: OperationUuid, failure: &Failure) -> Result<Self, Rejected> {
        let operation = self.operation(id, Is::Waiting)?;
        operation.attempts = operation.attempts.saturating_add(1);
        self.try_elsewhere(id, Is::Waiting, failure)
    }

    /// It has nothing to do, or there is nobody to do it with.
    pub(super) fn unneeded(
        mut self,
        id: OperationUuid,
        gone: Option<&Failure>,
    ) -> Result<Self, Rejected> {
        let operation = self.operation(id, Is::Waiting)?;
        operation.state = match gone {
            None => Is::Completed,
            Some(_) => Is::Skipped,
        };
        operation.replan = false;
        operation.failure = gone.cloned();
        Ok(self)
    }

    pub(super) fn end(mut self, id: OperationUuid, outcome: &Outcome) -> Result<Self, Rejected> {
        let operation = self.operation(id, Is::Running)?;
        match outcome {
            Outcome::Completed => {
                operation.state = Is::Completed;
                operation.failure = None;
                Ok(self)
            }
            Outcome::Cancelled(failure) => {
                operation.state = Is::Cancelled;
                operation.failure = Some(failure.clone());
                Ok(self)
            }
            Outcome::Skipped(failure) => {
                operation.state = Is::Skipped;
                operation.failure = Some(failure.clone());
                Ok(self)
            }
            Outcome::Failed(failure) => self.try_elsewhere(id, Is::Running, failure),
        }
    }

    fn try_elsewhere(
        mut self,
        id: OperationUuid,
        is: Is,
        failure: &Failure,
    ) -> Result<Self, Rejected> {
        let begins = self.next.state == RunState::Running && !self.next.is_late;
        let (attempts_max, fallback) = (self.next.attempts_max, self.next.fallback);
        let operation = self.operation(id, is)?;
        operation.failure = Some(failure.clone());
        let elsewhere = operation.attempts < attempts_max
            && operation.kind.has_destination()
            && another_host_may_do(failure.code);
        // Once, however often it was tried while its server ran.
        let cold = operation.goes_cold(fallback);
        let again = begins && operation.revisions < REVISIONS_MAX && (elsewhere || cold);
        if again {
            operation.state = Is::Waiting;
            operation.replan = true;
            self.effects.push(Effect::Replan(id));
        } else {
            operation.state = Is::Failed;
            operation.replan = false;
        }
        Ok(self)
    }

    pub(super) fn revise(
        mut self,
        id: OperationUuid,
        to: &str,
        kind: OperationKind,
    ) -> Result<Self, Rejected> {
        let (at, fallback) = (self.now, self.next.fallback);
        let operation = self.operation(id, Is::Waiting)?;
        if operation.revisions >= REVISIONS_MAX {
            return Err(Rejected::RevisedTooOften(id));
        }
        let becomes_cold = kind == OperationKind::Cold && operation.may_go_cold(fallback);
        if operation.kind != kind && !becomes_cold {
            return Err(Rejected::OtherKind(id, kind));
        }
        operation.kind = kind;
        let because = operation.failure.clone().filter(|_| operation.replan);
        let from = std::mem::replace(&mut operation.destination, to.to_owned());
        operation.revisions = operation.revisions.saturating_add(1);
        operation.replan = false;
        // It was for the destination that it had.
        operation.after_done = None;
        self.next.revisions.push(Revision {
            operation: id,
            from,
            to: to.to_owned(),
            because,
            at,
        });
        Ok(self)
    }

    pub(super) fn fail_replanned(
        mut self,
        id: OperationUuid,
        failure: &Failure,
    ) -> Result<Self, Rejected> {
        let operation = self.operation(id, Is::Waiting)?;
        if !operation.replan {
            return Err(Rejected::Operation(operation.state));
        }
        operation.state = Is::Failed;
        operation.replan = false;
        operation.failure = Some(failure.clone());
        Ok(self)
    }

    pub(super) fn host_held(mut self, host: &HostName, event: &Event) -> Result<Self, Rejected> {
        let of_run = self.host(host, event)?;
        if of_run.state != RollingState::Emptying || of_run.released || of_run.held {
            return Err(no_host(host, event));
        }
        of_run.held = true;
        Ok(self)
    }

    /// Nothing leaves it any more for the run's sake; what runs may end.
    pub(super) fn host_released(
        mut self,
        host: &HostName,
        event: &Event,
    ) -> Result<Self, Rejected> {
        let of_run = self.host(host, event)?;
        let holds = match of_run.state {
            RollingState::Emptying | RollingState::Ready => of_run.held && !of_run.released,
            RollingState::Waiting | RollingState::Done => false,
        };
        let text = "Somebody has released the host that it was to leave.";
        let failure = Failure::new(FailureCode::Aborted, text);
        let of_host = |it: &Operation| it.state == Is::Waiting && it.source == host.as_str();
        let waited = self.next.operations.iter().any(of_host);
        self.end_waiting(of_host, Is::Skipped, Some(&failure));
        let over = self.next.is_done_with(host);
        if !holds || !(waited || over) {
            return Err(no_host(host, event));
        }
        if over {
            self.host(host, event)?.released = true;
            self.effects.push(Effect::Release(host.clone()));
        }
        Ok(self)
    }

    pub(super) fn host_ready(mut self, host: &HostName, event: &Event) -> Result<Self, Rejected> {
        let of_run = self.host(host, event)?;
        match of_run.state {
            RollingState::Emptying if !of_run.released => of_run.state = RollingState::Ready,
            RollingState::Waiting
            | RollingState::Emptying
            | RollingState::Ready
            | RollingState::Done => return Err(no_host(host, event)),
        }
        Ok(self)
    }

    pub(super) fn host_done(
        mut self,
        before: &Run,
        host: &HostName,
        event: &Event,
    ) -> Result<Self, Rejected> {
        let of_run = self.host(host, event)?;
        // One that cannot be emptied is given up, but not while something leaves it.
        let may_release = match of_run.state {
            RollingState::Ready => true,
            RollingState::Emptying => before.is_done_with(host),
            RollingState::Waiting | RollingState::Done => false,
        };
        if !may_release {
            return Err(no_host(host, event));
        }
        if !of_run.released {
            of_run.released = true;
            self.effects.push(Effect::Release(host.clone()));
        }
        Ok(self)
    }

    pub(super) fn host_returned(
        mut self,
        host: &HostName,
        event: &Event,
    ) -> Result<Self, Rejected> {
        let of_run = self.host(host, event)?;
        if !of_run.released || of_run.state == RollingState::Done {
            return Err(no_host(host, event));
        }
        of_run.state = RollingState::Done;
        Ok(self)
    }

    fn host(&mut self, host: &HostName, event: &Event) -> Result<&mut RollingHost, Rejected> {
        let rolling = self.next.rolling.as_mut();
        let of_run = rolling.and_then(|rolling| rolling.get_mut(host));
        of_run.ok_or_else(|| no_host(host, event))
    }

    /// Begins with more hosts, or ends the run.
    pub(super) fn settle(mut self) -> Result<Transition, Rejected> {
        if self.next.state == RunState::Running && !self.next.is_late {
            let rolling = self.next.rolling.as_mut();
            let begun = rolling.map(|it| it.begin_next()).unwrap_or_default();
            self.effects.extend(begun.into_iter().map(Effect::Hold));
        }
        self.next.progress =
            self.next
                .progress
                .after(&self.next.operations, self.next.others, |_| 0);
        if self.is_over() {
            self.end_run();
        }
        Ok(Transition {
            next: self.next,
            effects: self.effects,
        })
    }

    fn is_over(&self) -> bool {
        let next = &self.next;
        let active = next.is_any(Is::Waiting) || next.is_any(Is::Running);
        if active || next.rolling.is_none() {
            return !active;
        }
        // Those that work on a host are waited for, unless the run was cancelled. Guests on their
        // way back are waited for in any case: nothing moves once a run has ended.
        let cancelled = self.refused || next.cancel_requested_at.is_some();
        let awaited = |it: &RollingHost| match it.state {
            RollingState::Done => false,
            RollingState::Emptying | RollingState::Ready if it.released => true,
            RollingState::Waiting | RollingState::Emptying => !cancelled && !next.is_late,
            RollingState::Ready => !cancelled,
        };
        let mut hosts = next.rolling.iter().flat_map(|it| &it.hosts);
        !hosts.any(awaited)
    }

    /// Hosts that somebody may be working on stay held until they are released.
    fn end_run(&mut self) {
        let pending = self.next.state == RunState::Pending;
        let state = self.end_state();
        let hosts = self
            .next
            .rolling
            .iter()
            .flat_map(|it| it.in_state(RollingState::Emptying));
        let held = hosts.filter(|it| !it.released).map(|it| it.host.clone());
        self.effects.extend(held.map(Effect::Release));
        if !pending {
            self.effects.push(Effect::FreeRoom);
        }
        self.next.state = state;
        self.next.ended_at = Some(self.now);
        if state == RunState::Completed {
            self.next.progress = Progress::COMPLETED;
        }
    }

    fn end_state(&self) -> RunState {
        let next = &self.next;
        let is = |state| next.is_any(state);
        let hosts = || next.rolling.iter().flat_map(|it| &it.hosts);
        let others = Is::ALL.iter().filter(|state| **state != Is::Completed);
        let all = !others.into_iter().any(|state| is(*state))
            && hosts().all(|it| it.state == RollingState::Done)
            && next.blocked == 0;
        let some = is(Is::Completed) || hosts().any(|it| it.state == RollingState::Done);
        // What cannot return stays where it is, and has not failed.
        let may_fail = next.kind != PlanKind::ReturnHome && !next.is_late;
        if all && next.state != RunState::Pending {
            RunState::Completed
        } else if next.cancel_requested_at.is_some() {
            RunState::Cancelled
        } else if may_fail && (self.refused || is(Is::Failed) && !some) {
            RunState::Failed
        } else {
            RunState::Partial
        }
    }
}

fn is_waiting(operation: &Operation) -> bool {
    operation.state == Is::Waiting
}

fn no_host(host: &HostName, event: &Event) -> Rejected {
    Rejected::Host {
        host: host.clone(),
        event: event.name(),
    }
}

/// May it work with another destination? Not where the server or its source is the reason, or where
/// somebody has decided otherwise.
const fn another_host_may_do(code: FailureCode) -> bool {
    match code {
        FailureCode::NoValidHost
        | FailureCode::ComputeServiceUnavailable
        | FailureCode::SameHost
        | FailureCode::HypervisorType
        | FailureCode::HypervisorTooOld
        | FailureCode::CpuIncompatible
        | FailureCode::NotLocalStorage
        | FailureCode::NotSharedStorage
        | FailureCode::PreCheck
        | FailureCode::PrepareFailed
        | FailureCode::DestinationFull
        | FailureCode::HypervisorError
        | FailureCode::LinkLost
        | FailureCode::Stalled
        | FailureCode::TimedOut
        | FailureCode::Interrupted
        | FailureCode::BootFailed
        | FailureCode::DestinationDead => true,
        FailureCode::PowerState
        | FailureCode::GuestLost
        | FailureCode::Aborted
        | FailureCode::StillInUse
        | FailureCode::NoDefinition
        | FailureCode::StopFailed
        | FailureCode::SourceDead
        | FailureCode::SourceNotFenced
        | FailureCode::DisksInUse
        | FailureCode::Superseded
        | FailureCode::NotPlanned => false,
    }
}
