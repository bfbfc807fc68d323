use super::*;
use crate::fixtures::unmanaged;
use crate::fleet::Group;
use crate::generate;
use crate::plan::{Blocked, Constraint, OperationKind, Rolling, make};
use crate::reason::{Reason, ReasonCode};
use crate::table::{GroupNo, Number};

mod room;

struct Case {
    fleet: Fleet,
    wish: Wish,
    options: Options,
    plan: Plan,
}

fn name(text: &str) -> HostName {
    HostName::new(text).unwrap()
}

impl Case {
    /// A drain of a host of five servers, with which nothing is wrong.
    fn new() -> Self {
        let (hosts, mut servers, _) = generate::fleet(1, 6, 30, generate::link(10, 10))
            .unwrap()
            .into_parts();
        for server in &mut servers {
            server.group = None;
        }
        let fleet = Fleet::new(hosts, servers, Vec::new()).unwrap();
        let wish = Wish::Host {
            host: name("host-0"),
        };
        let options = Options::default();
        let plan = make(&fleet, &wish, &options).unwrap();
        assert!(plan.operations.len() >= 4);
        Self {
            fleet,
            wish,
            options,
            plan,
        }
    }

    fn rules(&self) -> Vec<Rule> {
        let found = lint(&self.fleet, &self.wish, &self.options, &self.plan);
        let mut rules: Vec<_> = found.into_iter().map(|it| it.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn operation(&mut self, at: usize) -> &mut Operation {
        &mut self.plan.operations[OperationNo::new(at)]
    }

    fn destination(&mut self, at: usize) -> HostNo {
        let name = self.operation(at).destination.clone().unwrap();
        self.fleet.host_no(&name).unwrap()
    }

    fn without_last(&mut self) -> Operation {
        let mut operations = std::mem::take(&mut self.plan.operations).into_rows();
        let last = operations.pop().unwrap();
        self.plan.operations = operations.into();
        last
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut [crate::fleet::FleetHost], &mut [crate::fleet::FleetServer]),
    ) {
        let (mut hosts, mut servers, groups) = self.fleet.clone().into_parts();
        change(&mut hosts, &mut servers);
        self.fleet = Fleet::new(hosts, servers, groups).unwrap();
    }

    /// Puts these into a group of this rule.
    fn group(&mut self, policy: godwit_core::server_group::Policy, members: &[ServerNo]) {
        let (hosts, mut servers, _) = self.fleet.clone().into_parts();
        for member in members {
            servers[member.at()].group = Some(GroupNo::new(0));
        }
        let group = Group {
            id: "66666666-0000-4000-8000-000000000000".parse().unwrap(),
            name: "web".to_owned(),
            policy,
            max_server_per_host: None,
        };
        self.fleet = Fleet::new(hosts, servers, vec![group]).unwrap();
    }

    /// Two hosts are emptied at the same time, and a server goes from one by way of the other.
    fn rolling() -> Self {
        let mut case = Self::new();
        case.change(|hosts, servers| {
            for server in servers.iter_mut() {
                if server.need.source == name("host-1") {
                    server.need.source = name("host-5");
                }
            }
            for host in hosts {
                host.host.capacity.memory_mb = 1 << 20;
            }
        });
        case.wish = Wish::Rolling {
            hosts: vec![name("host-0"), name("host-1")],
            max_unavailable: 1,
        };
        case.plan.rolling = Some(Rolling {
            hosts: vec![name("host-0"), name("host-1")],
            max_unavailable: 1,
        });
        for at in 0..case.plan.operations.len() {
            case.operation(at).destination = Some(name("host-3"));
        }
        assert_eq!(case.rules(), []);
        case
    }
}

/// A plan with which just this is wrong.
fn broken(rule: Rule) -> Case {
    let mut case = Case::new();
    match rule {
        Rule::Known => case.operation(1).id = OperationNo::new(0),
        Rule::Path => case.operation(1).source = name("host-5"),
        Rule::Order => case.operation(1).after = vec![OperationNo::new(2)],
        Rule::Fits => {
            let to = case.destination(1);
            case.change(|hosts, _| hosts[to.at()].host.disable());
        }
        Rule::Room => {
            let to = case.destination(1);
            case.change(|hosts, _| {
                hosts[to.at()].host.capacity.memory_mb = hosts[to.at()].host.used.memory_mb + 1;
            });
        }
        Rule::Group => {
            let there = case.destination(1);
            let resident = case.fleet.servers_on(there)[0];
            let server = case.operation(1).server;
            let server = case.fleet.server_no(server).unwrap();
            let policy = godwit_core::server_group::Policy::AntiAffinity;
            case.group(policy, &[resident, server]);
        }
        Rule::Emptied => {
            case = Case::rolling();
            for it in [&mut case.plan.rolling].into_iter().flatten() {
                it.max_unavailable = 2;
            }
            let mut last = case.plan.operations.rows().last().unwrap().clone();
            let at = last.id.at();
            case.operation(at).destination = Some(name("host-1"));
            last.source = name("host-1");
            last.after = vec![last.id];
            last.id = OperationNo::new(at + 1);
            case.plan.operations.push(last);
        }
        Rule::Wanted => {
            let other = case.fleet.host_no(&name("host-4")).unwrap();
            let server = case.fleet.servers_on(other)[0];
            let mut more = case.plan.operations.rows()[0].clone();
            more.id = OperationNo::new(case.plan.operations.len());
            more.server = case.fleet.servers()[server].need.server;
            more.source = name("host-4");
            more.destination = Some(name("host-5"));
            case.change(|hosts, _| hosts[5].host.capacity.memory_mb = 1 << 20);
            case.plan.operations.push(more);
        }
        Rule::Complete => {
            case.without_last();
        }
        Rule::Constraint => {
            let (first, second) = (case.operation(1).server, case.operation(2).server);
            let constraints = vec![Constraint::Before(first, second)];
            case.plan.constraints.clone_from(&constraints);
            case.options.constraints = constraints;
        }
        Rule::Partial => {
            let last = case.without_last();
            case.plan.blocked.push(Blocked {
                server: last.server,
                reasons: vec![Reason::new(ReasonCode::Memory, "full")],
            });
        }
    }
    case
}

#[test]
fn of_every_rule_a_plan_that_breaks_just_that_one_is_found() {
    for (at, rule) in Rule::ALL.into_iter().enumerate() {
        assert_eq!(rule as usize, at);
        assert_eq!(broken(rule).rules(), [rule]);
    }
    assert_eq!(Rule::Partial as usize + 1, Rule::ALL.len());
}

#[test]
fn an_aborted_plan_has_nothing_to_be_found() {
    let mut case = broken(Rule::Complete);
    case.plan.state = PlanState::Aborted;
    assert_eq!(case.rules(), []);
}

#[test]
fn everything_that_a_destination_may_lack_is_found() {
    type Change = fn(&mut crate::fleet::FleetHost);
    let changes: [Change; 6] = [
        |it| it.host.disable(),
        |it| it.host.up = false,
        |it| it.host.unmanaged = Some(unmanaged("c")),
        |it| it.host.hypervisor_type = "Xen".to_owned(),
        |it| it.host.hypervisor_version -= 1,
        |it| it.host.arch = "aarch64".to_owned(),
    ];
    for change in changes {
        let mut case = Case::new();
        let to = case.destination(1);
        case.change(|hosts, _| change(&mut hosts[to.at()]));
        assert_eq!(case.rules(), [Rule::Fits]);
    }
    type OfServer = fn(&mut crate::fleet::FleetServer);
    let changes: [OfServer; 3] = [
        |it| it.moving_to = Some(name("host-4")),
        |it| it.running = false,
        |it| it.dirty_bytes_per_second = Some(2_000_000_000),
    ];
    for change in changes {
        let mut case = Case::new();
        let server = case.operation(1).server;
        let server = case.fleet.server_no(server).unwrap();
        case.change(|_, servers| change(&mut servers[server.at()]));
        assert!(case.rules().contains(&Rule::Fits));
    }
}

#[test]
fn a_guest_is_not_stopped_unless_that_was_allowed() {
    let mut case = Case::new();
    case.operation(1).kind = OperationKind::Cold;
    assert_eq!(case.rules(), [Rule::Fits]);
    case.operation(1).kind = OperationKind::Shutdown;
    assert!(case.rules().contains(&Rule::Wanted));
}

#[test]
fn hosts_of_a_rolling_maintenance_come_in_their_order() {
    let mut case = Case::rolling();
    case.operation(1).after_done = Some(name("host-1"));
    assert_eq!(case.rules(), [Rule::Order]);
}
