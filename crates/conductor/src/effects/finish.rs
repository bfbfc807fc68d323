//! Finish: the destination confirms the guest, the source is cleaned.
//!
//! The guest is at its destination, so nothing here may fail in the end, but for one case: both
//! hosts were heard, twice, and the guest is on neither. A destination that is silent is waited
//! for, unless it is declared dead. A source that is silent is not, for longer than a while: it
//! may have died right after the hand-over, and what it has left over is cleaned when it is heard
//! again (see [`crate::cleaning`]).

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::StorageMode;
use godwit_rpc::refusal::Refusal;
use serde_json::{Value, json};

use super::performer::{Performed, Performer, Retry};
use crate::testimony::{Testimony, is_dead};

/// Do both hosts say that the guest is on neither?
pub(super) type IsNowhere = fn(&Performer<'_>, Testimony) -> Result<bool, Retry>;

pub(super) async fn perform(performer: &Performer<'_>, is_nowhere: IsNowhere) -> Performed {
    let placement = performer.placement()?;
    let destination_is_dead = is_dead(performer.ctx, &placement.host).await?;
    if destination_is_dead {
        // It confirms nothing, and its server can only be evacuated once it is recorded there. But
        // a source that executes the guest after all has not handed it over.
        let heard = performer.hear().await?;
        if heard.source.executes() {
            return Err(performer.wait(heard).await);
        }
    } else {
        let destination = performer.destination_agent().await?;
        let finished = destination.finish(performer.command()?).await;
        if let Err(refusal) = performer.told(finished)? {
            return unconfirmed(performer, &refusal, is_nowhere).await;
        }
    }
    let copied = placement.storage == StorageMode::Copied;
    let uncleaned = if is_dead(performer.ctx, performer.source()).await? {
        Some("it is declared dead".to_owned())
    } else if destination_is_dead && copied {
        Some("its disks are the last copy outside of the dead destination".to_owned())
    } else {
        match clean_source(performer).await {
            Ok(()) => None,
            Err(retry) if !performer.is_last_attempt() => {
                return Err(retry);
            }
            Err(Retry { reason }) => Some(reason),
        }
    };
    let clean = uncleaned.is_none();
    let detail = uncleaned.map_or(Value::Null, |why| json!({ "source_not_clean": why }));
    let finished = Event::Finished { clean };
    performer.done(finished, detail).await
}

async fn clean_source(performer: &Performer<'_>) -> Result<(), Retry> {
    let source = performer.source_agent().await?;
    Ok(performer.told(source.finish(performer.command()?).await)??)
}

/// The destination answered that it cannot confirm.
async fn unconfirmed(
    performer: &Performer<'_>,
    refusal: &Refusal,
    is_nowhere: IsNowhere,
) -> Performed {
    let first = performer.hear().await?;
    if is_nowhere(performer, first)? {
        let second = performer.hear().await?;
        if is_nowhere(performer, second)? {
            let failure = Failure::new(
                FailureCode::GuestLost,
                "The server was handed over and runs on neither host any more.",
            );
            let detail = json!({ "testimony": second.describe() });
            return performer.done(Event::GuestLost(failure), detail).await;
        }
    }
    let why = format!("{refusal}; {}", first.describe());
    let kind = DiscrepancyKind::Overdue;
    Err(performer.held_up(kind, None, why).await)
}
