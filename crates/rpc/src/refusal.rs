//! How a call goes wrong: what the other side says ([`Refusal`]), and what the caller sees
//! ([`CallError`]), which is also that nobody answered.
//!
//! A refusal travels in the details of a gRPC status, so that nobody ever reads its text. The
//! status code beside it is for tools.

use std::time::Duration;

use godwit_core::failure::Failure;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use semver::Version;

use crate::command::Rank;

/// The other side's "no".
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// A newer command has been taken: the sender's view is outdated.
    #[error("a newer command (sequence {}, epoch {}) has been taken", newest.sequence, newest.epoch)]
    Stale {
        /// The newest command taken.
        newest: Rank,
    },
    /// No such move is under way.
    #[error("no such move is under way")]
    NoJob,
    /// The move is past the point where it can be aborted or forced; its end will be told.
    #[error("the move is past its point of no return")]
    TooLate,
    /// No such guest on this host.
    #[error("no server {0} on this host")]
    UnknownServer(ServerUuid),
    /// No such migration.
    #[error("no migration {0}")]
    UnknownMigration(MigrationUuid),
    /// It was tried or looked into, and does not work.
    #[error("{0}")]
    Failed(Failure),
    /// The two versions cannot work together.
    #[error("version {theirs} cannot work with {ours}")]
    Incompatible {
        /// The version of the side that refuses.
        ours: Version,
        /// The version of the side that asked.
        theirs: Version,
    },
    /// The caller is not who may ask this.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// Not now; the same call may work later.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The message makes no sense.
    #[error("malformed {field}: {problem}")]
    Malformed {
        /// Which field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Refusal {
    /// May the same call work later without anybody doing anything else?
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Stale { .. }
            | Self::NoJob
            | Self::TooLate
            | Self::UnknownServer(_)
            | Self::UnknownMigration(_)
            | Self::Failed(_)
            | Self::Incompatible { .. }
            | Self::Forbidden(_)
            | Self::Malformed { .. } => false,
        }
    }
}

/// Why a call brought no answer that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The other side refused.
    #[error("refused")]
    Refused(#[from] Refusal),
    /// It did not answer in time. The call may have been performed.
    #[error("no answer within {0:?}")]
    Overdue(Duration),
    /// It cannot be reached, or the connection broke. The call may have been performed.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// It answered nonsense: not one of ours, or broken.
    #[error("protocol error: {0}")]
    Protocol(String),
}

impl CallError {
    /// The refusal, when the other side did answer.
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Overdue(_) | Self::Unreachable(_) | Self::Protocol(_) => None,
        }
    }

    /// May the same call work later without anybody doing anything else?
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_passing(),
            Self::Overdue(_) | Self::Unreachable(_) => true,
            Self::Protocol(_) => false,
        }
    }
}
