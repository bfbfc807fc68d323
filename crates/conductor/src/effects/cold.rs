//! Cold: the guest is off while it moves.

pub(super) mod boot;
pub(super) mod finish;
pub(super) mod roll_back;
pub(super) mod watch;
pub(super) mod withdraw;

use godwit_core::phase::Phase;
use godwit_core::recovery::{ColdVerdict, judge_cold};

use super::performer::{Performer, Retry};
use crate::testimony::Testimony;

/// What both hosts said, for a move that is where its row says.
fn judge(performer: &Performer<'_>, heard: Testimony) -> Result<ColdVerdict, Retry> {
    let Phase::Cold(phase) = performer.record.migration.phase else {
        return Err(Retry::because("the row is in no phase of a cold move"));
    };
    let storage = performer.placement()?.storage;
    Ok(judge_cold(phase, storage, heard.source, heard.destination))
}
