//! Boot: the destination defines the guest, and starts it where it is to run.
//!
//! Of a cold move the source has said that the guest is off, and it is asked again right before
//! the command: only a source that answers so lets the guest be started. An evacuation's source
//! is dead; should it answer before the first command was sent, the evacuation is off. Later on
//! it may be back with the guest, which it never lost: then the evacuation is off as well, once
//! the destination has said that it has nothing of it and will not start it.

use godwit_core::cold::Phase;
use godwit_core::evacuation;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::StorageMode;
use godwit_core::recovery::{ColdVerdict, Sighting, Witness, judge_cold};
use godwit_core::status::MigrationKind;
use godwit_planner::texts;
use godwit_rpc::command::{Boot, Withdraw};
use godwit_rpc::refusal::Refusal;
use serde_json::Value;

use super::task::{Again, Answer, Performed, Task};
use crate::testimony::{Testimony, answers, hear, is_declared_dead, witness};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let boot = match task.record.migration.kind {
        MigrationKind::Evacuation => evacuated(task).await?,
        MigrationKind::Migration | MigrationKind::Resize | MigrationKind::LiveMigration => {
            moved(task).await?
        }
    };
    let boot = match boot {
        Ok(boot) => boot,
        Err(failure) => return not_booted(task, failure).await,
    };
    let destination = task.destination_agent().await?;
    match task.answer(destination.boot(boot).await)? {
        Answer::Acknowledged => task.conclude(Event::Booted, Value::Null).await.map(drop),
        Answer::Superseded => Ok(()),
        Answer::Refused(Refusal::Failed(failure)) => {
            let failure = lives_at_source(task).await?.unwrap_or(failure);
            not_booted(task, failure).await
        }
        Answer::Refused(refusal) => {
            let text = format!("The destination did not start the server: {refusal}.");
            not_booted(task, Failure::new(FailureCode::BootFailed, text)).await
        }
    }
}

/// The destination started nothing. Was that because an evacuation's source, back by now, has the
/// guest?
async fn lives_at_source(task: &Task<'_>) -> Result<Option<Failure>, Again> {
    let migration = &task.record.migration;
    if migration.kind != MigrationKind::Evacuation {
        return Ok(None);
    }
    let said = witness(task.ctx, task.source(), migration.server).await?;
    Ok(said.executes().then(|| evacuation::still_in_use(migration)))
}

async fn not_booted(task: &Task<'_>, failure: Failure) -> Performed {
    task.conclude(Event::NotBooted(failure), Value::Null)
        .await
        .map(drop)
}

/// The command for a guest whose source is there; or why it must not be given.
async fn moved(task: &Task<'_>) -> Result<Result<Boot, Failure>, Again> {
    let storage = task.record.migration.storage.unwrap_or(StorageMode::Copied);
    let heard = hear(task.ctx, &task.record).await?;
    match judge_cold(Phase::Booting, storage, heard.source, heard.destination) {
        ColdVerdict::GoAhead => {}
        ColdVerdict::RunsAtSource => {
            let text = format!("The server was started on {} meanwhile.", task.source());
            return Ok(Err(Failure::new(FailureCode::BootFailed, text)));
        }
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::Nowhere
        | ColdVerdict::Wait => return Err(task.wait(heard).await),
    }
    Ok(Ok(Boot {
        command: task.command()?,
        definition: None,
        power_on: task.ran(),
    }))
}

/// The same for one whose source is dead.
async fn evacuated(task: &Task<'_>) -> Result<Result<Boot, Failure>, Again> {
    let migration = &task.record.migration;
    if answers(task.ctx, task.source()).await? && in_vain(task).await? {
        return Ok(Err(evacuation::still_in_use(migration)));
    }
    let proven =
        task.ctx.config.evacuate_silent_hosts || is_declared_dead(task.ctx, task.source()).await?;
    if !proven && nothing_began(task).await? {
        let text = format!("{} is not declared dead any more.", task.source());
        return Ok(Err(Failure::new(FailureCode::SourceNotFenced, text)));
    }
    let definition = task.ctx.store.server_definition(migration.server).await?;
    let Some(definition) = definition else {
        return Ok(Err(texts::no_definition(migration.server)));
    };
    Ok(Ok(Boot {
        command: task.command()?,
        definition: Some(definition),
        power_on: evacuation::powers_on(migration),
    }))
}

/// The source answers. Is it certain that the destination does not start the guest, and is it
/// wrong to?
async fn in_vain(task: &Task<'_>) -> Result<bool, Again> {
    // Later holders cannot know whether an earlier one sent the command.
    if task.claimed.lease.epoch == 1 {
        return Ok(true);
    }
    let heard = hear(task.ctx, &task.record).await?;
    match (heard.source, heard.destination) {
        // It came back without the guest, and cleans itself when all is done.
        (Witness::Says(Sighting::Absent | Sighting::Inactive) | Witness::DeclaredDead, _) => {
            return Ok(false);
        }
        // Its command was carried out, or both execute it: nothing more is started by saying so
        // again, and whoever looks at the hosts will tell.
        (_, Witness::Says(Sighting::Executing)) => return Ok(false),
        (
            Witness::Says(Sighting::Executing | Sighting::Moving | Sighting::HandedOver),
            Witness::Says(Sighting::Absent | Sighting::Inactive | Sighting::Incoming),
        ) => {}
        (Witness::Says(_), _) => return Err(task.wait(heard).await),
    }
    withdrawn(task, heard).await
}

/// Whoever declared the source dead has taken that back. Is it certain that the destination does
/// not start the guest? One that it executes by now was started on their word.
async fn nothing_began(task: &Task<'_>) -> Result<bool, Again> {
    if task.claimed.lease.epoch == 1 {
        return Ok(true);
    }
    let heard = hear(task.ctx, &task.record).await?;
    match heard.destination {
        Witness::Says(Sighting::Executing) => Ok(false),
        Witness::Says(Sighting::Absent | Sighting::Inactive) => withdrawn(task, heard).await,
        Witness::Says(
            Sighting::Unreachable | Sighting::Incoming | Sighting::Moving | Sighting::HandedOver,
        )
        | Witness::DeclaredDead => Err(task.wait(heard).await),
    }
}

/// The destination gives up what it has; by its rank this keeps out a command that is still under
/// way.
async fn withdrawn(task: &Task<'_>, heard: Testimony) -> Result<bool, Again> {
    let withdraw = Withdraw {
        command: task.command()?,
        began_at: task.record.created_at,
    };
    let destination = task.destination_agent().await?;
    match task.answer(destination.withdraw(withdraw).await)? {
        Answer::Acknowledged => Ok(true),
        Answer::Superseded | Answer::Refused(_) => Err(task.wait(heard).await),
    }
}
