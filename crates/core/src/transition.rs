//! The one way a migration changes.

use crate::cold;
use crate::discrepancy::DiscrepancyKind;
use crate::effect::Effect;
use crate::evacuation;
use crate::event::Event;
use crate::failure::Failure;
use crate::ids::HostName;
use crate::live;
use crate::migration::Migration;
use crate::phase::Phase;
use crate::server::{TaskState, VmState};
use crate::status::MigrationStatus;
use crate::time::Timestamp;

/// What happens to the server, in the same transaction.
///
/// Host, node and availability zone go together. Where a move's room is counted goes with the
/// host: a server counts where it is recorded, the migration's claim holds its room at the
/// other end for as long as the guest may still go there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerChange {
    /// `task_state` and `progress` are cleared; the server is where it was, as it was.
    StaysAtSource,
    /// Host and node become the destination's; `task_state` and `progress` are cleared.
    MovesToDestination,
    /// `vm_state` becomes `error`, `task_state` is cleared: the guest runs nowhere.
    IsLost,
    /// `task_state` becomes this; nothing else changes.
    Task(TaskState),
    /// Cold: the source has stopped it. Host and node become the destination's, `task_state`
    /// this; the migration's claim becomes one on the source's room, for the way back.
    GoesToDestination(TaskState),
    /// Cold: it waits for confirmation. `vm_state` becomes `resized`, `task_state` is cleared.
    AwaitsConfirmation,
    /// Cold: confirmed. `vm_state` becomes `active`, or `stopped` when the guest is off;
    /// `task_state` and `progress` are cleared.
    IsConfirmed,
    /// Cold: the destination has given it up. Host and node become the source's again; the
    /// claim on the source's room ends, as the server counts there.
    GoesToSource,
    /// Cold: it is back. Host and node become the source's, `vm_state` this; `task_state` and
    /// `progress` are cleared.
    ReturnsToSource(VmState),
    /// Evacuated: host and node become the destination's, `vm_state` this; `task_state` and
    /// `progress` are cleared, and so is a fault.
    IsRebuilt(VmState),
    /// Evacuation: it could not be rebuilt. `vm_state` becomes `error`, with the failure as its
    /// fault; `task_state` and `progress` are cleared. What was seen of the guest stays known.
    IsBroken,
}

/// What becomes of a migration's claim and of its slots, in the same transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reservation<'a> {
    /// It holds what it held.
    Stays,
    /// Room is claimed at this destination, in place of what was claimed before.
    Claims(&'a HostName),
    /// A slot is taken at this source, and one at this destination.
    TakesSlots(&'a HostName, &'a HostName),
    /// The claim becomes one on this source's room, for the way back.
    ClaimsWayBack(&'a HostName),
    /// All of it is given back.
    Ends,
}

/// What follows from an event. Whoever commits it writes all of it in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// The row as it shall be; its generation and effect sequence are already advanced.
    pub next: Migration,
    /// What happens to the server.
    pub server: Option<ServerChange>,
    /// What shall be done, in this order; the last one has `next.effect_sequence`.
    pub effects: Vec<Effect>,
    /// Effects handed out before and not done yet are no longer wanted.
    pub supersedes: bool,
    /// A discrepancy to open.
    pub discrepancy: Option<DiscrepancyKind>,
}

impl Transition {
    /// What becomes of the claim and of the slots, `event` having led here.
    pub fn reservation(&self, event: &Event) -> Reservation<'_> {
        let (next, source) = (&self.next, &self.next.source_compute);
        match (self.server, event, next.destination()) {
            _ if next.status().has_ended() => Reservation::Ends,
            (Some(ServerChange::GoesToSource), ..) => Reservation::Ends,
            (Some(ServerChange::GoesToDestination(_)), ..) => Reservation::ClaimsWayBack(source),
            (_, Event::Placed(..), Some(destination)) => Reservation::Claims(destination),
            (_, Event::Admitted, Some(destination)) => Reservation::TakesSlots(source, destination),
            _ => Reservation::Stays,
        }
    }

    /// The effects with the sequence number of each.
    pub fn numbered_effects(&self) -> impl Iterator<Item = (i64, Effect)> + '_ {
        let mut sequence = self.next.effect_sequence;
        for _ in &self.effects {
            sequence = sequence.saturating_sub(1);
        }
        self.effects.iter().map(move |effect| {
            sequence = sequence.saturating_add(1);
            (sequence, *effect)
        })
    }
}

/// The event means nothing to the migration as it is. Nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It has ended; late reports are no news.
    #[error("the migration has ended as {0}")]
    Terminal(MigrationStatus),
    /// The event does not belong to this status.
    #[error("{event} does not apply to a migration that is {status}")]
    OutOfPlace {
        /// The status.
        status: MigrationStatus,
        /// The event's name.
        event: &'static str,
    },
    /// A deadline was claimed to be over, and is not.
    #[error("the deadline has not passed")]
    TooEarly,
}

impl Rejected {
    pub(crate) const fn out_of_place(migration: &Migration, event: &Event) -> Self {
        Self::OutOfPlace {
            status: migration.status(),
            event: event.name(),
        }
    }
}

/// Says what follows from `event` for `migration` at `now`. Pure; see [`live`], [`crate::cold`] and
/// [`crate::evacuation`].
///
/// # Errors
/// [`Rejected`] when the event does not apply. That is ordinary: reports arrive twice
/// and late, and requests race with the hypervisor.
pub fn step(migration: &Migration, event: &Event, now: Timestamp) -> Result<Transition, Rejected> {
    if migration.status().is_terminal() {
        return Err(Rejected::Terminal(migration.status()));
    }
    if matches!(event, Event::DeadlinePassed) && migration.deadline.is_none_or(|at| now < at) {
        return Err(Rejected::TooEarly);
    }
    if let Event::Superseded(failure) = event {
        if migration.status().has_ended() {
            return Err(Rejected::out_of_place(migration, event));
        }
        return Ok(superseded(migration, failure));
    }
    match migration.phase {
        Phase::Live(phase) => live::step(phase, migration, event, now),
        Phase::Cold(phase) => cold::step(phase, migration, event, now),
        Phase::Evacuation(phase) => evacuation::step(phase, migration, event, now),
        Phase::Ended(_) => Err(Rejected::out_of_place(migration, event)),
    }
}

/// Another migration of the server takes over: this one ends where it is. The server is the
/// other one's concern, and whatever was handed out is no longer wanted. What it left at the end
/// where the server is not recorded becomes a discrepancy, until that host is clean.
fn superseded(migration: &Migration, failure: &Failure) -> Transition {
    let mut next = migration.clone();
    next.phase = Phase::Ended(MigrationStatus::Error);
    next.deadline = None;
    next.failure = Some(failure.clone());
    next.generation = next.generation.saturating_add(1);
    Transition {
        next,
        server: None,
        effects: Vec::new(),
        supersedes: true,
        discrepancy: left_behind(migration),
    }
}

/// What a migration that is cut short has left away from its server's recorded host.
const fn left_behind(migration: &Migration) -> Option<DiscrepancyKind> {
    match migration.phase {
        Phase::Live(live::Phase::Accepted | live::Phase::Queued)
        | Phase::Cold(cold::Phase::Choosing)
        | Phase::Evacuation(evacuation::Phase::Choosing | evacuation::Phase::Waiting)
        | Phase::Ended(_) => None,
        Phase::Live(
            live::Phase::Preparing
            | live::Phase::Running
            | live::Phase::PostCopy
            | live::Phase::Finishing { .. }
            | live::Phase::Unwinding { .. },
        )
        | Phase::Cold(
            cold::Phase::Preparing | cold::Phase::Stopping | cold::Phase::RollingBack(_),
        )
        | Phase::Evacuation(
            evacuation::Phase::Booting | evacuation::Phase::Done | evacuation::Phase::Cleaning,
        ) => Some(DiscrepancyKind::DestinationNotClean),
        Phase::Cold(
            cold::Phase::Booting
            | cold::Phase::Finished
            | cold::Phase::Confirming
            | cold::Phase::Reverting
            | cold::Phase::Withdrawing,
        ) => Some(DiscrepancyKind::SourceNotClean),
    }
}

#[cfg(test)]
mod tests;
