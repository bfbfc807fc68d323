//! What a host says of itself. Sizes are bytes.

use std::net::IpAddr;

use godwit_core::host::link::Link;
use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::Domain;

/// A processor: a host's, or what a guest needs of one.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Cpu {
    /// Such as `x86_64`.
    pub arch: String,
    /// The hypervisor's name for the model, such as `qemu64`.
    pub model: String,
    /// Such as `AMD`; may be empty.
    pub vendor: String,
    /// Features by the hypervisor's names: those a host has, or a guest needs.
    pub features: Vec<String>,
    /// The driver's own description, which the same driver compares on the other host.
    pub definition: Option<String>,
}

/// All that a host has to give, used or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Capacity {
    pub vcpus: u32,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub disk_free_bytes: u64,
}

/// A place where disks lie. Two hosts that report the same id see the same bytes there, unless it is
/// `local`; that is what makes storage shared, and a driver must have verified it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// Unique in the fleet, but for local ones.
    pub id: String,
    /// Its size.
    pub capacity_bytes: u64,
    /// What of it is free.
    pub free_bytes: u64,
    /// What it is made of, such as `nfs`; `None`: its agent does not say.
    #[serde(default)]
    pub kind: Option<String>,
    /// It is on disks of the host alone: what another host calls so is not the same, and what lies
    /// there has to be copied.
    #[serde(default)]
    pub local: bool,
}

/// A host, without its guests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HostFacts {
    /// The compute service's host name.
    pub host: HostName,
    /// The hypervisor's own name of the host.
    pub node: String,
    /// Such as `QEMU` (`contract: state-machine.md §12`).
    pub hypervisor_type: String,
    /// `major × 1,000,000 + minor × 1,000 + micro`, as Nova counts.
    pub hypervisor_version: u32,
    pub cpu: Cpu,
    pub capacity: Capacity,
    pub pools: Vec<Pool>,
    /// Its address, for people.
    pub address: Option<IpAddr>,
    /// The networks it is on. An agent of release 2.0 of the protocol never says.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A host and every domain on it, seen at one time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Inventory {
    /// The host.
    pub facts: HostFacts,
    /// Its domains, shut-off ones too.
    pub domains: Vec<Domain>,
    /// When the looking began.
    pub observed_at: Timestamp,
}

/// Do the same bytes of this pool lie at hand for a host that reaches `pools`?
pub fn reaches(pools: &[Pool], pool: &str) -> bool {
    pools.iter().any(|known| known.id == pool && !known.local)
}
