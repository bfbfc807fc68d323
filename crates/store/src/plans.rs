//! Plans: one row each, with their operations; what is planned of these never changes, and what comes
//! of them when they are run stands beside it ([`crate::runs`]).
//!
//! ```text
//!   create ──► effect `make` ──► made, not made ──► run, expired, deleted
//! ```
//!
//! Each change goes through one function (`write`): the row is loaded and locked, core says what
//! becomes of it, and all that follows is written in the same transaction.

mod create;
mod delete;
mod inventory;
mod list;
mod made;
mod operation;
mod prune;
mod row;
mod write;

use std::collections::BTreeMap;

use godwit_core::ids::{HostName, OperationUuid, PlanUuid, RunUuid, ServerUuid};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Estimate, Estimates, Options, Plan, PlanKind, Rejected};
use godwit_core::reason::WrittenReason;
use godwit_core::requester::Requester;
use godwit_core::resources::Resources;
use godwit_core::run::{self, Circle, OperationKind};
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::create::{NewPlan, PlanCreateError};
pub use self::delete::PlanDeleteError;
pub(crate) use self::inventory::inventory;
pub use self::inventory::{
    InventoryGroup, InventoryMove, InventoryScope, InventoryServer, PlanInventory,
};
pub use self::list::{PlanFilter, PlanPage};
pub use self::made::{NotMade, PlanMade};
pub(crate) use self::operation::{OperationRow, count, operations_of};
pub(crate) use self::prune::remove;
pub(crate) use self::row::LockedPlan;
pub(crate) use self::write::{begin_run, insert};
use crate::{Message, StoreError};

/// A server that a plan cannot move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Blocked {
    /// Which.
    pub server: ServerUuid,
    /// Why not.
    pub reasons: Vec<WrittenReason>,
}

/// An operation, as it was planned.
#[derive(Clone, PartialEq, Debug)]
pub struct PlannedOperation {
    /// Of the plan, and of its run.
    pub id: OperationUuid,
    /// What it does.
    pub kind: OperationKind,
    /// With which server.
    pub server: ServerUuid,
    /// The host, of kind `storage` the pool, that it takes the server from.
    pub source: String,
    /// The host, or pool, that it brings it to; the source where it goes nowhere.
    pub destination: String,
    /// Operations that have ended before it begins.
    pub after: Vec<OperationUuid>,
    /// A host of the run that is done before it begins.
    pub after_done: Option<HostName>,
    /// Why it is there, and why it waits: a list, as the planner says it.
    pub because: Value,
    /// What it is expected to take.
    pub estimates: Estimates,
    /// What its server takes of a host.
    pub size: Resources,
}

impl PlannedOperation {
    /// What is decided by of it, before it begins.
    pub fn waiting(&self) -> run::Operation {
        let ends = (self.source.as_str(), self.destination.as_str());
        run::Operation {
            after: self.after.clone(),
            after_done: self.after_done.clone(),
            weight: self.estimates.weight(),
            ..run::Operation::waiting(self.id, self.kind, self.server, ends)
        }
    }
}

/// A plan's row.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanRecord {
    /// Its integer id, by which lists go on: unique in this database only.
    pub id: i64,
    /// Its uuid.
    pub uuid: PlanUuid,
    /// Who asked for it, and so whose it is; nobody where a maintenance did.
    pub by: Requester,
    /// What it was asked for.
    pub target: Target,
    /// How.
    pub options: Options,
    /// What is decided by.
    pub plan: Plan,
    /// Hosts or pools that servers or disks are to leave; hosts of a rolling maintenance in the order
    /// of their turns.
    pub sources: Vec<String>,
    /// What the inventory was in which it was made, as a digest.
    pub fingerprint: Option<String>,
    /// The same as facts, which the planner compares.
    pub facts: Option<Value>,
    /// What its run needs of each host at the same time.
    pub room: BTreeMap<HostName, Resources>,
    /// Servers that it cannot move.
    pub blocked: Vec<Blocked>,
    /// Why it was aborted, where no server is the reason.
    pub reasons: Vec<WrittenReason>,
    /// How long its run is expected to take, in seconds.
    pub makespan: Option<Estimate>,
    /// No plan for the same wish would be faster, in seconds.
    pub lower_bound: Option<f64>,
    /// What people were told, the oldest first.
    pub messages: Vec<Message>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Option<Timestamp>,
    /// When it was aborted or had expired.
    pub ended_at: Option<Timestamp>,
    pub(crate) event_sequence: i64,
}

impl PlanRecord {
    /// Its type.
    pub const fn kind(&self) -> PlanKind {
        self.target.kind()
    }
}

/// A plan with what belongs to it.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanDetail {
    /// Its row.
    pub record: PlanRecord,
    /// In the order in which they are to begin; empty where they were not asked for.
    pub operations: Vec<PlannedOperation>,
    /// Its run.
    pub run: Option<RunUuid>,
}

/// A plan was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanStepError {
    /// There is no such plan, or it was deleted.
    #[error("there is no such plan")]
    NotFound,
    /// The event does not apply.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Its operations would wait for each other for ever.
    #[error(transparent)]
    Circle(#[from] Circle),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
