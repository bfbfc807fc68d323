//! The table of evacuations: the source is dead, and its guest is started elsewhere.
//!
//! ```text
//!  waiting
//!   │   ▲
//!   ▼   │
//!  choosing ──► booting ──► done ──► cleaning ──► completed
//!     │            │
//!     ▼            ▼
//!   error        failed
//! ```
//!
//! Nova shows `accepted` twice, `pre-migrating` and twice `done`: there the server is free
//! already, and only the dead host, when it returns, has to give up what it still has of the
//! guest.
//!
//! Silence is no proof that a source is dead: it may execute the guest behind a cut link. So the
//! source is asked once more before a destination is chosen. One that answers ends the
//! evacuation, and nothing has happened to the server. One that is silent and that nobody has
//! declared dead is waited for, with the reason on record (see `docs/adr`), until it is declared
//! dead or heard, or the wait's own deadline drops the evacuation, again with the server as it
//! was.

use crate::change::{Change, timed_out};
use crate::effect::Effect;
use crate::event::Event;
use crate::failure::{Failure, FailureCode};
use crate::migration::{Migration, Request, Settling};
use crate::server::{TaskState, VmState};
use crate::status::MigrationStatus as Status;
use crate::time::Timestamp;
use crate::transition::{Rejected, ServerChange, Transition};

/// The phases of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// A destination is being chosen.
    Choosing,
    /// The source is silent, and somebody has to say that it is dead.
    Waiting,
    /// The destination defines the guest, and starts it where that is wanted.
    Booting,
    /// At its destination; the dead host may have leftovers.
    Done,
    /// The host that was dead removes them.
    Cleaning,
}

impl Phase {
    /// Every phase, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Choosing,
        Self::Waiting,
        Self::Booting,
        Self::Done,
        Self::Cleaning,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Choosing => "choosing",
            Self::Waiting => "waiting",
            Self::Booting => "booting",
            Self::Done => "done",
            Self::Cleaning => "cleaning",
        }
    }

    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Choosing | Self::Waiting => Status::Accepted,
            Self::Booting => Status::PreMigrating,
            Self::Done | Self::Cleaning => Status::Done,
        }
    }

    pub(crate) const fn settling(self) -> Option<Settling> {
        match self {
            Self::Cleaning => Some(Settling::Finishing),
            Self::Choosing | Self::Waiting | Self::Booting | Self::Done => None,
        }
    }

    /// What is waited for is on record as the reason why nothing happens.
    pub(crate) const fn may_have_reason(self, reason: bool) -> bool {
        match self {
            Self::Choosing => !reason,
            Self::Waiting => reason,
            Self::Booting | Self::Done | Self::Cleaning => true,
        }
    }

    /// Is this effect for a migration in this phase?
    pub(crate) const fn wants(self, effect: Effect) -> bool {
        match effect {
            Effect::Schedule => matches!(self, Self::Choosing),
            Effect::Boot => matches!(self, Self::Booting),
            Effect::Withdraw => matches!(self, Self::Cleaning),
            Effect::Cancel
            | Effect::Prepare
            | Effect::Start
            | Effect::Watch
            | Effect::Abort
            | Effect::ForceComplete
            | Effect::Finish
            | Effect::RollBack => false,
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
    match (phase, event) {
        (Phase::Choosing, Event::Placed(placement, limits)) => to
            .place(placement, limits)
            .enter(Phase::Booting, limits.booting)
            .server(ServerChange::Task(TaskState::RebuildSpawning))
            .effect(Effect::Boot)
            .done(),
        (Phase::Choosing, Event::NotPlaced(failure)) => to
            .because(failure.clone())
            .end(Status::Error, harm_of(failure)),
        (Phase::Choosing, Event::DeadlinePassed) => to
            .because(timed_out("no destination was chosen"))
            .end(Status::Error, ServerChange::IsBroken),
        (Phase::Choosing, Event::SourceSilent(failure, within)) => {
            let to = to.supersede().because(failure.clone());
            to.enter(Phase::Waiting, *within).done()
        }

        (Phase::Waiting, Event::SourceDied(_)) => to
            .forget_reason()
            .enter(Phase::Choosing, migration.limits.accepted)
            .effect(Effect::Schedule)
            .done(),
        (Phase::Waiting, Event::DeadlinePassed) => {
            to.end(Status::Error, ServerChange::StaysAtSource)
        }

        (Phase::Choosing | Phase::Waiting, Event::SourceReturned) => to
            .forget_reason()
            .because(still_in_use(migration))
            .end(Status::Error, ServerChange::StaysAtSource),

        (Phase::Booting, Event::Booted) => {
            let vm = ends_as(migration);
            to.close(Phase::Done, ServerChange::IsRebuilt(vm))
        }
        (Phase::Booting, Event::NotBooted(failure)) => to
            .because(failure.clone())
            .end(Status::Failed, harm_of(failure)),
        // Whatever it had started is off.
        (Phase::Booting, Event::DestinationDied(failure)) => to
            .because(failure.clone())
            .leaves_destination(false)
            .end(Status::Failed, ServerChange::IsBroken),
        // The destination may have started it, so nobody else may.
        (Phase::Booting, Event::DeadlinePassed) => to.look_again(migration.limits.grace).done(),

        // Its return may be noticed twice, and the later time counts.
        (Phase::Done | Phase::Cleaning, Event::SourceReturned) => to
            .supersede()
            .phase(Phase::Cleaning)
            .effect(Effect::Withdraw)
            .done(),
        (Phase::Cleaning, Event::Withdrawn) => to.end_cleaned(),

        // Every other pair. Written out, so that a new phase or event has to come by here.
        (
            Phase::Choosing | Phase::Waiting | Phase::Booting | Phase::Done | Phase::Cleaning,
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
            | Event::Superseded(_)
            | Event::DeadlinePassed,
        ) => Err(Rejected::out_of_place(migration, event)),
    }
}

/// What a failed evacuation has done to its server. One that failed because the guest is alive
/// elsewhere, or may be, has done nothing to it; any other found it dead and could not help.
const fn harm_of(failure: &Failure) -> ServerChange {
    match failure.code {
        FailureCode::StillInUse | FailureCode::DisksInUse | FailureCode::SourceNotFenced => {
            ServerChange::StaysAtSource
        }
        FailureCode::NoValidHost
        | FailureCode::ComputeServiceUnavailable
        | FailureCode::SameHost
        | FailureCode::HypervisorType
        | FailureCode::HypervisorTooOld
        | FailureCode::CpuIncompatible
        | FailureCode::NotLocalStorage
        | FailureCode::NotSharedStorage
        | FailureCode::PowerState
        | FailureCode::PreCheck
        | FailureCode::PrepareFailed
        | FailureCode::DestinationFull
        | FailureCode::HypervisorError
        | FailureCode::LinkLost
        | FailureCode::Stalled
        | FailureCode::TimedOut
        | FailureCode::Interrupted
        | FailureCode::GuestLost
        | FailureCode::Aborted
        | FailureCode::NoDefinition
        | FailureCode::StopFailed
        | FailureCode::BootFailed
        | FailureCode::SourceDead
        | FailureCode::DestinationDead
        | FailureCode::Superseded
        | FailureCode::NotPlanned => ServerChange::IsBroken,
    }
}

/// Nova's words for a host that is not dead.
pub fn still_in_use(migration: &Migration) -> Failure {
    let source = &migration.source_compute;
    Failure::new(
        FailureCode::StillInUse,
        format!("Compute service of {source} is still in use."),
    )
}

/// Is the guest to be started, or only to be defined?
pub fn powers_on(migration: &Migration) -> bool {
    ends_as(migration) == VmState::Active
}

fn ends_as(migration: &Migration) -> VmState {
    match &migration.request {
        Request::Evacuation(request) if request.end_stopped => VmState::Stopped,
        Request::Evacuation(_) | Request::Live(_) | Request::Cold(_) => VmState::Active,
    }
}

#[cfg(test)]
mod tests;
