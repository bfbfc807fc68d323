//! Evacuation: the guest is started anew, because its host is dead.

mod boot;
mod withdraw;

use godwit_core::effect::Effect;

use super::performer::{Performed, Performer};
use super::schedule;

pub(super) async fn perform(performer: Performer<'_>, effect: Effect) -> Performed {
    match effect {
        Effect::Schedule => schedule::perform(&performer).await,
        Effect::Boot => boot::perform(&performer).await,
        Effect::Withdraw => withdraw::perform(&performer).await,
        // No phase of an evacuation wants these.
        Effect::Cancel
        | Effect::Prepare
        | Effect::Start
        | Effect::Watch
        | Effect::Abort
        | Effect::ForceComplete
        | Effect::Finish
        | Effect::RollBack => Ok(()),
    }
}
