//! What is asked of a planner, and what it answers.
//!
//! ```text
//!   fleet + wish + options ──► build ──► operations, blocked ──► order, simulate ──► estimates
//!                                              │
//!                                              └──► bound, lint, fingerprint
//! ```

mod make;
mod room;
mod wish;

use godwit_core::ids::{HostName, ServerUuid};
use serde::Serialize;

use crate::reason::Reason;
use crate::table::{OperationNo, Table};

pub use godwit_core::plan::options::{Affinity, Constraint, Fallback, Immovable};
pub use godwit_core::plan::{Estimate, Estimates, Options, PlanState};
pub use godwit_core::run::OperationKind;
pub use make::make;
pub use room::room;
pub use wish::{Wish, WishError};

/// Why an operation is there, or why it waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Cause {
    /// Somebody named the server.
    Asked,
    /// Its host is to be emptied.
    HostIsEmptied,
    /// It is on its way back.
    ReturnsHome,
    /// It leaves a host for a while, so that others can get where they are to be.
    MakesWay,
    /// No host that is done already takes it, so it goes to one that is still to be done.
    NoDoneHostFits,
    /// These leave the destination first: their room, or their place in a group.
    RoomIsFreed { by: Vec<OperationNo> },
    /// The constraints that the plan was asked with want it later than these.
    Constraint { after: Vec<OperationNo> },
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Operation {
    pub id: OperationNo,
    pub kind: OperationKind,
    pub server: ServerUuid,
    pub source: HostName,
    /// `None` where the server stays on its host.
    pub destination: Option<HostName>,
    /// Earlier operations of the plan, all of which have ended before this one begins.
    pub after: Vec<OperationNo>,
    /// A host of a rolling maintenance that is done before this one begins.
    pub after_done: Option<HostName>,
    pub because: Vec<Cause>,
    pub estimates: Estimates,
}

/// A server that cannot do what is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Blocked {
    pub server: ServerUuid,
    pub reasons: Vec<Reason>,
}

/// The hosts of a rolling maintenance, in the order in which they are emptied. A host begins
/// when fewer than `max_unavailable` are between emptying and done, and nothing is on its way there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rolling {
    pub hosts: Vec<HostName>,
    pub max_unavailable: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Plan {
    pub state: PlanState,
    /// In an order in which they could run one after the other.
    pub operations: Table<OperationNo, Operation>,
    pub blocked: Vec<Blocked>,
    pub rolling: Option<Rolling>,
    pub constraints: Vec<Constraint>,
    pub makespan_seconds: Estimate,
    /// No schedule of any plan for this wish is faster.
    pub lower_bound_seconds: f64,
}

impl Plan {
    /// How often a server that moves does so, on average.
    pub fn moves_a_server(&self) -> f64 {
        let moves = self.operations.rows().iter();
        let moves = moves.filter(|it| it.destination.is_some());
        let servers: std::collections::HashSet<_> = moves.clone().map(|it| it.server).collect();
        moves.count() as f64 / servers.len().max(1) as f64
    }
}
