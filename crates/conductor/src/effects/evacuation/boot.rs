//! An evacuation's destination starts the guest.
//!
//! The source is dead; should it answer before the first command was sent, the evacuation is off.
//! Later on it may be back with the guest, which it never lost: then the evacuation is off as well,
//! once the destination has said that it has nothing of it and will not start it.

use godwit_core::evacuation;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::recovery::{Sighting, Witness};
use godwit_planner::texts;
use godwit_rpc::command::{Boot, Withdraw};

use crate::effects::boot::{not_booted, send};
use crate::effects::performer::{Answer, Performed, Performer, Retry};
use crate::testimony::{Testimony, answers, is_declared_dead, witness};

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let boot = match command(performer).await? {
        Ok(boot) => boot,
        Err(failure) => return not_booted(performer, failure).await,
    };
    let Some(failure) = send(performer, boot).await? else {
        return Ok(());
    };
    let failure = lives_at_source(performer).await?.unwrap_or(failure);
    not_booted(performer, failure).await
}

/// The destination started nothing. Was that because the source, back by now, has the guest?
async fn lives_at_source(performer: &Performer<'_>) -> Result<Option<Failure>, Retry> {
    let migration = &performer.record.migration;
    let said = witness(performer.ctx, performer.source(), migration.server).await?;
    Ok(said.executes().then(|| evacuation::still_in_use(migration)))
}

/// The command; or why it must not be given.
async fn command(performer: &Performer<'_>) -> Result<Result<Boot, Failure>, Retry> {
    let migration = &performer.record.migration;
    if answers(performer.ctx, performer.source()).await? && in_vain(performer).await? {
        return Ok(Err(evacuation::still_in_use(migration)));
    }
    let proven = performer.ctx.config.evacuate_silent_hosts
        || is_declared_dead(performer.ctx, performer.source()).await?;
    if !proven && nothing_began(performer).await? {
        let text = format!("{} is not declared dead any more.", performer.source());
        return Ok(Err(Failure::new(FailureCode::SourceNotFenced, text)));
    }
    let definition = performer
        .ctx
        .store
        .server_definition(migration.server)
        .await?;
    let Some(definition) = definition else {
        return Ok(Err(texts::no_definition(migration.server)));
    };
    Ok(Ok(Boot {
        command: performer.command()?,
        definition: Some(definition),
        power_on: evacuation::powers_on(migration),
    }))
}

/// The source answers. Is it certain that the destination does not start the guest, and is it
/// wrong to?
async fn in_vain(performer: &Performer<'_>) -> Result<bool, Retry> {
    // Later holders cannot know whether an earlier one sent the command.
    if performer.claimed.lease.epoch == 1 {
        return Ok(true);
    }
    let heard = performer.hear().await?;
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
        (Witness::Says(_), _) => return Err(performer.wait(heard).await),
    }
    withdrawn(performer, heard).await
}

/// Whoever declared the source dead has taken that back. Is it certain that the destination does
/// not start the guest? One that it executes by now was started on their word.
async fn nothing_began(performer: &Performer<'_>) -> Result<bool, Retry> {
    if performer.claimed.lease.epoch == 1 {
        return Ok(true);
    }
    let heard = performer.hear().await?;
    match heard.destination {
        Witness::Says(Sighting::Executing) => Ok(false),
        Witness::Says(Sighting::Absent | Sighting::Inactive) => withdrawn(performer, heard).await,
        Witness::Says(
            Sighting::Unreachable | Sighting::Incoming | Sighting::Moving | Sighting::HandedOver,
        )
        | Witness::DeclaredDead => Err(performer.wait(heard).await),
    }
}

/// The destination gives up what it has; by its rank this keeps out a command that is still under
/// way.
async fn withdrawn(performer: &Performer<'_>, heard: Testimony) -> Result<bool, Retry> {
    let withdraw = Withdraw {
        command: performer.command()?,
        began_at: performer.record.created_at,
    };
    let destination = performer.destination_agent().await?;
    match performer.answer(destination.withdraw(withdraw).await)? {
        Answer::Acknowledged => Ok(true),
        Answer::Superseded | Answer::Refused(_) => Err(performer.wait(heard).await),
    }
}
