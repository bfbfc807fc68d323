use godwit_core::server_group::Policy;

use super::*;
use crate::fixtures::unmanaged;
use crate::fleet::{FleetHost, FleetServer, Group};
use crate::generate;
use crate::lint::lint;
use crate::plan::{Operation, Options, PlanState, make};
use crate::table::{GroupNo, Number};

mod changes;

type Parts = (Vec<FleetHost>, Vec<FleetServer>, Vec<Group>);

struct Case {
    parts: Parts,
    wish: Wish,
    plan: Plan,
}

fn name(text: &str) -> HostName {
    HostName::new(text).unwrap()
}

fn fleet((hosts, servers, groups): &Parts) -> Fleet {
    Fleet::new(hosts.clone(), servers.clone(), groups.clone()).unwrap()
}

impl Case {
    /// `host-0` is emptied, as it is after `change`.
    fn new(seed: u64, change: impl FnOnce(&mut Parts)) -> Self {
        let fleet_then = generate::fleet(seed, 30, 150, generate::link(10, 10)).unwrap();
        let mut parts = fleet_then.into_parts();
        for server in &mut parts.1 {
            server.need.room.disk_gb = 1;
        }
        change(&mut parts);
        let wish = Wish::Host {
            host: name("host-0"),
        };
        let plan = make(&fleet(&parts), &wish, &Options::default()).unwrap();
        assert_eq!(plan.state, PlanState::Ready);
        Self { parts, wish, plan }
    }

    fn fingerprint(&self, parts: &Parts) -> Fingerprint {
        Fingerprint::of(&fleet(parts), &self.wish, &self.plan, None)
    }

    fn differences(&self, parts: &Parts) -> Vec<Difference> {
        let then = self.fingerprint(&self.parts);
        let now = self.fingerprint(parts);
        let differences = then.differences(&now);
        assert_eq!(then.digest == now.digest, differences.is_empty());
        differences
    }

    fn first(&self) -> &Operation {
        &self.plan.operations.rows()[0]
    }

    fn server(&self) -> usize {
        let mut all = self.parts.1.iter();
        all.position(|it| it.need.server == self.first().server)
            .unwrap()
    }

    fn destination(&self) -> usize {
        let to = self.first().destination.as_ref();
        let mut all = self.parts.0.iter();
        all.position(|it| Some(&it.host.name) == to).unwrap()
    }

    fn moves(&self, server: &FleetServer) -> bool {
        let mut moves = self.plan.operations.rows().iter();
        moves.any(|it| it.server == server.need.server)
    }
}

const GROUP: &str = "66666666-0000-4000-8000-0000000000ff";

/// Puts these into a group of their own.
fn group(parts: &mut Parts, members: &[usize]) {
    let group = GroupNo::new(parts.2.len());
    parts.2.push(Group {
        id: GROUP.parse().unwrap(),
        name: "apart".to_owned(),
        policy: Policy::AntiAffinity,
        max_server_per_host: None,
    });
    for member in members {
        parts.1[*member].group = Some(group);
    }
}

/// A plan, a change that matters to it by one fact, and whether that is a server's.
fn relevant(code: FactCode) -> (Case, Parts, Subject) {
    use FactCode as F;
    let mut case = Case::new(1, |_| ());
    if code == F::HostFenced {
        case = Case::new(1, |parts| {
            parts.0[0].host.up = false;
            parts.0[0].fenced = true;
        });
    }
    if code == F::HostGroup {
        let server = case.server();
        case = Case::new(1, |parts| group(parts, &[server]));
    }
    let (server, host) = (case.server(), case.destination());
    let mut now = case.parts.clone();
    let of_server = Subject::Server(now.1[server].need.server);
    let of_host = Subject::Host(now.0[host].host.name.clone());
    let of_source = Subject::Host(name("host-0"));
    let subject = match code {
        F::ServerHost => {
            now.1[server].need.source = name("host-9");
            of_server
        }
        F::ServerSize => {
            now.1[server].need.room.vcpus += 1;
            of_server
        }
        F::ServerDisks => {
            now.1[server].need.local_disks = true;
            of_server
        }
        F::ServerPower => {
            now.1[server].running = false;
            of_server
        }
        F::ServerBusy => {
            now.1[server].moving_to = Some(name("host-9"));
            of_server
        }
        F::ServerGroup => {
            group(&mut now, &[server]);
            of_server
        }
        F::ServerConverges => {
            now.1[server].dirty_bytes_per_second = Some(2_000_000_000);
            of_server
        }
        F::HostEnabled => {
            now.0[host].host.disable();
            of_host
        }
        F::HostUp => {
            now.0[0].host.up = false;
            of_source
        }
        F::HostManaged => {
            now.0[host].host.unmanaged = Some(unmanaged("c"));
            of_host
        }
        F::HostCluster => {
            now.0[host].host.topology.cluster = Some("cluster-2".to_owned());
            of_host
        }
        F::HostFenced => {
            now.0[0].fenced = false;
            of_source
        }
        F::HostHypervisor => {
            now.0[host].host.hypervisor_version -= 1;
            of_host
        }
        F::HostCpu => {
            now.0[host].host.arch = "aarch64".to_owned();
            of_host
        }
        F::HostPools => {
            now.0[host].host.pools.clear();
            of_host
        }
        F::HostVcpus => {
            now.0[host].host.used.vcpus = now.0[host].host.capacity.vcpus;
            of_host
        }
        F::HostMemory => {
            now.0[host].host.used.memory_mb = now.0[host].host.capacity.memory_mb;
            of_host
        }
        F::HostDisk => {
            // What it cannot reach any more is copied, and there is no room for that.
            now.0[host].host.pools.clear();
            now.0[host].host.used.disk_gb = now.0[host].host.capacity.disk_gb;
            of_host
        }
        F::HostGroup => {
            let there = &now.0[host].host.name;
            let mut all = now.1.iter();
            let resident = all.position(|it| it.need.source == *there).unwrap();
            now.1[resident].group = now.1[server].group;
            of_host
        }
    };
    (case, now, subject)
}

#[test]
fn every_fact_is_named_when_it_changes() {
    for (at, code) in FactCode::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, at);
        let (case, now, subject) = relevant(code);
        let named = case.differences(&now);
        let named = named
            .iter()
            .any(|it| it.code == code && it.subject == subject);
        assert!(named, "{code:?}: {:?}", case.differences(&now));
    }
    assert_eq!(FactCode::HostGroup as usize + 1, FactCode::ALL.len());
}

#[test]
fn a_server_that_comes_to_the_host_is_a_change() {
    let case = Case::new(2, |_| ());
    let mut now = case.parts.clone();
    let other = now.1.iter().position(|it| it.need.source == name("host-7"));
    now.1[other.unwrap()].need.source = name("host-0");
    let differences = case.differences(&now);
    assert!(differences.iter().all(|it| it.code != FactCode::HostMemory));
    assert!(
        differences
            .iter()
            .any(|it| it.code == FactCode::ServerHost && it.was.is_none())
    );
}

#[test]
fn a_fingerprint_reads_as_it_was_written() {
    let case = Case::new(3, |_| ());
    let written = case.fingerprint(&case.parts);
    let read = serde_json::to_string(&written).unwrap();
    let read: Fingerprint = serde_json::from_str(&read).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.differences(&written), []);
}
