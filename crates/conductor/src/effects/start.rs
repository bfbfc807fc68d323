//! Start: the source begins to move the guest.
//!
//! An answer that got lost does not matter: the command is repeated, and never starts a second
//! move. Only a command that was certainly never sent may be given up by itself; past that, it
//! is for [`super::watch`] to find out what became of it.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_rpc::command::Start;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::refusal::Refusal;
use serde_json::Value;

use super::task::{Again, Answer, Performed, Task};
use crate::testimony::is_dead;

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let destination = match destination_facts(task).await {
        Ok(facts) => facts,
        Err(Again { reason }) if task.claimed.lease.epoch == 1 => {
            let failure = Failure::new(
                FailureCode::LinkLost,
                format!("The destination could not be asked where to move the server: {reason}"),
            );
            return conclude(task, failure).await;
        }
        // An earlier holder may have sent it. Whoever follows the move will see.
        Err(_) => return Ok(()),
    };
    let command = task.command()?;
    let start = Start {
        command,
        destination,
    };
    // A dead source starts nothing any more. Whether it had, whoever follows the move finds out;
    // they wait until this is done.
    if is_dead(task.ctx, task.source()).await? {
        return Ok(());
    }
    let source = task.source_agent().await?;
    match task.answer(source.start(start).await)? {
        Answer::Acknowledged | Answer::Superseded => Ok(()),
        Answer::Refused(Refusal::Failed(failure)) => conclude(task, failure).await,
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
async fn conclude(task: &Task<'_>, failure: Failure) -> Performed {
    task.conclude(Event::MoveFailed(failure), Value::Null)
        .await
        .map(drop)
}

/// What the destination says of itself now. It was there a moment ago, to get ready, so it is
/// asked a few times before it is taken for lost.
async fn destination_facts(task: &Task<'_>) -> Result<HostFacts, Again> {
    let mut attempt = 1;
    loop {
        let asked = async { Ok::<_, Again>(task.destination_agent().await?.facts().await?) };
        match asked.await {
            Ok(facts) => return Ok(facts),
            Err(again) if attempt >= task.ctx.config.attempts => return Err(again),
            Err(_) => {
                tokio::time::sleep(task.ctx.pause(attempt)).await;
                attempt += 1;
            }
        }
    }
}
