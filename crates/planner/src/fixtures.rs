//! A small fleet that the tests change to taste.

use std::collections::BTreeMap;

use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::{Because, Level, Switch};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::BlockMigration;
use godwit_core::resources::Resources;
use godwit_core::server_group::{Member, Membership, Policy};

use crate::inventory::{Host, Need};

pub(crate) fn name(text: &str) -> HostName {
    HostName::new(text).unwrap()
}

/// An empty host with 8 processors, 8 GiB of memory and 100 GiB of disk.
pub(crate) fn host(text: &str) -> Host {
    Host {
        name: name(text),
        node: format!("{text}.example.org"),
        because: Vec::new(),
        holders: Vec::new(),
        unmanaged: None,
        up: true,
        hypervisor_type: "QEMU".into(),
        hypervisor_version: 10_000_002,
        arch: "x86_64".into(),
        pools: ["nfs".to_owned()].into(),
        capacity: Resources {
            vcpus: 8,
            memory_mb: 8_192,
            disk_gb: 100,
        },
        used: Resources::default(),
        arriving: 0,
    }
}

/// One processor and 1 GiB on `source`, with a disk of 10 GiB on shared storage.
pub(crate) fn need(source: &str) -> Need {
    Need {
        server: SERVER.parse().unwrap(),
        source: name(source),
        hypervisor_type: "QEMU".into(),
        hypervisor_version: 10_000_002,
        arch: "x86_64".into(),
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
        unmanaged: None,
        group: None,
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
