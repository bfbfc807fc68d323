//! Every plan here is linted, and walked in random orders that it allows: at each moment each
//! host must have room, and each hard group its rule.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::server_group::Policy;

use crate::fixtures::unmanaged;
use crate::fleet::{Fleet, FleetServer};
use crate::generate;
use crate::lint::lint;
use crate::plan::{Cause, Constraint, Immovable, Options, Plan, PlanState, Wish, make};
use crate::reason::ReasonCode;

mod groups;
mod home;
mod returning;
mod walk;

use walk::Walk;

fn name(text: &str) -> HostName {
    HostName::new(text).unwrap()
}

fn all_hosts(fleet: &Fleet) -> Vec<HostName> {
    fleet
        .hosts()
        .iter()
        .map(|(_, it)| it.host.name.clone())
        .collect()
}

fn ids(fleet: &Fleet) -> Vec<ServerUuid> {
    fleet
        .servers()
        .iter()
        .map(|(_, it)| it.need.server)
        .collect()
}

fn partial() -> Options {
    Options {
        allow_partial: true,
        ..Options::default()
    }
}

fn planned(fleet: &Fleet, wish: &Wish, options: &Options) -> Plan {
    let plan = make(fleet, wish, options).unwrap();
    assert_eq!(lint(fleet, wish, options, &plan), []);
    for seed in 0..3 {
        Walk::new(fleet, &plan).run(seed);
    }
    plan
}

/// Hosts with so much room each, and servers of such sizes on them, in GiB.
fn fleet(rooms: &[i64], servers: &[(usize, i64)]) -> Fleet {
    let link = generate::link(10, 10);
    let (mut hosts, _, _) = generate::fleet(1, rooms.len(), 0, link)
        .unwrap()
        .into_parts();
    let (_, all, _) = generate::fleet(1, 50, 150, link).unwrap().into_parts();
    for (host, room) in hosts.iter_mut().zip(rooms) {
        host.host.capacity.memory_mb = room * 1_024;
        host.host.used = Default::default();
    }
    let mut placed = Vec::new();
    for (mut server, (on, size)) in all.into_iter().zip(servers) {
        let host = &mut hosts[*on].host;
        server.group = None;
        server.need.source = host.name.clone();
        server.need.room.memory_mb = size * 1_024;
        server.memory_bytes = (*size as u64) << 30;
        server.dirty_bytes_per_second = Some(10_000_000);
        host.used = host.used.plus(server.need.room);
        placed.push(server);
    }
    Fleet::new(hosts, placed, Vec::new()).unwrap()
}

/// As proxcenter-ui's 338 has it: one destination for all until it falls over.
#[test]
fn servers_are_spread_over_hosts() {
    let fleet = fleet(&[64, 32, 32, 32], &[(0, 8), (0, 8), (0, 8)]);
    let plan = planned(
        &fleet,
        &Wish::Host {
            host: name("host-0"),
        },
        &Options::default(),
    );
    let mut to: Vec<_> = plan
        .operations
        .rows()
        .iter()
        .filter_map(|it| it.destination.clone())
        .collect();
    to.sort();
    assert_eq!(to, [name("host-1"), name("host-2"), name("host-3")]);
}

/// As lxd's 17170 has it: two hosts evacuate onto each other.
#[test]
fn nothing_is_planned_onto_a_host_that_somebody_holds() {
    let fleet = fleet(&[64, 64, 32], &[(0, 8), (0, 8), (0, 8)]);
    let (mut hosts, servers, groups) = fleet.into_parts();
    hosts[1].host.holders = vec!["anna".to_owned()];
    let fleet = Fleet::new(hosts, servers, groups).unwrap();
    let wish = Wish::Host {
        host: name("host-0"),
    };
    let plan = planned(&fleet, &wish, &Options::default());
    let rows = plan.operations.rows();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|it| it.destination == Some(name("host-2"))));
}

#[test]
fn hosts_are_filled_up_where_spreading_leaves_no_room_for_a_big_server() {
    let fleet = fleet(&[64, 10, 12], &[(0, 10), (0, 6), (0, 6)]);
    let plan = planned(
        &fleet,
        &Wish::Host {
            host: name("host-0"),
        },
        &Options::default(),
    );
    assert_eq!(plan.state, PlanState::Ready);
}

#[test]
fn whoever_cannot_move_says_why() {
    let fleet = fleet(&[16, 16], &[(0, 4), (0, 4), (0, 4), (0, 32)]);
    let (mut hosts, mut servers, groups) = fleet.into_parts();
    hosts[0].host.capacity.memory_mb = 64 * 1_024;
    servers[0].dirty_bytes_per_second = Some(2_000_000_000);
    servers[1].moving_to = Some(name("host-1"));
    let fleet = Fleet::new(hosts.clone(), servers.clone(), groups.clone()).unwrap();
    let wish = Wish::Servers {
        servers: ids(&fleet),
        destination: None,
    };
    let plan = planned(&fleet, &wish, &partial());
    let code = |at: usize| {
        let blocked = plan
            .blocked
            .iter()
            .find(|it| it.server == servers[at].need.server);
        blocked.map(|it| it.reasons[0].code)
    };
    assert_eq!(code(0), Some(ReasonCode::NeverConverges));
    assert_eq!(code(1), Some(ReasonCode::Busy));
    assert_eq!(code(2), None);
    assert_eq!(code(3), Some(ReasonCode::Memory));
    hosts[0].host.up = false;
    let down = Fleet::new(hosts, servers, groups).unwrap();
    let plan = planned(&down, &wish, &partial());
    let codes: Vec<_> = plan.blocked.iter().map(|it| it.reasons[0].code).collect();
    assert_eq!(
        codes
            .iter()
            .filter(|it| **it == ReasonCode::SourceNotFenced)
            .count(),
        3
    );
}

#[test]
fn nobody_is_stopped_unless_that_is_asked_for() {
    let fleet = fleet(&[64, 8], &[(0, 4), (0, 32)]);
    let wish = Wish::Rolling {
        hosts: vec![name("host-0")],
        max_unavailable: 1,
    };
    assert_eq!(planned(&fleet, &wish, &partial()).blocked.len(), 1);
    let options = Options {
        immovable: Immovable::ShutdownRestart,
        ..Options::default()
    };
    let plan = planned(&fleet, &wish, &options);
    let stays: Vec<_> = plan
        .operations
        .rows()
        .iter()
        .filter(|it| it.destination.is_none())
        .collect();
    assert_eq!(stays.len(), 2);
    assert_eq!(stays[1].after_done, Some(name("host-0")));
}

#[test]
fn constraints_are_kept() {
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let fleet = generate::fleet(seed, 6, 40, generate::link(10, 10)).unwrap();
        let ids = ids(&fleet);
        let constraints = (0..10).map(|_| {
            let (a, b) = (random.usize(0..ids.len() - 1), random.usize(0..ids.len()));
            let b = b.max(a + 1);
            Constraint::Before(ids[a], ids[b])
        });
        let options = Options {
            constraints: constraints.collect(),
            ..partial()
        };
        let wish = Wish::Servers {
            servers: ids,
            destination: None,
        };
        planned(&fleet, &wish, &options);
    }
}

#[test]
fn a_rolling_maintenance_moves_a_server_little_more_than_once() {
    for (seed, hosts, at_a_time) in [(1, 20, 1), (2, 20, 2), (3, 40, 4), (4, 100, 5)] {
        let fleet = generate::fleet(seed, hosts, hosts * 6, generate::link(25, 10)).unwrap();
        let wish = Wish::Rolling {
            hosts: all_hosts(&fleet),
            max_unavailable: at_a_time,
        };
        let plan = planned(&fleet, &wish, &partial());
        println!(
            "{hosts} hosts, {at_a_time} at a time: {:.3}",
            plan.moves_a_server()
        );
        assert_eq!(plan.blocked, []);
        assert!(plan.moves_a_server() <= 1.3, "{}", plan.moves_a_server());
        assert!(plan.makespan_seconds.mid.is_finite());
        assert!(plan.makespan_seconds.mid >= plan.lower_bound_seconds);
    }
}

#[test]
fn random_wishes_are_linted_clean() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let fleet = generate::fleet(seed, 10, 60, generate::link(10, 3)).unwrap();
        let (mut hosts, servers, groups) = fleet.into_parts();
        for host in &mut hosts {
            if random.u8(0..8) == 0 {
                host.host.disable();
            }
            host.host.unmanaged = (random.u8(0..12) == 0).then(|| unmanaged("c"));
            host.host.up = random.u8(0..12) > 0;
            host.fenced = random.bool();
            host.host.capacity.memory_mb -= random.i64(0..60) * 1_024;
        }
        let fleet = Fleet::new(hosts, servers, groups).unwrap();
        let wish = match random.u8(0..3) {
            0 => Wish::Host {
                host: name("host-3"),
            },
            1 => Wish::Rolling {
                hosts: all_hosts(&fleet),
                max_unavailable: random.u32(1..4),
            },
            _ => Wish::Servers {
                servers: ids(&fleet).into_iter().filter(|_| random.bool()).collect(),
                destination: None,
            },
        };
        planned(&fleet, &wish, &partial());
    }
}

#[test]
fn whoever_leaves_already_is_let_go_and_whoever_is_kept_busy_is_blocked() {
    let (hosts, mut servers, groups) = generate::fleet(3, 10, 60, generate::link(10, 10))
        .unwrap()
        .into_parts();
    let here = |it: &&mut FleetServer| it.need.source.as_str() == "host-0";
    let mut on_host = servers.iter_mut().filter(here);
    let (leaves, busy) = (on_host.next().unwrap(), on_host.next().unwrap());
    leaves.moving_to = Some(HostName::new("host-1").unwrap());
    busy.moving_to = Some(busy.need.source.clone());
    let busy = busy.need.server;
    let fleet = Fleet::new(hosts, servers, groups).unwrap();
    let wish = Wish::Host {
        host: HostName::new("host-0").unwrap(),
    };
    let plan = planned(&fleet, &wish, &partial());
    let blocked: Vec<_> = plan.blocked.iter().map(|it| it.server).collect();
    assert_eq!(blocked, [busy]);
    assert_eq!(plan.blocked[0].reasons[0].code, ReasonCode::Busy);
    let host = fleet.host_no(&HostName::new("host-0").unwrap()).unwrap();
    assert_eq!(plan.operations.len(), fleet.servers_on(host).len() - 2);
}
