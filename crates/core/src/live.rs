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

/// The phases of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
    Finishing {
        /// It was past the point of no return before.
        post_copy: bool,
    },
    /// The guest is at its source; the destination is being cleaned.
    Unwinding {
        /// It was moving before, and not only being prepared for.
        moving: bool,
        /// It ends as aborted, and not as failed.
        aborted: bool,
    },
}

impl Phase {
    /// Every phase, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Accepted,
        Self::Queued,
        Self::Preparing,
        Self::Running,
        Self::PostCopy,
        Self::Finishing { post_copy: false },
        Self::Finishing { post_copy: true },
        Self::unwinding(false, false),
        Self::unwinding(false, true),
        Self::unwinding(true, false),
        Self::unwinding(true, true),
    ];

    const fn unwinding(moving: bool, aborted: bool) -> Self {
        Self::Unwinding { moving, aborted }
    }

    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Accepted => Status::Accepted,
            Self::Queued => Status::Queued,
            Self::Preparing | Self::Unwinding { moving: false, .. } => Status::Preparing,
            Self::Running
            | Self::Finishing { post_copy: false }
            | Self::Unwinding { moving: true, .. } => Status::Running,
            Self::PostCopy | Self::Finishing { post_copy: true } => Status::RunningPostCopy,
        }
    }

    pub(crate) const fn settling(self) -> Option<Settling> {
        match self {
            Self::Finishing { .. } => Some(Settling::Finishing),
            Self::Unwinding { aborted: true, .. } => Some(Settling::Cancelling),
            Self::Unwinding { aborted: false, .. } => Some(Settling::Failing),
            Self::Accepted | Self::Queued | Self::Preparing | Self::Running | Self::PostCopy => {
                None
            }
        }
    }

    /// Is this effect for a migration in this phase?
    pub(crate) const fn wants(self, effect: Effect) -> bool {
        match effect {
            Effect::Schedule => matches!(self, Self::Accepted),
            Effect::Cancel => matches!(self, Self::Accepted | Self::Queued),
            Effect::Prepare => matches!(self, Self::Preparing),
            Effect::Start | Effect::Abort | Effect::ForceComplete => matches!(self, Self::Running),
            Effect::Watch => matches!(self, Self::Running | Self::PostCopy),
            Effect::Finish => matches!(self, Self::Finishing { .. }),
            Effect::RollBack => matches!(self, Self::Unwinding { .. }),
            Effect::Boot | Effect::Withdraw => false,
        }
    }
}

/// The table. `now` only sets deadlines: [`crate::transition::step`] has already refused
/// a deadline that has not passed and a migration that has ended.
pub(crate) fn step(
    phase: Phase,
    migration: &Migration,
    event: &Event,
    now: Timestamp,
) -> Result<Transition, Rejected> {
    let to = Change::of(migration, now);
    let limits = &migration.limits;
    let aborting = migration.intent == Some(Intent::Abort);
    match (phase, event) {
        // Until slots are taken nothing has begun, and an abort asks no agent. The first event
        // that would end it then ends it as aborted.
        (Phase::Accepted | Phase::Queued, Event::AbortRequested) if !aborting => {
            to.intend(Intent::Abort).effect(Effect::Cancel).done()
        }
        (
            Phase::Accepted | Phase::Queued,
            Event::CancelledUnstarted
            | Event::Placed(..)
            | Event::NotPlaced(_)
            | Event::SourceDied(_)
            | Event::DeadlinePassed,
        ) if aborting => to.end_cancelled(),
        (
            Phase::Accepted | Phase::Queued,
            Event::NotPlaced(failure) | Event::SourceDied(failure),
        ) => to.end_in_error(failure.clone()),
        (Phase::Accepted, Event::Placed(placement, limits)) => to
            .place(placement, limits)
            .enter(Phase::Queued, limits.queued)
            .done(),
        (Phase::Accepted, Event::DeadlinePassed) => {
            to.end_in_error(timed_out("no destination was chosen"))
        }
        // Placed anew; the deadline stays, or changing destinations could go on for ever.
        (Phase::Queued, Event::Placed(placement, limits)) => to.place(placement, limits).done(),
        (Phase::Queued, Event::Admitted) if !aborting => to
            .enter(Phase::Preparing, limits.preparing)
            .effect(Effect::Prepare)
            .done(),
        (Phase::Queued, Event::DeadlinePassed) => to.end_in_error(timed_out("no slot became free")),

        // Nothing has left the source yet, so this abort need not ask anybody.
        (Phase::Preparing, Event::AbortRequested) => to
            .intend(Intent::Abort)
            .unwind(Phase::unwinding(false, true), aborted()),
        (Phase::Preparing, Event::Prepared) => to
            .enter(Phase::Running, completion(migration))
            .effect(Effect::Start)
            .effect(Effect::Watch)
            .done(),
        (
            Phase::Preparing,
            Event::NotPrepared(failure)
            | Event::SourceDied(failure)
            | Event::DestinationDied(failure),
        ) => to.unwind(Phase::unwinding(false, false), failure.clone()),
        (Phase::Preparing, Event::DeadlinePassed) => to.unwind(
            Phase::unwinding(false, false),
            timed_out("the destination did not get ready"),
        ),

        (Phase::Running, Event::AbortRequested) if !aborting => {
            to.intend(Intent::Abort).effect(Effect::Abort).done()
        }
        (Phase::Running, Event::ForceCompleteRequested) if !aborting => to
            .intend(Intent::ForceComplete)
            .effect(Effect::ForceComplete)
            .done(),
        (Phase::Running, Event::PostCopyStarted) => to.enter(Phase::PostCopy, limits.grace).done(),
        (Phase::Running, Event::HandedOver) => to.finish(Phase::Finishing { post_copy: false }),
        (Phase::Running, Event::MoveCancelled) if aborting => {
            to.unwind(Phase::unwinding(true, true), aborted())
        }
        (Phase::Running, Event::MoveCancelled) => to.unwind(
            Phase::unwinding(true, false),
            Failure::new(
                FailureCode::Interrupted,
                "The migration job was cancelled at the hypervisor.",
            ),
        ),
        (Phase::Running, Event::MoveFailed(failure)) => {
            to.unwind(Phase::unwinding(true, aborting), failure.clone())
        }
        // The source's hypervisor may wait for the dead host for minutes, or may have handed the
        // guest over: its report decides, as after any abort. With a reason on record it has been
        // told to give up already.
        (Phase::Running, Event::DestinationDied(failure)) if migration.failure.is_none() => {
            to.because(failure.clone()).effect(Effect::Abort).done()
        }
        (Phase::Running, Event::DeadlinePassed) => running_overdue(migration, to),

        // The guest was at its destination, and died there.
        (Phase::PostCopy, Event::HandedOver | Event::DestinationDied(_)) => {
            to.finish(Phase::Finishing { post_copy: true })
        }

        (Phase::Finishing { .. }, Event::Finished { clean }) => {
            to.leaves_source(*clean).end_completed()
        }
        // Nobody but the hosts can say how these end.
        (Phase::PostCopy | Phase::Finishing { .. }, Event::DeadlinePassed) => {
            to.look_again(limits.grace).done()
        }

        (Phase::Unwinding { aborted, .. }, Event::RolledBack { clean }) => {
            to.leaves_destination(*clean).end_unwound(aborted)
        }
        // It was handed over in the moment in which its source died. One that was only being
        // prepared for cannot have been.
        (Phase::Unwinding { moving: true, .. }, Event::FoundAtDestination) => {
            to.finish(Phase::Finishing { post_copy: false })
        }
        (Phase::Unwinding { aborted, .. }, Event::DeadlinePassed) => to
            .discrepancy(DiscrepancyKind::DestinationNotClean)
            .end_unwound(aborted),

        (
            Phase::Running | Phase::PostCopy | Phase::Finishing { .. } | Phase::Unwinding { .. },
            Event::GuestLost(failure),
        ) => to.end_lost(failure.clone()),

        // Asked for already, or too late: how it ends is decided.
        (Phase::Accepted | Phase::Queued | Phase::Running, Event::AbortRequested)
        | (Phase::Running, Event::ForceCompleteRequested)
        | (Phase::Finishing { .. }, Event::AbortRequested | Event::ForceCompleteRequested)
        | (Phase::Unwinding { .. }, Event::ForceCompleteRequested)
        | (Phase::Unwinding { aborted: true, .. }, Event::AbortRequested) => to.unchanged(),

        // Every other pair. Written out, so that a new phase or event has to come by here.
        (
            Phase::Accepted
            | Phase::Queued
            | Phase::Preparing
            | Phase::Running
            | Phase::PostCopy
            | Phase::Finishing { .. }
            | Phase::Unwinding { .. },
            Event::AbortRequested
            | Event::ForceCompleteRequested
            | Event::Placed(..)
            | Event::NotPlaced(_)
            | Event::Admitted
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
            | Event::SourceDied(_)
            | Event::DestinationDied(_)
            | Event::Superseded(_),
        ) => Err(Rejected::out_of_place(migration, event)),
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
