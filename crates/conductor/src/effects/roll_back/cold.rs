//! A cold move goes back: the source takes the guest, and starts it if it ran.
//!
//! That the destination does not have it, the row proves: it was never told to start it, or has
//! given it up since. So a destination that is silent keeps nobody from having their server
//! back; what is left over there is cleaned when it is heard again.

use godwit_core::cold::Phase;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode, destination_dead};
use godwit_core::migration::StorageMode;
use godwit_core::recovery::{ColdVerdict, Witness, judge_cold};
use godwit_rpc::refusal::Refusal;
use serde_json::{Value, json};

use super::{Restored, clean_destination, restore_source};
use crate::effects::task::{Again, Performed, Task};
use crate::testimony::{Testimony, hear};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let heard = hear(task.ctx, &task.record).await?;
    match judge(task, heard) {
        ColdVerdict::GoAhead => {}
        ColdVerdict::Nowhere => return lost(task).await,
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Wait => return Err(task.wait(heard).await),
    }
    if heard.destination.is_silent() && !gave_it_up(task).await? {
        return Err(task.wait(heard).await);
    }
    let destination_is_dead = heard.destination == Witness::DeclaredDead;
    let cleaned = if destination_is_dead {
        Err(Again::because("the destination is declared dead"))
    } else {
        clean_destination(task).await
    };
    let last = destination_is_dead || task.attempts() >= task.ctx.config.attempts;
    // A source that died keeps its server, which is off with it.
    if heard.source != Witness::DeclaredDead {
        match restore_source(task, task.ran()).await {
            Ok(()) => {}
            Err(Restored::Refused(Refusal::Failed(failure)))
                if task.attempts() >= task.ctx.config.attempts =>
            {
                return conclude(task, Event::GuestLost(failure), Value::Null).await;
            }
            Err(Restored::Refused(refusal)) => return Err(Again::because(refusal.to_string())),
            Err(Restored::Again(again)) => return Err(again),
        }
    }
    match cleaned {
        Ok(()) => conclude(task, Event::RolledBack { clean: true }, Value::Null).await,
        Err(again) if !last => Err(again),
        Err(Again { reason }) => {
            let detail = json!({ "destination_not_clean": reason });
            conclude(task, Event::RolledBack { clean: false }, detail).await
        }
    }
}

/// Does the row prove that a silent destination does not have the guest? That it was declared dead
/// proves it for as long as somebody stands by it.
async fn gave_it_up(task: &Task<'_>) -> Result<bool, Again> {
    let uuid = task.record.migration.uuid;
    let events = task.ctx.store.migration_events(uuid, 0).await?;
    let died = Event::DestinationDied(destination_dead(task.destination()?));
    Ok(events.iter().all(|event| event.name != died.name()))
}

/// Neither host has it: if they say so twice, there is nothing to take back.
async fn lost(task: &Task<'_>) -> Performed {
    let again = hear(task.ctx, &task.record).await?;
    if judge(task, again) != ColdVerdict::Nowhere {
        return Err(Again::because(again.describe()));
    }
    let failure = Failure::new(
        FailureCode::GuestLost,
        "The move failed, and neither host has the server any more.",
    );
    let detail = json!({ "testimony": again.describe() });
    conclude(task, Event::GuestLost(failure), detail).await
}

async fn conclude(task: &Task<'_>, event: Event, detail: Value) -> Performed {
    task.conclude(event, detail).await.map(drop)
}

fn judge(task: &Task<'_>, heard: Testimony) -> ColdVerdict {
    let storage = task.record.migration.storage.unwrap_or(StorageMode::Copied);
    judge_cold(Phase::RollingBack, storage, heard.source, heard.destination)
}
