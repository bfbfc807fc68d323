//! A transition under construction, so that a table reads as one.

use std::time::Duration;

use crate::discrepancy::DiscrepancyKind;
use crate::effect::Effect;
use crate::failure::{Failure, FailureCode};
use crate::migration::{Intent, Migration, Placement, Settling};
use crate::status::MigrationStatus as Status;
use crate::time::Timestamp;
use crate::transition::{Rejected, ServerChange, Transition};

/// What follows from one event, gathered word by word.
pub(crate) struct Change {
    now: Timestamp,
    transition: Transition,
}

impl Change {
    pub(crate) fn of(migration: &Migration, now: Timestamp) -> Self {
        let transition = Transition {
            next: migration.clone(),
            server: None,
            effects: Vec::new(),
            supersedes: false,
            discrepancy: None,
        };
        Self { now, transition }
    }

    pub(crate) fn intend(mut self, intent: Intent) -> Self {
        self.transition.next.intent = Some(intent);
        self
    }

    pub(crate) fn settle(mut self, settling: Settling) -> Self {
        self.transition.next.settling = Some(settling);
        self
    }

    pub(crate) fn effect(mut self, effect: Effect) -> Self {
        self.transition.effects.push(effect);
        self
    }

    /// What was handed out before is no longer wanted.
    pub(crate) fn supersede(mut self) -> Self {
        self.transition.supersedes = true;
        self
    }

    pub(crate) fn server(mut self, change: ServerChange) -> Self {
        self.transition.server = Some(change);
        self
    }

    pub(crate) fn discrepancy(mut self, kind: DiscrepancyKind) -> Self {
        self.transition.discrepancy = Some(kind);
        self
    }

    /// Records the first reason; later ones are consequences of it.
    pub(crate) fn because(mut self, failure: Failure) -> Self {
        self.transition.next.failure.get_or_insert(failure);
        self
    }

    /// The reason of something that is over.
    pub(crate) fn forget_reason(mut self) -> Self {
        self.transition.next.failure = None;
        self
    }

    /// The source is clean, or somebody has to know that it is not.
    pub(crate) fn leaves_source(self, clean: bool) -> Self {
        if clean {
            self
        } else {
            self.discrepancy(DiscrepancyKind::SourceNotClean)
        }
    }

    /// The destination is clean, or somebody has to know that it is not.
    pub(crate) fn leaves_destination(self, clean: bool) -> Self {
        if clean {
            self
        } else {
            self.discrepancy(DiscrepancyKind::DestinationNotClean)
        }
    }

    pub(crate) fn wait(mut self, within: Duration) -> Self {
        self.transition.next.deadline = Some(self.now.plus(within));
        self
    }

    pub(crate) fn look_again(self, within: Duration) -> Self {
        self.wait(within).discrepancy(DiscrepancyKind::Overdue)
    }

    pub(crate) fn enter(mut self, status: Status, within: Duration) -> Self {
        self.transition.next.status = status;
        self.wait(within)
    }

    /// A status that waits for somebody, for ever if need be.
    pub(crate) fn enter_open(mut self, status: Status) -> Self {
        self.transition.next.status = status;
        self.transition.next.deadline = None;
        self
    }

    pub(crate) fn place(mut self, placement: &Placement) -> Self {
        let next = &mut self.transition.next;
        next.dest_compute = Some(placement.host.clone());
        next.dest_node = Some(placement.node.clone());
        next.storage = Some(placement.storage);
        next.limits = placement.limits.clone();
        self
    }

    pub(crate) fn unwind(
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

    pub(crate) fn finish(mut self) -> Result<Transition, Rejected> {
        self.transition.supersedes = true;
        let within = self.transition.next.limits.grace;
        self.settle(Settling::Finishing)
            .wait(within)
            .effect(Effect::Finish)
            .done()
    }

    pub(crate) fn end(
        mut self,
        status: Status,
        server: ServerChange,
    ) -> Result<Transition, Rejected> {
        self.transition.supersedes = true;
        self.transition.server = Some(server);
        let next = &mut self.transition.next;
        next.status = status;
        next.settling = None;
        next.deadline = None;
        self.done()
    }

    /// An evacuation's source is clean. The server was settled when it was done.
    pub(crate) fn end_cleaned(mut self) -> Result<Transition, Rejected> {
        self.transition.supersedes = true;
        self.transition.next.status = Status::Completed;
        self.transition.next.settling = None;
        self.done()
    }

    pub(crate) fn end_completed(mut self) -> Result<Transition, Rejected> {
        self.transition.next.failure = None;
        self.end(Status::Completed, ServerChange::MovesToDestination)
    }

    pub(crate) fn end_cancelled(self) -> Result<Transition, Rejected> {
        self.because(aborted())
            .end(Status::Cancelled, ServerChange::StaysAtSource)
    }

    pub(crate) fn end_unwound(self) -> Result<Transition, Rejected> {
        let status = match self.transition.next.settling {
            Some(Settling::Cancelling) => Status::Cancelled,
            Some(Settling::Failing | Settling::Finishing) | None => Status::Failed,
        };
        self.end(status, ServerChange::StaysAtSource)
    }

    pub(crate) fn end_in_error(self, failure: Failure) -> Result<Transition, Rejected> {
        self.because(failure)
            .end(Status::Error, ServerChange::StaysAtSource)
    }

    pub(crate) fn end_lost(mut self, failure: Failure) -> Result<Transition, Rejected> {
        self.transition.next.failure = Some(failure);
        self.discrepancy(DiscrepancyKind::GuestNowhere)
            .end(Status::Error, ServerChange::IsLost)
    }

    /// The request is taken note of, and nothing follows from it.
    pub(crate) fn unchanged(self) -> Result<Transition, Rejected> {
        self.done()
    }

    pub(crate) fn done(mut self) -> Result<Transition, Rejected> {
        let issued = i64::try_from(self.transition.effects.len()).unwrap_or(i64::MAX);
        let next = &mut self.transition.next;
        next.generation = next.generation.saturating_add(1);
        next.effect_sequence = next.effect_sequence.saturating_add(issued);
        Ok(self.transition)
    }
}

pub(crate) fn timed_out(what: &str) -> Failure {
    Failure::new(FailureCode::TimedOut, format!("Timed out: {what} in time."))
}

pub(crate) fn aborted() -> Failure {
    Failure::new(FailureCode::Aborted, "Aborted on request.")
}
