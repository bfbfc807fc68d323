//! Live: the guest runs while it moves.

pub(super) mod abort;
pub(super) mod force_complete;
pub(super) mod roll_back;
pub(super) mod watch;

use godwit_core::phase::Phase;
use godwit_core::recovery::{self, Verdict};

use super::performer::{Performer, Retry};
use crate::testimony::Testimony;

/// What both hosts said, for a move that is where its row says.
fn judge(performer: &Performer<'_>, heard: Testimony) -> Result<Verdict, Retry> {
    let Phase::Live(phase) = performer.record.migration.phase else {
        return Err(Retry::because("the row is in no phase of a live migration"));
    };
    Ok(recovery::judge(phase, heard.source, heard.destination))
}

pub(super) fn is_nowhere(performer: &Performer<'_>, heard: Testimony) -> Result<bool, Retry> {
    Ok(judge(performer, heard)? == Verdict::Nowhere)
}
