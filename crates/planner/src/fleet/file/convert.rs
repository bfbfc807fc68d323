//! A file as the planner sees it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use godwit_core::host::link::{self, LinkRole};
use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::Topology;
use godwit_core::migration::BlockMigration;
use godwit_core::resources::Resources;

use super::entries::Status;
use super::{FileError, FleetFile, HostEntry, LinkEntry, ServerEntry};
use crate::fleet::{Fleet, FleetHost, FleetServer, Group, Link};
use crate::inventory::{Host, Need};
use crate::table::{GroupNo, Number};

const GIB: u64 = 1 << 30;

impl TryFrom<&FleetFile> for Fleet {
    type Error = FileError;

    /// What has been parsed is always a fleet.
    fn try_from(file: &FleetFile) -> Result<Self, FileError> {
        let groups = file.groups.iter().enumerate();
        let groups: HashMap<_, _> = groups.map(|(at, it)| (it.id.0, GroupNo::new(at))).collect();
        let mut hosts: Vec<_> = file.hosts.iter().map(|it| host(file, it)).collect();
        let by_name = hosts.iter().enumerate();
        let by_name: HashMap<_, _> = by_name.map(|(at, it)| (it.host.name.clone(), at)).collect();
        let mut servers = Vec::with_capacity(file.servers.len());
        for (at, entry) in file.servers.iter().enumerate() {
            let source = by_name.get(&entry.host).copied();
            let Some(source) = source.and_then(|source| hosts.get_mut(source)) else {
                continue;
            };
            let group = entry.groups.first().and_then(|group| groups.get(&group.0));
            let server = FleetServer {
                group: group.copied(),
                ..server(file, (at, entry), &source.host)
            };
            source.host.used = source.host.used.plus(server.need.room);
            servers.push(server);
        }
        let groups = file.groups.iter().map(|entry| Group {
            id: entry.id,
            name: entry.name.clone(),
            policy: entry.policy,
            max_server_per_host: entry.max_server_per_host,
        });
        let fleet = Self::new(hosts, servers, groups.collect());
        fleet.map_err(|error| FileError::Unreadable(error.to_string()))
    }
}

impl HostEntry {
    /// Its networks, as its agent would report them. One without a name is called after its place.
    pub fn links(&self) -> Vec<link::Link> {
        let links = self.links.iter().enumerate();
        let link = |(at, entry): (usize, &LinkEntry)| link::Link {
            name: entry.name.clone().unwrap_or_else(|| format!("eth{at}")),
            role: entry.role.unwrap_or(LinkRole::Migration),
            bytes_per_second: entry.bytes_per_second,
            stream_bytes_per_second: entry.stream_bytes_per_second,
        };
        links.map(link).collect()
    }
}

fn host(file: &FleetFile, entry: &HostEntry) -> FleetHost {
    let pools = file.pools_of(entry).filter(|pool| pool.shared);
    let (capacity, hypervisor) = (&entry.capacity, entry.hypervisors.first());
    let link = Link::of_moves(&entry.links());
    let mut host = Host {
        name: entry.name.clone(),
        node: entry.name.to_string(),
        topology: Topology {
            zone: entry.zone.clone().unwrap_or_else(|| "nova".to_owned()),
            pod: entry.pod.as_ref().map(ToString::to_string),
            cluster: entry.cluster.as_ref().map(ToString::to_string),
        },
        because: Vec::new(),
        unmanaged: (!entry.managed).then(|| unmanaged(entry)),
        holders: Vec::new(),
        up: entry.up,
        agent_too_old: None,
        hypervisor_type: hypervisor.map_or_else(|| "QEMU".to_owned(), |it| it.kind.clone()),
        hypervisor_version: hypervisor.map_or(0, |it| i64::from(it.version)),
        arch: entry
            .cpu
            .as_ref()
            .map_or_else(|| "x86_64".to_owned(), |cpu| cpu.arch.clone()),
        cpu_features: Arc::default(),
        pools: pools.map(|pool| pool.name.clone()).collect(),
        capacity: Resources {
            vcpus: capacity.vcpus.into(),
            memory_mb: capacity.memory_mib.into(),
            disk_gb: capacity.disk_gib.into(),
        },
        used: Resources::default(),
        stream_bytes_per_second: link.of_one_stream(),
        arriving: 0,
    };
    if !entry.enabled {
        host.disable();
    }
    FleetHost {
        host,
        link,
        fenced: entry.fenced,
    }
}

/// A host that is in no cluster stands for itself.
fn unmanaged(entry: &HostEntry) -> Unmanaged {
    Unmanaged {
        cluster: entry.cluster.as_ref().unwrap_or(&entry.name).to_string(),
        reconciling: false,
    }
}

fn server(file: &FleetFile, (at, entry): (usize, &ServerEntry), source: &Host) -> FleetServer {
    let (mut shared, mut local) = (BTreeSet::new(), 0_u64);
    let mut local_disks = false;
    for disk in &entry.disks {
        match file.pool_of(disk).filter(|pool| pool.shared) {
            Some(pool) => drop(shared.insert(pool.name.clone())),
            None => {
                local_disks = true;
                local = local.saturating_add(disk.allocated_bytes);
            }
        }
    }
    FleetServer {
        need: Need {
            server: file.id_of(at),
            source: entry.host.clone(),
            topology: source.topology.clone(),
            hypervisor_type: source.hypervisor_type.clone(),
            hypervisor_version: source.hypervisor_version,
            arch: source.arch.clone(),
            cpu_features: BTreeSet::new(),
            room: Resources {
                vcpus: entry.vcpus.into(),
                memory_mb: entry.memory_mib.into(),
                disk_gb: i64::try_from(local.div_ceil(GIB)).unwrap_or(i64::MAX),
            },
            pools: shared,
            pool_gib: BTreeMap::new(),
            local_disks,
            block_migration: BlockMigration::Auto,
            source_is_dead: !source.up,
            live: false,
            stream: None,
            unmanaged: source.unmanaged.clone(),
            group: None,
        },
        memory_bytes: u64::from(entry.memory_mib) << 20,
        disk_bytes: local,
        dirty_bytes_per_second: entry.dirty_bytes_per_second,
        running: entry.status != Status::Shutoff,
        moving_to: None,
        group: None,
    }
}
