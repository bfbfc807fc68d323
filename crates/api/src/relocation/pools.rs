//! `GET /pools`: the storage that hosts reach, by name. Who may not see hosts finds none.

use super::call::Call;
use super::page::Page;
use super::routes::Answer;
use super::rules;
use super::views::pool::{FIELDS, PoolView};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::POOLS_LIST)?;
    let page = Page::read(&call.params, FIELDS)?;
    if !call.sees().hosts {
        return call.list(Vec::<()>::new(), None, page.with_total.then_some(0));
    }
    // Hosts reach the same few, and it takes all hosts to say which of them reach one.
    let said = call.state.store.host_pools().await?;
    let all = PoolView::all(&said);
    let total = page
        .with_total
        .then(|| i64::try_from(all.len()).unwrap_or(i64::MAX));
    let rest = all
        .iter()
        .filter(|it| page.marker.is_none_or(|marker| it.name() > marker));
    let rest: Vec<&PoolView<'_>> = rest.collect();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let (shown, more) = rest.split_at(limit.min(rest.len()));
    let last = shown.last().filter(|_| !more.is_empty());
    let next = last.map(|last| call.next("marker", last.name()));
    let items = shown
        .iter()
        .map(|pool| page.select(pool))
        .collect::<Result<Vec<_>, _>>()?;
    call.list(items, next, total)
}
