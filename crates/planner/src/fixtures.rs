//! A small fleet that the tests change to taste.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::{Because, Level, Switch, Topology};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::BlockMigration;
use godwit_core::resources::Resources;
use godwit_core::server_group::{Member, Membership, Policy};

use crate::inventory::{Host, Need, Stream};

pub(crate) fn name(text: &str) -> HostName {
    HostName::new(text).unwrap()
}

/// An empty host with 8 processors, 8 GiB of memory and 100 GiB of disk.
pub(crate) fn host(text: &str) -> Host {
    Host {
        name: name(text),
        node: format!("{text}.example.org"),
        topology: nova(),
        because: Vec::new(),
        holders: Vec::new(),
        unmanaged: None,
        up: true,
        agent_too_old: None,
        hypervisor_type: "QEMU".into(),
        hypervisor_version: 10_000_002,
        arch: "x86_64".into(),
        cpu_features: Arc::default(),
        pools: ["nfs".to_owned()].into(),
        capacity: Resources {
            vcpus: 8,
            memory_mb: 8_192,
            disk_gb: 100,
        },
        used: Resources::default(),
        stream_bytes_per_second: 1_250_000_000,
        arriving: 0,
    }
}

/// A zone, and no more.
pub(crate) fn nova() -> Topology {
    Topology {
        zone: "nova".to_owned(),
        pod: None,
        cluster: None,
    }
}

/// One processor and 1 GiB on `source`, with a disk of 10 GiB on shared storage.
pub(crate) fn need(source: &str) -> Need {
    Need {
        server: SERVER.parse().unwrap(),
        source: name(source),
        topology: nova(),
        hypervisor_type: "QEMU".into(),
        hypervisor_version: 10_000_002,
        arch: "x86_64".into(),
        cpu_features: BTreeSet::new(),
        room: Resources {
            vcpus: 1,
            memory_mb: 1_024,
            disk_gb: 10,
        },
        pools: ["nfs".to_owned()].into(),
        pool_gib: BTreeMap::new(),
        local_disks: false,
        block_migration: BlockMigration::Auto,
        source_is_dead: false,
        live: false,
        stream: None,
        unmanaged: None,
        group: None,
    }
}

/// 1 GiB of memory that is changed at so many bytes per second.
pub(crate) fn stream(dirty_bytes_per_second: u64) -> Stream {
    Stream {
        memory_bytes: 1 << 30,
        disk_bytes: 0,
        dirty_bytes_per_second,
        bytes_per_second: 1_250_000_000,
    }
}

/// Somebody disabled it.
pub(crate) fn disabled(level: Level, name: &str) -> Because {
    Because {
        level,
        name: name.to_owned(),
        switch: Switch {
            disabled: true,
            ..Switch::default()
        },
    }
}

/// A cluster that takes no part in moves.
pub(crate) fn unmanaged(cluster: &str) -> Unmanaged {
    Unmanaged {
        cluster: cluster.to_owned(),
        reconciling: false,
    }
}

/// A group whose other servers rest on these hosts.
pub(crate) fn group(policy: Policy, others: &[&str]) -> Membership {
    let resting = |on: &&str| Member {
        host: Some(name(on)),
        moving: None,
    };
    Membership {
        group: "66666666-2222-4333-8444-555555555555".parse().unwrap(),
        name: "web".to_owned(),
        policy,
        max_server_per_host: None,
        others: others.iter().map(resting).collect(),
    }
}

pub(crate) const SERVER: &str = "11111111-2222-4333-8444-555555555555";

#[test]
fn the_fixture_has_a_proper_id() {
    assert!(SERVER.parse::<ServerUuid>().is_ok());
}
