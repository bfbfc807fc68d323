//! A transition under construction, so that the table reads as one.

use std::time::Duration;

use crate::effect::Effect;
use crate::failure::{Failure, FailureCode};
use crate::migration::{Intent, Migration, Placement, Settling};
use crate::status::MigrationStatus as Status;
use crate::time::Timestamp;
use crate::transition::{Doubt, Rejected, ServerChange, Transition};

/// What follows from one event, gathered word by word.
pub(super) struct Change {
    now: Timestamp,
    transition: Transition,
}

impl Change {
    pub(super) fn of(migration: &Migration, now: Timestamp) -> Self {
        let transition = Transition {
            next: migration.clone(),
            server: None,
            effects: Vec::new(),
            supersedes: false,
            doubt: None,
        };
        Self { now, transition }
    }

    pub(super) fn intend(mut self, intent: Intent) -> Self {
        self.transition.next.intent = Some(intent);
        self
    }

    pub(super) fn settle(mut self, settling: Settling) -> Self {
        self.transition.next.settling = Some(settling);
        self
    }

    pub(super) fn effect(mut self, effect: Effect) -> Self {
        self.transition.effects.push(effect);
        self
    }

    pub(super) fn doubt(mut self, doubt: Doubt) -> Self {
        self.transition.doubt = Some(doubt);
        self
    }

    /// Records the first reason; later ones are consequences of it.
    pub(super) fn because(mut self, failure: Failure) -> Self {
        self.transition.next.failure.get_or_insert(failure);
        self
    }

    pub(super) fn wait(mut self, within: Duration) -> Self {
        self.transition.next.deadline = Some(self.now.plus(within));
        self
    }

    pub(super) fn look_again(self, within: Duration) -> Self {
        self.wait(within).doubt(Doubt::Overdue)
    }

    pub(super) fn enter(mut self, status: Status, within: Duration) -> Self {
        self.transition.next.status = status;
        self.wait(within)
    }

    pub(super) fn place(mut self, placement: &Placement) -> Self {
        let next = &mut self.transition.next;
        next.dest_compute = Some(placement.host.clone());
        next.dest_node = Some(placement.node.clone());
        next.storage = Some(placement.storage);
        next.limits = placement.limits.clone();
        self
    }

    pub(super) fn unwind(
        mut self,
        settling: Settling,
        failure: Failure,
    ) -> Result<Transition, Rejected> {
        self.transition.supersedes = true;
        let within = self.transition.next.limits.rollback;
        self.settle(settling)
            .because(failure)
            .wait(within)
            .effect(Effect::RollBack)
            .done()
    }

    pub(super) fn finish(mut self) -> Result<Transition, Rejected> {
        self.transition.supersedes = true;
        let within = self.transition.next.limits.grace;
        self.settle(Settling::Finishing)
            .wait(within)
            .effect(Effect::Finish)
            .done()
    }

    fn end(mut self, status: Status, server: ServerChange) -> Result<Transition, Rejected> {
        self.transition.supersedes = true;
        self.transition.server = Some(server);
        let next = &mut self.transition.next;
        next.status = status;
        next.settling = None;
        next.deadline = None;
        self.done()
    }

    pub(super) fn end_completed(mut self) -> Result<Transition, Rejected> {
        self.transition.next.failure = None;
        self.end(Status::Completed, ServerChange::MovesToDestination)
    }

    pub(super) fn end_cancelled(self) -> Result<Transition, Rejected> {
        self.because(aborted())
            .end(Status::Cancelled, ServerChange::StaysAtSource)
    }

    pub(super) fn end_unwound(self) -> Result<Transition, Rejected> {
        let status = match self.transition.next.settling {
            Some(Settling::Cancelling) => Status::Cancelled,
            Some(Settling::Failing | Settling::Finishing) | None => Status::Failed,
        };
        self.end(status, ServerChange::StaysAtSource)
    }

    pub(super) fn end_in_error(self, failure: Failure) -> Result<Transition, Rejected> {
        self.because(failure)
            .end(Status::Error, ServerChange::StaysAtSource)
    }

    pub(super) fn end_lost(mut self, failure: Failure) -> Result<Transition, Rejected> {
        self.transition.next.failure = Some(failure);
        self.doubt(Doubt::GuestNowhere)
            .end(Status::Error, ServerChange::IsLost)
    }

    /// The request is taken note of, and nothing follows from it.
    pub(super) fn unchanged(self) -> Result<Transition, Rejected> {
        self.done()
    }

    pub(super) fn done(mut self) -> Result<Transition, Rejected> {
        let issued = i64::try_from(self.transition.effects.len()).unwrap_or(i64::MAX);
        let next = &mut self.transition.next;
        next.generation = next.generation.saturating_add(1);
        next.effect_sequence = next.effect_sequence.saturating_add(issued);
        Ok(self.transition)
    }
}

pub(super) fn timed_out(what: &str) -> Failure {
    Failure::new(FailureCode::TimedOut, format!("Timed out: {what} in time."))
}

pub(super) fn aborted() -> Failure {
    Failure::new(FailureCode::Aborted, "Aborted on request.")
}
