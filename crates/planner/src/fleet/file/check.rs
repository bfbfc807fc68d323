//! Whether a file contradicts itself.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use godwit_core::host::scope::Topology;
use godwit_core::ids::HostName;
use godwit_core::server_group::{NAME_MAX, Policy};

use super::{FileError, FleetFile, HostEntry, PoolEntry, ServerEntry};

/// The longest name of a zone, in characters, as Nova's schema has it.
const LONGEST_ZONE: usize = 255;
/// Where the file says no zone, for what is in one and what is in another.
const NO_ZONE: &str = "of no name";

/// What may be named, and where it stands.
struct Names<'a> {
    hosts: HashMap<&'a HostName, &'a HostEntry>,
    pools: HashMap<&'a str, &'a PoolEntry>,
    groups: HashSet<String>,
}

pub(super) fn check(file: &FleetFile) -> Result<(), FileError> {
    once("hosts", "name", file.hosts.iter().map(|it| &it.name))?;
    once("pools", "name", file.pools.iter().map(|it| &it.name))?;
    once("groups", "id", file.groups.iter().map(|it| it.id))?;
    once(
        "servers",
        "id",
        (0..file.servers.len()).map(|at| file.id_of(at)),
    )?;
    let names = Names {
        hosts: file.hosts.iter().map(|it| (&it.name, it)).collect(),
        pools: file.pools.iter().map(|it| (&*it.name, it)).collect(),
        groups: file.groups.iter().map(|it| it.id.to_string()).collect(),
    };
    for (at, pool) in file.pools.iter().enumerate() {
        check_pool(&format!("pools[{at}]"), pool, &names)?;
    }
    for (at, group) in file.groups.iter().enumerate() {
        let length = group.name.chars().count();
        demand(
            (1..=NAME_MAX).contains(&length),
            format!("groups[{at}].name"),
            || format!("it has 1 to {NAME_MAX} characters"),
        )?;
        let limited = group.max_server_per_host;
        let may = group.policy == Policy::AntiAffinity && limited != Some(0);
        let place = format!("groups[{at}].max_server_per_host");
        demand(limited.is_none() || may, place, || {
            "it is a number from 1 on, and goes with the policy anti-affinity".to_owned()
        })?;
    }
    for (at, host) in file.hosts.iter().enumerate() {
        check_host(&format!("hosts[{at}]"), host, &names)?;
    }
    check_topology(file)?;
    for (at, server) in file.servers.iter().enumerate() {
        check_server(&format!("servers[{at}]"), server, (file, &names))?;
    }
    Ok(())
}

fn demand(holds: bool, place: String, problem: impl FnOnce() -> String) -> Result<(), FileError> {
    if holds {
        return Ok(());
    }
    let problem = problem();
    Err(FileError::Contradiction { place, problem })
}

/// Each of a list has its own.
fn once<T: Eq + Hash + std::fmt::Display>(
    list: &str,
    field: &str,
    all: impl Iterator<Item = T>,
) -> Result<(), FileError> {
    let mut seen: HashMap<T, usize> = HashMap::new();
    for (at, it) in all.enumerate() {
        let before = seen.get(&it).copied();
        demand(before.is_none(), format!("{list}[{at}].{field}"), || {
            let before = before.unwrap_or_default();
            format!("{it} is that of {list}[{before}] already")
        })?;
        seen.insert(it, at);
    }
    Ok(())
}

fn check_pool(place: &str, pool: &PoolEntry, names: &Names<'_>) -> Result<(), FileError> {
    for (at, host) in pool.hosts.iter().flatten().enumerate() {
        let known = names.hosts.get(host);
        let place = format!("{place}.hosts[{at}]");
        demand(known.is_some(), place.clone(), || {
            format!("no host is called {host}")
        })?;
        let said = known.and_then(|host| host.pools.as_ref());
        demand(
            said.is_none_or(|said| said.contains(&pool.name)),
            place,
            || format!("host {host} says that it does not reach pool {}", pool.name),
        )?;
    }
    let free = pool.free_bytes.unwrap_or_default();
    let fits = pool.capacity_bytes.is_none_or(|capacity| free <= capacity);
    demand(fits, format!("{place}.free_bytes"), || {
        "more is free than there is".to_owned()
    })
}

fn check_host(place: &str, host: &HostEntry, names: &Names<'_>) -> Result<(), FileError> {
    let zone = host.zone.as_deref();
    demand(zone.is_none_or(is_zone), format!("{place}.zone"), || {
        "it has 1 to 255 characters, none of them a colon, and no space around them".to_owned()
    })?;
    for (at, name) in host.pools.iter().flatten().enumerate() {
        let place = format!("{place}.pools[{at}]");
        let pool = names.pools.get(&**name);
        demand(pool.is_some(), place.clone(), || {
            format!("no pool is called {name}")
        })?;
        let said = pool.and_then(|pool| pool.hosts.as_ref());
        demand(
            said.is_none_or(|said| said.contains(&host.name)),
            place,
            || format!("pool {name} says that {} does not reach it", host.name),
        )?;
    }
    let links = host.links();
    once(
        &format!("{place}.links"),
        "name",
        links.iter().map(|it| &it.name),
    )?;
    for (at, link) in links.iter().enumerate() {
        let rates = [link.bytes_per_second, link.stream_bytes_per_second];
        let place = format!("{place}.links[{at}]");
        demand(!rates.contains(&Some(0)), place, || {
            "it carries nothing".to_owned()
        })?;
    }
    Ok(())
}

fn is_zone(name: &str) -> bool {
    let length = name.chars().count();
    let plain = !name.contains([':', '\0']) && name.trim() == name;
    (1..=LONGEST_ZONE).contains(&length) && plain
}

/// Pods and clusters nest: each place is compared with the first host of its pod and of its
/// cluster.
fn check_topology(file: &FleetFile) -> Result<(), FileError> {
    let mut first: HashMap<(&str, &HostName), Topology> = HashMap::new();
    for (at, host) in file.hosts.iter().enumerate() {
        let topology = Topology {
            zone: host.zone.clone().unwrap_or_else(|| NO_ZONE.to_owned()),
            pod: host.pod.as_ref().map(ToString::to_string),
            cluster: host.cluster.as_ref().map(ToString::to_string),
        };
        let pod = host.pod.as_ref().map(|pod| ("pod", pod));
        let cluster = host.cluster.as_ref().map(|cluster| ("cluster", cluster));
        for scope in [pod, cluster].into_iter().flatten() {
            let other = first.entry(scope).or_insert_with(|| topology.clone());
            if let Err(misplaced) = topology.check(std::slice::from_ref(other)) {
                return Err(FileError::Contradiction {
                    place: format!("hosts[{at}].{}", scope.0),
                    problem: format!("by another host {misplaced}"),
                });
            }
        }
    }
    Ok(())
}

fn check_server(
    place: &str,
    server: &ServerEntry,
    (file, names): (&FleetFile, &Names<'_>),
) -> Result<(), FileError> {
    let host = names.hosts.get(&server.host);
    demand(host.is_some(), format!("{place}.host"), || {
        format!("no host is called {}", server.host)
    })?;
    let sizes = [("vcpus", server.vcpus), ("memory_mib", server.memory_mib)];
    for (field, size) in sizes {
        demand(size > 0, format!("{place}.{field}"), || {
            "it has none".to_owned()
        })?;
    }
    demand(server.groups.len() <= 1, format!("{place}.groups"), || {
        "a server is in one group at most, as in Nova".to_owned()
    })?;
    for group in &server.groups {
        let known = names.groups.contains(&group.to_string());
        demand(known, format!("{place}.groups[0]"), || {
            format!("no group has the id {group}")
        })?;
    }
    let targets = (0..server.disks.len()).map(|at| server.target_of(at));
    once(&format!("{place}.disks"), "target", targets)?;
    for (at, disk) in server.disks.iter().enumerate() {
        let Some(name) = &disk.pool else { continue };
        let place = format!("{place}.disks[{at}].pool");
        let known = names.pools.contains_key(&**name);
        demand(known, place.clone(), || format!("no pool is called {name}"))?;
        let reached = host.is_some_and(|host| file.pools_of(host).any(|it| it.name == *name));
        demand(reached, place, || {
            format!("host {} does not reach pool {name}", server.host)
        })?;
    }
    Ok(())
}
