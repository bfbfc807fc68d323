//! `GET /servers/{id}/candidates`: every host but the server's own, and whether the server could go
//! there. It is the conductor's own check, on what hosts last said. Who may not see hosts finds none.

use godwit_core::ids::HostName;
use godwit_facts::{Fleet, Guest, Verdict, verdicts};
use godwit_store::ServerDetail;

use super::call::Call;
use super::page::Page;
use super::problem::Problem;
use super::routes::Answer;
use super::views::candidate::{CandidateView, FIELDS};
use super::{rules, servers};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SERVERS_CANDIDATES)?;
    let page = Page::read(&call.params, FIELDS)?;
    let after = page.marker.map(place).transpose()?;
    let detail = servers::named(call, rules::SERVERS_CANDIDATES).await?;
    if !call.sees().hosts {
        return call.list(Vec::<()>::new(), None, page.with_total.then_some(0));
    }
    let fleet = Fleet::load(&call.state.store, call.basis()).await?;
    let found = verdicts(&fleet, &guest(call, detail).await?);
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let follows = |it: &&Verdict| after.as_ref().is_none_or(|after| it.host > *after);
    let rest: Vec<&Verdict> = found.iter().filter(follows).collect();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let (shown, more) = rest.split_at(limit.min(rest.len()));
    let last = shown.last().filter(|_| !more.is_empty());
    let next = last.map(|last| call.next("marker", last.host.as_str()));
    let items = shown
        .iter()
        .map(|verdict| page.select(&CandidateView::new(verdict)))
        .collect::<Result<Vec<_>, _>>()?;
    call.list(items, next, page.with_total.then_some(total))
}

/// A server with its group, if it is in one.
pub(super) async fn guest(call: &Call, detail: ServerDetail) -> Result<Guest, Problem> {
    let ServerDetail {
        server,
        disks,
        groups,
    } = detail;
    let group = match groups.is_empty() {
        true => None,
        false => {
            let store = &call.state.store;
            store.server_group_membership(server.uuid).await?
        }
    };
    Ok(Guest {
        server,
        disks,
        group,
    })
}

/// Where a page ends: at its last host.
fn place(marker: &str) -> Result<HostName, Problem> {
    let place = HostName::new(marker);
    place.map_err(|_| Problem::input("?marker", "It is none that a list gave."))
}
