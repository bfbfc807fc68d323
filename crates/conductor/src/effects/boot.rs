//! Boot: the destination defines the guest, and starts it where it is to run.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_rpc::command::Boot;
use godwit_rpc::refusal::Refusal;
use serde_json::Value;

use super::performer::{Answer, Performed, Performer, Retry};

/// Gives the command. `Some`: the destination started nothing, and that is not concluded yet.
pub(super) async fn send(performer: &Performer<'_>, boot: Boot) -> Result<Option<Failure>, Retry> {
    let destination = performer.destination_agent().await?;
    match performer.answer(destination.boot(boot).await)? {
        Answer::Acknowledged => {
            performer.conclude(Event::Booted, Value::Null).await?;
            Ok(None)
        }
        Answer::Superseded => Ok(None),
        Answer::Refused(Refusal::Failed(failure)) => Ok(Some(failure)),
        Answer::Refused(refusal) => {
            let text = format!("The destination did not start the server: {refusal}.");
            not_booted(performer, Failure::new(FailureCode::BootFailed, text)).await?;
            Ok(None)
        }
    }
}

pub(super) async fn not_booted(performer: &Performer<'_>, failure: Failure) -> Performed {
    performer.done(Event::NotBooted(failure), Value::Null).await
}
