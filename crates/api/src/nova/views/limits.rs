//! The limits of a project, which are none here, and what it uses.

use godwit_store::ProjectUsage;
use serde::Serialize;

use super::quota::UNLIMITED;
use super::{Gated, Microversion, milestone};

#[derive(Debug, Serialize)]
pub struct Limits {
    /// Requests are not rationed.
    rate: [(); 0],
    absolute: Absolute,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Absolute {
    max_total_instances: i64,
    max_total_cores: i64,
    #[serde(rename = "maxTotalRAMSize")]
    max_total_ram_size: i64,
    max_server_meta: i64,
    max_total_keypairs: i64,
    max_server_groups: i64,
    max_server_group_members: i64,
    total_instances_used: i64,
    total_cores_used: i64,
    #[serde(rename = "totalRAMUsed")]
    total_ram_used: i64,
    total_server_groups_used: i64,
    #[serde(flatten)]
    networks: Option<Networks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_image_meta: Gated<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_personality: Gated<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_personality_size: Gated<i64>,
}

/// What belonged to the compute service before there was a network service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Networks {
    max_total_floating_ips: i64,
    max_security_groups: i64,
    max_security_group_rules: i64,
    total_floating_ips_used: i64,
    total_security_groups_used: i64,
}

impl Limits {
    /// The document of a project that uses `usage`.
    pub fn new(usage: ProjectUsage, version: Microversion) -> Self {
        let networks = Networks {
            max_total_floating_ips: UNLIMITED,
            max_security_groups: UNLIMITED,
            max_security_group_rules: UNLIMITED,
            total_floating_ips_used: 0,
            total_security_groups_used: 0,
        };
        let personality = version < milestone::NO_PERSONALITY;
        let absolute = Absolute {
            max_total_instances: UNLIMITED,
            max_total_cores: UNLIMITED,
            max_total_ram_size: UNLIMITED,
            max_server_meta: UNLIMITED,
            max_total_keypairs: UNLIMITED,
            max_server_groups: UNLIMITED,
            max_server_group_members: UNLIMITED,
            total_instances_used: usage.servers,
            total_cores_used: usage.vcpus,
            total_ram_used: usage.memory_mb,
            total_server_groups_used: usage.server_groups,
            networks: Some(networks).filter(|_| version < milestone::NO_NETWORK_LIMITS),
            max_image_meta: (version < milestone::NO_IMAGE_LIMIT).then_some(UNLIMITED),
            max_personality: personality.then_some(UNLIMITED),
            max_personality_size: personality.then_some(UNLIMITED),
        };
        Self { rate: [], absolute }
    }
}
