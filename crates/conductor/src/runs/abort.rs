//! What runs is to end.

use std::sync::Arc;

use godwit_core::event::Event as OfMigration;
use godwit_core::run::OperationKind;
use godwit_core::status::MigrationStatus;
use godwit_store::{Actor, ClaimedOfRun, CommitNote, MigrationRecord, RunningOperation};

use super::Performed;
use crate::context::Context;
use crate::effects::Retry;
use crate::steps::Applied;

/// Asks what was started to end, as whoever aborts a migration does. What cannot be asked now is asked
/// again until it has ended, one way or the other.
pub(super) async fn perform(ctx: &Arc<Context>, claimed: &ClaimedOfRun) -> Performed {
    let (run, _) = claimed.subject;
    let mut going_on = 0_usize;
    for running in ctx.store.operations_running(Some(run)).await? {
        if running.aborting && !ask(ctx, &running).await? {
            going_on += 1;
        }
    }
    match going_on {
        0 => Ok(()),
        _ => Err(Retry::because(format!(
            "{going_on} operations cannot be aborted now"
        ))),
    }
}

/// `false`: it goes on for now.
async fn ask(ctx: &Arc<Context>, running: &RunningOperation) -> Result<bool, Retry> {
    match running.kind {
        OperationKind::Live => match &running.migration {
            Some(migration) => end_live(ctx, migration).await,
            None => Ok(true),
        },
        OperationKind::Cold => match &running.migration {
            Some(migration) => end_cold(ctx, migration).await,
            None => Ok(true),
        },
        // A server that is being evacuated is nowhere else, and a power action is over in a moment.
        OperationKind::Evacuate
        | OperationKind::Storage
        | OperationKind::Shutdown
        | OperationKind::Start => Ok(true),
    }
}

async fn end_live(ctx: &Arc<Context>, migration: &MigrationRecord) -> Result<bool, Retry> {
    if migration.migration.status().is_terminal() {
        return Ok(true);
    }
    let note = CommitNote::new(Actor::Conductor, ctx.now());
    let uuid = migration.migration.uuid;
    let asked = ctx.apply(uuid, OfMigration::AbortRequested, note).await?;
    Ok(asked == Applied::Yes)
}

/// One whose server is off by now is undone when it waits to be confirmed, by whoever drives the run.
async fn end_cold(ctx: &Arc<Context>, migration: &MigrationRecord) -> Result<bool, Retry> {
    if migration.migration.status() == MigrationStatus::PreMigrating {
        let note = CommitNote::new(Actor::Conductor, ctx.now());
        let uuid = migration.migration.uuid;
        ctx.apply(uuid, OfMigration::AbortRequested, note).await?;
    }
    Ok(true)
}
