//! What conductors and agents say to each other about the fleet.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::StorageMode;
use godwit_core::power::PowerAction;
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::command::{Command, Move, MoveKind, Power, Rank, Receiver};
use godwit_rpc::domain::{Domain, Owner};
use godwit_rpc::facts::{Capacity, Cpu, HostFacts};

use super::{GIB, MIGRATION, SERVER, host};

/// The user and the project that every guest belongs to.
pub fn owner() -> Owner {
    Owner {
        user_id: "user".to_owned(),
        project_id: "project".to_owned(),
        user_name: None,
        project_name: None,
    }
}

pub fn cpu() -> Cpu {
    Cpu {
        arch: "x86_64".to_owned(),
        model: "EPYC".to_owned(),
        ..Cpu::default()
    }
}

pub fn facts(host: &HostName) -> HostFacts {
    HostFacts {
        host: host.clone(),
        node: host.to_string(),
        hypervisor_type: "QEMU".to_owned(),
        hypervisor_version: 10_000_002,
        cpu: cpu(),
        capacity: Capacity {
            vcpus: 8,
            memory_bytes: 8 * GIB,
            disk_bytes: 100 * GIB,
            disk_free_bytes: 90 * GIB,
        },
        pools: Vec::new(),
        address: None,
        links: Vec::new(),
    }
}

/// A guest as a host sees it.
pub fn domain(server: ServerUuid, sighting: Sighting) -> Domain {
    Domain {
        server,
        domain_name: "instance-1".to_owned(),
        display_name: "vm-1".to_owned(),
        sighting,
        power_state: match sighting {
            Sighting::Inactive => PowerState::Shutdown,
            _ => PowerState::Running,
        },
        vcpus: 1,
        memory_bytes: GIB,
        cpu: cpu(),
        disks: Vec::new(),
        owner: owner(),
        flavor: None,
        image_ref: None,
        definition: Some(format!("guest {server}")),
        group: None,
    }
}

/// The live move of [`SERVER`] from `host-1` to `host-2`.
pub fn command(sequence: i64, epoch: i64) -> Command {
    Command {
        what: Move {
            migration: MIGRATION,
            kind: MoveKind::Live,
            server: SERVER,
            source: host(1),
            destination: host(2),
            storage: StorageMode::Shared,
        },
        rank: Rank { sequence, epoch },
        request_id: None,
    }
}

pub fn receiver() -> Receiver {
    Receiver {
        target: "qemu+tcp://host-2/system".to_owned(),
        pools: Vec::new(),
    }
}

/// An action on [`SERVER`].
pub fn power(action: PowerAction, sequence: i64, epoch: i64) -> Power {
    Power {
        server: SERVER,
        action,
        rank: Rank { sequence, epoch },
        request_id: None,
    }
}
