//! Prepare: the destination gets ready for the guest, as its source describes it now.
//!
//! What it answers is kept in the event that says so, written with it: [`super::start`] tells the
//! source from there, whichever conductor performs it.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::StorageMode;
use godwit_rpc::command::{CheckSource, Prepare, Receiver};
use godwit_rpc::domain::Domain;
use godwit_rpc::refusal::{CallError, Refusal};
use serde_json::{Value, json};

use super::performer::{Answer, Performed, Performer, Retry};
use crate::translate::move_kind;

/// The destination will not get ready.
enum Unprepared {
    Failed(Failure),
    Retry(Retry),
}

impl<E: Into<Retry>> From<E> for Unprepared {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

pub(super) async fn perform(performer: &Performer<'_>) -> Performed {
    let (event, detail) = match prepare(performer).await {
        Ok((Answer::Superseded, _)) => return Ok(()),
        Ok((Answer::Acknowledged, receiver)) => (Event::Prepared, json!({ "receiver": receiver })),
        Ok((Answer::Refused(refusal), _)) => (Event::NotPrepared(failed(refusal)), Value::Null),
        Err(Unprepared::Failed(failure)) => (Event::NotPrepared(failure), Value::Null),
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
            (Event::NotPrepared(failure), detail)
        }
    };
    performer.done(event, detail).await
}

async fn prepare(performer: &Performer<'_>) -> Result<(Answer, Option<Receiver>), Unprepared> {
    let guest = guest(performer).await?;
    let command = performer.command()?;
    let destination = performer.destination_agent().await?;
    let prepared = destination.prepare(Prepare { command, guest }).await;
    let receiver = prepared.as_ref().ok().cloned();
    Ok((performer.answer(prepared)?, receiver))
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
    let placed = performer.placement()?.storage;
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
