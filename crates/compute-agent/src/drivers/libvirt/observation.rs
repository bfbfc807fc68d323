//! What one look at a domain says of where its guest runs.
//!
//! | libvirt's state           | outgoing job | incoming job | no job       |
//! |---------------------------|--------------|--------------|--------------|
//! | running                   | Moving       | Executing    | Executing    |
//! | paused by a migration     | HandedOver   | Incoming     | HandedOver   |
//! | paused by post-copy       | HandedOver   | Executing    | HandedOver   |
//! | starting up               | Moving       | Incoming     | Executing    |
//! | paused otherwise          | Moving       | Incoming     | Executing    |
//! | asleep, crashed           | Moving       | Incoming     | Executing    |
//! | off, saved                | Inactive     | Inactive     | Inactive     |
//! | unknown                   | Unreachable  | Unreachable  | Unreachable  |
//!
//! "Paused by a migration" is also libvirt's word for a guest that somebody paused while its
//! migration ran, as we do to get one over with. At a hand-over nobody can tell the two apart,
//! so both count as handed over: that makes nobody start or destroy anything before both sides
//! were heard.

use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};

use super::connection::number;
use super::sys::{self, DomainState, JobKind, JobStatistics, Operation, Stopped};

/// Which migration a domain is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MoveSeen {
    None,
    Outgoing(JobStatistics),
    Incoming,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Observation {
    pub(super) state: DomainState,
    pub(super) movement: MoveSeen,
}

/// Looks at a domain. The job first, then the state: a move that ends in between then looks
/// like one that still goes on, and is looked at again.
pub(super) fn look(domain: &Domain) -> Result<Observation, Error> {
    let movement = match sys::job(domain) {
        Ok(job) if job.kind == JobKind::Active => match job.operation {
            Operation::MigrationOut => MoveSeen::Outgoing(job.statistics),
            Operation::MigrationIn => MoveSeen::Incoming,
            Operation::Other => MoveSeen::None,
        },
        Ok(_) => MoveSeen::None,
        Err(error) => match number(&error) {
            // What libvirt says of an incoming migration: only its source has figures.
            Some(ErrorNumber::OperationUnsupported) => MoveSeen::Incoming,
            // It is not in memory.
            Some(ErrorNumber::OperationInvalid) => MoveSeen::None,
            _ => return Err(error),
        },
    };
    let state = sys::domain_state(domain)?;
    Ok(Observation { state, movement })
}

impl Observation {
    pub(super) fn sighting(self) -> Sighting {
        use MoveSeen as M;
        match (self.state, self.movement) {
            (DomainState::Running, M::Outgoing(_)) => Sighting::Moving,
            (DomainState::Running, M::Incoming | M::None) => Sighting::Executing,
            (DomainState::Paused(Stopped::Migration), M::Incoming) => Sighting::Incoming,
            (DomainState::Paused(Stopped::Migration), M::Outgoing(_) | M::None) => {
                Sighting::HandedOver
            }
            (DomainState::Paused(Stopped::PostCopy | Stopped::PostCopyFailed), movement) => {
                match movement {
                    M::Incoming => Sighting::Executing,
                    M::Outgoing(_) | M::None => Sighting::HandedOver,
                }
            }
            (
                DomainState::Paused(Stopped::StartingUp | Stopped::Otherwise)
                | DomainState::Asleep
                | DomainState::Crashed,
                movement,
            ) => match movement {
                M::Outgoing(_) => Sighting::Moving,
                M::Incoming => Sighting::Incoming,
                M::None => Sighting::Executing,
            },
            (DomainState::Off | DomainState::Saved, _) => Sighting::Inactive,
            (DomainState::Unknown, _) => Sighting::Unreachable,
        }
    }

    /// Does a post-copy move stop it, which on its source has not come to its end, or never will?
    pub(super) fn is_post_copy(self) -> bool {
        matches!(
            self.state,
            DomainState::Paused(Stopped::PostCopy | Stopped::PostCopyFailed)
        )
    }

    pub(super) fn power_state(self) -> PowerState {
        match self.state {
            DomainState::Running => PowerState::Running,
            DomainState::Paused(_) => PowerState::Paused,
            DomainState::Asleep => PowerState::Suspended,
            DomainState::Crashed => PowerState::Crashed,
            DomainState::Off | DomainState::Saved => PowerState::Shutdown,
            DomainState::Unknown => PowerState::NoState,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn movements() -> [MoveSeen; 3] {
        let outgoing = MoveSeen::Outgoing(JobStatistics::default());
        [MoveSeen::None, outgoing, MoveSeen::Incoming]
    }

    fn everything() -> impl Iterator<Item = (Observation, Sighting)> {
        DomainState::ALL.into_iter().flat_map(|state| {
            movements().into_iter().map(move |movement| {
                let observed = Observation { state, movement };
                (observed, observed.sighting())
            })
        })
    }

    #[test]
    fn what_runs_is_never_denied() {
        for (observed, sighting) in everything() {
            if observed.state == DomainState::Running {
                let executes = matches!(sighting, Sighting::Executing | Sighting::Moving);
                assert!(executes, "{observed:?}: {sighting:?}");
            }
        }
    }

    /// Only an incoming domain is ever destroyed, so nothing else may be called incoming.
    #[test]
    fn only_a_domain_that_libvirt_receives_is_incoming() {
        for (observed, sighting) in everything() {
            if sighting == Sighting::Incoming {
                assert_eq!(observed.movement, MoveSeen::Incoming, "{observed:?}");
                assert_ne!(observed.state, DomainState::Running);
                assert_ne!(observed.state, DomainState::Paused(Stopped::PostCopy));
            }
        }
    }

    #[test]
    fn who_is_paused_by_a_move_waits_for_both_sides() {
        for movement in [MoveSeen::None, MoveSeen::Outgoing(JobStatistics::default())] {
            let observed = Observation {
                state: DomainState::Paused(Stopped::Migration),
                movement,
            };
            assert_eq!(observed.sighting(), Sighting::HandedOver);
        }
    }

    #[test]
    fn the_source_of_a_post_copy_never_executes_again() {
        for movement in [MoveSeen::None, MoveSeen::Outgoing(JobStatistics::default())] {
            let observed = Observation {
                state: DomainState::Paused(Stopped::PostCopy),
                movement,
            };
            assert_eq!(observed.sighting(), Sighting::HandedOver);
        }
    }
}
