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

use crate::change::{Change, aborted, timed_out};
use crate::discrepancy::DiscrepancyKind;
use crate::effect::Effect;
use crate::event::Event;
use crate::failure::{Failure, FailureCode};
use crate::migration::{Intent, Migration, Settling, TimeoutAction};
use crate::status::MigrationStatus as Status;
use crate::time::Timestamp;
use crate::transition::{Rejected, Transition};

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

impl Phase {
    /// Is this effect for a migration in this phase?
    pub(crate) const fn wants(self, effect: Effect) -> bool {
        match effect {
            Effect::Schedule => matches!(self, Self::Accepted),
            Effect::Cancel => matches!(self, Self::Accepted | Self::Queued),
            Effect::Prepare => matches!(self, Self::Preparing),
            Effect::Start | Effect::Abort | Effect::ForceComplete => matches!(self, Self::Running),
            Effect::Watch => matches!(self, Self::Running | Self::PostCopy),
            Effect::Finish => matches!(self, Self::Finishing),
            Effect::RollBack => matches!(self, Self::Unwinding),
            Effect::Boot | Effect::Withdraw => false,
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
    let refused = || Err(Rejected::out_of_place(migration, event));
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
            Event::Placed(placement) => to
                .place(placement)
                .enter(Status::Queued, placement.limits.queued)
                .done(),
            Event::NotPlaced(failure) => to.end_in_error(failure.clone()),
            Event::CancelledUnstarted if aborting => to.end_cancelled(),
            Event::DeadlinePassed if aborting => to.end_cancelled(),
            Event::DeadlinePassed => to.end_in_error(timed_out("no destination was chosen")),
            Event::SourceDied(_) if aborting => to.end_cancelled(),
            Event::SourceDied(failure) => to.end_in_error(failure.clone()),
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
            | Event::Finished { .. }
            | Event::RolledBack { .. }
            | Event::SourceStopped
            | Event::Booted
            | Event::NotBooted(_)
            | Event::ConfirmRequested
            | Event::RevertRequested
            | Event::Withdrawn
            | Event::SourceReturned
            | Event::FoundAtDestination
            | Event::SourceSilent(..)
            | Event::DestinationDied(_)
            | Event::Superseded(_) => refused(),
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
            // Placed anew; the deadline stays, or changing destinations could go on for ever.
            Event::Placed(placement) => to.place(placement).done(),
            Event::NotPlaced(failure) => to.end_in_error(failure.clone()),
            Event::CancelledUnstarted if aborting => to.end_cancelled(),
            Event::DeadlinePassed if aborting => to.end_cancelled(),
            Event::DeadlinePassed => to.end_in_error(timed_out("no slot became free")),
            Event::SourceDied(_) if aborting => to.end_cancelled(),
            Event::SourceDied(failure) => to.end_in_error(failure.clone()),
            Event::ForceCompleteRequested
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::PostCopyStarted
            | Event::HandedOver
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::GuestLost(_)
            | Event::Finished { .. }
            | Event::RolledBack { .. }
            | Event::SourceStopped
            | Event::Booted
            | Event::NotBooted(_)
            | Event::ConfirmRequested
            | Event::RevertRequested
            | Event::Withdrawn
            | Event::SourceReturned
            | Event::FoundAtDestination
            | Event::SourceSilent(..)
            | Event::DestinationDied(_)
            | Event::Superseded(_) => refused(),
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
            Event::NotPrepared(failure)
            | Event::SourceDied(failure)
            | Event::DestinationDied(failure) => to.unwind(Settling::Failing, failure.clone()),
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
            | Event::Finished { .. }
            | Event::RolledBack { .. }
            | Event::SourceStopped
            | Event::Booted
            | Event::NotBooted(_)
            | Event::ConfirmRequested
            | Event::RevertRequested
            | Event::Withdrawn
            | Event::SourceReturned
            | Event::FoundAtDestination
            | Event::SourceSilent(..)
            | Event::Superseded(_) => refused(),
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
            // Its hypervisor has been told to give up already.
            Event::DestinationDied(_) if migration.failure.is_some() => refused(),
            // The source's hypervisor may wait for the dead host for minutes, or may have handed
            // the guest over: its report decides, as after any abort.
            Event::DestinationDied(failure) => {
                to.because(failure.clone()).effect(Effect::Abort).done()
            }
            Event::Placed(_)
            | Event::NotPlaced(_)
            | Event::Admitted
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::Finished { .. }
            | Event::RolledBack { .. }
            | Event::SourceStopped
            | Event::Booted
            | Event::NotBooted(_)
            | Event::ConfirmRequested
            | Event::RevertRequested
            | Event::Withdrawn
            | Event::SourceReturned
            | Event::FoundAtDestination
            | Event::SourceSilent(..)
            | Event::SourceDied(_)
            | Event::Superseded(_) => refused(),
        },
        Phase::PostCopy => match event {
            // The guest was at its destination, and died there.
            Event::HandedOver | Event::DestinationDied(_) => to.finish(),
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
            | Event::Finished { .. }
            | Event::RolledBack { .. }
            | Event::SourceStopped
            | Event::Booted
            | Event::NotBooted(_)
            | Event::ConfirmRequested
            | Event::RevertRequested
            | Event::Withdrawn
            | Event::SourceReturned
            | Event::FoundAtDestination
            | Event::SourceSilent(..)
            | Event::SourceDied(_)
            | Event::Superseded(_) => refused(),
        },
        Phase::Finishing => match event {
            // Too late: the guest is at its destination, and the answer is `completed`.
            Event::AbortRequested | Event::ForceCompleteRequested => to.unchanged(),
            Event::Finished { clean } => to.leaves_source(*clean).end_completed(),
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
            | Event::RolledBack { .. }
            | Event::SourceStopped
            | Event::Booted
            | Event::NotBooted(_)
            | Event::ConfirmRequested
            | Event::RevertRequested
            | Event::Withdrawn
            | Event::SourceReturned
            | Event::FoundAtDestination
            | Event::SourceSilent(..)
            | Event::SourceDied(_)
            | Event::DestinationDied(_)
            | Event::Superseded(_) => refused(),
        },
        Phase::Unwinding => match event {
            Event::AbortRequested if migration.settling == Some(Settling::Cancelling) => {
                to.unchanged()
            }
            Event::ForceCompleteRequested => to.unchanged(),
            Event::RolledBack { clean } => to.leaves_destination(*clean).end_unwound(),
            // It was handed over in the moment in which its source died. One that was only being
            // prepared for cannot have been.
            Event::FoundAtDestination if migration.status == Status::Running => to.finish(),
            Event::DeadlinePassed => to
                .discrepancy(DiscrepancyKind::DestinationNotClean)
                .end_unwound(),
            Event::GuestLost(failure) => to.end_lost(failure.clone()),
            Event::AbortRequested
            | Event::Placed(_)
            | Event::NotPlaced(_)
            | Event::Admitted
            | Event::CancelledUnstarted
            | Event::Prepared
            | Event::NotPrepared(_)
            | Event::PostCopyStarted
            | Event::HandedOver
            | Event::MoveCancelled
            | Event::MoveFailed(_)
            | Event::Finished { .. }
            | Event::SourceStopped
            | Event::Booted
            | Event::NotBooted(_)
            | Event::ConfirmRequested
            | Event::RevertRequested
            | Event::Withdrawn
            | Event::SourceReturned
            | Event::FoundAtDestination
            | Event::SourceSilent(..)
            | Event::SourceDied(_)
            | Event::DestinationDied(_)
            | Event::Superseded(_) => refused(),
        },
    }
}

/// A running migration is over its completion time-out, or over the grace after it.
fn running_overdue(migration: &Migration, to: Change) -> Result<Transition, Rejected> {
    let grace = migration.limits.grace;
    match (migration.intent, migration.limits.timeout_action) {
        // No time-out: only a user's abort ends it early, a user's force is only repeated.
        (None, _) if migration.limits.completion.is_zero() => to.wait(LOOK_AGAIN).done(),
        (Some(Intent::ForceComplete), _) if migration.limits.completion.is_zero() => to
            .look_again(LOOK_AGAIN)
            .effect(Effect::ForceComplete)
            .done(),
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

#[cfg(test)]
mod tests;
