//! A cold move is followed until the guest is off at its source.

use godwit_core::event::Event;
use godwit_core::recovery::ColdVerdict;
use tracing::info;

use super::judge;
use crate::effects::follow::{end, interrupted};
use crate::effects::performer::{Performer, Retry};

/// Its source remembers nothing of the move. Does the row know how it ended, once both sides are
/// heard?
pub(in crate::effects) async fn conclude(performer: &Performer<'_>) -> Result<bool, Retry> {
    let first = performer.hear().await?;
    let verdict = judge(performer, first)?;
    info!(?verdict, testimony = %first.describe(), "both sides were heard");
    let event = match verdict {
        ColdVerdict::Stopped => Event::SourceStopped,
        // Its source takes it back, by a command that outranks a start still under way.
        ColdVerdict::Interrupted => interrupted(performer, "stayed"),
        ColdVerdict::GoAhead
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Nowhere
        | ColdVerdict::Wait => {
            drop(performer.wait(first).await);
            return Ok(false);
        }
    };
    // A guest that is just being stopped looks different a moment later.
    let second = performer.hear().await?;
    if judge(performer, second)? != verdict {
        return Ok(false);
    }
    end(performer, event, second).await
}
