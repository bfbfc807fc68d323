//! What belongs to a server and has routes of its own. Networks are other services' business:
//! nothing is known here of a server's ports, addresses and security groups, and it has no tags.

use godwit_policy::Target;
use serde_json::{Value, json};

use crate::nova::call::Call;
use crate::nova::error::ApiError;
use crate::nova::reply::Reply;
use crate::nova::routes::Answer;
use crate::nova::rules;

/// `GET /servers/{server_id}/os-interface`.
pub fn interfaces(call: &Call) -> Answer<'_> {
    none(
        call,
        rules::INTERFACES_LIST,
        json!({ "interfaceAttachments": [] }),
    )
}

/// `GET /servers/{server_id}/os-security-groups`.
pub fn security_groups_of_server(call: &Call) -> Answer<'_> {
    none(
        call,
        rules::SECURITY_GROUPS_LIST,
        json!({ "security_groups": [] }),
    )
}

/// `GET /servers/{server_id}/ips`.
pub fn addresses(call: &Call) -> Answer<'_> {
    none(call, rules::ADDRESSES_INDEX, json!({ "addresses": {} }))
}

/// `GET /servers/{server_id}/tags`.
pub fn tags(call: &Call) -> Answer<'_> {
    none(call, rules::TAGS_INDEX, json!({ "tags": [] }))
}

/// `GET /os-security-groups`.
pub fn security_groups(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        let target = Target::of_project(call.caller.project_id());
        call.caller.enforce(rules::SECURITY_GROUPS_GET, &target)?;
        Reply::json(&json!({ "security_groups": [] }))
    })
}

/// `GET /servers/{server_id}/metadata`.
pub fn metadata(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        let server = call.allowed_server(rules::METADATA_INDEX).await?;
        Reply::json(&json!({ "metadata": server.metadata }))
    })
}

/// `GET /servers/{server_id}/metadata/{key}`.
pub fn metadata_item(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        let server = call.allowed_server(rules::METADATA_SHOW).await?;
        let key = &call.ids.key;
        let gone = || ApiError::NotFound("Metadata item was not found".to_owned());
        let value = server.metadata.get(key).ok_or_else(gone)?;
        Reply::json(&json!({ "meta": { key: value } }))
    })
}

/// What servers have none of.
fn none<'a>(call: &'a Call, rule: &'static str, document: Value) -> Answer<'a> {
    Box::pin(async move {
        call.allowed_server(rule).await?;
        Reply::json(&document)
    })
}
