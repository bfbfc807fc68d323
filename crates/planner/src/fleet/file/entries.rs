//! What stands in a fleet file.

use godwit_core::ids::{HostName, ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use serde::Deserialize;

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostEntry {
    pub(super) name: HostName,
    pub(super) zone: Option<String>,
    pub(super) pod: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) capacity: Capacity,
    #[serde(default)]
    pub(super) pools: Vec<String>,
    #[serde(default)]
    pub(super) links: Vec<LinkEntry>,
    #[serde(default)]
    pub(super) hypervisors: Vec<Hypervisor>,
    pub(super) cpu: Option<Cpu>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default = "yes")]
    pub(super) up: bool,
    #[serde(default = "yes")]
    pub(super) managed: bool,
    #[serde(default)]
    pub(super) fenced: bool,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Capacity {
    pub(super) vcpus: i64,
    pub(super) memory_mib: i64,
    #[serde(default)]
    pub(super) disk_gib: i64,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkEntry {
    #[serde(default, rename = "name")]
    pub(super) _name: Option<String>,
    #[serde(default)]
    pub(super) role: LinkRole,
    pub(super) bytes_per_second: u64,
    pub(super) stream_bytes_per_second: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LinkRole {
    #[default]
    Migration,
    Management,
    Storage,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hypervisor {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) version: i64,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct Cpu {
    pub(super) arch: String,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerEntry {
    pub(super) id: ServerUuid,
    #[serde(default, rename = "name")]
    pub(super) _name: Option<String>,
    #[serde(default, rename = "project")]
    pub(super) _project: Option<String>,
    pub(super) host: HostName,
    #[serde(default)]
    pub(super) status: Status,
    pub(super) vcpus: i64,
    pub(super) memory_mib: i64,
    #[serde(default)]
    pub(super) disks: Vec<DiskEntry>,
    /// At most one, as in Nova.
    #[serde(default)]
    pub(super) groups: Vec<ServerGroupUuid>,
    pub(super) dirty_bytes_per_second: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    #[default]
    Active,
    Shutoff,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct DiskEntry {
    pub(super) pool: String,
    #[serde(default)]
    pub(super) allocated_bytes: u64,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct PoolEntry {
    pub(super) name: String,
    #[serde(default)]
    pub(super) shared: bool,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupEntry {
    pub(super) id: ServerGroupUuid,
    pub(super) name: String,
    pub(super) policy: Policy,
    pub(super) max_server_per_host: Option<u32>,
}

const fn yes() -> bool {
    true
}
