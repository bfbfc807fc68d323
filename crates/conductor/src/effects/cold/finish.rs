//! A cold move is confirmed.
//!
//! What the source keeps is the way back: it goes only when the destination is seen to have the
//! guest, and the source not to run it.

use godwit_core::recovery::ColdVerdict;

use super::judge;
use crate::effects::finish;
use crate::effects::performer::{Performed, Performer, Retry};
use crate::testimony::Testimony;

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let heard = performer.hear().await?;
    match judge(performer, heard)? {
        // Whom nobody has, the destination will not confirm.
        ColdVerdict::GoAhead | ColdVerdict::Nowhere => {}
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Wait => return Err(performer.wait(heard).await),
    }
    finish::perform(performer, is_nowhere).await
}

fn is_nowhere(performer: &Performer<'_>, heard: Testimony) -> Result<bool, Retry> {
    Ok(judge(performer, heard)? == ColdVerdict::Nowhere)
}
