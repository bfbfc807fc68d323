//! Prepare: the destination gets ready for the guest, as its source describes it now.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::StorageMode;
use godwit_rpc::command::{CheckSource, Prepare};
use godwit_rpc::domain::Domain;
use godwit_rpc::refusal::{CallError, Refusal};
use serde_json::{Value, json};

use super::task::{Again, Answer, Performed, Task};
use crate::translate::move_kind;

/// The destination will not get ready.
enum Unprepared {
    /// For this reason.
    Failed(Failure),
    /// It may pass.
    Again(Again),
}

impl<E: Into<Again>> From<E> for Unprepared {
    fn from(error: E) -> Self {
        Self::Again(error.into())
    }
}

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let event = match prepare(task).await {
        Ok(Answer::Superseded) => return Ok(()),
        Ok(Answer::Acknowledged) => Event::Prepared,
        Ok(Answer::Refused(refusal)) => Event::NotPrepared(failed(refusal)),
        Err(Unprepared::Failed(failure)) => Event::NotPrepared(failure),
        Err(Unprepared::Again(again)) if task.attempts() < task.ctx.config.attempts => {
            return Err(again);
        }
        // Nothing has left the source, so giving up harms nobody.
        Err(Unprepared::Again(Again { reason })) => {
            let failure = Failure::new(
                FailureCode::PrepareFailed,
                format!("The destination could not be made ready: {reason}"),
            );
            let detail = json!({ "attempts": task.attempts() });
            return task
                .conclude(Event::NotPrepared(failure), detail)
                .await
                .map(drop);
        }
    };
    task.conclude(event, Value::Null).await.map(drop)
}

async fn prepare(task: &Task<'_>) -> Result<Answer, Unprepared> {
    let guest = guest(task).await?;
    let command = task.command()?;
    let destination = task.destination_agent().await?;
    let prepared = destination.prepare(Prepare { command, guest }).await;
    Ok(task.answer(prepared)?)
}

/// The guest as it is now, from a source that still agrees to let it go the way it was placed.
async fn guest(task: &Task<'_>) -> Result<Domain, Unprepared> {
    let migration = &task.record.migration;
    let destination = task.destination_agent().await?.facts().await?;
    let check = CheckSource {
        migration: migration.uuid,
        server: migration.server,
        kind: move_kind(migration.kind),
        block_migration: migration.request.block_migration(),
        destination,
    };
    let source = task.source_agent().await?;
    let movable = match source.check_source(check).await {
        Ok(movable) => movable,
        Err(CallError::Refused(refusal)) if !refusal.is_passing() => {
            return Err(Unprepared::Failed(failed(refusal)));
        }
        Err(error) => return Err(error.into()),
    };
    let placed = migration.storage.unwrap_or(movable.storage);
    if movable.storage == placed {
        return Ok(movable.guest);
    }
    let word = |mode| match mode {
        StorageMode::Shared => "shared",
        StorageMode::Copied => "to be copied",
    };
    Err(Unprepared::Failed(Failure::new(
        FailureCode::PreCheck,
        format!(
            "Migration pre-check error: the disks were {} when the server was placed, and are {} \
             now.",
            word(placed),
            word(movable.storage)
        ),
    )))
}

fn failed(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Failed(failure) => failure,
        other => Failure::new(
            FailureCode::PrepareFailed,
            format!("The destination could not be made ready: {other}."),
        ),
    }
}
