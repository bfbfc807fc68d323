//! Schedule: choose a destination, have both sides check, claim its room.

use super::task::{Performed, Task};
use crate::placing::Placing;

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let placing = Placing {
        ctx: task.ctx,
        record: &task.record,
        performed: Some(task.claimed.lease),
        attempts: task.attempts(),
    };
    // If the row changed meanwhile, the change (an abort, a deadline) ended the search.
    placing.place().await.map(drop)
}
