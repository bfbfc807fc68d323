//! What stands in a fleet file.

use std::fmt;

use godwit_core::host::link::LinkRole;
use godwit_core::ids::{HostName, ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEntry {
    pub name: HostName,
    pub zone: Option<String>,
    pub pod: Option<HostName>,
    pub cluster: Option<HostName>,
    pub capacity: Capacity,
    /// Those that it reaches; absent: what `pools` says of it.
    pub pools: Option<Vec<String>>,
    #[serde(default)]
    pub links: Vec<LinkEntry>,
    /// The first one counts.
    #[serde(default)]
    pub hypervisors: Vec<Hypervisor>,
    pub cpu: Option<Cpu>,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default = "yes")]
    pub up: bool,
    #[serde(default = "yes")]
    pub managed: bool,
    #[serde(default)]
    pub fenced: bool,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    pub vcpus: u32,
    pub memory_mib: u32,
    #[serde(default)]
    pub disk_gib: u32,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkEntry {
    pub name: Option<String>,
    /// Absent: that moves use it.
    pub role: Option<LinkRole>,
    pub bytes_per_second: Option<u64>,
    pub stream_bytes_per_second: Option<u64>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypervisor {
    #[serde(rename = "type")]
    pub kind: String,
    /// `10.0.2`, or as Nova counts: major × 1,000,000 + minor × 1,000 + micro.
    #[serde(deserialize_with = "version")]
    pub version: u32,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    pub arch: String,
    pub model: Option<String>,
    #[serde(default)]
    pub features: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerEntry {
    pub id: Option<ServerUuid>,
    pub name: Option<String>,
    pub project: Option<String>,
    pub host: HostName,
    #[serde(default)]
    pub status: Status,
    pub vcpus: u32,
    pub memory_mib: u32,
    #[serde(default)]
    pub disks: Vec<DiskEntry>,
    /// At most one, as in Nova.
    #[serde(default)]
    pub groups: Vec<ServerGroupUuid>,
    pub dirty_bytes_per_second: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    #[default]
    Active,
    Paused,
    Shutoff,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskEntry {
    /// Absent: `vda`, `vdb` and so on.
    pub target: Option<String>,
    /// Absent: storage of the host itself.
    pub pool: Option<String>,
    pub format: Option<String>,
    /// Absent: as much as it occupies, and at least 10 GiB.
    pub virtual_bytes: Option<u64>,
    #[serde(default)]
    pub allocated_bytes: u64,
    /// What it is a linked clone of, the nearest first.
    #[serde(default)]
    pub backing: Vec<String>,
}

/// Of a pool that is not shared every host has one of its own, of this size.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolEntry {
    pub name: String,
    pub kind: Option<String>,
    #[serde(default)]
    pub shared: bool,
    /// Those that reach it; absent: what `hosts` says.
    pub hosts: Option<Vec<HostName>>,
    pub capacity_bytes: Option<u64>,
    pub free_bytes: Option<u64>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupEntry {
    pub id: ServerGroupUuid,
    pub name: String,
    pub policy: Policy,
    pub max_server_per_host: Option<u32>,
}

const fn yes() -> bool {
    true
}

fn version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    struct Version;

    impl Visitor<'_> for Version {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a version such as \"10.0.2\"")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
            u32::try_from(number).map_err(|_| E::custom("the version is too large"))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
            u32::try_from(number).map_err(|_| E::custom("the version is too small or too large"))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u32, E> {
            counted(text).ok_or_else(|| E::custom(format!("{text:?} is no version such as 10.0.2")))
        }
    }

    from.deserialize_any(Version)
}

/// As Nova counts three numbers.
fn counted(text: &str) -> Option<u32> {
    let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
    match numbers.ok()?.as_slice() {
        [major, minor @ 0..=999, micro @ 0..=999] => major
            .checked_mul(1_000_000)?
            .checked_add(minor.checked_mul(1_000)?)?
            .checked_add(*micro),
        _ => None,
    }
}
