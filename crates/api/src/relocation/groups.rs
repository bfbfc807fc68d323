//! `/groups/{id}/members/{server}`: who is in a server group. Groups themselves are made and shown by
//! Nova's API.

use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_planner::reason;
use godwit_policy::Target;
use godwit_store::{MembershipError, ServerGroup};
use serde_json::{Value, json};

use super::call::Call;
use super::fields::members;
use super::problem::{Code, Problem, sentence};
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::group::GroupView;
use super::views::reason::ReasonView;
use crate::http::ids::read_uuid;

/// 200 with the group, whether the server came in or was in it.
pub async fn join(call: &Call) -> Answer {
    call.caller.enforce_own(rules::GROUPS_ADD_MEMBER)?;
    if !matches!(&call.body, Value::Null) {
        members(&call.body, &[])?;
    }
    let (group, server) = named(call, rules::GROUPS_ADD_MEMBER).await?;
    let (store, now) = (&call.state.store, call.state.clock.now());
    let joined = store.server_group_join(group.uuid, server, call.requester(), now);
    let joined = joined.await.map_err(|error| refused(call, &group, error))?;
    Reply::json(&GroupView::new(&joined))
}

/// 204; 404 where the server is not in the group.
pub async fn leave(call: &Call) -> Answer {
    call.caller.enforce_own(rules::GROUPS_REMOVE_MEMBER)?;
    let (group, server) = named(call, rules::GROUPS_REMOVE_MEMBER).await?;
    let store = &call.state.store;
    let left = store.server_group_leave(group.uuid, server, call.requester());
    left.await.map_err(|error| refused(call, &group, error))?;
    Ok(Reply::empty())
}

/// The group and the server that the path names, if `rule` allows the caller to change the group.
async fn named(call: &Call, rule: &'static str) -> Result<(ServerGroup, ServerUuid), Problem> {
    let no_group = || Problem::not_found("such server group");
    let no_server = || Problem::not_found("such server");
    let (store, project) = (&call.state.store, call.sees().project);
    let group = read_uuid(&call.ids.id).map(ServerGroupUuid);
    let found = store.server_group_find(group.ok_or_else(no_group)?, project);
    let group = found.await?.ok_or_else(no_group)?;
    let target = Target::of_project(Some(&group.project_id));
    call.caller.enforce(rule, &target)?;
    let server = read_uuid(&call.ids.server).map(ServerUuid);
    let server = server.ok_or_else(no_server)?;
    let found = store.server_detail(server, project).await?;
    found.ok_or_else(no_server)?;
    Ok((group, server))
}

fn refused(call: &Call, group: &ServerGroup, error: MembershipError) -> Problem {
    let conflict = |detail: String| Problem::new(Code::GroupConflict, detail);
    match error {
        MembershipError::NoSuchGroup => Problem::not_found("such server group"),
        MembershipError::NoSuchServer => Problem::not_found("such server"),
        MembershipError::NoMember => Problem::not_found("such member of the server group"),
        MembershipError::Store(error) => error.into(),
        MembershipError::Rule {
            group: membership,
            host,
            violation,
        } => {
            let reason = reason::joining(&host, &membership, &violation);
            let view = ReasonView::of(&reason, Some(&group.project_id), call.sees());
            conflict(
                "The rule of the server group does not allow the server where it is, or where it \
                 goes. Move it first, or the servers that are in its way."
                    .to_owned(),
            )
            .with_reasons(vec![json!(view)])
        }
        it @ (MembershipError::OfAnotherProject
        | MembershipError::InAnotherGroup(_)
        | MembershipError::Declared) => conflict(sentence(&it.to_string())),
    }
}
