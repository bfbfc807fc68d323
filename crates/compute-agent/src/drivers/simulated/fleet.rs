//! What a simulated world is made of. Sizes are bytes, rates bytes a second.

use std::collections::BTreeSet;

use godwit_core::host::link::{Link, LinkRole, of_moves};
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
    /// What is known of pools. One that is not here is shared, and large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolSpec>,
}

/// A storage pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    pub name: String,
    /// Such as `nfs`.
    pub kind: Option<String>,
    /// Do all hosts that reach it see the same bytes there? Else each has a pool of its own of this
    /// name, on its local disks.
    pub shared: bool,
    /// Of one that is not shared: each host's. `None`: large, or of one that is not shared as much as
    /// its host's disks have.
    pub capacity_bytes: Option<u64>,
    /// What guests other than the world's take of it.
    pub taken_bytes: u64,
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
    /// Such as `x86_64`.
    #[serde(default = "x86_64")]
    pub arch: String,
    /// The ids of the pools that it reaches.
    pub pools: Vec<String>,
    /// What its link carries, in each direction, for all moves together, where `links` has none
    /// for moves.
    pub link_bytes_per_second: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Where it belongs, as whoever made the world said.
    #[serde(default, skip_serializing_if = "Place::is_nowhere")]
    pub place: Place,
    /// May guests leave from here by post-copy?
    pub post_copy: bool,
}

/// Where a host belongs. Nothing that a host could tell: the world only keeps it for whoever does.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    pub zone: Option<String>,
    pub pod: Option<String>,
    pub cluster: Option<String>,
}

impl Place {
    pub fn is_nowhere(&self) -> bool {
        *self == Self::default()
    }
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
            arch: x86_64(),
            pools: vec!["shared".to_owned()],
            link_bytes_per_second: 1_250_000_000,
            links: Vec::new(),
            place: Place::default(),
            post_copy: true,
        }
    }

    /// The networks that its agent reports. A simulated move takes all that its link has, where
    /// nothing else is said.
    pub(super) fn reported_links(&self) -> Vec<Link> {
        if !self.links.is_empty() {
            return self.links.clone();
        }
        vec![Link {
            name: "sim0".to_owned(),
            role: LinkRole::Migration,
            bytes_per_second: Some(self.link_bytes_per_second),
            stream_bytes_per_second: Some(self.link_bytes_per_second),
        }]
    }

    /// What the network that moves use carries for all of them together, and for one of them.
    pub(super) fn rates(&self) -> (u64, u64) {
        let link = of_moves(&self.links);
        let all = link.and_then(|link| link.bytes_per_second);
        let all = all.unwrap_or(self.link_bytes_per_second);
        let one = link.and_then(|link| link.stream_bytes_per_second);
        (all, one.unwrap_or(all))
    }
}

fn x86_64() -> String {
    "x86_64".to_owned()
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
    /// Was that measured, as far as anybody asks?
    #[serde(default)]
    pub dirty_rate_is_known: bool,
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
            dirty_rate_is_known: false,
            working_set_bytes: 64 << 20,
            cpu_features: Vec::new(),
            disks: vec![disk],
            left_on: BTreeSet::new(),
            starts: 0,
            group: None,
        }
    }
}
