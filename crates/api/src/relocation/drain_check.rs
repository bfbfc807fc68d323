//! `GET /hosts/{host}/drain-check`: whether a host could be emptied, and what keeps its servers there.

use godwit_facts::{Fleet, Guest, drain};
use godwit_store::{Hardware, ServerFilter, ServerListError, ServerPage};

use super::call::Call;
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::Answer;
use super::views::candidate::DrainCheckView;
use super::{hosts, rules};

/// Servers on one host that are looked at. No host has as many.
const MOST: usize = 10_000;

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_DRAIN_CHECK)?;
    let no_such = || Problem::not_found("such host");
    let name = hosts::named(call).ok_or_else(no_such)?;
    let store = &call.state.store;
    let fleet = Fleet::load(store, call.basis()).await?;
    if fleet.host(&name).is_none() {
        return Err(no_such());
    }
    let filter = ServerFilter {
        host: Some(name.to_string()),
        ..ServerFilter::default()
    };
    let page = ServerPage {
        limit: i64::try_from(MOST).unwrap_or(i64::MAX),
        marker: None,
        sort: Vec::new(),
    };
    let found = store.server_detail_list(&filter, &page).await;
    let found = found.map_err(|error| match error {
        ServerListError::MarkerNotFound(_) => Problem::internal(error),
        ServerListError::Store(error) => error.into(),
    })?;
    if found.len() == MOST {
        let detail = format!("The host has {MOST} servers or more.");
        return Err(Problem::new(Code::Unavailable, detail));
    }
    let mut groups = store.server_group_memberships_on(name).await?;
    let guests = found.into_iter().map(|it| Guest {
        group: groups.remove(&it.server.uuid),
        server: it.server,
        hardware: Hardware {
            disks: it.disks,
            cpu: it.cpu,
        },
    });
    let guests: Vec<Guest> = guests.collect();
    Reply::json(&DrainCheckView::new(&drain(&fleet, &guests)))
}
