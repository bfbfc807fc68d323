//! What a simulated world is made of. Sizes are bytes, rates bytes a second.

use std::collections::BTreeSet;

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::server_group::DeclaredGroup;
use godwit_rpc::domain::{Disk, Flavor, Owner};
use serde::{Deserialize, Serialize};

const GIB: u64 = 1 << 30;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    pub hosts: Vec<HostSpec>,
    /// The guests, each on one of the hosts.
    pub guests: Vec<GuestSpec>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// Its name, and its hypervisor's.
    pub name: HostName,
    /// Such as `QEMU`.
    pub hypervisor_type: String,
    /// `major × 1,000,000 + minor × 1,000 + micro`.
    pub hypervisor_version: u32,
    pub cpu_model: String,
    pub cpu_features: Vec<String>,
    pub vcpus: u32,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    /// The ids of the storage it reaches, beside its local disks.
    pub pools: Vec<String>,
    /// What its link carries, in each direction, for all moves together.
    pub link_bytes_per_second: u64,
    /// May guests leave from here by post-copy?
    pub post_copy: bool,
}

impl HostSpec {
    /// An ordinary host: 32 processors, 128 GiB, 1 TiB of local disk, the pool `shared`, a link
    /// of 10 Gbit/s, post-copy permitted.
    pub fn new(name: HostName) -> Self {
        Self {
            name,
            hypervisor_type: "QEMU".to_owned(),
            hypervisor_version: 10_000_002,
            cpu_model: "EPYC".to_owned(),
            cpu_features: ["avx2", "sse4.2"].map(str::to_owned).to_vec(),
            vcpus: 32,
            memory_bytes: 128 * GIB,
            disk_bytes: 1024 * GIB,
            pools: vec!["shared".to_owned()],
            link_bytes_per_second: 1_250_000_000,
            post_copy: true,
        }
    }
}

/// What a guest does with its processors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    On,
    Paused,
    Off,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestSpec {
    /// Its uuid, which is the server's.
    pub uuid: ServerUuid,
    pub name: String,
    pub owner: Owner,
    pub flavor: Option<Flavor>,
    pub host: HostName,
    pub power: Power,
    pub vcpus: u32,
    pub memory_bytes: u64,
    /// How fast it changes its memory while it executes.
    pub dirty_bytes_per_second: u64,
    /// How much of its memory it changes again and again.
    pub working_set_bytes: u64,
    pub cpu_features: Vec<String>,
    pub disks: Vec<Disk>,
    /// Hosts that have a definition of it, too, and do not execute it: the source of a cold
    /// move until somebody confirms it, or the source of an evacuation that has come back.
    #[serde(default)]
    pub left_on: BTreeSet<HostName>,
    /// Grows whenever it is started.
    #[serde(default)]
    pub starts: i64,
    /// The server group that it says it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<DeclaredGroup>,
}

impl GuestSpec {
    /// A quiet guest of 1 processor and 1 GiB with a 10 GiB disk on the pool `shared`, that
    /// executes on `host`.
    pub fn new(uuid: ServerUuid, name: &str, owner: Owner, host: HostName) -> Self {
        let disk = Disk {
            target: "vda".to_owned(),
            path: format!("/shared/{uuid}.qcow2"),
            pool: Some("shared".to_owned()),
            format: "qcow2".to_owned(),
            virtual_bytes: 10 * GIB,
            allocated_bytes: GIB,
            backing: None,
            read_only: false,
        };
        Self {
            uuid,
            name: name.to_owned(),
            owner,
            flavor: None,
            host,
            power: Power::On,
            vcpus: 1,
            memory_bytes: GIB,
            dirty_bytes_per_second: 20 << 20,
            working_set_bytes: 64 << 20,
            cpu_features: Vec::new(),
            disks: vec![disk],
            left_on: BTreeSet::new(),
            starts: 0,
            group: None,
        }
    }

    /// What its disks occupy on the host itself.
    pub(super) fn local_bytes(&self) -> u64 {
        let local = self.disks.iter().filter(|disk| disk.pool.is_none());
        local.map(|disk| disk.allocated_bytes).sum()
    }
}
