//! What is left over here of migrations that are over.
//!
//! A conductor ends a migration without a host that stays silent, and says so in a
//! discrepancy. When the host comes back, what it has of that migration is cleaned up here;
//! the driver's own rule, that nothing is destroyed that may have executed, holds as ever.

use std::sync::Arc;

use godwit_core::ids::MigrationUuid;
use godwit_core::migration::StorageMode;
use godwit_core::time::Timestamp;
use godwit_rpc::command::{Command, RollBack, Side};
use godwit_rpc::progress::Outcome;
use tracing::{info, warn};

use super::shared::Shared;
use super::worker::{Order, order};
use crate::journal::{Entry, Stage};

/// Cleans up what was begun before `registered_at` and is not among the unfinished.
pub(super) async fn clean(
    shared: &Arc<Shared>,
    unfinished: &[MigrationUuid],
    registered_at: Timestamp,
) {
    let left_over = shared.journal.select(|entry| {
        entry.stage != Stage::Settled
            && entry.updated_at < registered_at
            && !unfinished.contains(&entry.what.migration)
    });
    for entry in left_over {
        let migration = entry.what.migration;
        let Some(it) = remedy(&entry) else {
            warn!(%migration, "a migration is over, and what it left here cannot be judged");
            continue;
        };
        let name = it.name();
        match order(shared, it, entry.side).await {
            Ok(_) => info!(%migration, step = name, "leftovers were cleaned"),
            Err(refusal) => warn!(%migration, step = name, %refusal, "leftovers remain"),
        }
    }
}

/// What cleans up, if that can be known here. A source that never heard the end leaves
/// everything alone, and so does one whose copied disks might be the last ones.
fn remedy(entry: &Entry) -> Option<Order> {
    let command = Command {
        what: entry.what.clone(),
        rank: entry.rank,
        request_id: None,
    };
    let roll_back = |command| {
        Some(Order::RollBack(RollBack {
            command,
            resume: false,
        }))
    };
    let outcome = entry.verdict.as_ref().map(|verdict| &verdict.ended.outcome);
    match (entry.side, outcome, entry.what.storage) {
        (Side::Destination, _, _) => roll_back(command),
        (Side::Source, Some(Outcome::Cancelled | Outcome::Failed(_)), _) => roll_back(command),
        (Side::Source, Some(Outcome::HandedOver), StorageMode::Shared) => {
            Some(Order::Finish(command))
        }
        (Side::Source, Some(Outcome::HandedOver), StorageMode::Copied)
        | (Side::Source, Some(Outcome::Lost(_)), _) => None,
        // Nothing was begun here.
        (Side::Source, None, _) if entry.stage == Stage::Known => roll_back(command),
        (Side::Source, None, _) => None,
    }
}
