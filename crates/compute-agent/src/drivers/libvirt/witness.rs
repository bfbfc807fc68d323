//! What one look at a domain says of where its guest runs.
//!
//! | libvirt's state           | outgoing job | incoming job | no job                        |
//! |---------------------------|--------------|--------------|-------------------------------|
//! | running                   | Moving       | Executing    | Executing                     |
//! | paused by a migration     | HandedOver   | Incoming     | HandedOver                    |
//! | paused by post-copy       | HandedOver   | Executing    | HandedOver                    |
//! | starting up               | Moving       | Incoming     | Executing                     |
//! | paused otherwise          | Moving       | Incoming     | Executing, or HandedOver if a |
//! |                           |              |              | move of ours had paused it    |
//! | asleep, crashed           | Moving       | Incoming     | Executing                     |
//! | off, saved                | Inactive     | Inactive     | Inactive                      |
//! | unknown                   | Unreachable  | Unreachable  | Unreachable                   |
//!
//! Where libvirt leaves it open, the answer is the one that makes nobody start or destroy
//! anything: `HandedOver`. A guest that we paused to get its move over with looks, once the move
//! is gone, like one that its user paused; but its destination may have taken over, so it
//! counts as handed over until both sides were heard.

use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};

use super::connection::number;
use super::sys::{self, DomainState, JobKind, JobStatistics, Operation, Stopped};

/// Which migration a domain is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MoveSeen {
    /// None.
    None,
    /// It is leaving.
    Outgoing(JobStatistics),
    /// It is arriving.
    Incoming,
}

/// A domain at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Witness {
    /// libvirt's state.
    pub(super) state: DomainState,
    /// The migration under way.
    pub(super) movement: MoveSeen,
}

/// Looks at a domain. The job first, then the state: a move that ends in between then looks
/// like one that still goes on, and is looked at again.
pub(super) fn look(domain: &Domain) -> Result<Witness, Error> {
    let job = match sys::job(domain) {
        Ok(job) => Some(job),
        // An inactive domain has no job; and of an incoming one libvirt refuses to tell.
        Err(error) if number(&error) == Some(ErrorNumber::OperationInvalid) => None,
        Err(error) => return Err(error),
    };
    let state = sys::domain_state(domain)?;
    let movement = match job {
        Some(job) if job.kind == JobKind::Active => match job.operation {
            Operation::MigrationOut => MoveSeen::Outgoing(job.statistics),
            Operation::MigrationIn => MoveSeen::Incoming,
            Operation::Other => MoveSeen::None,
        },
        Some(_) => MoveSeen::None,
        None if in_memory(state) => MoveSeen::Incoming,
        None => MoveSeen::None,
    };
    Ok(Witness { state, movement })
}

fn in_memory(state: DomainState) -> bool {
    match state {
        DomainState::Running
        | DomainState::Paused(_)
        | DomainState::Asleep
        | DomainState::Crashed => true,
        DomainState::Off | DomainState::Saved | DomainState::Unknown => false,
    }
}

impl Witness {
    /// What the host testifies. `paused_by_move`: did we pause the guest for a move?
    pub(super) fn sighting(self, paused_by_move: bool) -> Sighting {
        use MoveSeen as M;
        match (self.state, self.movement) {
            (DomainState::Running, M::Outgoing(_)) => Sighting::Moving,
            (DomainState::Running, M::Incoming | M::None) => Sighting::Executing,
            (DomainState::Paused(Stopped::Migration), M::Incoming) => Sighting::Incoming,
            (DomainState::Paused(Stopped::Migration), M::Outgoing(_) | M::None) => {
                Sighting::HandedOver
            }
            (DomainState::Paused(Stopped::PostCopy), M::Incoming) => Sighting::Executing,
            (DomainState::Paused(Stopped::PostCopy), M::Outgoing(_) | M::None) => {
                Sighting::HandedOver
            }
            (DomainState::Paused(Stopped::Otherwise), M::None) if paused_by_move => {
                Sighting::HandedOver
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

    /// Nova's power state.
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

    const STATES: [DomainState; 10] = [
        DomainState::Running,
        DomainState::Paused(Stopped::Migration),
        DomainState::Paused(Stopped::PostCopy),
        DomainState::Paused(Stopped::StartingUp),
        DomainState::Paused(Stopped::Otherwise),
        DomainState::Asleep,
        DomainState::Crashed,
        DomainState::Off,
        DomainState::Saved,
        DomainState::Unknown,
    ];

    fn movements() -> [MoveSeen; 3] {
        let leaving = MoveSeen::Outgoing(JobStatistics::default());
        [MoveSeen::None, leaving, MoveSeen::Incoming]
    }

    fn everything() -> impl Iterator<Item = (Witness, bool, Sighting)> {
        STATES.into_iter().flat_map(|state| {
            movements().into_iter().flat_map(move |movement| {
                let witness = Witness { state, movement };
                [false, true].map(|paused| (witness, paused, witness.sighting(paused)))
            })
        })
    }

    #[test]
    fn what_runs_is_never_denied() {
        for (witness, paused, sighting) in everything() {
            if witness.state == DomainState::Running {
                let executes = matches!(sighting, Sighting::Executing | Sighting::Moving);
                assert!(executes, "{witness:?} {paused}: {sighting:?}");
            }
        }
    }

    /// Only an incoming domain is ever destroyed, so nothing else may be called incoming.
    #[test]
    fn only_a_domain_that_libvirt_receives_is_incoming() {
        for (witness, paused, sighting) in everything() {
            if sighting == Sighting::Incoming {
                assert_eq!(witness.movement, MoveSeen::Incoming, "{witness:?} {paused}");
                assert_ne!(witness.state, DomainState::Running);
                assert_ne!(witness.state, DomainState::Paused(Stopped::PostCopy));
            }
        }
    }

    #[test]
    fn a_pause_of_ours_counts_as_handed_over_once_the_move_is_gone() {
        let witness = Witness {
            state: DomainState::Paused(Stopped::Otherwise),
            movement: MoveSeen::None,
        };
        assert_eq!(witness.sighting(false), Sighting::Executing);
        assert_eq!(witness.sighting(true), Sighting::HandedOver);
    }

    #[test]
    fn the_source_of_a_post_copy_never_executes_again() {
        for movement in [MoveSeen::None, MoveSeen::Outgoing(JobStatistics::default())] {
            let witness = Witness {
                state: DomainState::Paused(Stopped::PostCopy),
                movement,
            };
            assert_eq!(witness.sighting(false), Sighting::HandedOver);
        }
    }
}
