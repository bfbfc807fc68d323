//! The maintenance of hosts: one row each, which stays when it is over.
//!
//! Each change goes through one function (`write`): the row is loaded and locked, core says what
//! follows from an event, and all of it is written in the same transaction: the row, the event, and
//! the runs that are asked for or are to end. A run that is asked for is promised there and then
//! ([`crate::runs`]), so that whoever asks for a maintenance can be told where it will be.

mod count;
mod evidence;
mod of_run;
mod progress;
mod reasons;
mod requested;
mod row;
mod standing;
mod step;
mod write;

use std::collections::BTreeMap;

use godwit_core::host::maintenance::{Maintenance, Rejected};
use godwit_core::ids::{HostName, PlanUuid, RunUuid, ServerUuid};
use godwit_core::reason::WrittenReason;
use godwit_core::run::Progress;
use godwit_core::time::Timestamp;

pub(crate) use self::count::check;
pub use self::evidence::Sighted;
pub(crate) use self::evidence::{guest_starts, lock_of_server};
pub(crate) use self::of_run::{lock_of_plan, planned};
pub use self::progress::MaintenanceProgress;
pub use self::requested::MaintenanceRequestError;
pub(crate) use self::row::{LockedMaintenance, active, held};
pub(crate) use self::step::hold;
pub use self::step::{Hold, MaintenanceChange};
use crate::StoreError;
use crate::error::TransactionError;

/// Ids for a run that has to be made, and for its plan, which nothing else has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FreshIds {
    pub plan: PlanUuid,
    pub run: RunUuid,
}

/// Why servers cannot leave a host.
pub type LeftReasons = BTreeMap<ServerUuid, Vec<WrittenReason>>;

/// A host's maintenance.
#[derive(Clone, PartialEq, Debug)]
pub struct MaintenanceRecord {
    pub(crate) id: i64,
    /// Of which host.
    pub host: HostName,
    /// What is decided by.
    pub maintenance: Maintenance,
    /// Why servers that were left cannot leave.
    pub reasons: LeftReasons,
    /// When the host was held first.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Option<Timestamp>,
    /// How far it is by the runs that have ended on its way.
    pub reached: Progress,
    /// Counts what was asked of it, by whom ever: of two records with one number nobody has asked for
    /// anything between them.
    pub requests: i64,
    pub(crate) event_sequence: i64,
}

/// A maintenance was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The event does not apply.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// A process of the release before this one may still be at work, which would send something to
    /// a host that is held.
    #[error("no host is held before the upgrade has ended")]
    NotYet,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TransactionError for MaintenanceError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Rejected(_) | Self::NotYet => None,
        }
    }
}
