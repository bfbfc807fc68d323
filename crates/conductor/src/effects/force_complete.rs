//! Force-complete: the source is told to get it over with, by whatever means its host permits.

use godwit_core::event::Event;
use godwit_rpc::command::ForceMeans;
use serde_json::json;

use super::task::{Answer, Performed, Task};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let source = task.source_agent().await?;
    let forced = source.force_complete(task.command()?).await;
    if let Ok(means) = &forced {
        // Said here as well as by whoever follows the move: a switch may be over at their next look.
        if *means == ForceMeans::PostCopy {
            task.relay(Event::PostCopyStarted).await?;
        }
        task.remark("forced", json!({ "means": means })).await;
    }
    match task.answer(forced)? {
        Answer::Acknowledged | Answer::Superseded => Ok(()),
        // As in Nova, a hypervisor that does not want to is no end of the move.
        Answer::Refused(refusal) => {
            let detail = json!({ "reason": refusal.to_string() });
            task.remark("force_refused", detail).await;
            Ok(())
        }
    }
}
