//! Live: the guest runs while it moves.

mod abort;
mod cancel;
mod force_complete;
mod roll_back;
mod watch;

use godwit_core::effect::Effect;
use godwit_core::live::Phase;
use godwit_core::recovery::{Verdict, judge};

use super::performer::{Performed, Performer, Retry};
use super::{finish, prepare, schedule, start};
use crate::testimony::Testimony;

pub(super) async fn perform(mut performer: Performer<'_>, effect: Effect) -> Performed {
    match effect {
        Effect::Schedule => schedule::perform(&performer).await,
        Effect::Cancel => cancel::perform(&performer).await,
        Effect::Prepare => prepare::perform(&performer).await,
        Effect::Start => start::perform(&performer).await,
        Effect::Watch => watch::perform(&mut performer).await,
        Effect::Abort => abort::perform(&performer).await,
        Effect::ForceComplete => force_complete::perform(&performer).await,
        Effect::Finish => finish::perform(&performer, is_nowhere).await,
        Effect::RollBack => roll_back::perform(&performer).await,
        // No phase of a live migration wants these.
        Effect::Boot | Effect::Withdraw => Ok(()),
    }
}

fn is_nowhere(_: &Performer<'_>, heard: Testimony) -> Result<bool, Retry> {
    Ok(judge(Phase::Finishing, heard.source, heard.destination) == Verdict::Nowhere)
}
