//! A fleet as `up --fleet`, `plan simulate` and the benchmarks read it. The names are those of
//! the API.

mod entries;

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::host::management::Unmanaged;
use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_core::migration::BlockMigration;
use godwit_core::resources::Resources;
use serde::Deserialize;
use thiserror::Error;

use super::{Fleet, FleetError, FleetHost, FleetServer, Group, Link};
use crate::inventory::{Host, Need};
use crate::table::{GroupNo, Number};

use entries::{GroupEntry, HostEntry, LinkRole, PoolEntry, ServerEntry, Status};

const GIB: u64 = 1 << 30;

/// What a fleet file says, as it stands there.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetFile {
    #[serde(default)]
    hosts: Vec<HostEntry>,
    #[serde(default)]
    servers: Vec<ServerEntry>,
    #[serde(default)]
    pools: Vec<PoolEntry>,
    #[serde(default)]
    groups: Vec<GroupEntry>,
}

/// Why a file is no fleet.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FileError {
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error("server {0} is in several groups; Nova knows one at most")]
    SeveralGroups(ServerUuid),
    #[error("server {0} is in group {1}, which is not in the file")]
    UnknownGroup(ServerUuid, ServerGroupUuid),
    #[error("{0} is on pool {1}, which is not in the file")]
    UnknownPool(String, String),
    #[error("{0} has a negative size")]
    Negative(String),
}

impl TryFrom<FleetFile> for Fleet {
    type Error = FileError;

    fn try_from(file: FleetFile) -> Result<Self, FileError> {
        let pools: BTreeMap<_, _> = file.pools.iter().map(|it| (&*it.name, it.shared)).collect();
        let groups = file.groups.iter().enumerate();
        let groups: BTreeMap<_, _> = groups.map(|(at, it)| (it.id.0, at)).collect();
        let mut hosts = file
            .hosts
            .iter()
            .map(|entry| host(entry, &pools))
            .collect::<Result<Vec<_>, _>>()?;
        let by_name = hosts.iter().enumerate();
        let by_name: BTreeMap<_, _> = by_name.map(|(at, it)| (it.host.name.clone(), at)).collect();
        let mut servers = Vec::with_capacity(file.servers.len());
        for entry in &file.servers {
            let group = match &*entry.groups {
                [] => None,
                [one] => {
                    let unknown = || FileError::UnknownGroup(entry.id, *one);
                    Some(GroupNo::new(*groups.get(&one.0).ok_or_else(unknown)?))
                }
                [..] => return Err(FileError::SeveralGroups(entry.id)),
            };
            let at = by_name.get(&entry.host).copied();
            let source = at.and_then(|at| hosts.get_mut(at));
            let unknown = || FleetError::UnknownHost(entry.id, entry.host.clone());
            let source = &mut source.ok_or_else(unknown)?.host;
            let server = FleetServer {
                group,
                ..server(entry, source, &pools)?
            };
            source.used = source.used.plus(server.need.room);
            servers.push(server);
        }
        let groups = file.groups.into_iter().map(|entry| Group {
            id: entry.id,
            name: entry.name,
            policy: entry.policy,
            max_server_per_host: entry.max_server_per_host,
        });
        Ok(Self::new(hosts, servers, groups.collect())?)
    }
}

fn host(entry: &HostEntry, pools: &BTreeMap<&str, bool>) -> Result<FleetHost, FileError> {
    let capacity = &entry.capacity;
    if capacity.vcpus < 0 || capacity.memory_mib < 0 || capacity.disk_gib < 0 {
        return Err(FileError::Negative(format!("host {}", entry.name)));
    }
    let mut shared = BTreeSet::new();
    for pool in &entry.pools {
        let unknown = || FileError::UnknownPool(format!("host {}", entry.name), pool.clone());
        if *pools.get(&**pool).ok_or_else(unknown)? {
            shared.insert(pool.clone());
        }
    }
    let hypervisor = entry.hypervisors.first();
    let wanted = |role| entry.links.iter().find(|it| it.role == role);
    let link = wanted(LinkRole::Migration).or_else(|| wanted(LinkRole::Management));
    let bytes_per_second =
        link.map_or(Link::ASSUMED.bytes_per_second, |link| link.bytes_per_second);
    let stream = link.and_then(|link| link.stream_bytes_per_second);
    let mut host = FleetHost {
        host: Host {
            name: entry.name.clone(),
            node: entry.name.to_string(),
            because: Vec::new(),
            holders: Vec::new(),
            unmanaged: (!entry.managed).then(|| unmanaged(entry)),
            up: entry.up,
            hypervisor_type: hypervisor.map_or_else(|| "QEMU".to_owned(), |it| it.kind.clone()),
            hypervisor_version: hypervisor.map_or(0, |it| it.version),
            arch: entry
                .cpu
                .as_ref()
                .map_or_else(|| "x86_64".to_owned(), |cpu| cpu.arch.clone()),
            pools: shared,
            capacity: Resources {
                vcpus: capacity.vcpus,
                memory_mb: capacity.memory_mib,
                disk_gb: capacity.disk_gib,
            },
            used: Resources::default(),
            arriving: 0,
        },
        link: Link {
            bytes_per_second,
            stream_bytes_per_second: stream.unwrap_or(bytes_per_second),
        },
        zone: entry.zone.clone(),
        pod: entry.pod.clone(),
        cluster: entry.cluster.clone(),
        fenced: entry.fenced,
    };
    if !entry.enabled {
        host.host.disable();
    }
    Ok(host)
}

/// A host that is in no cluster stands for itself.
fn unmanaged(entry: &HostEntry) -> Unmanaged {
    Unmanaged {
        cluster: entry
            .cluster
            .clone()
            .unwrap_or_else(|| entry.name.to_string()),
        reconciling: false,
    }
}

fn server(
    entry: &ServerEntry,
    source: &Host,
    pools: &BTreeMap<&str, bool>,
) -> Result<FleetServer, FileError> {
    if entry.vcpus < 0 || entry.memory_mib < 0 {
        return Err(FileError::Negative(format!("server {}", entry.id)));
    }
    let (mut shared, mut local) = (BTreeSet::new(), 0_u64);
    let mut local_disks = false;
    for disk in &entry.disks {
        let who = || format!("server {}", entry.id);
        let unknown = || FileError::UnknownPool(who(), disk.pool.clone());
        if *pools.get(&*disk.pool).ok_or_else(unknown)? {
            shared.insert(disk.pool.clone());
        } else {
            local_disks = true;
            local = local.saturating_add(disk.allocated_bytes);
        }
    }
    let memory = u64::try_from(entry.memory_mib).unwrap_or_default();
    Ok(FleetServer {
        need: Need {
            server: entry.id,
            source: entry.host.clone(),
            hypervisor_type: source.hypervisor_type.clone(),
            hypervisor_version: source.hypervisor_version,
            arch: source.arch.clone(),
            room: Resources {
                vcpus: entry.vcpus,
                memory_mb: entry.memory_mib,
                disk_gb: i64::try_from(local.div_ceil(GIB)).unwrap_or(i64::MAX),
            },
            pools: shared,
            local_disks,
            block_migration: BlockMigration::Auto,
            source_is_dead: !source.up,
            unmanaged: source.unmanaged.clone(),
            group: None,
        },
        memory_bytes: memory << 20,
        disk_bytes: local,
        dirty_bytes_per_second: entry.dirty_bytes_per_second,
        running: entry.status == Status::Active,
        moving_to: None,
        group: None,
    })
}
