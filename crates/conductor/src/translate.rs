//! What agents say, as the store keeps it.
//!
//! Agents count bytes without sign; Nova's columns are signed, and memory is in MiB, disk in
//! GiB. Whatever does not fit saturates: these are sizes of things that exist.

use godwit_core::resources::Resources;
use godwit_core::status::MigrationKind;
use godwit_core::time::Timestamp;
use godwit_facts::gib_ceil;
use godwit_rpc::command::{Command, Move, MoveKind, Rank};
use godwit_rpc::domain::{Disk, Domain, Flavor};
use godwit_rpc::enrolment::Registration;
use godwit_rpc::facts::{Cpu, HostFacts, Inventory, Pool};
use godwit_rpc::progress::{Amounts, Progress};
use godwit_store::{
    self as store, FlavorSpec, HostRegistration, MigrationRecord, Observed, StoragePool,
};
use uuid::Uuid;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn progress(progress: &Progress) -> store::Progress {
    store::Progress {
        memory: Some(amounts(progress.memory)),
        disk: progress.disk.map(amounts),
        dirty_rate: Some(signed(progress.dirty_rate)),
        throughput: Some(signed(progress.throughput)),
        downtime_ms: progress
            .downtime
            .map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
    }
}

fn amounts(amounts: Amounts) -> store::Amounts {
    store::Amounts {
        total: signed(amounts.total),
        processed: signed(amounts.processed),
        remaining: signed(amounts.remaining),
    }
}

/// A registration, with uuids for the rows that it may make.
pub(crate) fn registration(
    registration: &Registration,
    zone: &str,
    mut uuid: impl FnMut() -> Uuid,
    at: Timestamp,
) -> HostRegistration {
    HostRegistration {
        facts: host_facts(&registration.inventory.facts),
        agent: store::AgentFacts {
            address: registration.agent_address.clone(),
            boot_id: registration.boot_id,
            rpc_version: registration.rpc_version.to_string(),
            capabilities: registration.capabilities.clone(),
        },
        zone: zone.to_owned(),
        version: registration.rpc_version.to_string(),
        host_uuid: uuid(),
        service_uuid: uuid(),
        at,
    }
}

fn host_facts(facts: &HostFacts) -> store::HostFacts {
    store::HostFacts {
        name: facts.host.clone(),
        node: facts.node.clone(),
        hypervisor_type: facts.hypervisor_type.clone(),
        hypervisor_version: i64::from(facts.hypervisor_version),
        host_ip: facts.address.map(|address| address.to_string()),
        cpu_info: cpu(&facts.cpu),
        arch: facts.cpu.arch.clone(),
        vcpus: i64::from(facts.capacity.vcpus),
        memory_mb: signed(facts.capacity.memory_bytes / MIB),
        local_gb: signed(facts.capacity.disk_bytes / GIB),
        local_free_gb: signed(facts.capacity.disk_free_bytes / GIB),
        storage_pools: facts
            .pools
            .iter()
            .map(|pool| StoragePool {
                id: pool.id.clone(),
                total_bytes: signed(pool.capacity_bytes),
                available_bytes: signed(pool.free_bytes),
                kind: pool.kind.clone(),
                local: pool.local,
            })
            .collect(),
        links: facts.links.clone(),
    }
}

/// As Nova's libvirt driver describes a processor.
fn cpu(cpu: &Cpu) -> serde_json::Value {
    serde_json::json!({
        "arch": cpu.arch,
        "model": cpu.model,
        "vendor": cpu.vendor,
        "features": cpu.features,
    })
}

/// The processor that a guest needs, and whether that is all in its features.
fn needed_cpu(needed: &Cpu) -> serde_json::Value {
    let mut described = cpu(needed);
    described[store::BY_FEATURES] = needed.definition.is_none().into();
    described
}

/// An inventory that was begun at `at`, by the store's clocks.
pub(crate) fn inventory(inventory: &Inventory, at: Timestamp) -> store::Inventory {
    store::Inventory {
        host: inventory.facts.host.clone(),
        at,
        facts: Some(host_facts(&inventory.facts)),
        domains: inventory
            .domains
            .iter()
            .map(|domain| observed(domain, &inventory.facts.pools))
            .collect(),
    }
}

/// What a type of migration is to the hosts.
pub(crate) const fn move_kind(kind: MigrationKind) -> MoveKind {
    match kind {
        MigrationKind::LiveMigration => MoveKind::Live,
        MigrationKind::Migration | MigrationKind::Resize => MoveKind::Cold,
        MigrationKind::Evacuation => MoveKind::Evacuation,
    }
}

/// What agents are told of a migration; `None`: it was never placed.
pub(crate) fn command(record: &MigrationRecord, rank: Rank) -> Option<Command> {
    let migration = &record.migration;
    let placement = migration.placement.as_ref()?;
    Some(Command {
        what: Move {
            migration: migration.uuid,
            kind: move_kind(migration.kind),
            server: migration.server,
            source: migration.source_compute.clone(),
            destination: placement.host.clone(),
            storage: placement.storage,
        },
        rank,
        request_id: record.request_id.clone(),
    })
}

/// `pools` are those of the host that has it.
fn observed(domain: &Domain, pools: &[Pool]) -> Observed {
    let is_local = |pool: &str| pools.iter().any(|known| known.local && known.id == pool);
    let disks = domain.disks.iter();
    let local = disks.filter(|disk| disk.pool.as_deref().is_none_or(is_local));
    Observed {
        uuid: domain.server,
        instance_name: domain.domain_name.clone(),
        sighting: domain.sighting,
        power_state: domain.power_state,
        room: Resources {
            vcpus: i64::from(domain.vcpus),
            memory_mb: signed(domain.memory_bytes / MIB),
            disk_gb: gib_ceil(local.map(|disk| disk.allocated_bytes).sum()),
        },
        disks: domain.disks.iter().map(disk).collect(),
        cpu: needed_cpu(&domain.cpu),
        definition: domain.definition.clone(),
        owner: store::Owner {
            name: domain.display_name.clone(),
            project_id: domain.owner.project_id.clone(),
            user_id: domain.owner.user_id.clone(),
            flavor: domain.flavor.as_ref().map(flavor),
            flavorid: domain.flavor.as_ref().and_then(|flavor| flavor.id.clone()),
            image_ref: domain.image_ref.clone(),
            created_at: None,
        },
        group: domain.group.as_deref().cloned(),
    }
}

fn disk(disk: &Disk) -> store::Disk {
    store::Disk {
        target: disk.target.clone(),
        path: disk.path.clone(),
        pool: disk.pool.clone(),
        format: disk.format.clone(),
        virtual_bytes: signed(disk.virtual_bytes),
        allocated_bytes: signed(disk.allocated_bytes),
        backing: disk.backing.as_ref().map(|backing| backing.path.clone()),
        read_only: disk.read_only,
    }
}

fn flavor(flavor: &Flavor) -> FlavorSpec {
    FlavorSpec {
        name: flavor.name.clone(),
        vcpus: i64::from(flavor.vcpus),
        memory_mb: signed(flavor.memory_mb),
        root_gb: signed(flavor.root_gb),
        ephemeral_gb: signed(flavor.ephemeral_gb),
        swap_mb: signed(flavor.swap_mb),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn progress_keeps_its_figures() {
        let amounts = Amounts {
            total: 1,
            processed: 2,
            remaining: u64::MAX,
        };
        let stored = progress(&Progress {
            memory: amounts,
            disk: None,
            dirty_rate: 3,
            throughput: 4,
            downtime: Some(Duration::from_millis(5)),
            iteration: 6,
        });
        let memory = stored.memory.unwrap();
        assert_eq!(
            (memory.total, memory.processed, memory.remaining),
            (1, 2, i64::MAX)
        );
        assert_eq!(stored.disk, None);
        assert_eq!(
            (stored.dirty_rate, stored.throughput, stored.downtime_ms),
            (Some(3), Some(4), Some(5))
        );
    }
}
