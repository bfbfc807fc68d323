//! Cold: the guest is off while it moves.

mod boot;
mod finish;
mod roll_back;
mod watch;
mod withdraw;

use godwit_core::effect::Effect;
use godwit_core::phase::Phase;
use godwit_core::recovery::{ColdVerdict, judge_cold};

use super::performer::{Performed, Performer, Retry};
use super::{prepare, schedule, start};
use crate::testimony::Testimony;

pub(super) async fn perform(mut performer: Performer<'_>, effect: Effect) -> Performed {
    match effect {
        Effect::Schedule => schedule::perform(&performer).await,
        Effect::Prepare => prepare::perform(&performer).await,
        Effect::Start => start::perform(&performer).await,
        Effect::Watch => watch::perform(&mut performer).await,
        Effect::Boot => boot::perform(&performer).await,
        Effect::Finish => finish::perform(&performer).await,
        Effect::Withdraw => withdraw::perform(&performer).await,
        Effect::RollBack => roll_back::perform(&performer).await,
        // No phase of a cold move wants these.
        Effect::Cancel | Effect::Abort | Effect::ForceComplete => Ok(()),
    }
}

/// What both hosts said, for a move that is where its row says.
fn judge(performer: &Performer<'_>, heard: Testimony) -> Result<ColdVerdict, Retry> {
    match performer.record.migration.phase {
        Phase::Cold(phase) => Ok(judge_cold(
            phase,
            performer.placement()?.storage,
            heard.source,
            heard.destination,
        )),
        Phase::Live(_) | Phase::Evacuation(_) | Phase::Ended(_) => {
            Err(Retry::because("the row is in no phase of a cold move"))
        }
    }
}
