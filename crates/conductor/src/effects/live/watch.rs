//! A live migration is followed until it ends.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode, source_dead};
use godwit_core::recovery::{Verdict, Witness};
use godwit_rpc::command::RollBack;
use godwit_rpc::refusal::Refusal;
use tracing::info;

use super::judge;
use crate::effects::follow::{end, interrupted};
use crate::effects::performer::{Answer, Performer, Retry};

/// Hears both sides. Does the row know now how the move ended?
pub(in crate::effects) async fn conclude(performer: &Performer<'_>) -> Result<bool, Retry> {
    let first = performer.hear().await?;
    let verdict = judge(performer, first)?;
    info!(?verdict, testimony = %first.describe(), "both sides were heard");
    match verdict {
        Verdict::StillMoving => Ok(false),
        // What a dead destination would have said is missing, so the source is heard twice.
        Verdict::AtDestination if first.destination == Witness::DeclaredDead => {
            tokio::time::sleep(performer.ctx.pause(1)).await;
            let second = performer.hear().await?;
            if judge(performer, second)? != verdict {
                return Ok(false);
            }
            end(performer, Event::HandedOver, second).await
        }
        Verdict::AtDestination => end(performer, Event::HandedOver, first).await,
        Verdict::AtSource => fence(performer).await,
        Verdict::ResumeAtSource | Verdict::Nowhere | Verdict::DiedAtSource => {
            // A guest on its way can be missed by two hosts that are asked at different moments.
            let second = performer.hear().await?;
            if judge(performer, second)? != verdict {
                return Ok(false);
            }
            if verdict == Verdict::ResumeAtSource {
                return resume(performer).await;
            }
            if verdict == Verdict::DiedAtSource {
                let failure = source_dead(performer.source());
                return end(performer, Event::MoveFailed(failure), second).await;
            }
            let failure = Failure::new(
                FailureCode::GuestLost,
                "The server runs on neither host any more.",
            );
            end(performer, Event::GuestLost(failure), second).await
        }
        Verdict::Twice => {
            let kind = DiscrepancyKind::SeenTwice;
            performer
                .open_discrepancy(kind, None, &first.describe())
                .await;
            Ok(false)
        }
        Verdict::Wait => {
            drop(performer.wait(first).await);
            Ok(false)
        }
    }
}

/// The guest is at its source and no move is known there. Before that is taken for the end, the
/// source is made to refuse a `Start` that may still be under way to it; then it is heard again.
async fn fence(performer: &Performer<'_>) -> Result<bool, Retry> {
    let source = performer.source_agent().await?;
    match performer.answer(source.abort(performer.command()?).await) {
        Ok(Answer::Acknowledged | Answer::Superseded | Answer::Refused(Refusal::NoJob)) => {}
        unconfirmed @ (Ok(Answer::Refused(_)) | Err(_)) => {
            info!(
                ?unconfirmed,
                "the source does not confirm that nothing moves"
            );
            return Ok(false);
        }
    }
    let second = performer.hear().await?;
    if judge(performer, second)? != Verdict::AtSource {
        return Ok(false);
    }
    end(performer, interrupted(performer, "stayed"), second).await
}

/// The source had stopped the guest and the destination never executed it.
async fn resume(performer: &Performer<'_>) -> Result<bool, Retry> {
    let roll_back = RollBack {
        command: performer.command()?,
        resume: true,
    };
    let source = performer.source_agent().await?;
    match performer.answer(source.roll_back(roll_back).await) {
        Ok(Answer::Acknowledged) => {
            let testimony = performer.hear().await?;
            if judge(performer, testimony)? != Verdict::AtSource {
                return Ok(false);
            }
            let event = interrupted(performer, "was started again");
            end(performer, event, testimony).await
        }
        Ok(Answer::Superseded) => Ok(false),
        unconfirmed @ (Ok(Answer::Refused(_)) | Err(_)) => {
            info!(?unconfirmed, "the source does not start the guest again");
            Ok(false)
        }
    }
}
