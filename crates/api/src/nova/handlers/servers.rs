//! Servers: list, list in detail, show (`contract: actions.md §8`).

mod filter;
mod scope;
mod sorting;
mod visibility;

use godwit_core::ids::ServerUuid;
use godwit_store::{Server, ServerListError, ServerPage};

use self::scope::Scope;
use self::visibility::Visibility;
use super::paging::{limit, next, no_such_marker};
use super::{Answer, ApiError, Reply, rules};
use crate::nova::call::{Call, read_uuid};
use crate::nova::views::HostIds;
use crate::nova::views::server::{ServerEntry, ServerView};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SERVERS_INDEX)?;
    let servers = list(call, rules::SERVERS_INDEX_ALL).await?;
    let view = |server| ServerEntry::new(server, &call.links);
    let last = servers.last().map(|server| server.uuid.to_string());
    let next = next(call, "servers", servers.len(), last);
    Reply::page("servers", servers.iter().map(view), next)
}

pub async fn detail(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SERVERS_DETAIL)?;
    let servers = list(call, rules::SERVERS_DETAIL_ALL).await?;
    let visibility = Visibility::of_list(call).await?;
    let host_ids = HostIds::default();
    let view = |server| ServerView::new(server, visibility.of(server), &call.links, &host_ids);
    let last = servers.last().map(|server| server.uuid.to_string());
    let next = next(call, "servers/detail", servers.len(), last);
    Reply::page("servers", servers.iter().map(view), next)
}

pub async fn show(call: &Call) -> Answer {
    let found = call.server().await?.allow(call, rules::SERVERS_SHOW)?;
    let visibility = Visibility::of_one(call, &found).await?;
    let server = &found.resource;
    let host_ids = HostIds::default();
    let server = ServerView::new(server, visibility.of(server), &call.links, &host_ids);
    Reply::document("server", &server)
}

async fn list(call: &Call, all_projects: &'static str) -> Result<Vec<Server>, ApiError> {
    let scope = Scope::of(call, all_projects)?;
    let Some(filter) = filter::read(call, scope)? else {
        return Ok(Vec::new());
    };
    let sort = sorting::read(call)?;
    let marker = call.query.last("marker").filter(|text| !text.is_empty());
    let known = |text| read_uuid(text).ok_or_else(|| no_such_marker(text));
    let marker = marker.map(known).transpose()?.map(ServerUuid);
    let page = match limit(call) {
        0 => return Ok(Vec::new()),
        limit => ServerPage {
            limit,
            marker,
            sort,
        },
    };
    call.state
        .store
        .server_list(&filter, &page)
        .await
        .map_err(|error| match error {
            ServerListError::MarkerNotFound(marker) => no_such_marker(marker),
            ServerListError::Store(error) => error.into(),
        })
}
