//! What matters to a plan.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::HostName;
use godwit_core::migration::BlockMigration;
use godwit_core::resources::Resources;
use godwit_core::server_group::Policy;

use super::{Fact, FactCode, Subject};
use crate::fleet::Fleet;
use crate::inventory::Need;
use crate::plan::{Operation, OperationKind, Plan, Wish, room};
use crate::table::{GroupNo, HostNo, ServerNo};

/// What a plan asks of a host that servers go to.
#[derive(Default)]
struct Asked {
    arrivals: Vec<ServerNo>,
    groups: BTreeSet<GroupNo>,
}

pub(super) fn facts(fleet: &Fleet, wish: &Wish, plan: &Plan, returning: Option<u32>) -> Vec<Fact> {
    let mut facts = Facts {
        fleet,
        room: room(fleet, plan, returning),
        found: Vec::new(),
    };
    let mut servers = BTreeSet::new();
    let mut sources = BTreeSet::new();
    let mut asked: BTreeMap<HostNo, Asked> = BTreeMap::new();
    for operation in plan.operations.rows() {
        servers.insert(operation.server);
        let (Some(source), Some(server)) = (
            fleet.host_no(&operation.source),
            fleet.server_no(operation.server),
        ) else {
            continue;
        };
        sources.insert((source, operation.kind == OperationKind::Evacuate));
        let destination = operation.destination.as_ref();
        if let Some(host) = destination.and_then(|host| fleet.host_no(host)) {
            let asked = asked.entry(host).or_default();
            asked.arrivals.push(server);
            asked.groups.extend(fleet.servers()[server].group);
            facts.converges(operation, source, host, server);
        }
    }
    let emptied = match wish {
        Wish::Servers { .. } | Wish::ReturnHome { .. } => Vec::new(),
        Wish::Host { host } => vec![host],
        Wish::Rolling { hosts, .. } => hosts.iter().collect(),
    };
    for host in emptied.into_iter().filter_map(|host| fleet.host_no(host)) {
        let here = fleet.servers_on(host).iter();
        servers.extend(here.map(|server| fleet.servers()[*server].need.server));
    }
    for server in servers {
        // Of one that is gone there is nothing to be said.
        if let Some(no) = fleet.server_no(server) {
            facts.server(no);
        }
    }
    for (host, evacuated) in sources {
        facts.source(host, evacuated);
    }
    for (host, asked) in asked {
        facts.destination(host, &asked);
    }
    facts.found
}

struct Facts<'a> {
    fleet: &'a Fleet,
    room: BTreeMap<HostName, Resources>,
    found: Vec<Fact>,
}

impl Facts<'_> {
    fn add(&mut self, code: FactCode, subject: Subject, is: impl Into<String>) {
        self.add_of(code, subject, None, is);
    }

    fn add_of(
        &mut self,
        code: FactCode,
        subject: Subject,
        of: Option<String>,
        is: impl Into<String>,
    ) {
        self.found.push(Fact {
            code,
            subject,
            of,
            is: is.into(),
        });
    }

    fn server(&mut self, no: ServerNo) {
        let server = &self.fleet.servers()[no];
        let subject = || Subject::Server(server.need.server);
        let need = &server.need;
        // Disks fill up all the time; where that matters the room of destinations says so.
        let Resources {
            vcpus, memory_mb, ..
        } = need.room;
        let size = format!("{vcpus} vcpus, {memory_mb} MiB");
        let pools: Vec<_> = need.pools.iter().map(String::as_str).collect();
        let local = if need.local_disks {
            " and local disks"
        } else {
            ""
        };
        let group = server.group.map(|no| &self.fleet.groups()[no]);
        let group = group.map_or_else(
            || "none".to_owned(),
            |group| {
                let most = group.max_server_per_host.unwrap_or(1);
                format!("{}: {}, {most}", group.id, group.policy.as_str())
            },
        );
        let heading = server.moving_to.as_ref();
        let heading = heading.map_or_else(|| "no move".to_owned(), |host| format!("to {host}"));
        self.add(FactCode::ServerHost, subject(), need.source.to_string());
        self.add(FactCode::ServerSize, subject(), size);
        let disks = format!("{}{local}", pools.join(", "));
        self.add(FactCode::ServerDisks, subject(), disks);
        let power = if server.running { "on" } else { "off" };
        self.add(FactCode::ServerPower, subject(), power);
        self.add(FactCode::ServerBusy, subject(), heading);
        self.add(FactCode::ServerGroup, subject(), group);
    }

    fn converges(&mut self, operation: &Operation, from: HostNo, to: HostNo, server: ServerNo) {
        if operation.kind != OperationKind::Live {
            return;
        }
        let guest = self.fleet.guest(server, from, to);
        let ends = guest.ends(self.fleet.stream_limit(from, to));
        let subject = Subject::Server(operation.server);
        let of = operation.destination.as_ref().map(ToString::to_string);
        let is = if ends { "yes" } else { "no" };
        self.add_of(FactCode::ServerConverges, subject, of, is);
    }

    fn source(&mut self, no: HostNo, evacuated: bool) {
        let host = &self.fleet.hosts()[no];
        let subject = || Subject::Host(host.host.name.clone());
        // Of a destination these are looked at as well.
        let of = || Some("source".to_owned());
        let (up, managed) = (yes(host.host.up), yes(host.host.unmanaged.is_none()));
        self.add_of(FactCode::HostUp, subject(), of(), up);
        self.add_of(FactCode::HostManaged, subject(), of(), managed);
        if evacuated {
            self.add_of(FactCode::HostFenced, subject(), of(), yes(host.fenced));
        }
    }

    fn destination(&mut self, no: HostNo, asked: &Asked) {
        let (fleet, to) = (self.fleet, &self.fleet.hosts()[no]);
        let subject = || Subject::Host(to.host.name.clone());
        self.add(FactCode::HostEnabled, subject(), yes(to.host.is_enabled()));
        self.add(FactCode::HostUp, subject(), yes(to.host.up));
        self.add(
            FactCode::HostManaged,
            subject(),
            yes(to.host.unmanaged.is_none()),
        );
        let needs = asked.arrivals.iter();
        let needs: Vec<_> = needs.map(|server| &fleet.servers()[*server].need).collect();
        let apart = asked.arrivals.iter().any(|server| {
            let from = &fleet.hosts()[fleet.host_of(*server)].host.topology.cluster;
            let both = from.as_ref().zip(to.host.topology.cluster.as_ref());
            both.is_some_and(|(from, to)| from != to)
        });
        // Nothing is said of the ordinary case, as fingerprints of earlier releases say nothing of any.
        if let Some(cluster) = to.host.topology.cluster.as_deref().filter(|_| apart) {
            self.add(FactCode::HostCluster, subject(), cluster);
        }
        let fits = needs.iter().all(|need| {
            need.hypervisor_type == to.host.hypervisor_type
                && need.hypervisor_version <= to.host.hypervisor_version
        });
        let version = to.host.hypervisor_version;
        let hypervisor = format!("{} {version}", to.host.hypervisor_type);
        let hypervisor = if fits {
            "runs them".to_owned()
        } else {
            hypervisor
        };
        self.add(FactCode::HostHypervisor, subject(), hypervisor);
        let runs = |need: &&Need| {
            let has_all = need.cpu_features.is_subset(&to.host.cpu_features);
            need.arch == to.host.arch && has_all
        };
        let cpu = needs.iter().all(runs);
        let cpu = if cpu { "runs them" } else { &to.host.arch };
        self.add(FactCode::HostCpu, subject(), cpu);
        let reached = needs
            .iter()
            .filter(|need| need.block_migration != BlockMigration::Yes);
        let wanted: BTreeSet<_> = reached.flat_map(|need| &need.pools).collect();
        let missing = wanted
            .into_iter()
            .filter(|pool| !to.host.pools.contains(*pool));
        let missing: Vec<_> = missing.map(String::as_str).collect();
        let reached = if missing.is_empty() {
            "reaches their disks".to_owned()
        } else {
            format!("does not reach {}", missing.join(", "))
        };
        self.add(FactCode::HostPools, subject(), reached);
        self.room_of(no);
        self.groups(no, asked);
    }

    /// Enough of each, or how much there is.
    fn room_of(&mut self, no: HostNo) {
        let host = &self.fleet.hosts()[no].host;
        let peak = self.room.get(&host.name).copied().unwrap_or_default();
        let free = host.free();
        for (code, peak, free) in [
            (FactCode::HostVcpus, peak.vcpus, free.vcpus),
            (FactCode::HostMemory, peak.memory_mb, free.memory_mb),
            (FactCode::HostDisk, peak.disk_gb, free.disk_gb),
        ] {
            let enough = peak <= 0 || free >= peak;
            let is = if enough {
                "enough".to_owned()
            } else {
                format!("{free} of {peak}")
            };
            self.add(code, Subject::Host(host.name.clone()), is);
        }
    }

    /// Members that the plan does not move, where they count.
    fn groups(&mut self, no: HostNo, asked: &Asked) {
        let name = self.fleet.hosts()[no].host.name.clone();
        for group in &asked.groups {
            let rule = &self.fleet.groups()[*group];
            let moves = |server: &ServerNo| asked.arrivals.contains(server);
            let others = self.fleet.members(*group).iter();
            let others: Vec<_> = others.filter(|it| !moves(it)).copied().collect();
            let there = |server: &ServerNo| {
                let heading = self.fleet.servers()[*server].moving_to.as_ref();
                self.fleet.host_of(*server) == no || heading == Some(&name)
            };
            let here = others.iter().filter(|it| there(it)).count();
            let arrive = self.fleet.members(*group).len() - others.len();
            let is = match rule.policy {
                Policy::AntiAffinity => {
                    let most = rule.max_server_per_host.unwrap_or(1) as usize;
                    if here + arrive <= most {
                        "kept".to_owned()
                    } else {
                        format!("{here} others")
                    }
                }
                Policy::Affinity => {
                    let elsewhere = others.len() - here;
                    if elsewhere == 0 {
                        "kept".to_owned()
                    } else {
                        format!("{elsewhere} elsewhere")
                    }
                }
                Policy::SoftAffinity | Policy::SoftAntiAffinity => continue,
            };
            let of = Some(rule.id.to_string());
            self.add_of(FactCode::HostGroup, Subject::Host(name.clone()), of, is);
        }
    }
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
