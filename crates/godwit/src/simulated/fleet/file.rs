//! A fleet file as a simulated world.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use godwit_compute_agent::drivers::simulated::{
    Fleet, GuestSpec, HostSpec, Place, PoolSpec, Power,
};
use godwit_core::server_group::DeclaredGroup;
use godwit_planner::fleet::FleetFile;
use godwit_planner::fleet::file::{DiskEntry, HostEntry, PoolEntry, ServerEntry, Status};
use godwit_rpc::domain::{Backing, Disk, Flavor, Owner};

use super::{GIB, MIB, owner};

/// As many as `--hosts` and `--servers` may ask for.
const MOST_HOSTS: usize = 1_000;
const MOST_SERVERS: usize = 10_000;
/// The least that a guest takes a disk for of which the file says no size.
const DISK_BYTES: u64 = 10 * GIB;
/// Whose servers are of which the file says no project.
const PROJECT: &str = "demo";

/// Reads a fleet file.
///
/// # Errors
/// It cannot be read, contradicts itself, or asks for what no simulated fleet begins with.
pub(crate) fn read(path: &Path) -> Result<FleetFile> {
    let here = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the fleet file {here}"))?;
    FleetFile::parse(&text).map_err(|error| anyhow!("the fleet file {here}: {error}"))
}

/// The world that a file describes.
///
/// # Errors
/// What no simulated fleet begins with.
pub(crate) fn world(file: &FleetFile) -> Result<Fleet> {
    for (count, most, what) in [
        (file.hosts.len(), MOST_HOSTS, "hosts"),
        (file.servers.len(), MOST_SERVERS, "servers"),
    ] {
        ensure!(
            count <= most,
            "{what}: there are {count}, and at most {most} are simulated"
        );
    }
    for (at, host) in file.hosts.iter().enumerate() {
        for (as_ever, field, means) in [
            (host.enabled, "enabled", "disable it once it is there"),
            (host.up, "up", "force its service down once it is there"),
            (
                host.managed,
                "managed",
                "take its cluster out once it is there",
            ),
            (!host.fenced, "fenced", "fence it once it is there"),
        ] {
            ensure!(
                as_ever,
                "hosts[{at}].{field}: a simulated host begins up and in use; {means}"
            );
        }
    }
    let servers = file.servers.iter().enumerate();
    Ok(Fleet {
        hosts: file.hosts.iter().map(|entry| host(file, entry)).collect(),
        guests: servers.map(|(at, entry)| guest(file, at, entry)).collect(),
        pools: file.pools.iter().map(|entry| pool(file, entry)).collect(),
    })
}

fn host(file: &FleetFile, entry: &HostEntry) -> HostSpec {
    let ordinary = HostSpec::new(entry.name.clone());
    let (hypervisor, cpu) = (entry.hypervisors.first(), entry.cpu.as_ref());
    let said = |of: &Option<_>| of.as_ref().map(ToString::to_string);
    HostSpec {
        hypervisor_type: hypervisor.map_or(ordinary.hypervisor_type, |it| it.kind.clone()),
        hypervisor_version: hypervisor.map_or(ordinary.hypervisor_version, |it| it.version),
        arch: cpu.map_or(ordinary.arch, |cpu| cpu.arch.clone()),
        cpu_model: cpu
            .and_then(|cpu| cpu.model.clone())
            .unwrap_or(ordinary.cpu_model),
        cpu_features: cpu.map_or(ordinary.cpu_features, |cpu| cpu.features.clone()),
        vcpus: entry.capacity.vcpus,
        memory_bytes: u64::from(entry.capacity.memory_mib) * MIB,
        disk_bytes: u64::from(entry.capacity.disk_gib) * GIB,
        pools: file.pools_of(entry).map(|pool| pool.name.clone()).collect(),
        links: entry.links(),
        place: Place {
            zone: entry.zone.clone(),
            pod: said(&entry.pod),
            cluster: said(&entry.cluster),
        },
        ..HostSpec::new(entry.name.clone())
    }
}

fn pool(file: &FleetFile, entry: &PoolEntry) -> PoolSpec {
    let bytes_of = |server: &ServerEntry| -> u64 {
        let disks = server.disks.iter();
        let here = disks.filter(|disk| disk.pool.as_ref() == Some(&entry.name));
        here.map(|disk| disk.allocated_bytes).sum()
    };
    let taken = if entry.shared {
        file.servers.iter().map(bytes_of).sum()
    } else {
        // What is said to be free is free on the fullest host, where each has its own.
        let on_host = |host: &HostEntry| {
            let servers = file.servers.iter().filter(|it| it.host == host.name);
            servers.map(bytes_of).sum::<u64>()
        };
        file.hosts.iter().map(on_host).max().unwrap_or_default()
    };
    let free = entry.free_bytes;
    let by_others = entry.capacity_bytes.zip(free).map(|(all, free)| all - free);
    PoolSpec {
        name: entry.name.clone(),
        kind: entry.kind.clone(),
        shared: entry.shared,
        capacity_bytes: entry.capacity_bytes,
        taken_bytes: by_others.unwrap_or_default().saturating_sub(taken),
    }
}

fn guest(file: &FleetFile, at: usize, entry: &ServerEntry) -> GuestSpec {
    let (uuid, name) = (file.id_of(at), file.name_of(at));
    let owner = owner_of(entry.project.as_deref().unwrap_or(PROJECT));
    let ordinary = GuestSpec::new(uuid, &name, owner, entry.host.clone());
    let memory_bytes = u64::from(entry.memory_mib) * MIB;
    let dirty = entry.dirty_bytes_per_second;
    let disks: Vec<_> = (0..)
        .zip(&entry.disks)
        .map(|(number, it)| disk(file, it, entry.target_of(number), &uuid.to_string()))
        .collect();
    GuestSpec {
        flavor: Some(flavor(entry, disks.first())),
        vcpus: entry.vcpus,
        memory_bytes,
        dirty_bytes_per_second: dirty.unwrap_or(ordinary.dirty_bytes_per_second),
        dirty_rate_is_known: dirty.is_some(),
        // What the file says is how fast it goes on, not how soon it has changed all it changes.
        working_set_bytes: match dirty {
            Some(_) => memory_bytes,
            None => ordinary.working_set_bytes,
        },
        power: match entry.status {
            Status::Active => Power::On,
            Status::Paused => Power::Paused,
            Status::Shutoff => Power::Off,
        },
        disks,
        group: entry.groups.first().and_then(|id| {
            let group = file.groups.iter().find(|group| group.id == *id)?;
            Some(DeclaredGroup {
                uuid: group.id,
                name: Some(group.name.clone()),
                policy: Some(group.policy),
                max_server_per_host: group.max_server_per_host,
            })
        }),
        ..ordinary
    }
}

fn disk(file: &FleetFile, entry: &DiskEntry, target: String, server: &str) -> Disk {
    let format = entry.format.clone().unwrap_or_else(|| "qcow2".to_owned());
    let pool = file.pool_of(entry).map(|pool| pool.name.clone());
    let place = pool.as_deref().unwrap_or("disks");
    Disk {
        path: format!("/{place}/{server}-{target}.{format}"),
        target,
        format,
        virtual_bytes: entry
            .virtual_bytes
            .unwrap_or(entry.allocated_bytes.max(DISK_BYTES)),
        allocated_bytes: entry.allocated_bytes,
        backing: entry.backing.first().map(|base| Backing {
            path: base.clone(),
            format: "qcow2".to_owned(),
            fingerprint: None,
        }),
        pool,
        read_only: false,
    }
}

fn flavor(entry: &ServerEntry, root: Option<&Disk>) -> Flavor {
    let root_gb = root.map_or(0, |disk| disk.virtual_bytes.div_ceil(GIB));
    let size = format!("{}-{}-{root_gb}", entry.vcpus, entry.memory_mib);
    Flavor {
        id: Some(format!("fleet-{size}")),
        name: format!("fleet.{size}"),
        vcpus: entry.vcpus,
        memory_mb: entry.memory_mib.into(),
        root_gb,
        ephemeral_gb: 0,
        swap_mb: 0,
    }
}

/// A project of the development identity by its name or id; any other by its id.
fn owner_of(project: &str) -> Owner {
    let users = ["admin", "member", "stranger"].into_iter();
    let mut known = users
        .zip(["admin", "demo", "lab"])
        .map(|it| owner(it.0, it.1));
    let is_it = |owner: &Owner| {
        owner.project_id == project || owner.project_name.as_deref() == Some(project)
    };
    known.find(is_it).unwrap_or_else(|| Owner {
        user_id: owner("admin", "admin").user_id,
        project_id: project.to_owned(),
        user_name: Some("admin".to_owned()),
        project_name: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
pools:
  - {name: nfs, kind: nfs, shared: true, capacity_bytes: 100, free_bytes: 40}
  - {name: local, kind: dir}
groups: [{id: 66666666-2222-4333-8444-555555555555, name: web, policy: soft-affinity}]
hosts:
  - {name: a, zone: z, cluster: c, pools: [nfs, local], capacity: {vcpus: 8, memory_mib: 8192, disk_gib: 9},
     links: [{name: eth1, bytes_per_second: 1250, stream_bytes_per_second: 375}]}
  - {name: b, pools: [nfs, local], capacity: {vcpus: 8, memory_mib: 8192}}
servers:
  - {name: one, project: lab, host: a, vcpus: 2, memory_mib: 1024, dirty_bytes_per_second: 7,
     disks: [{pool: nfs, allocated_bytes: 30, backing: [/base]}, {pool: local, format: raw}],
     groups: [66666666-2222-4333-8444-555555555555]}
  - {host: b, project: 5e1f, status: PAUSED, vcpus: 1, memory_mib: 512}
";

    fn made(text: &str) -> Result<Fleet> {
        world(&FleetFile::parse(text)?)
    }

    #[test]
    fn a_world_is_what_its_file_says() {
        let Fleet {
            hosts,
            guests,
            pools,
        } = made(FILE).unwrap();
        assert_eq!(hosts[0].pools, ["nfs", "local"]);
        assert_eq!(
            (hosts[0].memory_bytes, hosts[0].disk_bytes),
            (8 * GIB, 9 * GIB)
        );
        assert_eq!(hosts[0].links[0].stream_bytes_per_second, Some(375));
        assert_eq!(hosts[0].place.zone.as_deref(), Some("z"));
        assert!(hosts[1].place.is_nowhere() && hosts[1].links.is_empty());
        // Of the 60 bytes that are not free its server takes 30.
        assert_eq!(
            (pools[0].capacity_bytes, pools[0].taken_bytes),
            (Some(100), 30)
        );
        assert_eq!(
            (pools[1].shared, pools[1].kind.as_deref()),
            (false, Some("dir"))
        );
        let [one, other] = guests.as_slice() else {
            panic!("{guests:?}")
        };
        assert_eq!(one.owner.project_name.as_deref(), Some("lab"));
        assert_eq!(
            (one.dirty_bytes_per_second, one.dirty_rate_is_known),
            (7, true)
        );
        assert_eq!(one.working_set_bytes, GIB);
        assert_eq!(one.group.as_ref().unwrap().name.as_deref(), Some("web"));
        assert_eq!(one.disks[0].backing.as_ref().unwrap().path, "/base");
        assert_eq!([0, 1].map(|at| &*one.disks[at].target), ["vda", "vdb"]);
        assert_eq!((&*other.name, other.power), ("vm-2", Power::Paused));
        assert_eq!(
            (&*other.owner.project_id, other.dirty_rate_is_known),
            ("5e1f", false)
        );
    }

    #[test]
    fn a_world_begins_with_hosts_that_are_up_and_in_use() {
        for (state, place) in [
            ("enabled: false", "hosts[1].enabled: "),
            ("up: false", "hosts[1].up: "),
            ("managed: false", "hosts[1].managed: "),
            ("fenced: true", "hosts[1].fenced: "),
        ] {
            let text = FILE.replace("{name: b,", &format!("{{name: b, {state},"));
            let said = made(&text).unwrap_err().to_string();
            assert!(said.starts_with(place), "{said}");
        }
    }

    #[test]
    fn there_is_a_largest_world() {
        let server = "  - {host: b, vcpus: 1, memory_mib: 1}\n";
        let text = format!("{FILE}{}", server.repeat(MOST_SERVERS));
        let said = made(&text).unwrap_err().to_string();
        assert!(said.starts_with("servers: there are 10002"), "{said}");
    }

    #[test]
    fn the_documented_file_is_a_world() {
        let page = include_str!("../../../../../docs/fleet.md");
        let (_, rest) = page.split_once("```yaml\n").unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let fleet = made(text).unwrap();
        let sizes = (fleet.hosts.len(), fleet.guests.len(), fleet.pools.len());
        assert_eq!(sizes, (2, 2, 2));
        assert_eq!(fleet.guests[0].disks.len(), 2);
    }

    #[test]
    fn an_error_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.yaml");
        assert!(read(&path).unwrap_err().to_string().contains("fleet.yaml"));
        std::fs::write(&path, "hosts: [{name: a}]").unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(
            said.contains("fleet.yaml") && said.contains("line 1"),
            "{said}"
        );
    }
}
