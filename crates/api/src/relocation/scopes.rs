//! `GET /scopes`: zones, then pods, then clusters, each by name. Who may not see hosts finds none,
//! and disabled ones are for those who may see them.

use godwit_core::host::scope::ScopeKind;
use godwit_store::Scope;

use super::call::Call;
use super::page::Page;
use super::routes::Answer;
use super::rules;
use super::views::scope::{FIELDS, ScopeView};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SCOPES_LIST)?;
    let page = Page::read(&call.params, FIELDS)?;
    let after = page.after(place)?;
    let mut all = match call.sees().hosts {
        true => call.state.store.scope_list().await?,
        false => Vec::new(),
    };
    if !call.caller.permits_own(rules::SCOPES_SEE_DISABLED) {
        all.retain(|scope| scope.because.is_empty());
    }
    let total = page
        .with_total
        .then(|| i64::try_from(all.len()).unwrap_or(i64::MAX));
    let follows = |scope: &&Scope| after.is_none_or(|after| (scope.kind, &*scope.name) > after);
    call.page(
        &page,
        all.iter().filter(follows).collect(),
        total,
        |it| format!("{}/{}", it.kind, it.name),
        |it| page.select(&ScopeView::new(it, call.sees())),
    )
}

/// Where a page ends: at its last scope.
fn place(marker: &str) -> Option<(ScopeKind, &str)> {
    let (kind, name) = marker.split_once('/')?;
    Some((kind.parse().ok()?, name))
}
