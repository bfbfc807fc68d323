//! What belongs to a server and has routes of its own. Networks are other services' business:
//! nothing is known here of a server's ports, addresses and security groups, and it has no tags.

use godwit_policy::Target;
use serde_json::{Value, json};

use super::{Answer, ApiError, Call, Reply, rules};

pub async fn interfaces(call: &Call) -> Answer {
    none(
        call,
        rules::INTERFACES_LIST,
        json!({ "interfaceAttachments": [] }),
    )
    .await
}

pub async fn security_groups_of_server(call: &Call) -> Answer {
    none(
        call,
        rules::SECURITY_GROUPS_LIST,
        json!({ "security_groups": [] }),
    )
    .await
}

pub async fn addresses(call: &Call) -> Answer {
    none(call, rules::ADDRESSES_INDEX, json!({ "addresses": {} })).await
}

pub async fn tags(call: &Call) -> Answer {
    none(call, rules::TAGS_INDEX, json!({ "tags": [] })).await
}

pub async fn security_groups(call: &Call) -> Answer {
    let target = Target::of_project(call.caller.project_id());
    call.caller.enforce(rules::SECURITY_GROUPS_GET, &target)?;
    Reply::json(&json!({ "security_groups": [] }))
}

pub async fn metadata(call: &Call) -> Answer {
    let server = call.allowed_server(rules::METADATA_INDEX).await?;
    Reply::json(&json!({ "metadata": server.metadata }))
}

pub async fn metadata_item(call: &Call) -> Answer {
    let server = call.allowed_server(rules::METADATA_SHOW).await?;
    let key = &call.ids.key;
    let gone = || ApiError::NotFound("Metadata item was not found".to_owned());
    let value = server.metadata.get(key).ok_or_else(gone)?;
    Reply::json(&json!({ "meta": { key: value } }))
}

/// What servers have none of.
async fn none(call: &Call, rule: &'static str, document: Value) -> Answer {
    call.allowed_server(rule).await?;
    Reply::json(&document)
}
