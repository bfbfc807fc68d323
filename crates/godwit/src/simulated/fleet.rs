//! The demonstration fleet: what an empty directory is filled with, where no file says it.

pub(crate) mod file;
pub(crate) mod places;

use std::ops::RangeInclusive;

use godwit_api::development_identity::{project_named, user_named};
use godwit_api::ids::Ids;
use godwit_compute_agent::drivers::simulated::{Fleet, GuestSpec, HostSpec, PoolSpec};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_rpc::domain::{Backing, Disk, Flavor, Owner};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// The pools that all hosts share.
const SHARED: [&str; 2] = ["pool-1", "pool-2"];

/// The pool that each host has of its own.
const LOCAL: &str = "local";

/// How large a shared pool is.
const SHARED_BYTES: u64 = 10 << 40;

/// The sizes that servers have in turn.
const SIZES: [Size; 3] = [
    Size::new("small", 1, 1),
    Size::new("medium", 2, 2),
    Size::new("large", 4, 4),
];

/// A guest that dirties memory faster than its link can carry it.
const BUSY: &str = "vm-busy";

/// Servers of the second project.
const LAB: [&str; 2] = ["lab-1", "lab-2"];

#[derive(Clone, Copy)]
struct Size {
    name: &'static str,
    vcpus: u32,
    memory_gib: u64,
}

impl Size {
    const fn new(name: &'static str, vcpus: u32, memory_gib: u64) -> Self {
        Self {
            name,
            vcpus,
            memory_gib,
        }
    }

    fn flavor(self) -> Flavor {
        Flavor {
            id: Some(format!("demo-{}", self.name)),
            name: format!("demo.{}", self.name),
            vcpus: self.vcpus,
            memory_mb: self.memory_gib * 1_024,
            root_gb: 10,
            ephemeral_gb: 0,
            swap_mb: 0,
        }
    }
}

/// Hosts of these numbers, and `servers` servers of the project `demo`: `vm-1`, `vm-2` and so on, the
/// last of several being `vm-busy`. Where there are any, the project `lab` has two more. Ids are new,
/// and stay with the directory that keeps the fleet.
pub(crate) fn demonstration(hosts: RangeInclusive<u16>, servers: u16, ids: &dyn Ids) -> Fleet {
    let names: Vec<_> = hosts
        .map(|number| host_name(&format!("host-{number}")))
        .collect();
    let (member, stranger) = (owner("member", "demo"), owner("stranger", "lab"));
    let demo = (1..=servers).map(|number| {
        let busy = number == servers && servers > 1;
        let name = if busy {
            BUSY.to_owned()
        } else {
            format!("vm-{number}")
        };
        (name, member.clone())
    });
    let lab = LAB.iter().filter(|_| servers > 0);
    let lab = lab.map(|name| ((*name).to_owned(), stranger.clone()));
    let places = names.iter().cycle().zip(SIZES.iter().cycle());
    let guests: Vec<_> = demo
        .chain(lab)
        .zip(places)
        .enumerate()
        .map(|(at, ((name, owner), (host, size)))| {
            let guest = guest(&name, owner, host, *size, ids);
            GuestSpec {
                disks: disks(at, &guest.uuid.to_string()),
                ..guest
            }
        })
        .collect();
    let roomy = |name| roomy(name, &guests);
    Fleet {
        pools: if names.is_empty() {
            Vec::new()
        } else {
            pools()
        },
        hosts: names.into_iter().map(roomy).collect(),
        guests,
    }
}

fn guest(name: &str, owner: Owner, host: &HostName, size: Size, ids: &dyn Ids) -> GuestSpec {
    let guest = GuestSpec::new(ServerUuid(ids.uuid()), name, owner, host.clone());
    let link = HostSpec::new(host.clone()).link_bytes_per_second;
    let memory = size.memory_gib * GIB;
    let (dirty, working_set) = if name == BUSY {
        (link * 2, memory / 4 * 3)
    } else {
        (guest.dirty_bytes_per_second, guest.working_set_bytes)
    };
    GuestSpec {
        flavor: Some(size.flavor()),
        vcpus: size.vcpus,
        memory_bytes: memory,
        dirty_bytes_per_second: dirty,
        working_set_bytes: working_set,
        ..guest
    }
}

fn pools() -> Vec<PoolSpec> {
    let shared = SHARED.map(|name| PoolSpec {
        name: name.to_owned(),
        kind: Some("nfs".to_owned()),
        shared: true,
        capacity_bytes: Some(SHARED_BYTES),
        taken_bytes: 0,
    });
    let local = PoolSpec {
        name: LOCAL.to_owned(),
        kind: Some("dir".to_owned()),
        shared: false,
        capacity_bytes: None,
        taken_bytes: 0,
    };
    shared.into_iter().chain([local]).collect()
}

/// One to three disks in turn, on the shared pools in turn. The first one of every other server is a
/// linked clone; they all are of one base.
fn disks(at: usize, server: &str) -> Vec<Disk> {
    let pools = SHARED.iter().cycle().skip(at % 2);
    let targets = ["vda", "vdb", "vdc"].iter().take(at % 3 + 1);
    let disk = |(target, pool): (&&str, &&str)| {
        let linked = *target == "vda" && at.is_multiple_of(2);
        Disk {
            target: (*target).to_owned(),
            path: format!("/{pool}/{server}-{target}.qcow2"),
            pool: Some((*pool).to_owned()),
            format: "qcow2".to_owned(),
            virtual_bytes: 10 * GIB,
            allocated_bytes: if linked { GIB / 4 } else { GIB },
            backing: linked.then(|| Backing {
                path: format!("/{pool}/base.qcow2"),
                format: "qcow2".to_owned(),
                fingerprint: None,
            }),
            read_only: false,
        }
    };
    targets.zip(pools).map(disk).collect()
}

/// A host that could take every guest there is: what a demonstration shows shall not depend on
/// how many there are.
fn roomy(name: HostName, guests: &[GuestSpec]) -> HostSpec {
    let host = HostSpec::new(name);
    HostSpec {
        vcpus: host.vcpus.max(guests.iter().map(|guest| guest.vcpus).sum()),
        memory_bytes: host
            .memory_bytes
            .max(guests.iter().map(|guest| guest.memory_bytes).sum()),
        pools: SHARED
            .iter()
            .chain([&LOCAL])
            .map(|it| (*it).to_owned())
            .collect(),
        ..host
    }
}

fn owner(user: &str, project: &str) -> Owner {
    let known = "the development identity has this user and project";
    Owner {
        user_id: user_named(user).expect(known).id(),
        project_id: project_named(project).expect(known).id(),
        user_name: Some(user.to_owned()),
        project_name: Some(project.to_owned()),
    }
}

fn host_name(name: &str) -> HostName {
    HostName::new(name).expect("letters, digits and a hyphen")
}

#[cfg(test)]
mod tests {
    use super::*;
    use godwit_api::ids::RandomIds;

    fn filled(hosts: u16, servers: u16) -> Fleet {
        demonstration(1..=hosts, servers, &RandomIds)
    }

    fn names(fleet: &Fleet, project: &str) -> Vec<String> {
        let project = project_named(project).unwrap().id();
        let guests = fleet.guests.iter();
        guests
            .filter(|guest| guest.owner.project_id == project)
            .map(|guest| guest.name.clone())
            .collect()
    }

    #[test]
    fn it_is_as_large_as_asked() {
        let fleet = filled(3, 4);
        let hosts: Vec<_> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(hosts, ["host-1", "host-2", "host-3"]);
        assert_eq!(names(&fleet, "demo"), ["vm-1", "vm-2", "vm-3", "vm-busy"]);
        assert_eq!(names(&fleet, "lab"), LAB);
        assert_eq!(names(&filled(1, 1), "demo"), ["vm-1"]);
    }

    #[test]
    fn its_servers_have_one_to_three_disks_and_some_are_linked_clones() {
        let fleet = filled(3, 12);
        let counts: Vec<_> = fleet.guests.iter().map(|it| it.disks.len()).collect();
        assert_eq!(counts[..4], [1, 2, 3, 1]);
        let disks = || fleet.guests.iter().flat_map(|it| &it.disks);
        for pool in SHARED {
            let here = disks().filter(|disk| disk.pool.as_deref() == Some(pool));
            assert!(here.count() > 5);
        }
        let bases = disks().filter_map(|disk| disk.backing.as_ref());
        assert!(bases.clone().count() > 5);
        assert!(bases.clone().all(|base| base.path == "/pool-1/base.qcow2"));
        assert!(disks().any(|disk| disk.backing.is_none()));
        for host in &fleet.hosts {
            assert_eq!(host.pools, ["pool-1", "pool-2", "local"]);
        }
        let shared: Vec<_> = fleet.pools.iter().map(|it| it.shared).collect();
        assert_eq!(shared, [true, true, false]);
    }

    #[test]
    fn it_may_be_empty() {
        assert_eq!(filled(0, 0), Fleet::default());
        assert!(filled(2, 0).guests.is_empty());
    }

    #[test]
    fn the_busy_one_outruns_its_link() {
        let fleet = filled(3, 12);
        for guest in &fleet.guests {
            let outruns = guest.dirty_bytes_per_second > fleet.hosts[0].link_bytes_per_second;
            assert_eq!(outruns, guest.name == BUSY, "{}", guest.name);
        }
    }

    #[test]
    fn any_host_could_take_all() {
        let fleet = filled(2, 2_000);
        let memory: u64 = fleet.guests.iter().map(|guest| guest.memory_bytes).sum();
        assert!(fleet.hosts.iter().all(|host| host.memory_bytes >= memory));
    }
}
