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

/// The scope that the path names, as the caller may know of it.
///
/// # Errors
/// `not-found`.
pub(super) async fn named(call: &Call) -> Result<Scope, Problem> {
    let kind = call.ids.kind.parse::<ScopeKind>().ok();
    let kind = kind.filter(|_| call.sees().hosts).ok_or_else(no_such)?;
    let scope = (kind, call.ids.scope.as_str());
    let found = call.state.store.scope_find(scope).await?;
    let is_seen = |scope: &Scope| {
        scope.because.is_empty() || call.caller.permits_own(rules::SCOPES_SEE_DISABLED)
    };
    found.filter(is_seen).ok_or_else(no_such)
}

pub(super) fn no_such() -> Problem {
    Problem::not_found("such zone, pod or cluster")
}

/// Where a page ends: at its last scope.
fn place(marker: &str) -> Option<(ScopeKind, &str)> {
    let (kind, name) = marker.split_once('/')?;
    Some((kind.parse().ok()?, name))
}
