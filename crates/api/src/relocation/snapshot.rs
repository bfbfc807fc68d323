//! `GET /snapshot`: the fleet at one moment, for readers of events to begin with.

use super::call::Call;
use super::page::Page;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::snapshot::{FIELDS, SnapshotView};

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SNAPSHOT_SHOW)?;
    let page = Page::read(&call.params, FIELDS)?;
    let sees = call.sees();
    let snapshot = call.state.store.snapshot(sees.project).await?;
    let view = SnapshotView::new(&snapshot, sees, call.basis());
    match page.is_partial() {
        true => Reply::json(&page.select(&view)?),
        false => Reply::json(&view),
    }
}
