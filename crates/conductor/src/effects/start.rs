//! Start: the source begins to move the guest.
//!
//! An answer that got lost does not matter: the command is repeated, and never starts a second
//! move. Only a command that was certainly never sent may be given up by itself; past that, it
//! is for [`super::follow`] to find out what became of it.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_rpc::command::Start;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::refusal::Refusal;
use serde_json::Value;

use super::performer::{Answer, Performed, Performer, Retry};
use crate::testimony::is_dead;

pub(super) async fn perform(performer: &Performer<'_>) -> Performed {
    let destination = match destination_facts(performer).await {
        Ok(facts) => facts,
        Err(Retry { reason }) if performer.claimed.lease.epoch == 1 => {
            let failure = Failure::new(
                FailureCode::LinkLost,
                format!("The destination could not be asked where to move the server: {reason}"),
            );
            return conclude(performer, failure).await;
        }
        // An earlier holder may have sent it. Whoever follows the move will see.
        Err(_) => return Ok(()),
    };
    let command = performer.command()?;
    let start = Start {
        command,
        destination,
    };
    // A dead source starts nothing any more. Whether it had, whoever follows the move finds out;
    // they wait until this is done.
    if is_dead(performer.ctx, performer.source()).await? {
        return Ok(());
    }
    let source = performer.source_agent().await?;
    match performer.answer(source.start(start).await)? {
        Answer::Acknowledged | Answer::Superseded => Ok(()),
        Answer::Refused(Refusal::Failed(failure)) => conclude(performer, failure).await,
        // No outcome: the follower asks both sides.
        Answer::Refused(
            Refusal::NoJob
            | Refusal::TooLate
            | Refusal::UnknownServer(_)
            | Refusal::UnknownMigration(_)
            | Refusal::Stale { .. }
            | Refusal::Incompatible { .. }
            | Refusal::Forbidden(_)
            | Refusal::Unavailable(_)
            | Refusal::Malformed { .. },
        ) => Ok(()),
    }
}

/// The move never began.
async fn conclude(performer: &Performer<'_>, failure: Failure) -> Performed {
    performer
        .done(Event::MoveFailed(failure), Value::Null)
        .await
}

/// What the destination says of itself now. It was there a moment ago, to get ready, so it is
/// asked a few times before it is taken for lost.
async fn destination_facts(performer: &Performer<'_>) -> Result<HostFacts, Retry> {
    let mut attempt = 1;
    loop {
        let asked = async { Ok::<_, Retry>(performer.destination_agent().await?.facts().await?) };
        match asked.await {
            Ok(facts) => return Ok(facts),
            Err(retry) if attempt >= performer.ctx.config.attempts => return Err(retry),
            Err(_) => {
                tokio::time::sleep(performer.ctx.pause(attempt)).await;
                attempt += 1;
            }
        }
    }
}
