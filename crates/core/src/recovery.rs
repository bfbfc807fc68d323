//! Who runs a guest after a crash.
//!
//! When nobody followed a move to its end (an agent, a libvirtd or a conductor died), the
//! only witnesses are the hypervisors. [`judge`] says what their testimony means. It never
//! guesses: where both sides must be heard and one is silent, it says to wait.
//!
//! The rule behind every line: a guest may be started again at the source only if it is
//! proven that the destination never executed it.
//!
//! An operator who forces a host's service down vouches that it executes nothing and will not
//! until it has been repaired. That is a proof, where silence is none; and what the dead host
//! said before counts for nothing beside what a living one says now (`docs/adr/0010`).

use serde::{Deserialize, Serialize};

use crate::live::Phase;

mod cold;
mod leftovers;
mod whereabouts;

pub use self::cold::{ColdVerdict, judge_cold};
pub use self::leftovers::{End, Leftover, Remedy, remedy};
pub use self::whereabouts::{
    HomeStanding, Oddity, Sightings, Whereabouts, is_dead, is_over, locate,
};

/// What one host says of the guest's domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sighting {
    /// The host does not answer.
    Unreachable,
    /// The host answers: no such domain.
    Absent,
    /// Defined, not in memory (shut off).
    Inactive,
    /// In memory as the receiving end of a move; has never executed here.
    Incoming,
    /// Executes here, or is paused by its user; no move is under way.
    Executing,
    /// Executes here while an outgoing move is under way.
    Moving,
    /// Stopped by an outgoing move, at or past its hand-over.
    HandedOver,
}

impl Sighting {
    /// Every sighting.
    pub const ALL: &'static [Self] = &[
        Self::Unreachable,
        Self::Absent,
        Self::Inactive,
        Self::Incoming,
        Self::Executing,
        Self::Moving,
        Self::HandedOver,
    ];

    /// Does the host's hypervisor have it in memory, whatever becomes of it? Then it executes there, or
    /// may go on to at any moment.
    pub const fn is_in_memory(self) -> bool {
        match self {
            Self::Incoming | Self::Executing | Self::Moving | Self::HandedOver => true,
            Self::Unreachable | Self::Absent | Self::Inactive => false,
        }
    }

    /// Does a server that nobody knows live on the host that says so? One that is just coming in
    /// lives elsewhere.
    pub const fn is_at_home(self) -> bool {
        match self {
            Self::Executing | Self::Moving | Self::Inactive => true,
            Self::Unreachable | Self::Absent | Self::Incoming | Self::HandedOver => false,
        }
    }
}

/// What is known of one side of a move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Witness {
    /// The host says this, or does not answer ([`Sighting::Unreachable`]).
    Says(Sighting),
    /// It does not answer, and its operator has declared it dead: it executes nothing.
    DeclaredDead,
}

impl Witness {
    /// Every witness.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        let says = Sighting::ALL.iter().copied().map(Self::Says);
        says.chain([Self::DeclaredDead])
    }

    /// Does the host execute the guest, by its own word?
    pub const fn executes(self) -> bool {
        matches!(self, Self::Says(Sighting::Executing | Sighting::Moving))
    }

    /// Does it neither answer nor count as dead?
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::Says(Sighting::Unreachable))
    }
}

/// What the testimony means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// The move goes on; follow it again.
    StillMoving,
    /// The guest executes at the source and nowhere else; the move is over.
    AtSource,
    /// The source stopped the guest and the destination never executed it: it may be
    /// resumed at the source.
    ResumeAtSource,
    /// The guest is at the destination and nowhere else: it executes there, or did when the
    /// destination died.
    AtDestination,
    /// The source died with the guest, which had not left it.
    DiedAtSource,
    /// Both hosts were heard, and the guest is on neither.
    Nowhere,
    /// Both hosts execute it. Nobody may guess which one is right.
    Twice,
    /// Not enough is known.
    Wait,
}

/// Says what `source` and `destination` together mean for a live migration in `phase`.
///
/// Total over all its arguments; a test walks them all.
pub const fn judge(phase: Phase, source: Witness, destination: Witness) -> Verdict {
    match (source, destination) {
        (Witness::Says(source), Witness::Says(destination)) => {
            judge_living(phase, source, destination)
        }
        (Witness::DeclaredDead, Witness::Says(destination)) => {
            judge_without_source(phase, destination)
        }
        (Witness::Says(source), Witness::DeclaredDead) => judge_without_destination(phase, source),
        (Witness::DeclaredDead, Witness::DeclaredDead) => {
            if has_left(phase) {
                Verdict::AtDestination
            } else {
                Verdict::DiedAtSource
            }
        }
    }
}

/// Does the row say that the destination has executed the guest?
const fn has_left(phase: Phase) -> bool {
    match phase {
        Phase::PostCopy | Phase::Finishing { .. } => true,
        Phase::Accepted
        | Phase::Queued
        | Phase::Preparing
        | Phase::Running
        | Phase::Unwinding { .. } => false,
    }
}

/// The source is dead: what the destination has is all there is.
const fn judge_without_source(phase: Phase, destination: Sighting) -> Verdict {
    use Sighting as S;
    match destination {
        S::Executing | S::Moving => Verdict::AtDestination,
        S::Absent | S::Inactive if has_left(phase) => Verdict::Nowhere,
        // It has not been told yet that it has all of it.
        S::Incoming if has_left(phase) => Verdict::Wait,
        S::Absent | S::Inactive | S::Incoming => Verdict::DiedAtSource,
        S::HandedOver | S::Unreachable => Verdict::Wait,
    }
}

/// The destination is dead. A source that stopped the guest for its hand-over must not start it
/// again: it may have executed at the destination, and written to its disks.
const fn judge_without_destination(phase: Phase, source: Sighting) -> Verdict {
    use Sighting as S;
    match source {
        S::Moving => Verdict::StillMoving,
        S::HandedOver => Verdict::AtDestination,
        S::Executing | S::Inactive if !has_left(phase) => Verdict::AtSource,
        S::Inactive => Verdict::AtDestination,
        S::Absent => match phase {
            Phase::Running | Phase::PostCopy | Phase::Finishing { .. } => Verdict::AtDestination,
            Phase::Accepted | Phase::Queued | Phase::Preparing | Phase::Unwinding { .. } => {
                Verdict::Nowhere
            }
        },
        S::Executing | S::Incoming | S::Unreachable => Verdict::Wait,
    }
}

const fn judge_living(phase: Phase, source: Sighting, destination: Sighting) -> Verdict {
    use Sighting as S;
    match (source, destination) {
        (S::Executing | S::Moving, S::Executing | S::Moving) => Verdict::Twice,
        (S::Moving, S::Unreachable | S::Absent | S::Inactive | S::Incoming | S::HandedOver) => {
            Verdict::StillMoving
        }
        // The row says that the destination has executed the guest. That it now runs at the source
        // and nowhere else is somebody's deed, not a failed move.
        (S::Executing, S::Absent | S::Inactive | S::Incoming) if has_left(phase) => Verdict::Wait,
        (S::Executing, S::Absent | S::Inactive | S::Incoming) => Verdict::AtSource,
        (S::Executing, S::Unreachable | S::HandedOver) => Verdict::Wait,
        (S::HandedOver, S::Executing) => Verdict::AtDestination,
        (S::HandedOver, S::Absent | S::Inactive) if has_left(phase) => Verdict::Nowhere,
        (S::HandedOver, S::Absent | S::Inactive) => Verdict::ResumeAtSource,
        (S::HandedOver, S::Incoming | S::Unreachable | S::Moving | S::HandedOver) => Verdict::Wait,
        (S::Absent | S::Inactive | S::Incoming, S::Executing | S::Moving) => Verdict::AtDestination,
        (S::Absent | S::Incoming, S::Absent | S::Inactive) => Verdict::Nowhere,
        (S::Inactive, S::Absent | S::Inactive | S::Incoming) if has_left(phase) => Verdict::Wait,
        // Shut off where it belongs: its user did that, and the move is over.
        (S::Inactive, S::Absent | S::Inactive | S::Incoming) => Verdict::AtSource,
        (S::Absent | S::Incoming, S::Incoming | S::HandedOver | S::Unreachable)
        | (S::Inactive, S::HandedOver | S::Unreachable)
        | (S::Unreachable, _) => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests;
