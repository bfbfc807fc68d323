//! A transition under construction, so that a table reads as one.

use std::time::Duration;

use crate::discrepancy::DiscrepancyKind;
use crate::effect::Effect;
use crate::failure::{Failure, FailureCode};
use crate::migration::{Intent, Limits, Migration, Placement};
use crate::phase::Phase;
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

    pub(crate) fn phase(mut self, phase: impl Into<Phase>) -> Self {
        self.transition.next.phase = phase.into();
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

    pub(crate) fn enter(self, phase: impl Into<Phase>, within: Duration) -> Self {
        self.phase(phase).wait(within)
    }

    /// A phase that waits for somebody, for ever if need be.
    pub(crate) fn enter_open(mut self, phase: impl Into<Phase>) -> Self {
        self.transition.next.deadline = None;
        self.phase(phase)
    }

    pub(crate) fn place(mut self, placement: &Placement, limits: &Limits) -> Self {
        let next = &mut self.transition.next;
        next.placement = Some(placement.clone());
        next.limits = limits.clone();
        self
    }

    pub(crate) fn unwind(
        self,
        phase: impl Into<Phase>,
        failure: Failure,
    ) -> Result<Transition, Rejected> {
        let within = self.transition.next.limits.rollback;
        self.supersede()
            .because(failure)
            .enter(phase, within)
            .effect(Effect::RollBack)
            .done()
    }

    pub(crate) fn finish(self, phase: impl Into<Phase>) -> Result<Transition, Rejected> {
        let within = self.transition.next.limits.grace;
        self.supersede()
            .enter(phase, within)
            .effect(Effect::Finish)
            .done()
    }

    /// The server is free of it.
    pub(crate) fn close(
        self,
        phase: impl Into<Phase>,
        server: ServerChange,
    ) -> Result<Transition, Rejected> {
        self.supersede().server(server).enter_open(phase).done()
    }

    pub(crate) fn end(self, status: Status, server: ServerChange) -> Result<Transition, Rejected> {
        self.close(Phase::Ended(status), server)
    }

    /// An evacuation's source is clean. The server was settled when it was done.
    pub(crate) fn end_cleaned(self) -> Result<Transition, Rejected> {
        self.supersede()
            .phase(Phase::Ended(Status::Completed))
            .done()
    }

    pub(crate) fn end_completed(mut self) -> Result<Transition, Rejected> {
        self.transition.next.failure = None;
        self.end(Status::Completed, ServerChange::MovesToDestination)
    }

    pub(crate) fn end_cancelled(self) -> Result<Transition, Rejected> {
        self.because(aborted())
            .end(Status::Cancelled, ServerChange::StaysAtSource)
    }

    pub(crate) fn end_unwound(self, aborted: bool) -> Result<Transition, Rejected> {
        let status = if aborted {
            Status::Cancelled
        } else {
            Status::Failed
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
