//! `GET /snapshot`: the fleet at one moment, for readers of events to begin with.

use super::call::Call;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::snapshot::SnapshotView;

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SNAPSHOT_SHOW)?;
    let sees = call.sees();
    let snapshot = call.state.store.snapshot(sees.project).await?;
    Reply::json(&SnapshotView::new(&snapshot, sees, call.basis()))
}
