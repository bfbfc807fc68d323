//! `GET /snapshot`: the fleet at one moment, for readers of events to begin with.

use super::call::Call;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::snapshot::SnapshotView;

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SNAPSHOT_SHOW)?;
    let (state, sees) = (&call.state, call.sees());
    let snapshot = state.store.snapshot(sees.project).await?;
    let (now, down_time) = (state.clock.now(), state.config.service_down_time);
    Reply::json(&SnapshotView::new(&snapshot, sees, now, down_time))
}
