//! Start: the source begins to move the guest.
//!
//! An answer that got lost does not matter: the command is repeated, and never starts a second
//! move. Only a command that was certainly never sent may be given up by itself; past that, it
//! is for [`super::follow`] to find out what became of it.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_rpc::command::{Receiver, Start};
use godwit_rpc::refusal::Refusal;
use serde_json::Value;

use super::performer::{Answer, Performed, Performer, Retry};
use crate::testimony::is_dead;

pub(super) async fn perform(performer: &Performer<'_>) -> Performed {
    let receiver = match receiver(performer).await? {
        Some(receiver) => receiver,
        None if performer.claimed.lease.epoch == 1 => {
            let text = "The destination was prepared by an older release, which did not record \
                        where to move the server.";
            return conclude(performer, Failure::new(FailureCode::Interrupted, text)).await;
        }
        // An earlier holder may have sent it. Whoever follows the move will see.
        None => return Ok(()),
    };
    let command = performer.command()?;
    let start = Start { command, receiver };
    // A dead source starts nothing any more. Whether it had, whoever follows the move finds out;
    // they wait until this is done.
    if is_dead(performer.ctx, performer.source()).await? {
        return Ok(());
    }
    let source = performer.source_agent().await?;
    match performer.answer(source.start(start).await)? {
        Answer::Refused(Refusal::Failed(failure)) => conclude(performer, failure).await,
        // No outcome, or none yet: the follower asks both sides.
        Answer::Acknowledged | Answer::Superseded | Answer::Refused(_) => Ok(()),
    }
}

/// The move never began.
async fn conclude(performer: &Performer<'_>, failure: Failure) -> Performed {
    performer
        .done(Event::MoveFailed(failure), Value::Null)
        .await
}

/// What the destination answered when it was prepared; `None` if that was not recorded.
async fn receiver(performer: &Performer<'_>) -> Result<Option<Receiver>, Retry> {
    let uuid = performer.record.migration.uuid;
    let events = performer.ctx.store.migration_events(uuid, 0).await?;
    let mut prepared = events
        .into_iter()
        .filter(|event| event.name == Event::Prepared.name());
    let recorded = prepared
        .next_back()
        .map(|mut event| event.detail["receiver"].take());
    let receiver = recorded.map(serde_json::from_value).transpose();
    receiver
        .map(Option::flatten)
        .map_err(|error| Retry::because(format!("the receiver cannot be read: {error}")))
}
