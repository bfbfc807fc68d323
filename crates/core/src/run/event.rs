//! What happens to a run, and what follows from it.

use std::collections::BTreeSet;

use crate::effect::RunEffect;
use crate::failure::{Failure, FailureCode};
use crate::ids::{HostName, MigrationUuid, OperationUuid};
use crate::run::{OperationKind, OperationState, Run, RunState};
use crate::status::MigrationStatus;

/// How what an operation had started ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server is where it was to go.
    Completed,
    /// It is not.
    Failed(Failure),
    /// Somebody ended it on purpose, so it is not tried again.
    Cancelled(Failure),
    /// There is nobody left to do it with.
    Skipped(Failure),
}

impl Outcome {
    /// Of the migration that it had started; `None`: the server is not yet free of it.
    pub fn of(status: MigrationStatus, failure: Option<&Failure>) -> Option<Self> {
        use MigrationStatus as S;
        let because = |code, text| failure.cloned().unwrap_or_else(|| Failure::new(code, text));
        match status {
            S::Completed | S::Confirmed | S::Done => Some(Self::Completed),
            S::Cancelled => {
                let failure = because(FailureCode::Aborted, "The migration was aborted.");
                Some(Self::aborted_or_failed(failure))
            }
            S::Reverted => {
                let failure = because(FailureCode::Aborted, "The move was undone.");
                Some(Self::Cancelled(failure))
            }
            S::Failed | S::Error => {
                let text = "The migration ended without a reason.";
                let failure = because(FailureCode::HypervisorError, text);
                Some(Self::aborted_or_failed(failure))
            }
            S::Accepted
            | S::Queued
            | S::Preparing
            | S::Running
            | S::RunningPostCopy
            | S::PreMigrating
            | S::Migrating
            | S::PostMigrating
            | S::Finished
            | S::Confirming
            | S::Reverting => None,
        }
    }

    /// Statuses do not tell: a live move that did not end in time is `cancelled`, and a cold one that
    /// was aborted is in `error`.
    fn aborted_or_failed(failure: Failure) -> Self {
        match failure.code == FailureCode::Aborted {
            true => Self::Cancelled(failure),
            false => Self::Failed(failure),
        }
    }
}

/// What happens to a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// All the room that it needs is claimed.
    RoomClaimed,
    /// It needs room that there is not, whoever else ends.
    RoomRefused(Failure),
    /// In this transaction an operation started this, having been found startable.
    OperationBegun(OperationUuid, Option<MigrationUuid>),
    /// When an operation was to begin, its destination, or its server, had changed.
    OperationRefused(OperationUuid, Failure),
    /// When an operation was to begin, its server was already as it was to be, or there was no such
    /// server any more, for this reason.
    OperationUnneeded(OperationUuid, Option<Failure>),
    /// What an operation had started has ended.
    OperationEnded(OperationUuid, Outcome),
    /// An operation that waits goes elsewhere, or goes as one of this kind.
    OperationRevised(OperationUuid, String, OperationKind),
    /// There is nowhere else for it.
    OperationNotRevised(OperationUuid, Failure),
    /// Somebody wants the run to end.
    CancelRequested {
        /// And what runs with it.
        abort_running: bool,
    },
    /// Somebody wants an operation left out.
    SkipRequested(OperationUuid),
    /// The run's deadline has passed.
    DeadlinePassed,
    /// In this transaction a host that it empties is held for it.
    HostHeld(HostName),
    /// Somebody has released a host that was held for it.
    HostReleased(HostName),
    /// A host that it empties is in maintenance.
    HostReady(HostName),
    /// Somebody is done with a host, or gives it up.
    HostDone(HostName),
    /// A host that somebody was done with has its guests again.
    HostReturned(HostName),
}

impl Event {
    /// The names of all.
    pub const NAMES: &'static [&'static str] = &[
        "room_claimed",
        "room_refused",
        "operation_begun",
        "operation_refused",
        "operation_unneeded",
        "operation_ended",
        "operation_revised",
        "operation_not_revised",
        "cancel_requested",
        "skip_requested",
        "deadline_passed",
        "host_held",
        "host_released",
        "host_ready",
        "host_done",
        "host_returned",
    ];

    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RoomClaimed => "room_claimed",
            Self::RoomRefused(_) => "room_refused",
            Self::OperationBegun(..) => "operation_begun",
            Self::OperationRefused(..) => "operation_refused",
            Self::OperationUnneeded(..) => "operation_unneeded",
            Self::OperationEnded(..) => "operation_ended",
            Self::OperationRevised(..) => "operation_revised",
            Self::OperationNotRevised(..) => "operation_not_revised",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::SkipRequested(_) => "skip_requested",
            Self::DeadlinePassed => "deadline_passed",
            Self::HostHeld(_) => "host_held",
            Self::HostReleased(_) => "host_released",
            Self::HostReady(_) => "host_ready",
            Self::HostDone(_) => "host_done",
            Self::HostReturned(_) => "host_returned",
        }
    }
}

/// What shall be done. Whoever does it reads the run anew.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// Abort what this operation started.
    Abort(OperationUuid),
    /// Find another destination for this operation.
    Replan(OperationUuid),
    /// Hold this host for maintenance, in the run's name.
    Hold(HostName),
    /// Release this host.
    Release(HostName),
    /// Give back the room that was claimed for the run.
    FreeRoom,
}

impl Effect {
    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Abort(_) => "abort",
            Self::Replan(_) => "replan",
            Self::Hold(_) => "hold",
            Self::Release(_) => "release",
            Self::FreeRoom => "free_room",
        }
    }

    /// What stands in the outbox for it; `None`: it is done with the transition.
    const fn outbox(&self) -> Option<RunEffect> {
        match self {
            Self::Abort(_) => Some(RunEffect::Abort),
            Self::Replan(_) => Some(RunEffect::Replan),
            Self::Hold(_) => Some(RunEffect::Hold),
            Self::Release(_) => Some(RunEffect::Release),
            Self::FreeRoom => None,
        }
    }
}

/// What follows from an event; it is written in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// As it shall be.
    pub next: Run,
    /// What shall be done, in this order.
    pub effects: Vec<Effect>,
}

impl Transition {
    /// What is put into the outbox, each once and in this order. `serves` says whether the run works
    /// for the maintenance of one host.
    pub fn outbox(&self, serves: bool) -> Vec<RunEffect> {
        let reports = serves && self.next.state.is_terminal();
        let of_effects = self.effects.iter().filter_map(Effect::outbox);
        let all = of_effects.chain(reports.then_some(RunEffect::ReportEnd));
        let mut known = BTreeSet::new();
        all.filter(|it| known.insert(*it)).collect()
    }
}

/// The event means nothing to the run as it is. Nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It has ended.
    #[error("the run has ended as {0}")]
    Ended(RunState),
    /// It has no such operation.
    #[error("the run has no operation {0}")]
    UnknownOperation(OperationUuid),
    /// The operation is not in a state for it.
    #[error("the operation is {0}")]
    Operation(OperationState),
    /// The operation may not begin now.
    #[error("operation {0} may not begin now")]
    NotStartable(OperationUuid),
    /// Nobody has asked for it to be done in that way.
    #[error("operation {0} is not to become one of kind {1}")]
    OtherKind(OperationUuid, OperationKind),
    /// Its destination was changed too often.
    #[error("the destination of operation {0} was changed too often")]
    RevisedTooOften(OperationUuid),
    /// The host is not one of the run's, or not in a state for it.
    #[error("{event} does not apply to host {host} of this run")]
    Host {
        /// Which.
        host: HostName,
        /// The event's name.
        event: &'static str,
    },
    /// The deadline has not passed.
    #[error("the deadline has not passed")]
    TooEarly,
    /// It does not belong to this state.
    #[error("{event} does not apply to a run that is {state}")]
    OutOfPlace {
        /// The state.
        state: RunState,
        /// The event's name.
        event: &'static str,
    },
}

impl Rejected {
    /// The code of the problem that tells whoever asked for it, where it has one of its own.
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Ended(_) => Some("already-ended"),
            Self::Operation(state) => Some(match state.is_terminal() {
                true => "already-ended",
                false => "operation-started",
            }),
            Self::UnknownOperation(_)
            | Self::NotStartable(_)
            | Self::OtherKind(..)
            | Self::RevisedTooOften(_)
            | Self::Host { .. }
            | Self::TooEarly
            | Self::OutOfPlace { .. } => None,
        }
    }
}
