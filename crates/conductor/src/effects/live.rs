//! Live: the guest runs while it moves.

mod abort;
mod cancel;
mod force_complete;
mod roll_back;
mod watch;

use godwit_core::effect::Effect;
use godwit_core::phase::Phase;
use godwit_core::recovery::{self, Verdict};

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

/// What both hosts said, for a move that is where its row says.
fn judge(performer: &Performer<'_>, heard: Testimony) -> Result<Verdict, Retry> {
    match performer.record.migration.phase {
        Phase::Live(phase) => Ok(recovery::judge(phase, heard.source, heard.destination)),
        Phase::Cold(_) | Phase::Evacuation(_) | Phase::Ended(_) => {
            Err(Retry::because("the row is in no phase of a live migration"))
        }
    }
}

fn is_nowhere(performer: &Performer<'_>, heard: Testimony) -> Result<bool, Retry> {
    Ok(judge(performer, heard)? == Verdict::Nowhere)
}
