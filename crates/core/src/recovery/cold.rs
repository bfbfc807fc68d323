//! What the hosts' testimony means for a cold move.
//!
//! A guest that is off leaves nobody to ask but the hosts, and which of them may start it is
//! decided by the row (see [`crate::cold`]): so testimony here only permits or forbids what the
//! phase is about to do, and never hands the guest over.

use super::{Sighting, Witness};
use crate::cold::Phase;
use crate::migration::StorageMode;

/// What the testimony means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ColdVerdict {
    /// Stopping: the guest is off at its source, and the destination has all that it needs.
    Stopped,
    /// Stopping: the guest is not off, or not all of it is at the destination, and nobody
    /// works on it: the move has failed.
    Interrupted,
    /// Go on with what the phase is about: start the guest at the destination, take it back,
    /// give it up, clean its source.
    GoAhead,
    /// Booting: the guest runs at its source, so it must not be started at the destination.
    RunsAtSource,
    /// Both hosts were heard, and neither has the guest.
    Nowhere,
    /// Not enough is known, or the hosts contradict the row: somebody has to look.
    Wait,
}

/// Says what `source` and `destination` together permit in `phase`.
///
/// Total over all its arguments; a test walks them all.
pub const fn judge_cold(
    phase: Phase,
    storage: StorageMode,
    source: Witness,
    destination: Witness,
) -> ColdVerdict {
    match (source, destination) {
        (Witness::Says(source), Witness::Says(destination)) => {
            judge_living(phase, storage, source, destination)
        }
        (Witness::DeclaredDead, destination) => judge_without_source(phase, destination),
        (Witness::Says(source), Witness::DeclaredDead) => judge_without_destination(phase, source),
    }
}

/// The source is dead: the guest is off there, and nobody can take it back to it.
const fn judge_without_source(phase: Phase, destination: Witness) -> ColdVerdict {
    use ColdVerdict as V;
    use Sighting as S;
    match phase {
        Phase::Choosing | Phase::Preparing | Phase::Finished => V::Wait,
        Phase::Stopping if destination.executes() => V::Wait,
        Phase::Stopping => V::Interrupted,
        Phase::Booting | Phase::Withdrawing => V::GoAhead,
        Phase::Confirming => match destination {
            Witness::Says(S::Executing | S::Inactive) => V::GoAhead,
            Witness::Says(S::Absent) => V::Nowhere,
            Witness::Says(S::Unreachable | S::Incoming | S::Moving | S::HandedOver)
            | Witness::DeclaredDead => V::Wait,
        },
        Phase::Reverting => V::Wait,
        Phase::RollingBack(_) => match destination {
            Witness::Says(S::Executing | S::Moving | S::HandedOver) => V::Wait,
            Witness::Says(S::Unreachable | S::Absent | S::Inactive | S::Incoming)
            | Witness::DeclaredDead => V::GoAhead,
        },
    }
}

/// The destination is dead: what it had of the guest is off.
const fn judge_without_destination(phase: Phase, source: Sighting) -> ColdVerdict {
    use ColdVerdict as V;
    use Sighting as S;
    match phase {
        Phase::Choosing
        | Phase::Preparing
        | Phase::Finished
        // The row has heard that it died, and goes back by itself.
        | Phase::Booting
        | Phase::Reverting
        | Phase::Withdrawing
        // What is left at the source may be the last of it.
        | Phase::Confirming => V::Wait,
        Phase::Stopping => match source {
            S::Executing | S::Inactive => V::Interrupted,
            S::Unreachable | S::Absent | S::Incoming | S::Moving | S::HandedOver => V::Wait,
        },
        Phase::RollingBack(_) => match source {
            S::Absent => V::Nowhere,
            S::Inactive | S::Incoming | S::Executing | S::Moving | S::HandedOver => V::GoAhead,
            S::Unreachable => V::Wait,
        },
    }
}

const fn judge_living(
    phase: Phase,
    storage: StorageMode,
    source: Sighting,
    destination: Sighting,
) -> ColdVerdict {
    use ColdVerdict as V;
    use Sighting as S;
    match phase {
        // Nothing was done to the guest that could be asked about.
        Phase::Choosing | Phase::Preparing | Phase::Finished => V::Wait,
        // The destination has not been asked to start anything, so only the source is asked.
        Phase::Stopping => match (source, destination) {
            (_, S::Executing | S::Moving | S::HandedOver) => V::Wait,
            (S::Executing, S::Unreachable | S::Absent | S::Inactive | S::Incoming) => {
                V::Interrupted
            }
            (S::Inactive, S::Unreachable | S::Absent | S::Inactive | S::Incoming) => {
                match storage {
                    StorageMode::Shared => V::Stopped,
                    // Nobody can say how much of the copy was made.
                    StorageMode::Copied => V::Interrupted,
                }
            }
            (
                S::Unreachable | S::Absent | S::Incoming | S::Moving | S::HandedOver,
                S::Unreachable | S::Absent | S::Inactive | S::Incoming,
            ) => V::Wait,
        },
        // The source said that it is off. That it is off still has to be heard now.
        Phase::Booting => match (source, destination) {
            (S::Absent | S::Inactive, _) => V::GoAhead,
            (S::Executing | S::Moving, S::Absent | S::Inactive | S::Incoming) => V::RunsAtSource,
            (
                S::Executing | S::Moving,
                S::Unreachable | S::Executing | S::Moving | S::HandedOver,
            )
            | (S::Unreachable | S::Incoming | S::HandedOver, _) => V::Wait,
        },
        // What is left at the source goes for good: the destination must have it.
        Phase::Confirming => match (source, destination) {
            (S::Executing | S::Moving | S::Incoming | S::HandedOver, _)
            | (S::Inactive, S::Absent) => V::Wait,
            (S::Absent, S::Absent) => V::Nowhere,
            (S::Absent | S::Inactive | S::Unreachable, S::Executing | S::Inactive) => V::GoAhead,
            (
                S::Absent | S::Inactive | S::Unreachable,
                S::Unreachable | S::Incoming | S::Moving | S::HandedOver,
            )
            | (S::Unreachable, S::Absent) => V::Wait,
        },
        // The destination gives up a guest that may run there: its source must be able to
        // take it back.
        Phase::Reverting => match source {
            S::Inactive => V::GoAhead,
            S::Unreachable | S::Absent | S::Incoming | S::Executing | S::Moving | S::HandedOver => {
                V::Wait
            }
        },
        // It gives up one that it did not start; a dead source does not stand in the way.
        Phase::Withdrawing => match source {
            S::Unreachable | S::Inactive | S::Executing => V::GoAhead,
            S::Absent | S::Incoming | S::Moving | S::HandedOver => V::Wait,
        },
        // The row proves that the destination does not have it: it was never asked to start
        // it, or has given it up. A destination that says otherwise is believed.
        Phase::RollingBack(_) => match (source, destination) {
            (_, S::Executing | S::Moving | S::HandedOver) | (S::Unreachable, _) => V::Wait,
            (S::Absent, S::Absent) => V::Nowhere,
            (
                S::Absent | S::Inactive | S::Incoming | S::Executing | S::Moving | S::HandedOver,
                S::Unreachable | S::Absent | S::Inactive | S::Incoming,
            ) => V::GoAhead,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> impl Iterator<Item = (Phase, StorageMode, Witness, Witness, ColdVerdict)> {
        Phase::ALL.iter().flat_map(|phase| {
            StorageMode::ALL.iter().flat_map(move |storage| {
                Witness::all().flat_map(move |source| {
                    Witness::all().map(move |destination| {
                        let verdict = judge_cold(*phase, *storage, source, destination);
                        (*phase, *storage, source, destination, verdict)
                    })
                })
            })
        })
    }

    #[test]
    fn nobody_starts_a_guest_that_is_seen_executing_elsewhere() {
        for (phase, _, source, destination, verdict) in everything() {
            if verdict == ColdVerdict::GoAhead {
                let told = format!("{phase:?} {source:?} {destination:?}");
                assert!(phase != Phase::Booting || !source.executes(), "{told}");
                assert!(
                    !matches!(phase, Phase::RollingBack(_)) || !destination.executes(),
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn the_destination_starts_it_only_when_the_source_says_that_it_is_off() {
        for (phase, _, source, destination, verdict) in everything() {
            if phase == Phase::Booting && verdict == ColdVerdict::GoAhead {
                let off = [
                    Witness::Says(Sighting::Absent),
                    Witness::Says(Sighting::Inactive),
                    Witness::DeclaredDead,
                ]
                .contains(&source);
                assert!(off, "{source:?} {destination:?}");
            }
        }
    }

    #[test]
    fn a_copy_that_nobody_followed_counts_for_nothing() {
        for (phase, storage, source, destination, verdict) in everything() {
            if verdict == ColdVerdict::Stopped {
                let told = format!("{source:?} {destination:?}");
                assert_eq!(phase, Phase::Stopping, "{told}");
                assert_eq!(
                    (storage, source),
                    (StorageMode::Shared, Witness::Says(Sighting::Inactive)),
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_removed_that_may_be_the_last_of_it() {
        for (phase, _, source, destination, verdict) in everything() {
            if verdict != ColdVerdict::GoAhead {
                continue;
            }
            match phase {
                Phase::Confirming => {
                    let there = [Sighting::Executing, Sighting::Inactive].map(Witness::Says);
                    assert!(there.contains(&destination), "{source:?} {destination:?}");
                }
                Phase::Reverting => assert_eq!(source, Witness::Says(Sighting::Inactive)),
                Phase::Withdrawing => assert_ne!(source, Witness::Says(Sighting::Absent)),
                Phase::Choosing
                | Phase::Preparing
                | Phase::Stopping
                | Phase::Booting
                | Phase::Finished
                | Phase::RollingBack(_) => {}
            }
        }
    }

    #[test]
    fn it_is_lost_only_when_no_host_that_may_have_it_is_silent() {
        let gone = [Witness::Says(Sighting::Absent), Witness::DeclaredDead];
        for (_, _, source, destination, verdict) in everything() {
            if verdict == ColdVerdict::Nowhere {
                assert!(gone.contains(&source) && gone.contains(&destination));
            }
        }
    }
}
