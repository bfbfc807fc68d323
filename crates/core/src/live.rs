//! The live-migration table.
//!
//! ```text
//!  accepted ──► queued ──► preparing ──► running ──► running (post-copy)
//!     │           │            │            │               │
//!     │           │            ▼            ▼               ▼
//!     │           │         unwinding ◄─ (guest at      finishing
//!     ▼           ▼            │          source)           │
//!  error,      cancelled,      ▼                            ▼
//!  cancelled   error        cancelled, failed           completed
//! ```
//!
//! `unwinding` and `finishing` are no statuses (see [`crate::migration`]): the API goes on
//! showing `preparing`, `running` or `running (post-copy)` until both hosts are settled, so
//! that whoever reads `cancelled` finds nothing left at the destination.
//!
//! Two rules carry the safety of guests:
//! - The hypervisor decides. An abort only becomes an intent; the source's terminal report
//!   says whether it came in time.
//! - Past the switch to post-copy there is no event that leads back to the source.

use std::time::Duration;

use crate::effect::Effect;
use crate::event::Event;
use crate::failure::{Failure, FailureCode};
use crate::migration::{Intent, Migration, Settling, TimeoutAction};
use crate::status::MigrationStatus as Status;
use crate::time::Timestamp;
use crate::transition::{Doubt, Rejected, ServerChange, Transition};

/// Without a completion time-out a running migration is still looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(86_400);

/// Status and settling, as the table tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Being placed.
    Accepted,
    /// Waiting for slots.
    Queued,
    /// The destination is being made ready.
    Preparing,
    /// Moving.
    Running,
    /// Moving past the point of no return.
    PostCopy,
    /// Handed over; to be confirmed.
    Finishing,
    /// The guest is at its source; the destination is being cleaned.
    Unwinding,
}

impl Phase {
    /// The phase of a live migration; `None` in a status that is not of this table or has
    /// ended.
    pub fn of(migration: &Migration) -> Option<Self> {
        match (migration.settling, migration.status) {
            (Some(Settling::Finishing), Status::Running | Status::RunningPostCopy) => {
                Some(Self::Finishing)
            }
            (
                Some(Settling::Cancelling | Settling::Failing),
                Status::Preparing | Status::Running,
            ) => Some(Self::Unwinding),
            (Some(_), _) => None,
            (None, Status::Accepted) => Some(Self::Accepted),
            (None, Status::Queued) => Some(Self::Queued),
            (None, Status::Preparing) => Some(Self::Preparing),
            (None, Status::Running) => Some(Self::Running),
            (None, Status::RunningPostCopy) => Some(Self::PostCopy),
            (
                None,
                Status::PreMigrating
                | Status::Migrating
                | Status::PostMigrating
                | Status::Finished
                | Status::Confirming
                | Status::Confirmed
                | Status::Reverting
                | Status::Reverted
                | Status::Done
                | Status::Completed
                | Status::Cancelled
                | Status::Failed
                | Status::Error,
            ) => None,
        }
    }
}

/// The table. `now` only sets deadlines: [`crate::transition::step`] has already refused
/// a deadline that has not passed and a migration that has ended.
pub(crate) fn step(
    migration: &Migration,
    event: &Event,
    now: Timestamp,
) -> Result<Transition, Rejected> {
    let refused = || {
        Err(Rejected::OutOfPlace {
            status: migration.status,
            event: event.name(),
        })
    };
    let Some(phase) = Phase::of(migration) else {
        return refused();
    };
    let to = Change::of(migration, now);
    let aborting = migration.intent == Some(Intent::Abort);

    match phase {
        Phase::Accepted => match event {
            Event::AbortRequested if aborting => to.unchanged(),
            Event::AbortRequested => to.intend(Intent::Abort).effect(Effect::Cancel).done(),
            Event::Placed(_) | Event::NotPlaced(_) if aborting => to.end_cancelled(),
            Event::Placed(placement) => to.place(placement).done(),
            Event::NotPlaced(failure) => to.end_in_error(failure.clone()),
            Event::CancelledUnstarted if aborting => to.end_cancelled(),
            Event::DeadlinePassed if aborting => to.end_cancelled(),
            Event::DeadlinePassed => to.end_in_error(timed_out("no destination was chosen")),
            Event::ForceCompleteRequested
            | Event::CancelledUnstarted
            | Event::Admitted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::PostCopyStarted
            | Event::HandedOver
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::GuestLost(_)
            | Event::Finished
            | Event::RolledBack => refused(),
        },
        Phase::Queued => match event {
            Event::AbortRequested if aborting => to.unchanged(),
            Event::AbortRequested => to.intend(Intent::Abort).effect(Effect::Cancel).done(),
            Event::Admitted if aborting => refused(),
            Event::Admitted => {
                let within = migration.limits.preparing;
                to.enter(Status::Preparing, within)
                    .effect(Effect::Prepare)
                    .done()
            }
            Event::Placed(_) | Event::NotPlaced(_) if aborting => to.end_cancelled(),
            Event::Placed(placement) => to.place(placement).done(),
            Event::NotPlaced(failure) => to.end_in_error(failure.clone()),
            Event::CancelledUnstarted if aborting => to.end_cancelled(),
            Event::DeadlinePassed if aborting => to.end_cancelled(),
            Event::DeadlinePassed => to.end_in_error(timed_out("no slot became free")),
            Event::ForceCompleteRequested
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::PostCopyStarted
            | Event::HandedOver
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::GuestLost(_)
            | Event::Finished
            | Event::RolledBack => refused(),
        },
        Phase::Preparing => match event {
            // Nothing has left the source yet, so this abort need not ask anybody.
            Event::AbortRequested => to
                .intend(Intent::Abort)
                .unwind(Settling::Cancelling, aborted()),
            Event::Prepared => to
                .enter(Status::Running, completion(migration))
                .effect(Effect::Start)
                .effect(Effect::Watch)
                .done(),
            Event::NotPrepared(failure) => to.unwind(Settling::Failing, failure.clone()),
            Event::DeadlinePassed => to.unwind(
                Settling::Failing,
                timed_out("the destination did not get ready"),
            ),
            Event::ForceCompleteRequested
            | Event::Placed(_)
            | Event::NotPlaced(_)
            | Event::Admitted
            | Event::CancelledUnstarted
            | Event::PostCopyStarted
            | Event::HandedOver
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::GuestLost(_)
            | Event::Finished
            | Event::RolledBack => refused(),
        },
        Phase::Running => match event {
            Event::AbortRequested if aborting => to.unchanged(),
            Event::AbortRequested => to.intend(Intent::Abort).effect(Effect::Abort).done(),
            Event::ForceCompleteRequested if aborting => to.unchanged(),
            Event::ForceCompleteRequested => to
                .intend(Intent::ForceComplete)
                .effect(Effect::ForceComplete)
                .done(),
            Event::PostCopyStarted => {
                let within = migration.limits.grace;
                to.enter(Status::RunningPostCopy, within).done()
            }
            Event::HandedOver => to.finish(),
            Event::MoveCancelled if aborting => to.unwind(Settling::Cancelling, aborted()),
            Event::MoveCancelled => to.unwind(
                Settling::Failing,
                Failure::new(
                    FailureCode::Interrupted,
                    "The migration job was cancelled at the hypervisor.",
                ),
            ),
            Event::MoveFailed(failure) if aborting => {
                to.unwind(Settling::Cancelling, failure.clone())
            }
            Event::MoveFailed(failure) => to.unwind(Settling::Failing, failure.clone()),
            Event::GuestLost(failure) => to.end_lost(failure.clone()),
            Event::DeadlinePassed => running_overdue(migration, to),
            Event::Placed(_)
            | Event::NotPlaced(_)
            | Event::Admitted
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::Finished
            | Event::RolledBack => refused(),
        },
        Phase::PostCopy => match event {
            Event::HandedOver => to.finish(),
            Event::GuestLost(failure) => to.end_lost(failure.clone()),
            Event::DeadlinePassed => to.look_again(migration.limits.grace).done(),
            Event::AbortRequested
            | Event::ForceCompleteRequested
            | Event::Placed(_)
            | Event::NotPlaced(_)
            | Event::Admitted
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::PostCopyStarted
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::Finished
            | Event::RolledBack => refused(),
        },
        Phase::Finishing => match event {
            // Too late: the guest is at its destination, and the answer is `completed`.
            Event::AbortRequested | Event::ForceCompleteRequested => to.unchanged(),
            Event::Finished => to.end_completed(),
            Event::GuestLost(failure) => to.end_lost(failure.clone()),
            Event::DeadlinePassed => to.look_again(migration.limits.grace).done(),
            Event::Placed(_)
            | Event::NotPlaced(_)
            | Event::Admitted
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::PostCopyStarted
            | Event::HandedOver
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::RolledBack => refused(),
        },
        Phase::Unwinding => match event {
            // An abort has an outcome, so a failure that is still settling becomes one.
            Event::AbortRequested => to.intend(Intent::Abort).settle(Settling::Cancelling).done(),
            Event::ForceCompleteRequested => to.unchanged(),
            Event::RolledBack => to.end_unwound(),
            Event::DeadlinePassed => to.doubt(Doubt::DestinationNotClean).end_unwound(),
            Event::GuestLost(failure) => to.end_lost(failure.clone()),
            Event::Placed(_)
            | Event::NotPlaced(_)
            | Event::Admitted
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::PostCopyStarted
            | Event::HandedOver
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::Finished => refused(),
        },
    }
}

/// A running migration is over its completion time-out, or over the grace after it.
fn running_overdue(migration: &Migration, to: Change) -> Result<Transition, Rejected> {
    let grace = migration.limits.grace;
    match (migration.intent, migration.limits.timeout_action) {
        (None, _) if migration.limits.completion.is_zero() => to.wait(LOOK_AGAIN).done(),
        (None | Some(Intent::ForceComplete), TimeoutAction::Abort) => to
            .intend(Intent::Abort)
            .because(timed_out("the migration did not complete"))
            .wait(grace)
            .effect(Effect::Abort)
            .done(),
        (None, TimeoutAction::ForceComplete) => to
            .intend(Intent::ForceComplete)
            .wait(grace)
            .effect(Effect::ForceComplete)
            .done(),
        (Some(Intent::ForceComplete), TimeoutAction::ForceComplete) => {
            to.look_again(grace).effect(Effect::ForceComplete).done()
        }
        (Some(Intent::Abort), _) => to.look_again(grace).effect(Effect::Abort).done(),
    }
}

fn completion(migration: &Migration) -> Duration {
    if migration.limits.completion.is_zero() {
        LOOK_AGAIN
    } else {
        migration.limits.completion
    }
}

fn timed_out(what: &str) -> Failure {
    Failure::new(FailureCode::TimedOut, format!("Timed out: {what} in time."))
}

fn aborted() -> Failure {
    Failure::new(FailureCode::Aborted, "Aborted on request.")
}

/// A transition under construction, so that the table above reads as one.
struct Change {
    now: Timestamp,
    transition: Transition,
}

impl Change {
    fn of(migration: &Migration, now: Timestamp) -> Self {
        let transition = Transition {
            next: migration.clone(),
            server: None,
            effects: Vec::new(),
            supersedes: false,
            doubt: None,
        };
        Self { now, transition }
    }

    fn intend(mut self, intent: Intent) -> Self {
        self.transition.next.intent = Some(intent);
        self
    }

    fn settle(mut self, settling: Settling) -> Self {
        self.transition.next.settling = Some(settling);
        self
    }

    fn effect(mut self, effect: Effect) -> Self {
        self.transition.effects.push(effect);
        self
    }

    fn doubt(mut self, doubt: Doubt) -> Self {
        self.transition.doubt = Some(doubt);
        self
    }

    /// Records the first reason; later ones are consequences of it.
    fn because(mut self, failure: Failure) -> Self {
        self.transition.next.failure.get_or_insert(failure);
        self
    }

    fn wait(mut self, within: Duration) -> Self {
        self.transition.next.deadline = Some(self.now.plus(within));
        self
    }

    fn look_again(self, within: Duration) -> Self {
        self.wait(within).doubt(Doubt::Overdue)
    }

    fn enter(mut self, status: Status, within: Duration) -> Self {
        self.transition.next.status = status;
        self.wait(within)
    }

    fn place(mut self, placement: &crate::migration::Placement) -> Self {
        let next = &mut self.transition.next;
        next.dest_compute = Some(placement.host.clone());
        next.dest_node = Some(placement.node.clone());
        next.storage = Some(placement.storage);
        next.limits = placement.limits.clone();
        let within = placement.limits.queued;
        self.enter(Status::Queued, within)
    }

    fn unwind(mut self, settling: Settling, failure: Failure) -> Result<Transition, Rejected> {
        self.transition.supersedes = true;
        let within = self.transition.next.limits.rollback;
        self.settle(settling)
            .because(failure)
            .wait(within)
            .effect(Effect::RollBack)
            .done()
    }

    fn finish(mut self) -> Result<Transition, Rejected> {
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

    fn end_completed(mut self) -> Result<Transition, Rejected> {
        self.transition.next.failure = None;
        self.end(Status::Completed, ServerChange::MovesToDestination)
    }

    fn end_cancelled(self) -> Result<Transition, Rejected> {
        self.because(aborted())
            .end(Status::Cancelled, ServerChange::StaysAtSource)
    }

    fn end_unwound(self) -> Result<Transition, Rejected> {
        let status = match self.transition.next.settling {
            Some(Settling::Cancelling) => Status::Cancelled,
            Some(Settling::Failing | Settling::Finishing) | None => Status::Failed,
        };
        self.end(status, ServerChange::StaysAtSource)
    }

    fn end_in_error(self, failure: Failure) -> Result<Transition, Rejected> {
        self.because(failure)
            .end(Status::Error, ServerChange::StaysAtSource)
    }

    fn end_lost(mut self, failure: Failure) -> Result<Transition, Rejected> {
        self.transition.next.failure = Some(failure);
        self.doubt(Doubt::GuestNowhere)
            .end(Status::Error, ServerChange::IsLost)
    }

    /// The request is taken note of, and nothing follows from it.
    fn unchanged(self) -> Result<Transition, Rejected> {
        self.done()
    }

    fn done(mut self) -> Result<Transition, Rejected> {
        let issued = i64::try_from(self.transition.effects.len()).unwrap_or(i64::MAX);
        let next = &mut self.transition.next;
        next.generation = next.generation.saturating_add(1);
        next.effect_sequence = next.effect_sequence.saturating_add(issued);
        Ok(self.transition)
    }
}

#[cfg(test)]
mod tests;
