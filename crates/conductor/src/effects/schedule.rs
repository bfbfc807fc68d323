//! Schedule: choose a destination, have both sides check, claim its room.

use super::performer::{Performed, Performer};
use crate::scheduling::Scheduling;

pub(super) async fn perform(performer: &Performer<'_>) -> Performed {
    let scheduling = Scheduling {
        ctx: performer.ctx,
        record: &performer.record,
        performed: Some(performer.claimed.lease),
        attempts: performer.attempts(),
    };
    // If the row changed meanwhile, the change (an abort, a deadline) ended the search.
    scheduling.place().await.map(drop)
}
