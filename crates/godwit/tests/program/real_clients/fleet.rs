//! Hosts and servers for clients to move about.

use std::iter::zip;

use godwit_compute_agent::drivers::simulated::{Fleet, GuestSpec, HostSpec};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_rpc::domain::{Disk, Flavor, Owner};
use godwit_test_support::fleet::{GIB, host};
use uuid::Uuid;

/// Three hosts, with servers on each in turn: `vm-1` to `vm-11` and `vm-busy` of one project,
/// whose disks are shared, and `vm-busy` never stops changing its memory; `local-1` to `local-4`
/// of the same, whose disks are their host's; `lab-1` and `lab-2` of another project.
pub(super) fn owned_by(demo: (String, String), lab: (String, String)) -> Fleet {
    let hosts: Vec<_> = (1..=3).map(host).collect();
    let names =
        |prefix: &'static str, most: u32| (1..=most).map(move |it| format!("{prefix}-{it}"));
    let demo_servers = names("vm", 11)
        .chain(["vm-busy".to_owned()])
        .chain(names("local", 4));
    let (demo, lab) = (owner(demo), owner(lab));
    let all = demo_servers
        .map(|name| (name, demo.clone()))
        .chain(names("lab", 2).map(|name| (name, lab.clone())));
    let guests = zip(1.., zip(all, hosts.iter().cycle()));
    Fleet {
        guests: guests
            .map(|(number, ((name, owner), host))| guest(number, &name, owner, host))
            .collect(),
        hosts: hosts.into_iter().map(HostSpec::new).collect(),
        pools: Vec::new(),
    }
}

fn guest(number: u128, name: &str, owner: Owner, host: &HostName) -> GuestSpec {
    let uuid = Uuid::from_u128(0x0c11_e475_0000_4000_8000_0000_0000_0000 | number);
    let guest = GuestSpec {
        flavor: Some(small()),
        ..GuestSpec::new(ServerUuid::from(uuid), name, owner, host.clone())
    };
    if name == "vm-busy" {
        return GuestSpec {
            memory_bytes: 4 * GIB,
            dirty_bytes_per_second: HostSpec::new(host.clone()).link_bytes_per_second * 2,
            working_set_bytes: 3 * GIB,
            ..guest
        };
    }
    let local = name.starts_with("local");
    GuestSpec {
        disks: guest
            .disks
            .into_iter()
            .map(|disk| Disk {
                pool: disk.pool.filter(|_| !local),
                ..disk
            })
            .collect(),
        ..guest
    }
}

fn small() -> Flavor {
    Flavor {
        id: Some("demo-small".to_owned()),
        name: "demo.small".to_owned(),
        vcpus: 1,
        memory_mb: 1_024,
        root_gb: 10,
        ephemeral_gb: 0,
        swap_mb: 0,
    }
}

fn owner((user_id, project_id): (String, String)) -> Owner {
    Owner {
        user_id,
        project_id,
        user_name: None,
        project_name: None,
    }
}
