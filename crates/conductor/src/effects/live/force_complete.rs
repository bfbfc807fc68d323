//! Force-complete: the source is told to get it over with, by whatever means its host permits.

use godwit_core::event::Event;
use godwit_rpc::command::ForceMeans;
use serde_json::json;

use crate::effects::performer::{Answer, Performed, Performer};

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let source = performer.source_agent().await?;
    let forced = source.force_complete(performer.command()?).await;
    if let Ok(means) = &forced {
        // Said here as well as by whoever follows the move: a switch may be over at their next look.
        if *means == ForceMeans::PostCopy {
            performer.relay(Event::PostCopyStarted).await?;
        }
        performer.remark("forced", json!({ "means": means })).await;
    }
    match performer.answer(forced)? {
        Answer::Acknowledged | Answer::Superseded => Ok(()),
        // As in Nova, a hypervisor that does not want to is no end of the move.
        Answer::Refused(refusal) => {
            let detail = json!({ "reason": refusal.to_string() });
            performer.remark("force_refused", detail).await;
            Ok(())
        }
    }
}
