//! A cold move goes back: the source takes the guest, and starts it if it ran.
//!
//! That the destination does not have it, the row proves: it was never told to start it, or has
//! given it up since. So a destination that is silent keeps nobody from having their server
//! back; what is left over there is cleaned when it is heard again.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode, destination_dead};
use godwit_core::recovery::{ColdVerdict, Witness};
use godwit_rpc::refusal::Refusal;
use serde_json::{Value, json};

use super::judge;
use crate::effects::follow::end;
use crate::effects::performer::{Performed, Performer, Retry};
use crate::effects::roll_back::{NotRestored, clean_destination, restore_source};

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let heard = performer.hear().await?;
    match judge(performer, heard)? {
        ColdVerdict::GoAhead => {}
        ColdVerdict::Nowhere => return lost(performer).await,
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Wait => return Err(performer.wait(heard).await),
    }
    if heard.destination.is_silent() && !gave_it_up(performer).await? {
        return Err(performer.wait(heard).await);
    }
    let destination_is_dead = heard.destination == Witness::DeclaredDead;
    let cleaned = if destination_is_dead {
        Err(Retry::because("the destination is declared dead"))
    } else {
        clean_destination(performer).await
    };
    let last = destination_is_dead || performer.is_last_attempt();
    // A source that died keeps its server, which is off with it.
    if heard.source != Witness::DeclaredDead {
        match restore_source(performer, performer.ran()).await {
            Ok(()) => {}
            Err(NotRestored::Refused(Refusal::Failed(failure))) if performer.is_last_attempt() => {
                return performer.done(Event::GuestLost(failure), Value::Null).await;
            }
            Err(NotRestored::Refused(refusal)) => return Err(refusal.into()),
            Err(NotRestored::Retry(retry)) => return Err(retry),
        }
    }
    match cleaned {
        Ok(()) => {
            performer
                .done(Event::RolledBack { clean: true }, Value::Null)
                .await
        }
        Err(retry) if !last => Err(retry),
        Err(Retry { reason }) => {
            let detail = json!({ "destination_not_clean": reason });
            performer
                .done(Event::RolledBack { clean: false }, detail)
                .await
        }
    }
}

/// Does the row prove that a silent destination does not have the guest? That it was declared dead
/// proves it for as long as somebody stands by it.
async fn gave_it_up(performer: &Performer<'_>) -> Result<bool, Retry> {
    let uuid = performer.record.migration.uuid;
    let events = performer.ctx.store.migration_events(uuid, 0).await?;
    let died = Event::DestinationDied(destination_dead(&performer.placement()?.host));
    Ok(events.iter().all(|event| event.name != died.name()))
}

/// Neither host has it: if they say so twice, there is nothing to take back.
async fn lost(performer: &Performer<'_>) -> Performed {
    let second = performer.hear().await?;
    if judge(performer, second)? != ColdVerdict::Nowhere {
        return Err(Retry::because(second.describe()));
    }
    let failure = Failure::new(
        FailureCode::GuestLost,
        "The move failed, and neither host has the server any more.",
    );
    end(performer, Event::GuestLost(failure), second)
        .await
        .map(drop)
}
