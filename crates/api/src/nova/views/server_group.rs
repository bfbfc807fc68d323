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
    #[serde(skip_serializing_if = "Gated::is_absent")]
    policy: Gated<Policy>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    rules: Gated<Rules>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    policies: Gated<[Policy; 1]>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
    metadata: Gated<Empty>,
    members: &'a [ServerUuid],
    #[serde(skip_serializing_if = "Gated::is_absent")]
    project_id: Gated<&'a str>,
    #[serde(skip_serializing_if = "Gated::is_absent")]
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
            policy: Gated::when(ruled, group.policy),
            rules: Gated::when(ruled, rules),
            policies: Gated::when(!ruled, [group.policy]),
            metadata: Gated::when(!ruled, Empty {}),
            members: &group.members,
            project_id: Gated::when(owned, &group.project_id),
            user_id: Gated::when(owned, &group.user_id),
        }
    }
}
