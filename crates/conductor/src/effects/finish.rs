//! Finish: the destination confirms the guest, the source is cleaned.
//!
//! The guest is at its destination, so nothing here may fail in the end, but for one case: both
//! hosts were heard, twice, and the guest is on neither. A destination that is silent is waited
//! for. A source that is silent is not, for longer than a while: it may have died right after
//! the hand-over, and what it has left over it cleans when it registers again.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::live::Phase;
use godwit_core::recovery::{Verdict, judge};
use godwit_rpc::refusal::Refusal;
use godwit_store::DiscrepancyKind;
use serde_json::{Value, json};

use super::task::{Again, Answer, OUTDATED, Performed, Task};
use crate::testimony::{Testimony, hear};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let destination = task.destination_agent().await?;
    match task.answer(destination.finish(task.command()?).await)? {
        Answer::Acknowledged => {}
        Answer::Superseded => return Err(Again::because(OUTDATED)),
        Answer::Refused(refusal) => return unconfirmed(task, &refusal).await,
    }
    let detail = match clean_source(task).await {
        Ok(()) => Value::Null,
        Err(again) if task.attempts() < task.ctx.config.attempts => return Err(again),
        Err(Again { reason }) => json!({ "source_not_clean": reason }),
    };
    task.conclude(Event::Finished, detail).await.map(drop)
}

async fn clean_source(task: &Task<'_>) -> Result<(), Again> {
    let source = task.source_agent().await?;
    match task.answer(source.finish(task.command()?).await)? {
        Answer::Acknowledged => Ok(()),
        Answer::Superseded => Err(Again::because(OUTDATED)),
        Answer::Refused(refusal) => Err(Again::because(refusal.to_string())),
    }
}

/// The destination answered that it cannot confirm.
async fn unconfirmed(task: &Task<'_>, refusal: &Refusal) -> Performed {
    let first = hear(task.ctx, &task.record).await?;
    if verdict(first) == Verdict::Nowhere {
        let second = hear(task.ctx, &task.record).await?;
        if verdict(second) == Verdict::Nowhere {
            let failure = Failure::new(
                FailureCode::GuestLost,
                "The server was handed over and runs on neither host any more.",
            );
            let detail = json!({ "testimony": second.describe() });
            return task
                .conclude(Event::GuestLost(failure), detail)
                .await
                .map(drop);
        }
    }
    let why = format!("{refusal}; {}", first.describe());
    task.doubt(DiscrepancyKind::Overdue, None, &why).await;
    Err(Again::because(why))
}

fn verdict(testimony: Testimony) -> Verdict {
    judge(Phase::Finishing, testimony.source, testimony.destination)
}
