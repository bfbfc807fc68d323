//! A cold move whose source remembers nothing of it.

use godwit_core::cold::Phase;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::StorageMode;
use godwit_core::recovery::{ColdVerdict, judge_cold};
use tracing::info;

use super::{Judged, end};
use crate::effects::task::{Again, Task};
use crate::testimony::{Testimony, hear};

pub(super) async fn conclude(task: &Task<'_>, phase: Phase) -> Result<Judged, Again> {
    let first = hear(task.ctx, &task.record).await?;
    let verdict = judge(task, phase, first);
    info!(?verdict, testimony = %first.describe(), "both sides were heard");
    let event = match verdict {
        ColdVerdict::Stopped => Event::SourceStopped,
        // Its source takes it back, by a command that outranks a start still under way.
        ColdVerdict::Interrupted => Event::MoveFailed(Failure::new(
            FailureCode::Interrupted,
            format!(
                "The move was interrupted; the server stayed on {}.",
                task.source()
            ),
        )),
        ColdVerdict::GoAhead
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Nowhere
        | ColdVerdict::Wait => {
            drop(task.wait(first).await);
            return Ok(Judged::NotYet);
        }
    };
    // A guest that is just being stopped looks different a moment later.
    let second = hear(task.ctx, &task.record).await?;
    if judge(task, phase, second) != verdict {
        return Ok(Judged::NotYet);
    }
    end(task, event, second).await
}

fn judge(task: &Task<'_>, phase: Phase, testimony: Testimony) -> ColdVerdict {
    let storage = task.record.migration.storage.unwrap_or(StorageMode::Copied);
    judge_cold(phase, storage, testimony.source, testimony.destination)
}
