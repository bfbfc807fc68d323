//! Abort: the source is told to give up. Whether it came in time, its report says.

use godwit_rpc::refusal::Refusal;
use tracing::info;

use super::task::{Again, Answer, Performed, Task};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let source = task.source_agent().await?;
    match task.answer(source.abort(task.command()?).await)? {
        Answer::Acknowledged | Answer::Superseded => Ok(()),
        // The hypervisor did not take it, and a user waits for an outcome.
        Answer::Refused(Refusal::Failed(failure)) => Err(Again::because(failure.to_string())),
        // There is nothing to abort (any more): the follower finds out how it ended.
        Answer::Refused(refusal) => {
            info!(%refusal, "nothing to abort");
            Ok(())
        }
    }
}
