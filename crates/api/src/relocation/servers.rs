//! `GET /servers`: what there is to be moved, the newest first.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_policy::Target;
use godwit_store::{ServerDetail, ServerFilter, ServerListError, ServerPage};

use super::call::Call;
use super::page::{Page, no_place};
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::server::{FIELDS, ServerView};
use super::visibility::Visibility;
use crate::http::ids::read_uuid;

/// The keys of a list's query.
pub const KEYS: &[&str] = &["limit", "marker", "fields", "with_total", "project", "host"];

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SERVERS_LIST)?;
    let (page, sees) = (Page::read(&call.params, FIELDS)?, call.sees());
    let after = page.after(|marker| read_uuid(marker).map(ServerUuid))?;
    let Some(filter) = filter(call, sees)? else {
        return call.list(Vec::<()>::new(), None, page.with_total.then_some(0));
    };
    let store = &call.state.store;
    let one_more = ServerPage {
        limit: page.limit + 1,
        marker: after,
        sort: Vec::new(),
    };
    let found = store.server_detail_list(&filter, &one_more).await;
    let found = found.map_err(|error| match error {
        ServerListError::MarkerNotFound(_) => no_place(),
        ServerListError::Store(error) => error.into(),
    })?;
    let total = match page.with_total {
        true => Some(store.server_count(&filter).await?),
        false => None,
    };
    call.page(
        &page,
        found,
        total,
        |it| it.server.uuid.to_string(),
        |it| page.select(&ServerView::new(it, sees)),
    )
}

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SERVERS_SHOW)?;
    let page = Page::read(&call.params, FIELDS)?;
    let detail = named(call, rules::SERVERS_SHOW).await?;
    Reply::json(&page.select(&ServerView::new(&detail, call.sees()))?)
}

/// The server that the path names, if `rule` allows the caller to act on it.
///
/// # Errors
/// `not-found`, also where it is another project's, and `forbidden`.
pub(super) async fn named(call: &Call, rule: &'static str) -> Result<ServerDetail, Problem> {
    let no_such = || Problem::not_found("such server");
    let uuid = read_uuid(&call.ids.id).ok_or_else(no_such)?;
    let store = &call.state.store;
    let found = store.server_detail(ServerUuid(uuid), call.sees().project);
    let detail = found.await?.ok_or_else(no_such)?;
    let target = Target::of_project(Some(&detail.server.project_id));
    call.caller.enforce(rule, &target)?;
    Ok(detail)
}

/// What the query asks for; `None` where the caller sees nothing of it.
fn filter(call: &Call, sees: Visibility<'_>) -> Result<Option<ServerFilter>, Problem> {
    let params = &call.params;
    let host = params.parse("host", "It is no host's name.", |text| {
        HostName::new(text).ok().map(String::from)
    })?;
    if host.is_some() && !sees.hosts {
        let detail = format!("Policy does not allow {}.", rules::HOSTS_SEE);
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let asked = params.get("project");
    if let (Some(asked), Some(own)) = (asked, sees.project)
        && asked != own
    {
        return Ok(None);
    }
    Ok(Some(ServerFilter {
        host,
        project_id: sees.project.or(asked).map(str::to_owned),
        ..ServerFilter::default()
    }))
}
