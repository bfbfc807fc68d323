//! Server groups: list, show, create, delete. Servers come into them elsewhere.

use godwit_core::ids::ServerGroupUuid;
use godwit_core::server_group::Policy;
use godwit_store::{NewServerGroup, ServerGroup};
use serde_json::Value;

use super::{Answer, ApiError, Reply, milestone, rules};
use crate::nova::call::{Call, Guarded, read_uuid};
use crate::nova::views::server_group::ServerGroupView;

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SERVER_GROUPS_INDEX)?;
    // Whatever its value is. Who is no administrator asks for it in vain.
    let all = call.query.last("all_projects").is_some() && call.caller.is_admin();
    if all {
        call.caller.enforce_own(rules::SERVER_GROUPS_INDEX_ALL)?;
    }
    let project = call.caller.project_id().filter(|_| !all);
    let (offset, limit) = window(call);
    let store = &call.state.store;
    let groups = store.server_group_list(project, offset, limit).await?;
    let view = |group| ServerGroupView::new(group, call.version);
    Reply::list("server_groups", groups.iter().map(view))
}

pub async fn show(call: &Call) -> Answer {
    let group = named(call, rules::SERVER_GROUPS_SHOW).await?;
    document(call, &group)
}

pub async fn create(call: &Call) -> Answer {
    let body = &call.body;
    call.caller.enforce_own(rules::SERVER_GROUPS_CREATE)?;
    let new = read(call, &body["server_group"])?;
    let group = call.state.store.server_group_create(new).await?;
    document(call, &group)
}

pub async fn delete(call: &Call) -> Answer {
    let group = named(call, rules::SERVER_GROUPS_DELETE).await?;
    let (store, now) = (&call.state.store, call.state.clock.now());
    let deleted = store.server_group_delete(group.uuid, call.requester(), now);
    match deleted.await? {
        true => Ok(Reply::no_content()),
        false => Err(not_found(call)),
    }
}

fn document(call: &Call, group: &ServerGroup) -> Result<Reply, ApiError> {
    Reply::document("server_group", &ServerGroupView::new(group, call.version))
}

/// The group that the path names, if the caller may know of it and `rule` allows it.
async fn named(call: &Call, rule: &'static str) -> Result<ServerGroup, ApiError> {
    let project = match call.caller.is_admin() {
        true => None,
        false => Some(call.caller.project_id().ok_or_else(|| not_found(call))?),
    };
    let uuid = read_uuid(&call.ids.id).ok_or_else(|| not_found(call))?;
    let found = call.state.store.server_group_find(uuid.into(), project);
    let group = found.await?.ok_or_else(|| not_found(call))?;
    let found = Guarded::of_project(&group.project_id.clone(), group);
    Ok(found.allow(call, rule)?.resource)
}

fn not_found(call: &Call) -> ApiError {
    let id = &call.ids.id;
    ApiError::NotFound(format!("Instance group {id} could not be found."))
}

/// How many groups are passed over, and how many are shown. Here a limit of 0 is none.
fn window(call: &Call) -> (i64, i64) {
    let most = call.state.config.max_limit;
    // Valid digits that do not fit are more than there is.
    let number = |name| {
        let text = call.query.last(name)?;
        Some(text.trim_end().parse().unwrap_or(i64::MAX))
    };
    let limit = number("limit").filter(|limit| *limit > 0);
    let limit = limit.map_or(most, |limit| limit.min(most));
    (number("offset").unwrap_or(0), limit)
}

/// A group as a valid body describes it.
fn read(call: &Call, group: &Value) -> Result<NewServerGroup, ApiError> {
    let (word, rules) = match call.version >= milestone::GROUP_RULES {
        true => (&group["policy"], &group["rules"]),
        false => (&group["policies"][0], &Value::Null),
    };
    let policy: Policy = word
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(ApiError::internal)?;
    let most = rules.get("max_server_per_host").map(count);
    if most.is_some() && policy != Policy::AntiAffinity {
        let text = "Only anti-affinity policy supports rules.";
        return Err(ApiError::BadRequest(text.to_owned()));
    }
    Ok(NewServerGroup {
        uuid: ServerGroupUuid(call.state.ids.uuid()),
        name: group["name"].as_str().unwrap_or_default().to_owned(),
        project_id: call.caller.project_id().unwrap_or_default().to_owned(),
        user_id: call.caller.user_id().unwrap_or_default().to_owned(),
        policy,
        max_server_per_host: most,
        by: Some(call.requester()),
        at: call.state.clock.now(),
    })
}

/// A valid count, as a number or as its digits; more than anybody has is as many as can be.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer saturates, and it is one at least"
)]
fn count(value: &Value) -> u32 {
    let number: Option<f64> = match value {
        Value::String(digits) => digits.trim_end().parse().ok(),
        number => number.as_f64(),
    };
    number.unwrap_or(f64::MAX) as u32
}
