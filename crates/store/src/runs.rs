//! Runs: the operations of a plan, carried out as one.
//!
//! ```text
//!   run of a plan ──► effect `drive` ──► room claimed ──► operations begin and end ──► it ends
//! ```
//!
//! Each change goes through one function (`write`): the run is loaded and locked, or so much of it as the
//! event is about ([`godwit_core::run::part`]), core says what follows from the event, and all of it is
//! written in the same transaction: the row (compare and swap
//! on its generation), those of its operations that changed, revisions, the event, the outbox, and what
//! the run holds of hosts.
//!
//! A run may be promised: somebody was told of it while its plan is still being made. It is there,
//! `pending` and without operations, and can be cancelled.

mod begin;
mod begin_operation;
mod claim_room;
mod claims;
mod list;
mod operation;
mod part;
mod progress;
mod prune;
mod revisions;
mod row;
mod step;
mod write;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, PlanUuid, RunUuid};
use godwit_core::plan::options::Priority;
use godwit_core::plan::{Actual, Estimate, Options};
use godwit_core::requester::Requester;
use godwit_core::run::Run;
use godwit_core::time::Timestamp;

pub use self::begin::{NewRun, PlanRunError};
pub(crate) use self::begin::{begin_promised, promise, refuse_promised};
pub use self::begin_operation::{OperationBeginError, OperationStart};
pub use self::claim_room::{NewDestination, RoomAnswer, RoomError};
pub(crate) use self::claims::{ends_of_waiting, take_from_run};
pub(crate) use self::list::load_unfinished;
pub use self::list::{RunFilter, RunPage};
pub(crate) use self::operation::of_migrations;
pub use self::operation::{OfRun, RunningOperation};
pub use self::part::RunPart;
pub use self::progress::RunProgress;
pub(crate) use self::row::LockedRun;
pub use self::row::RunVersion;
pub use self::step::{RunStep, RunStepError};
pub(crate) use self::write::write;
use crate::{Message, PlannedOperation};

/// What is shown of an operation beside what is decided by.
#[derive(Clone, PartialEq, Debug)]
pub struct OperationRecord {
    pub(crate) row: i64,
    /// As it was planned.
    pub planned: PlannedOperation,
    /// What it took.
    pub actual: Option<Actual>,
    /// When it began, the last time.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A run's row, with its operations.
#[derive(Clone, PartialEq, Debug)]
pub struct RunRecord {
    /// Its integer id, by which lists go on: unique in this database only.
    pub id: i64,
    /// Its uuid.
    pub uuid: RunUuid,
    /// What it carries out.
    pub plan: PlanUuid,
    pub(crate) plan_id: i64,
    /// Who asked for it, and so whose it is; nobody where a maintenance did.
    pub by: Requester,
    /// What its plan was asked for.
    pub options: Options,
    /// What is decided by. Operations and revisions are empty where they were not asked for.
    pub run: Run,
    /// Beside each of the run's operations, in the same order.
    pub operations: Vec<OperationRecord>,
    /// How much it matters.
    pub priority: Priority,
    /// Is its plan made?
    pub planned: bool,
    /// The host whose maintenance it works for.
    pub host: Option<HostName>,
    /// For how long it goes on, in seconds.
    pub eta: Option<Estimate>,
    /// Those whose room it waits for.
    pub waits_for: Vec<RunUuid>,
    /// Since when it has lacked room that moves of no run hold.
    pub(crate) short_since: Option<Timestamp>,
    /// How long it was expected to take, in seconds.
    pub makespan: Option<Estimate>,
    /// No plan for the same wish would be faster, in seconds.
    pub lower_bound: Option<f64>,
    /// What people were told, the oldest first.
    pub messages: Vec<Message>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Option<Timestamp>,
    pub(crate) effect_sequence: i64,
    pub(crate) event_sequence: i64,
}

/// Why a run cannot have room.
pub(crate) fn no_room(hosts: impl IntoIterator<Item = HostName>) -> Failure {
    let hosts: Vec<String> = hosts.into_iter().map(String::from).collect();
    let text = format!(
        "There is too little room, whoever else ends: {}.",
        hosts.join(", ")
    );
    Failure::new(FailureCode::NoValidHost, text)
}
