//! A server group, and who is in it.

use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use godwit_store::ServerGroup;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct GroupView<'a> {
    id: ServerGroupUuid,
    name: &'a str,
    project: &'a str,
    policy: Policy,
    max_server_per_host: Option<u32>,
    members: &'a [ServerUuid],
}

impl<'a> GroupView<'a> {
    pub fn new(group: &'a ServerGroup) -> Self {
        Self {
            id: group.uuid,
            name: &group.name,
            project: &group.project_id,
            policy: group.policy,
            max_server_per_host: group.max_server_per_host,
            members: &group.members,
        }
    }
}
