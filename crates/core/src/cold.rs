//! The table of cold moves: the guest is off while it moves.
//!
//! ```text
//!  choosing ──► preparing ──► stopping ──► booting ──► finished ──► confirming
//!     │             │             │           │           │             │
//!     ▼             ▼             ▼           ▼           ▼             ▼
//!   error      rolling back  rolling back  withdrawing  reverting    confirmed
//!                   │                         │           │
//!                   ▼                         └─► rolling back ◄─┘
//!             error, reverted
//! ```
//!
//! Nova shows `pre-migrating` while a destination is chosen and made ready, `migrating` while
//! the source stops the guest, and `post-migrating` while the destination starts it. What is
//! undone keeps the status that it came from, with a [`Settling`] beside it.
//!
//! Two rules carry the safety of guests:
//! - The destination is asked to start the guest only when the source has said that it is off
//!   there; that report is what leads to [`Phase::Booting`].
//! - From there on the source may start it again only when the destination has said that it
//!   has given the guest up; that report is what leads back to [`Phase::RollingBack`].
//!
//! A failed move leaves the server as it was on its source. (Nova leaves it in `ERROR`.) A
//! guest that was off is started nowhere.

use std::time::Duration;

use crate::change::{Change, timed_out};
use crate::effect::Effect;
use crate::event::Event;
use crate::failure::{Failure, FailureCode};
use crate::migration::{Migration, Settling, StorageMode};
use crate::server::TaskState;
use crate::status::MigrationStatus as Status;
use crate::time::Timestamp;
use crate::transition::{Rejected, ServerChange, Transition};

/// The phases of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// A destination is being chosen.
    Choosing,
    /// The destination is being made ready.
    Preparing,
    /// The source powers the guest off, and copies what has to be copied.
    Stopping,
    /// The destination defines the guest, and starts it if it ran.
    Booting,
    /// At its destination; somebody has to confirm it, or wants it back.
    Finished,
    /// Confirmed; the source is being cleaned.
    Confirming,
    /// Somebody wants it back; the destination gives it up.
    Reverting,
    /// The destination did not start it, and gives up what it has of it.
    Withdrawing,
    /// The source takes the guest back.
    RollingBack(Undone),
}

/// What is undone while the source takes the guest back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Undone {
    /// The destination was being made ready; the move has failed.
    Preparation,
    /// The guest was off, or on its way; the move has failed.
    Move,
    /// It was at its destination, and somebody wanted it back.
    Finished,
}

impl Phase {
    /// Every phase, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Choosing,
        Self::Preparing,
        Self::Stopping,
        Self::Booting,
        Self::Finished,
        Self::Confirming,
        Self::Reverting,
        Self::Withdrawing,
        Self::RollingBack(Undone::Preparation),
        Self::RollingBack(Undone::Move),
        Self::RollingBack(Undone::Finished),
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Choosing => "choosing",
            Self::Preparing => "preparing",
            Self::Stopping => "stopping",
            Self::Booting => "booting",
            Self::Finished => "finished",
            Self::Confirming => "confirming",
            Self::Reverting => "reverting",
            Self::Withdrawing => "withdrawing",
            Self::RollingBack(_) => "rolling back",
        }
    }

    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Choosing | Self::Preparing | Self::RollingBack(Undone::Preparation) => {
                Status::PreMigrating
            }
            Self::Stopping | Self::RollingBack(Undone::Move) => Status::Migrating,
            Self::Booting | Self::Withdrawing => Status::PostMigrating,
            Self::Finished => Status::Finished,
            Self::Confirming => Status::Confirming,
            Self::Reverting | Self::RollingBack(Undone::Finished) => Status::Reverting,
        }
    }

    pub(crate) const fn settling(self) -> Option<Settling> {
        match self {
            Self::Withdrawing | Self::RollingBack(Undone::Preparation | Undone::Move) => {
                Some(Settling::Failing)
            }
            Self::RollingBack(Undone::Finished) => Some(Settling::Cancelling),
            Self::Choosing
            | Self::Preparing
            | Self::Stopping
            | Self::Booting
            | Self::Finished
            | Self::Confirming
            | Self::Reverting => None,
        }
    }

    /// Nova's word is the same while a destination is chosen and while it is made ready.
    pub(crate) const fn may_be_placed(self, placed: bool) -> bool {
        match self {
            Self::Choosing => !placed,
            Self::Preparing => placed,
            Self::Stopping
            | Self::Booting
            | Self::Finished
            | Self::Confirming
            | Self::Reverting
            | Self::Withdrawing
            | Self::RollingBack(_) => true,
        }
    }

    /// Is this effect for a migration in this phase?
    pub(crate) const fn wants(self, effect: Effect) -> bool {
        match effect {
            Effect::Schedule => matches!(self, Self::Choosing),
            Effect::Prepare => matches!(self, Self::Preparing),
            Effect::Start | Effect::Watch => matches!(self, Self::Stopping),
            Effect::Boot => matches!(self, Self::Booting),
            Effect::Finish => matches!(self, Self::Confirming),
            Effect::Withdraw => matches!(self, Self::Reverting | Self::Withdrawing),
            Effect::RollBack => matches!(self, Self::RollingBack(_)),
            Effect::Cancel | Effect::Abort | Effect::ForceComplete => false,
        }
    }
}

/// The table. `now` only sets deadlines, as in [`crate::live`].
pub(crate) fn step(
    phase: Phase,
    migration: &Migration,
    event: &Event,
    now: Timestamp,
) -> Result<Transition, Rejected> {
    let to = Change::of(migration, now);
    let limits = &migration.limits;
    match (phase, event) {
        (Phase::Choosing, Event::Placed(placement, limits)) => to
            .place(placement, limits)
            .enter(Phase::Preparing, limits.preparing)
            .effect(Effect::Prepare)
            .done(),
        (Phase::Choosing, Event::NotPlaced(failure) | Event::SourceDied(failure)) => {
            to.end_in_error(failure.clone())
        }
        (Phase::Choosing, Event::DeadlinePassed) => {
            to.end_in_error(timed_out("no destination was chosen"))
        }
        // Nothing has begun, and as long as its guest has not been touched nothing has to be undone
        // there. Afterwards it is reverted.
        (Phase::Choosing, Event::AbortRequested) => to.end_in_error(aborted()),
        (Phase::Preparing, Event::AbortRequested) => {
            to.unwind(Phase::RollingBack(Undone::Preparation), aborted())
        }

        (Phase::Preparing, Event::Prepared) => to
            .enter(Phase::Stopping, stopping(migration))
            .server(ServerChange::Task(TaskState::ResizeMigrating))
            .effect(Effect::Start)
            .effect(Effect::Watch)
            .done(),
        (
            Phase::Preparing,
            Event::NotPrepared(failure)
            | Event::SourceDied(failure)
            | Event::DestinationDied(failure),
        ) => to.unwind(Phase::RollingBack(Undone::Preparation), failure.clone()),
        (Phase::Preparing, Event::DeadlinePassed) => to.unwind(
            Phase::RollingBack(Undone::Preparation),
            timed_out("the destination did not get ready"),
        ),

        (Phase::Stopping, Event::SourceStopped) => to
            .supersede()
            .enter(Phase::Booting, limits.booting)
            .server(ServerChange::GoesToDestination(TaskState::ResizeFinish))
            .effect(Effect::Boot)
            .done(),
        (
            Phase::Stopping,
            Event::MoveFailed(failure)
            | Event::SourceDied(failure)
            | Event::DestinationDied(failure),
        ) => to.unwind(Phase::RollingBack(Undone::Move), failure.clone()),
        (Phase::Stopping, Event::DeadlinePassed) => to.unwind(
            Phase::RollingBack(Undone::Move),
            timed_out("the source did not stop the server"),
        ),

        (Phase::Booting, Event::Booted) if limits.confirm.is_zero() => to
            .enter_open(Phase::Finished)
            .server(ServerChange::AwaitsConfirmation)
            .done(),
        (Phase::Booting, Event::Booted) => to
            .enter(Phase::Finished, limits.confirm)
            .server(ServerChange::AwaitsConfirmation)
            .done(),
        (Phase::Booting, Event::NotBooted(failure)) => withdraw(to, migration, failure.clone()),
        // It may be starting still: only when the destination has given it up is it known.
        (Phase::Booting, Event::DeadlinePassed) => withdraw(
            to,
            migration,
            timed_out("the destination did not start the server"),
        ),

        // Nothing executes there, so its source may have it back.
        (Phase::Booting, Event::DestinationDied(failure)) => {
            give_back(to.because(failure.clone()), Undone::Move, migration)
        }

        (Phase::Finished, Event::ConfirmRequested | Event::DeadlinePassed) => to
            .enter(Phase::Confirming, limits.grace)
            .effect(Effect::Finish)
            .done(),
        (Phase::Finished, Event::RevertRequested) => to
            .enter(Phase::Reverting, limits.rollback)
            .server(ServerChange::Task(TaskState::ResizeReverting))
            .effect(Effect::Withdraw)
            .done(),

        (Phase::Confirming, Event::Finished { clean }) => to
            .leaves_source(*clean)
            .end(Status::Confirmed, ServerChange::IsConfirmed),
        (Phase::Confirming, Event::GuestLost(failure)) => to.end_lost(failure.clone()),
        (Phase::Confirming, Event::DeadlinePassed) => to.look_again(limits.grace).done(),

        (Phase::Reverting, Event::Withdrawn | Event::DestinationDied(_)) => {
            give_back(to, Undone::Finished, migration)
        }
        (Phase::Withdrawing, Event::Withdrawn | Event::DestinationDied(_)) => {
            give_back(to, Undone::Move, migration)
        }

        (Phase::RollingBack(undone), Event::RolledBack { clean }) => {
            let status = match undone {
                Undone::Preparation | Undone::Move => Status::Error,
                Undone::Finished => Status::Reverted,
            };
            let was = migration.request.was();
            to.leaves_destination(*clean)
                .end(status, ServerChange::ReturnsToSource(was))
        }
        // It is its source's again, which cannot start it: somebody has to look.
        (Phase::RollingBack(_), Event::GuestLost(failure)) => to
            .because(failure.clone())
            .end(Status::Error, ServerChange::IsBroken),
        // Nobody but the hosts can say how these end.
        (Phase::Reverting | Phase::Withdrawing | Phase::RollingBack(_), Event::DeadlinePassed) => {
            to.look_again(limits.rollback).done()
        }

        // Every other pair. Written out, so that a new phase or event has to come by here.
        (
            Phase::Choosing
            | Phase::Preparing
            | Phase::Stopping
            | Phase::Booting
            | Phase::Finished
            | Phase::Confirming
            | Phase::Reverting
            | Phase::Withdrawing
            | Phase::RollingBack(_),
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

fn aborted() -> Failure {
    Failure::new(
        FailureCode::Aborted,
        "The move was aborted before the server was stopped.",
    )
}

/// The destination has to give up what it has, before anything else.
fn withdraw(to: Change, migration: &Migration, failure: Failure) -> Result<Transition, Rejected> {
    to.supersede()
        .because(failure)
        .enter(Phase::Withdrawing, migration.limits.rollback)
        .effect(Effect::Withdraw)
        .done()
}

/// The destination has nothing of the guest that runs, and its source takes it back.
fn give_back(to: Change, undone: Undone, migration: &Migration) -> Result<Transition, Rejected> {
    to.supersede()
        .enter(Phase::RollingBack(undone), migration.limits.rollback)
        .server(ServerChange::GoesToSource)
        .effect(Effect::RollBack)
        .done()
}

/// How long the source may take: copying is as slow as a live move's.
fn stopping(migration: &Migration) -> Duration {
    let limits = &migration.limits;
    match migration.placement.as_ref().map(|it| it.storage) {
        Some(StorageMode::Copied) => limits.stopping.saturating_add(limits.completion),
        Some(StorageMode::Shared) | None => limits.stopping,
    }
}

#[cfg(test)]
mod tests;
