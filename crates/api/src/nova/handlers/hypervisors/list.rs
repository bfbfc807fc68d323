//! Lists: in pages from 2.33 on, and by pattern from 2.53 on, which takes the place of a route
//! of its own. Not both together.

use godwit_store::{Hypervisor, HypervisorPage};
use serde::Serialize;

use super::super::paging::{limit, next, no_such_marker};
use super::super::services::liveness;
use super::{Hosted, hosted_if_asked, lookup, matching};
use crate::nova::handlers::{Answer, ApiError, Call, Reply, milestone, rules};
use crate::nova::views::Next;
use crate::nova::views::hypervisor::{HypervisorEntry, HypervisorView};
use crate::nova::views::service::Id;

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_global(rules::HYPERVISORS_LIST)?;
    let (found, hosted) = list(call).await?;
    let liveness = liveness(call);
    answer(call, "os-hypervisors", &found, |it| {
        HypervisorEntry::new(&it.host, hosted.of(it), call.version, liveness)
    })
}

pub async fn detail(call: &Call) -> Answer {
    call.caller.enforce_global(rules::HYPERVISORS_DETAIL)?;
    let (found, hosted) = list(call).await?;
    let liveness = liveness(call);
    answer(call, "os-hypervisors/detail", &found, |it| {
        HypervisorView::new(it, hosted.of(it), call.version, liveness)
    })
}

async fn list(call: &Call) -> Result<(Vec<Hypervisor>, Hosted), ApiError> {
    let found = match call.query.last("hypervisor_hostname_pattern") {
        // Nova has a text for this, and loses it.
        Some(_) if pages(call) => return Err(ApiError::malformed_request()),
        Some(pattern) => matching(call, pattern).await?,
        None => page(call).await?,
    };
    let hosted = hosted_if_asked(call, &found).await?;
    Ok((found, hosted))
}

/// Does the request ask for a page?
fn pages(call: &Call) -> bool {
    let marker = call.query.last("marker");
    call.query.last("limit").is_some() || marker.is_some_and(|marker| !marker.is_empty())
}

async fn page(call: &Call) -> Result<Vec<Hypervisor>, ApiError> {
    if call.version < milestone::HYPERVISOR_PAGES {
        return lookup::page(call, &HypervisorPage::default()).await;
    }
    let marker = match call.query.last("marker") {
        None => None,
        Some(text) => Some(lookup::key(text).ok_or_else(|| no_such_marker(text))?),
    };
    let page = HypervisorPage {
        limit: Some(limit(call)),
        marker,
        pattern: None,
    };
    lookup::page(call, &page).await
}

fn answer<'a, T: Serialize>(
    call: &'a Call,
    collection: &str,
    found: &'a [Hypervisor],
    view: impl Fn(&'a Hypervisor) -> T,
) -> Result<Reply, ApiError> {
    let links = links(call, collection, found);
    Reply::page("hypervisors", found.iter().map(view), links)
}

/// A list by pattern is all there is.
fn links(call: &Call, collection: &str, found: &[Hypervisor]) -> Next {
    let searched = call.query.last("hypervisor_hostname_pattern").is_some();
    if searched || call.version < milestone::HYPERVISOR_PAGES {
        return None;
    }
    let last = found.last().map(|it| &it.host);
    let last = last.map(|host| Id::in_version(call.version, host.id, host.uuid).to_string());
    next(call, collection, found.len(), last)
}
