//! Fleets from seeds, for measurements and tests: the same seed is the same fleet everywhere.

mod few;

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;
use std::sync::Arc;

use fastrand::Rng;
use godwit_core::host::scope::Topology;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::BlockMigration;
use godwit_core::resources::Resources;
use godwit_core::server_group::Policy;

use crate::fleet::{Fleet, FleetError, FleetHost, FleetServer, Group, Link};
use crate::inventory::{Host, Need};
use crate::table::{GroupNo, Number};

pub use few::few;

const GBIT: u64 = 125_000_000;
const MIB_PER_GIB: i64 = 1_024;
const DIRTY_MEDIAN: f64 = 20e6;
const DIRTY_SIGMA: f64 = 1.2;
const DIRTY_MOST: f64 = 400e6;

/// A link as it is measured at: so many Gbit/s, of which one stream gets so many.
pub fn link(gbit: u64, stream_gbit: u64) -> Link {
    Link {
        bytes_per_second: gbit.saturating_mul(GBIT),
        stream_bytes_per_second: stream_gbit.saturating_mul(GBIT),
    }
}

/// The drain that schedules are measured by: 40 servers of 2 to 64 GiB on `host-0`, 10 other
/// hosts that are 60 % full.
///
/// # Errors
///
/// Never, unless `link` carries nothing.
pub fn drain(seed: u64, link: Link) -> Result<Fleet, FleetError> {
    let mut random = Rng::with_seed(seed);
    let memory = 4_096 * MIB_PER_GIB;
    let mut hosts = vec![host(0, memory, link)];
    let mut servers = Vec::new();
    for _ in 0..40 {
        let size = 2_f64 * 32_f64.powf(random.f64());
        let memory_mb = (size * MIB_PER_GIB as f64) as i64;
        put(&mut random, &mut hosts, &mut servers, 0, memory_mb);
    }
    for at in 1..=10 {
        let mut other = host(at, 1_024 * MIB_PER_GIB, link);
        other.host.used.memory_mb = other.host.capacity.memory_mb * 6 / 10;
        hosts.push(other);
    }
    Fleet::new(hosts, servers, Vec::new())
}

/// So many hosts of 256 GiB, about 60 % full of so many servers; every tenth server is in a group
/// of three, hard or soft.
///
/// # Errors
///
/// Never, unless `link` carries nothing.
pub fn fleet(seed: u64, hosts: usize, servers: usize, link: Link) -> Result<Fleet, FleetError> {
    let mut random = Rng::with_seed(seed);
    let memory = 256 * MIB_PER_GIB;
    let mut all: Vec<_> = (0..hosts).map(|at| host(at, memory, link)).collect();
    let mean = memory as f64 * 0.6 * hosts as f64 / servers.max(1) as f64;
    let mut placed = Vec::with_capacity(servers);
    for at in 0..servers {
        // Log-uniform within a factor of eight around the mean.
        let memory_mb = (mean * 8_f64.powf(random.f64() - 0.5)) as i64;
        let start = at.checked_rem(hosts).unwrap_or_default();
        let room = |on: &usize| {
            let host: Option<&FleetHost> = all.get(*on);
            host.is_some_and(|it| it.host.free().memory_mb * 10 >= memory_mb * 10 + memory)
        };
        let mut around = (start..hosts).chain(0..start);
        if let Some(on) = around.find(room) {
            put(&mut random, &mut all, &mut placed, on, memory_mb.max(64));
        }
    }
    let groups = group(&mut placed);
    Fleet::new(all, placed, groups)
}

/// Puts every tenth server into a group of three.
fn group(servers: &mut [FleetServer]) -> Vec<Group> {
    let policies = [
        Policy::AntiAffinity,
        Policy::SoftAntiAffinity,
        Policy::SoftAffinity,
    ];
    let mut groups = Vec::new();
    for (at, members) in servers.chunks_mut(30).enumerate() {
        let no = GroupNo::new(groups.len());
        let mut hosts: Vec<HostName> = Vec::new();
        let policy = policies.get(at % policies.len()).copied();
        let policy = policy.unwrap_or(Policy::AntiAffinity);
        for member in members.iter_mut() {
            if hosts.len() < 3 && !hosts.contains(&member.need.source) {
                member.group = Some(no);
                hosts.push(member.need.source.clone());
            }
        }
        if let Ok(id) = format!("66666666-0000-4000-8000-{at:012x}").parse() {
            groups.push(Group {
                id,
                name: format!("group-{at}"),
                policy,
                max_server_per_host: None,
            });
        }
    }
    groups
}

fn host(at: usize, memory_mb: i64, link: Link) -> FleetHost {
    let name = format!("host-{at}");
    FleetHost {
        host: Host {
            node: name.clone(),
            topology: Topology {
                zone: "zone-1".to_owned(),
                pod: Some(format!("pod-{}", at / 100)),
                cluster: Some("cluster-1".to_owned()),
            },
            name: HostName::new(name).unwrap_or_else(|_| unreachable!("digits are a name")),
            because: Vec::new(),
            holders: Vec::new(),
            unmanaged: None,
            up: true,
            agent_too_old: None,
            hypervisor_type: "QEMU".to_owned(),
            hypervisor_version: 10_000_002,
            arch: "x86_64".to_owned(),
            cpu_features: Arc::default(),
            pools: ["nfs".to_owned()].into(),
            capacity: Resources {
                vcpus: 4_096,
                memory_mb,
                disk_gb: 1_000,
            },
            used: Resources::default(),
            stream_bytes_per_second: link.of_one_stream(),
            arriving: 0,
        },
        link,
        fenced: false,
    }
}

/// Puts one more server on the host at `on`.
fn put(
    random: &mut Rng,
    hosts: &mut [FleetHost],
    servers: &mut Vec<FleetServer>,
    on: usize,
    memory_mb: i64,
) {
    let (at, Some(host)) = (servers.len(), hosts.get_mut(on)) else {
        return;
    };
    let id = format!("11111111-0000-4000-8000-{at:012x}");
    let Ok(server) = id.parse::<ServerUuid>() else {
        return;
    };
    let host = &mut host.host;
    let room = Resources {
        vcpus: 1 + memory_mb / (8 * MIB_PER_GIB),
        memory_mb,
        disk_gb: 0,
    };
    host.used = host.used.plus(room);
    servers.push(FleetServer {
        need: Need {
            server,
            source: host.name.clone(),
            topology: host.topology.clone(),
            hypervisor_type: host.hypervisor_type.clone(),
            hypervisor_version: host.hypervisor_version,
            arch: host.arch.clone(),
            cpu_features: BTreeSet::new(),
            room,
            pools: host.pools.clone(),
            pool_gib: BTreeMap::new(),
            local_disks: false,
            block_migration: BlockMigration::Auto,
            source_is_dead: false,
            live: false,
            stream: None,
            unmanaged: None,
            group: None,
        },
        memory_bytes: u64::try_from(memory_mb).unwrap_or_default() << 20,
        disk_bytes: 0,
        dirty_bytes_per_second: Some(dirty_rate(random)),
        running: true,
        moving_to: None,
        group: None,
    });
}

/// Log-normal, by Box and Muller.
fn dirty_rate(random: &mut Rng) -> u64 {
    let (radius, angle) = (1.0 - random.f64(), random.f64() * TAU);
    let normal = (-2.0 * radius.ln()).sqrt() * angle.cos();
    (DIRTY_MEDIAN * (DIRTY_SIGMA * normal).exp()).min(DIRTY_MOST) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_fleet() {
        let of = |seed| fleet(seed, 20, 100, link(10, 3)).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_drain_is_as_it_is_described() {
        let mut rates: Vec<u64> = Vec::new();
        for seed in 0..100 {
            let (hosts, servers, _) = drain(seed, link(10, 10)).unwrap().into_parts();
            assert_eq!((hosts.len(), servers.len()), (11, 40));
            let sizes = servers.iter().map(|it| it.need.room.memory_mb);
            assert!(
                sizes
                    .clone()
                    .all(|it| (2 * 1_024..=64 * 1_024).contains(&it))
            );
            rates.extend(servers.iter().filter_map(|it| it.dirty_bytes_per_second));
        }
        rates.sort_unstable();
        let median = rates[rates.len() / 2] as f64;
        assert!((median / DIRTY_MEDIAN - 1.0).abs() < 0.1, "{median}");
        assert!(*rates.last().unwrap() as f64 <= DIRTY_MOST);
    }

    #[test]
    fn a_fleet_has_as_many_hosts_and_servers_as_asked_for() {
        let fleet = fleet(7, 100, 500, link(25, 10)).unwrap();
        assert_eq!((fleet.hosts().len(), fleet.servers().len()), (100, 500));
        let used: i64 = fleet
            .hosts()
            .iter()
            .map(|(_, it)| it.host.used.memory_mb)
            .sum();
        let share = used as f64 / (100.0 * 256.0 * 1_024.0);
        assert!((0.5..0.75).contains(&share), "{share}");
    }
}
