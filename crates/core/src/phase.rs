//! Where a migration is, and what Nova's API shows of that.
//!
//! ```text
//!   phase     which rows of which table apply
//!   status    what Nova's API shows of the phase
//!   settling  what stands beside the status where Nova has no word: how it will end
//! ```
//!
//! Rows hold status and settling, so that lists can be filtered by Nova's words. Both follow
//! from the phase, and [`Phase::read`] finds the phase that they came from.

use crate::effect::Effect;
use crate::migration::Settling;
use crate::status::{MigrationKind, MigrationStatus as Status};
use crate::{cold, evacuation, live};

/// Where a migration is in the table that drives it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Phase {
    Live(live::Phase),
    Cold(cold::Phase),
    Evacuation(evacuation::Phase),
    /// Nothing drives it: it has ended, or was imported in a status that its table does not have.
    Ended(Status),
}

/// The columns that a phase is read from.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Nova's word.
    pub status: Status,
    /// What stands beside it.
    pub settling: Option<Settling>,
    /// Is there a destination?
    pub placed: bool,
    /// Is there a reason on record? An evacuation that has one before it is placed waits.
    pub reason: bool,
}

/// No phase of the table shows itself like this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no {kind} is {status} while it is {}", settling.map_or("not settling", Settling::as_str))]
pub struct NoSuchPhase {
    kind: MigrationKind,
    status: Status,
    settling: Option<Settling>,
}

impl From<live::Phase> for Phase {
    fn from(phase: live::Phase) -> Self {
        Self::Live(phase)
    }
}

impl From<cold::Phase> for Phase {
    fn from(phase: cold::Phase) -> Self {
        Self::Cold(phase)
    }
}

impl From<evacuation::Phase> for Phase {
    fn from(phase: evacuation::Phase) -> Self {
        Self::Evacuation(phase)
    }
}

impl Phase {
    /// How a migration begins.
    pub const fn first(kind: MigrationKind) -> Self {
        match kind {
            MigrationKind::LiveMigration => Self::Live(live::Phase::Accepted),
            MigrationKind::Migration | MigrationKind::Resize => Self::Cold(cold::Phase::Choosing),
            MigrationKind::Evacuation => Self::Evacuation(evacuation::Phase::Choosing),
        }
    }

    /// What Nova's API shows.
    pub const fn status(self) -> Status {
        match self {
            Self::Live(phase) => phase.status(),
            Self::Cold(phase) => phase.status(),
            Self::Evacuation(phase) => phase.status(),
            Self::Ended(status) => status,
        }
    }

    /// What stands beside the status.
    pub const fn settling(self) -> Option<Settling> {
        match self {
            Self::Live(phase) => phase.settling(),
            Self::Cold(phase) => phase.settling(),
            Self::Evacuation(phase) => phase.settling(),
            Self::Ended(_) => None,
        }
    }

    /// The phase that a row's columns came from.
    pub fn read(kind: MigrationKind, stored: Stored) -> Result<Self, NoSuchPhase> {
        let Stored {
            status, settling, ..
        } = stored;
        let shown = |phase: &Self| (phase.status(), phase.settling()) == (status, settling);
        let found = match kind {
            MigrationKind::LiveMigration => {
                let mut all = live::Phase::ALL.iter().copied().map(Self::Live);
                all.find(shown)
            }
            MigrationKind::Migration | MigrationKind::Resize => {
                let all = cold::Phase::ALL.iter().copied();
                all.filter(|phase| phase.may_be_placed(stored.placed))
                    .map(Self::Cold)
                    .find(shown)
            }
            MigrationKind::Evacuation => {
                let all = evacuation::Phase::ALL.iter().copied();
                all.filter(|phase| phase.may_have_reason(stored.reason))
                    .map(Self::Evacuation)
                    .find(shown)
            }
        };
        let ended = (status.is_terminal() && settling.is_none()).then_some(Self::Ended(status));
        found.or(ended).ok_or(NoSuchPhase {
            kind,
            status,
            settling,
        })
    }

    /// Does a migration in this phase still ask for `effect`? One that was handed out in one
    /// phase means nothing in the next.
    pub const fn wants(self, effect: Effect) -> bool {
        match self {
            Self::Live(phase) => phase.wants(effect),
            Self::Cold(phase) => phase.wants(effect),
            Self::Evacuation(phase) => phase.wants(effect),
            Self::Ended(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(kind: MigrationKind, phase: Phase, placed: bool, reason: bool) {
        let stored = Stored {
            status: phase.status(),
            settling: phase.settling(),
            placed,
            reason,
        };
        assert_eq!(Phase::read(kind, stored), Ok(phase));
    }

    #[test]
    fn every_phase_reads_back() {
        for phase in live::Phase::ALL.iter().copied() {
            let placed = phase != live::Phase::Accepted;
            read_back(MigrationKind::LiveMigration, phase.into(), placed, false);
        }
        for phase in cold::Phase::ALL.iter().copied() {
            let placed = phase != cold::Phase::Choosing;
            read_back(MigrationKind::Migration, phase.into(), placed, false);
        }
        for phase in evacuation::Phase::ALL.iter().copied() {
            let reason = phase == evacuation::Phase::Waiting;
            read_back(MigrationKind::Evacuation, phase.into(), false, reason);
        }
        for kind in MigrationKind::ALL.iter().copied() {
            for status in Status::ALL.iter().copied().filter(|it| it.is_terminal()) {
                read_back(kind, Phase::Ended(status), true, true);
            }
        }
    }

    #[test]
    fn what_cannot_be_is_not_read() {
        for (kind, status, settling) in [
            (MigrationKind::LiveMigration, Status::PreMigrating, None),
            (
                MigrationKind::LiveMigration,
                Status::Accepted,
                Some(Settling::Finishing),
            ),
            (MigrationKind::Migration, Status::Queued, None),
            (
                MigrationKind::Evacuation,
                Status::Completed,
                Some(Settling::Failing),
            ),
        ] {
            let stored = Stored {
                status,
                settling,
                placed: true,
                reason: false,
            };
            assert!(Phase::read(kind, stored).is_err(), "{kind} {status}");
        }
    }
}
