//! A cold move's destination gives the guest up, because the move is undone or did not work.
//!
//! Then its source takes the guest back, and must be able to.

use godwit_core::recovery::ColdVerdict;

use super::judge;
use crate::effects::performer::{Performed, Performer};
use crate::effects::withdraw::send;

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let heard = performer.hear().await?;
    match judge(performer, heard)? {
        ColdVerdict::GoAhead => send(performer, performer.destination_agent().await?).await,
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Nowhere
        | ColdVerdict::Wait => Err(performer.wait(heard).await),
    }
}
