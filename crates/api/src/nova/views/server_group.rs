//! A server group.

use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use godwit_store::ServerGroup;
use serde::Serialize;

use super::server::Empty;
use super::{Gated, Microversion, milestone};

/// The document of a server group.
#[derive(Debug, Serialize)]
pub struct ServerGroupView<'a> {
    id: ServerGroupUuid,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Gated<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Gated<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Gated<[Policy; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Gated<Empty>,
    members: &'a [ServerUuid],
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Gated<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Gated<&'a str>,
}

#[derive(Debug, Serialize)]
struct Rules {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_server_per_host: Option<u32>,
}

impl<'a> ServerGroupView<'a> {
    pub fn new(group: &'a ServerGroup, version: Microversion) -> Self {
        let ruled = version >= milestone::GROUP_RULES;
        let owned = version >= milestone::GROUP_OWNERS;
        let rules = Rules {
            max_server_per_host: group.max_server_per_host,
        };
        Self {
            id: group.uuid,
            name: &group.name,
            policy: ruled.then_some(group.policy),
            rules: ruled.then_some(rules),
            policies: (!ruled).then_some([group.policy]),
            metadata: (!ruled).then_some(Empty {}),
            members: &group.members,
            project_id: owned.then_some(&group.project_id),
            user_id: owned.then_some(&group.user_id),
        }
    }
}
