//! `GET /servers/{id}/candidates`: every host but the server's own, and whether the server could go
//! there. It is the conductor's own check, on what hosts last said. Who may not see hosts finds none.

use godwit_core::ids::HostName;
use godwit_facts::{Fleet, Guest, Verdict, verdicts};
use godwit_store::{Hardware, ServerDetail};

use super::call::Call;
use super::page::Page;
use super::problem::Problem;
use super::routes::Answer;
use super::views::candidate::{CandidateView, FIELDS};
use super::{rules, servers};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SERVERS_CANDIDATES)?;
    let page = Page::read(&call.params, FIELDS)?;
    let after = page.after(|marker| HostName::new(marker).ok())?;
    let detail = servers::named(call, rules::SERVERS_CANDIDATES).await?;
    if !call.sees().hosts {
        return call.list(Vec::<()>::new(), None, page.with_total.then_some(0));
    }
    let fleet = Fleet::load(&call.state.store, call.basis()).await?;
    let found = verdicts(&fleet, &guest(call, detail).await?);
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let follows = |it: &&Verdict| after.as_ref().is_none_or(|after| it.host > *after);
    call.page(
        &page,
        found.iter().filter(follows).collect(),
        page.with_total.then_some(total),
        |it| it.host.to_string(),
        |it| page.select(&CandidateView::new(it)),
    )
}

/// A server with its group, if it is in one.
async fn guest(call: &Call, detail: ServerDetail) -> Result<Guest, Problem> {
    let ServerDetail {
        server,
        disks,
        cpu,
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
        hardware: Hardware { disks, cpu },
        group,
    })
}
