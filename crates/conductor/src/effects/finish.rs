//! Finish: the destination confirms the guest, the source is cleaned.
//!
//! The guest is at its destination, so nothing here may fail in the end, but for one case: both
//! hosts were heard, twice, and the guest is on neither. A destination that is silent is waited
//! for, unless it is declared dead. A source that is silent is not, for longer than a while: it
//! may have died right after the hand-over, and what it has left over is cleaned when it is heard
//! again (see [`crate::cleaning`]).

use godwit_core::cold;
use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::live::Phase;
use godwit_core::migration::StorageMode;
use godwit_core::recovery::{ColdVerdict, Verdict, judge, judge_cold};
use godwit_core::status::MigrationKind;
use godwit_rpc::refusal::Refusal;
use serde_json::{Value, json};

use super::task::{Again, Answer, OUTDATED, Performed, Task};
use crate::testimony::{Testimony, hear, is_dead};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    if is_cold(task) {
        may_clean(task).await?;
    }
    let destination_is_dead = is_dead(task.ctx, task.destination()?).await?;
    if destination_is_dead {
        // It confirms nothing, and its server can only be evacuated once it is recorded there. But
        // a source that executes the guest after all has not handed it over.
        let heard = hear(task.ctx, &task.record).await?;
        if heard.source.executes() {
            return Err(task.wait(heard).await);
        }
    } else {
        let destination = task.destination_agent().await?;
        match task.answer(destination.finish(task.command()?).await)? {
            Answer::Acknowledged => {}
            Answer::Superseded => return Err(Again::because(OUTDATED)),
            Answer::Refused(refusal) => return unconfirmed(task, &refusal).await,
        }
    }
    let copied = task.record.migration.storage != Some(StorageMode::Shared);
    let uncleaned = if is_dead(task.ctx, task.source()).await? {
        Some("it is declared dead".to_owned())
    } else if destination_is_dead && copied {
        Some("its disks are the last copy outside of the dead destination".to_owned())
    } else {
        match clean_source(task).await {
            Ok(()) => None,
            Err(again) if task.attempts() < task.ctx.config.attempts => return Err(again),
            Err(Again { reason }) => Some(reason),
        }
    };
    let clean = uncleaned.is_none();
    let detail = uncleaned.map_or(Value::Null, |why| json!({ "source_not_clean": why }));
    let finished = Event::Finished { clean };
    task.conclude(finished, detail).await.map(drop)
}

fn is_cold(task: &Task<'_>) -> bool {
    match task.record.migration.kind {
        MigrationKind::Migration | MigrationKind::Resize => true,
        MigrationKind::LiveMigration | MigrationKind::Evacuation => false,
    }
}

/// What the source keeps of a cold move is the way back: it goes only when the destination is
/// seen to have the guest, and the source not to run it.
async fn may_clean(task: &Task<'_>) -> Result<(), Again> {
    let storage = task.record.migration.storage.unwrap_or(StorageMode::Copied);
    let heard = hear(task.ctx, &task.record).await?;
    let phase = cold::Phase::Confirming;
    match judge_cold(phase, storage, heard.source, heard.destination) {
        // Whom nobody has, the destination will not confirm; see below.
        ColdVerdict::GoAhead | ColdVerdict::Nowhere => Ok(()),
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Wait => Err(task.wait(heard).await),
    }
}

async fn clean_source(task: &Task<'_>) -> Result<(), Again> {
    let source = task.source_agent().await?;
    match task.answer(source.finish(task.command()?).await)? {
        Answer::Acknowledged => Ok(()),
        Answer::Superseded => Err(Again::because(OUTDATED)),
        Answer::Refused(refusal) => Err(Again::because(refusal.to_string())),
    }
}

/// The destination answered that it cannot confirm.
async fn unconfirmed(task: &Task<'_>, refusal: &Refusal) -> Performed {
    let first = hear(task.ctx, &task.record).await?;
    if is_nowhere(task, first) {
        let second = hear(task.ctx, &task.record).await?;
        if is_nowhere(task, second) {
            let failure = Failure::new(
                FailureCode::GuestLost,
                "The server was handed over and runs on neither host any more.",
            );
            let detail = json!({ "testimony": second.describe() });
            return task
                .conclude(Event::GuestLost(failure), detail)
                .await
                .map(drop);
        }
    }
    let why = format!("{refusal}; {}", first.describe());
    task.doubt(DiscrepancyKind::Overdue, None, &why).await;
    Err(Again::because(why))
}

fn is_nowhere(task: &Task<'_>, testimony: Testimony) -> bool {
    let Testimony {
        source,
        destination,
    } = testimony;
    if is_cold(task) {
        let storage = task.record.migration.storage.unwrap_or(StorageMode::Copied);
        let phase = cold::Phase::Confirming;
        judge_cold(phase, storage, source, destination) == ColdVerdict::Nowhere
    } else {
        judge(Phase::Finishing, source, destination) == Verdict::Nowhere
    }
}
