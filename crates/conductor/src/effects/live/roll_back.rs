//! A live migration is rolled back.
//!
//! The destination comes first. Only it can prove that it never executed the guest, and only
//! then may the source start again what the move had stopped.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::recovery::Verdict;
use godwit_rpc::refusal::Refusal;
use serde_json::{Value, json};

use super::judge;
use crate::effects::follow::end;
use crate::effects::performer::{Performed, Performer, Retry};
use crate::effects::roll_back::{NotRestored, clean_destination, restore_source};
use crate::testimony::is_dead;

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let destination_is_dead = is_dead(performer.ctx, &performer.placement()?.host).await?;
    let source_is_dead = is_dead(performer.ctx, performer.source()).await?;
    let cleaned = if destination_is_dead {
        Ok(())
    } else {
        clean_destination(performer).await
    };
    let restored = if source_is_dead {
        Ok(())
    } else {
        restore_source(performer, false).await
    };
    match (cleaned, restored) {
        (Ok(()), Ok(())) => {}
        (Err(retry), Ok(())) if source_is_dead => return found(performer, retry).await,
        (Err(silent), _) | (Ok(()), Err(NotRestored::Retry(silent))) => return Err(silent),
        (Ok(()), Err(NotRestored::Refused(refusal))) => {
            return unrestored(performer, &refusal).await;
        }
    }
    let clean = !destination_is_dead;
    performer
        .done(Event::RolledBack { clean }, Value::Null)
        .await
}

/// The source is dead, and the destination did not give up what it has: does it execute the guest?
async fn found(performer: &Performer<'_>, retry: Retry) -> Performed {
    let heard = performer.hear().await?;
    if judge(performer, heard)? != Verdict::AtDestination {
        return Err(retry);
    }
    if end(performer, Event::FoundAtDestination, heard).await? {
        Ok(())
    } else {
        Err(retry)
    }
}

/// The source answered that the guest is not as it was, and the destination is clean.
async fn unrestored(performer: &Performer<'_>, refusal: &Refusal) -> Performed {
    let first = performer.hear().await?;
    let why = format!("{refusal}; {}", first.describe());
    match judge(performer, first)? {
        Verdict::ResumeAtSource => match restore_source(performer, true).await {
            Ok(()) => {
                let detail = json!({ "resumed": true });
                performer
                    .done(Event::RolledBack { clean: true }, detail)
                    .await
            }
            Err(NotRestored::Retry(retry)) => Err(retry),
            Err(NotRestored::Refused(refusal)) => Err(refusal.into()),
        },
        Verdict::Nowhere if judge(performer, performer.hear().await?)? == Verdict::Nowhere => {
            let failure = Failure::new(
                FailureCode::GuestLost,
                "The move failed, and the server runs on neither host any more.",
            );
            let event = Event::GuestLost(failure);
            end(performer, event, first).await.map(drop)
        }
        // It vanished from its source, or was handed over before its destination died.
        Verdict::AtDestination => {
            if end(performer, Event::FoundAtDestination, first).await? {
                Ok(())
            } else {
                Err(Retry::because(why))
            }
        }
        Verdict::Nowhere
        | Verdict::StillMoving
        | Verdict::AtSource
        | Verdict::DiedAtSource
        | Verdict::Twice
        | Verdict::Wait => Err(performer.held_up(DiscrepancyKind::Overdue, None, why).await),
    }
}
