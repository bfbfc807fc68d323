//! `GET /scopes`: zones, then pods, then clusters, each by name. Who may not see hosts finds none,
//! and disabled ones are for those who may see them.

use godwit_core::host::scope::ScopeKind;
use godwit_store::Scope;

use super::call::Call;
use super::page::Page;
use super::problem::Problem;
use super::routes::Answer;
use super::rules;
use super::views::scope::{FIELDS, ScopeView};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SCOPES_LIST)?;
    let page = Page::read(&call.params, FIELDS)?;
    let after = page.marker.map(place).transpose()?;
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
    let rest: Vec<&Scope> = all.iter().filter(follows).collect();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let (shown, more) = rest.split_at(limit.min(rest.len()));
    let last = shown.last().filter(|_| !more.is_empty());
    let next = last.map(|last| call.next("marker", &format!("{}/{}", last.kind, last.name)));
    let items = shown
        .iter()
        .map(|scope| page.select(&ScopeView::new(scope, call.sees())))
        .collect::<Result<Vec<_>, _>>()?;
    call.list(items, next, total)
}

/// Where a page ends: at its last scope.
fn place(marker: &str) -> Result<(ScopeKind, &str), Problem> {
    let place = marker.split_once('/');
    let place = place.and_then(|(kind, name)| Some((kind.parse().ok()?, name)));
    place.ok_or_else(|| Problem::input("?marker", "It is none that a list gave."))
}
