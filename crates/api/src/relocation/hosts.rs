//! `GET /hosts`: the machines that servers run on. Who may not see hosts finds none.

use std::collections::HashMap;

use godwit_core::host::maintenance::State;
use godwit_core::ids::HostName;

use super::call::Call;
use super::page::Page;
use super::params::number;
use super::problem::Problem;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::host::{FIELDS, HostView};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_LIST)?;
    let page = Page::read(&call.params, FIELDS)?;
    let after = page.after(number)?.unwrap_or_default();
    if !call.sees().hosts {
        return call.list(Vec::<()>::new(), None, page.with_total.then_some(0));
    }
    let store = &call.state.store;
    let found = store.host_page(after, page.limit + 1).await?;
    let total = match page.with_total {
        true => Some(store.host_count().await?),
        false => None,
    };
    let (sees, basis) = (call.sees(), call.basis());
    let held = store.maintenances_active().await?.into_iter();
    let held: HashMap<HostName, State> = held.map(|it| (it.host, it.maintenance.state)).collect();
    call.page(
        &page,
        found,
        total,
        |it| it.host.id.to_string(),
        |it| {
            let state = held.get(&it.host.facts.name).copied();
            let state = state.unwrap_or(State::None);
            page.select(&HostView::new(it, state, sees, basis))
        },
    )
}

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_SHOW)?;
    let page = Page::read(&call.params, FIELDS)?;
    let no_such = || Problem::not_found("such host");
    let name = named(call).ok_or_else(no_such)?;
    let found = call.state.store.host_load(&name).await?;
    let load = found.ok_or_else(no_such)?;
    let held = call.state.store.maintenance_find(&name).await?;
    let state = held.map_or(State::None, |it| it.maintenance.state);
    let view = HostView::new(&load, state, call.sees(), call.basis());
    Reply::json(&page.select(&view)?)
}

/// The host that the path names, if the caller may know of hosts.
pub(super) fn named(call: &Call) -> Option<HostName> {
    let named = HostName::new(call.ids.host.as_str()).ok();
    named.filter(|_| call.sees().hosts)
}
