//! What is left over here of migrations that are over.
//!
//! A conductor ends a migration without a host that stays silent, and says so in a
//! discrepancy. When the host comes back, what it has of that migration is cleaned up here;
//! the driver's own rule, that nothing is destroyed that may execute, holds as ever.

use std::sync::Arc;

use godwit_core::ids::MigrationUuid;
use godwit_core::time::Timestamp;
use godwit_rpc::command::{Command, MoveKind, RollBack, Side};
use godwit_rpc::enrolment::Registered;
use godwit_rpc::progress::Outcome;
use tracing::{info, warn};

use super::shared::Shared;
use super::worker::{AgentCommand, MoveCommand, submit};
use crate::journal::{Entry, Stage};

/// Migrations of which something may be left over here.
pub(super) fn unsettled(shared: &Shared) -> Vec<MigrationUuid> {
    let entries = shared.journal.select(|entry| !entry.is_settled());
    entries.iter().map(|entry| entry.what.migration).collect()
}

/// Cleans up what was begun before `asked_at` and is over, as the conductor said then.
pub(super) async fn clean(shared: &Arc<Shared>, registered: &Registered, asked_at: Timestamp) {
    let left_over = shared.journal.select(|entry| {
        !entry.is_settled()
            && entry.updated_at < asked_at
            && !registered.unfinished.contains(&entry.what.migration)
    });
    for entry in left_over {
        let migration = entry.what.migration;
        let Some(command) = remedy(&entry, registered.completed.contains(&migration)) else {
            warn!(%migration, "a migration is over, and what it left here cannot be judged");
            continue;
        };
        let name = command.name();
        match submit(shared, AgentCommand::Move(Box::new(command), entry.side)).await {
            Ok(_) => info!(%migration, step = name, "leftovers were cleaned"),
            Err(refusal) => warn!(%migration, step = name, %refusal, "leftovers remain"),
        }
    }
}

/// What cleans up, if that can be known here. A source leaves everything alone when nobody can
/// tell that the guest is elsewhere for good, or that it never left: its disks might be the
/// last ones.
fn remedy(entry: &Entry, completed: bool) -> Option<MoveCommand> {
    // A source that was evacuated gives up what it has when it is told to, not before.
    if entry.side == Side::Source && entry.what.kind == MoveKind::Evacuation {
        return None;
    }
    let command = Command {
        what: entry.what.clone(),
        rank: entry.rank,
        request_id: None,
    };
    if completed {
        return Some(MoveCommand::Finish(command));
    }
    let outcome = entry
        .outcome
        .as_ref()
        .map(|recorded| &recorded.ended.outcome);
    let never_left = match (entry.side, outcome) {
        (Side::Destination, _) | (Side::Source, Some(Outcome::Cancelled | Outcome::Failed(_))) => {
            true
        }
        (Side::Source, Some(Outcome::HandedOver | Outcome::Stopped | Outcome::Lost(_))) => false,
        (Side::Source, None) => entry.stage == Stage::Known,
    };
    never_left.then_some(MoveCommand::RollBack(RollBack {
        command,
        resume: false,
    }))
}
