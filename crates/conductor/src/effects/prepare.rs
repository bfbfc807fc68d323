//! Prepare: the destination gets ready for the guest, as its source describes it now.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::StorageMode;
use godwit_rpc::command::{CheckSource, Prepare};
use godwit_rpc::domain::Domain;
use godwit_rpc::refusal::{CallError, Refusal};
use serde_json::{Value, json};

use super::performer::{Answer, Performed, Performer, Retry};
use crate::translate::move_kind;

/// The destination will not get ready.
enum Unprepared {
    /// For this reason.
    Failed(Failure),
    /// It may pass.
    Retry(Retry),
}

impl<E: Into<Retry>> From<E> for Unprepared {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

pub(super) async fn perform(performer: &Performer<'_>) -> Performed {
    let event = match prepare(performer).await {
        Ok(Answer::Superseded) => return Ok(()),
        Ok(Answer::Acknowledged) => Event::Prepared,
        Ok(Answer::Refused(refusal)) => Event::NotPrepared(failed(refusal)),
        Err(Unprepared::Failed(failure)) => Event::NotPrepared(failure),
        Err(Unprepared::Retry(retry)) if !performer.is_last_attempt() => {
            return Err(retry);
        }
        // Nothing has left the source, so giving up harms nobody.
        Err(Unprepared::Retry(Retry { reason })) => {
            let failure = Failure::new(
                FailureCode::PrepareFailed,
                format!("The destination could not be made ready: {reason}"),
            );
            let detail = json!({ "attempts": performer.attempts() });
            return performer.done(Event::NotPrepared(failure), detail).await;
        }
    };
    performer.done(event, Value::Null).await
}

async fn prepare(performer: &Performer<'_>) -> Result<Answer, Unprepared> {
    let guest = guest(performer).await?;
    let command = performer.command()?;
    let destination = performer.destination_agent().await?;
    let prepared = destination.prepare(Prepare { command, guest }).await;
    Ok(performer.answer(prepared)?)
}

/// The guest as it is now, from a source that still agrees to let it go the way it was placed.
async fn guest(performer: &Performer<'_>) -> Result<Domain, Unprepared> {
    let migration = &performer.record.migration;
    let destination = performer.destination_agent().await?.facts().await?;
    let check = CheckSource {
        migration: migration.uuid,
        server: migration.server,
        kind: move_kind(migration.kind),
        block_migration: migration.request.block_migration(),
        destination,
    };
    let source = performer.source_agent().await?;
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
