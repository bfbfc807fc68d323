//! Abort: the source is told to give up. Whether it came in time, its report says.

use godwit_rpc::refusal::Refusal;
use tracing::info;

use crate::effects::performer::{Answer, Performed, Performer, Retry};

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let source = performer.source_agent().await?;
    match performer.answer(source.abort(performer.command()?).await)? {
        Answer::Acknowledged | Answer::Superseded => Ok(()),
        // The hypervisor did not take it, and a user waits for an outcome.
        Answer::Refused(Refusal::Failed(failure)) => Err(Retry::because(failure.to_string())),
        // There is nothing to abort (any more): the follower finds out how it ended.
        Answer::Refused(refusal) => {
            info!(%refusal, "nothing to abort");
            Ok(())
        }
    }
}
