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
    call.page(
        &page,
        rest.collect(),
        total,
        |it| it.name().to_owned(),
        |it| page.select(it),
    )
}
