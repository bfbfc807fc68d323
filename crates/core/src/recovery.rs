//! Who runs a guest after a crash.
//!
//! When nobody followed a move to its end (an agent, a libvirtd or a conductor died), the
//! only witnesses are the hypervisors. [`judge`] says what their testimony means. It never
//! guesses: where both sides must be heard and one is silent, it says to wait.
//!
//! The rule behind every line: a guest may be started again at the source only if it is
//! proven that the destination never executed it.

use serde::{Deserialize, Serialize};

use crate::live::Phase;

mod cold;

pub use self::cold::{ColdVerdict, judge_cold};

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
    /// The guest executes at the destination and nowhere else.
    AtDestination,
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
pub const fn judge(phase: Phase, source: Sighting, destination: Sighting) -> Verdict {
    use Sighting as S;
    match (source, destination) {
        (S::Executing | S::Moving, S::Executing | S::Moving) => Verdict::Twice,
        (S::Moving, S::Unreachable | S::Absent | S::Inactive | S::Incoming | S::HandedOver) => {
            Verdict::StillMoving
        }
        (S::Executing, S::Absent | S::Inactive | S::Incoming) => match phase {
            // The row says that the destination has executed the guest. That it now runs at
            // the source and nowhere else is somebody's deed, not a failed move.
            Phase::PostCopy | Phase::Finishing => Verdict::Wait,
            Phase::Accepted
            | Phase::Queued
            | Phase::Preparing
            | Phase::Running
            | Phase::Unwinding => Verdict::AtSource,
        },
        (S::Executing, S::Unreachable | S::HandedOver) => Verdict::Wait,
        (S::HandedOver, S::Executing) => Verdict::AtDestination,
        (S::HandedOver, S::Absent | S::Inactive) => match phase {
            Phase::PostCopy | Phase::Finishing => Verdict::Nowhere,
            Phase::Accepted
            | Phase::Queued
            | Phase::Preparing
            | Phase::Running
            | Phase::Unwinding => Verdict::ResumeAtSource,
        },
        (S::HandedOver, S::Incoming | S::Unreachable | S::Moving | S::HandedOver) => Verdict::Wait,
        (S::Absent | S::Inactive | S::Incoming, S::Executing | S::Moving) => Verdict::AtDestination,
        (S::Absent | S::Incoming, S::Absent | S::Inactive) => Verdict::Nowhere,
        // Shut off where it belongs: its user did that, and the move is over.
        (S::Inactive, S::Absent | S::Inactive | S::Incoming) => match phase {
            Phase::PostCopy | Phase::Finishing => Verdict::Wait,
            Phase::Accepted
            | Phase::Queued
            | Phase::Preparing
            | Phase::Running
            | Phase::Unwinding => Verdict::AtSource,
        },
        (S::Absent | S::Incoming, S::Incoming | S::HandedOver | S::Unreachable)
        | (S::Inactive, S::HandedOver | S::Unreachable)
        | (S::Unreachable, _) => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// May the guest have executed here since the move began?
    fn may_execute(sighting: Sighting) -> bool {
        match sighting {
            Sighting::Unreachable
            | Sighting::Executing
            | Sighting::Moving
            | Sighting::HandedOver => true,
            Sighting::Absent | Sighting::Inactive | Sighting::Incoming => false,
        }
    }

    const PHASES: [Phase; 7] = [
        Phase::Accepted,
        Phase::Queued,
        Phase::Preparing,
        Phase::Running,
        Phase::PostCopy,
        Phase::Finishing,
        Phase::Unwinding,
    ];

    fn everything() -> impl Iterator<Item = (Phase, Sighting, Sighting, Verdict)> {
        PHASES.into_iter().flat_map(|phase| {
            Sighting::ALL.iter().flat_map(move |source| {
                Sighting::ALL.iter().map(move |destination| {
                    (
                        phase,
                        *source,
                        *destination,
                        judge(phase, *source, *destination),
                    )
                })
            })
        })
    }

    #[test]
    fn the_source_is_resumed_only_when_the_destination_never_executed() {
        for (phase, source, destination, verdict) in everything() {
            if verdict == Verdict::ResumeAtSource {
                assert!(
                    !may_execute(destination),
                    "{phase:?} {source:?} {destination:?}"
                );
                assert!(!matches!(phase, Phase::PostCopy | Phase::Finishing));
            }
        }
    }

    #[test]
    fn a_silent_host_never_ends_a_move() {
        for (phase, source, destination, verdict) in everything() {
            let silent = source == Sighting::Unreachable
                || (destination == Sighting::Unreachable && source != Sighting::Moving);
            if silent {
                assert_eq!(
                    verdict,
                    Verdict::Wait,
                    "{phase:?} {source:?} {destination:?}"
                );
            }
        }
    }

    #[test]
    fn a_verdict_never_denies_an_executing_guest() {
        for (phase, source, destination, verdict) in everything() {
            let at_source = matches!(source, Sighting::Executing | Sighting::Moving);
            let at_destination = matches!(destination, Sighting::Executing | Sighting::Moving);
            let allowed: &[Verdict] = match (at_source, at_destination) {
                (true, true) => &[Verdict::Twice],
                (true, false) => &[Verdict::StillMoving, Verdict::AtSource, Verdict::Wait],
                (false, true) => &[Verdict::AtDestination, Verdict::Wait],
                (false, false) => &[
                    Verdict::AtSource,
                    Verdict::ResumeAtSource,
                    Verdict::Nowhere,
                    Verdict::Wait,
                ],
            };
            assert!(
                allowed.contains(&verdict),
                "{phase:?} {source:?} {destination:?}: {verdict:?}"
            );
        }
    }

    #[test]
    fn nobody_is_lost_while_a_host_is_silent_or_holds_the_guest() {
        for (_, source, destination, verdict) in everything() {
            if verdict == Verdict::Nowhere {
                assert!(!may_execute(destination));
                assert_ne!(source, Sighting::Unreachable);
            }
        }
    }
}
