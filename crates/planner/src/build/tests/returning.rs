//! Rolling maintenance whose guests return to each host that is done.

use std::collections::{HashMap, HashSet};

use godwit_core::plan::options::ReturnHome;

use super::*;
use crate::lint::{Rule, lint};
use crate::plan::room;

fn returning(hosts: Vec<HostName>, max_unavailable: u32) -> (Wish, Options) {
    let wish = Wish::Rolling {
        hosts,
        max_unavailable,
    };
    let options = Options {
        return_home: ReturnHome::Now,
        ..partial()
    };
    (wish, options)
}

fn made(fleet: &Fleet, (wish, options): &(Wish, Options)) -> Plan {
    let plan = make(fleet, wish, options).unwrap();
    assert_eq!(lint(fleet, wish, options, &plan), []);
    plan
}

/// One host that is empty, and three that are full.
fn one_to_spare() -> Fleet {
    let guests = [1, 2, 3]
        .into_iter()
        .flat_map(|host| [(host, 8), (host, 8)]);
    fleet(&[16, 16, 16, 16], &guests.collect::<Vec<_>>())
}

#[test]
fn one_host_to_spare_is_enough_as_it_is_empty_again_each_time() {
    let fleet = one_to_spare();
    let wanted = returning(["host-1", "host-2", "host-3"].map(name).to_vec(), 1);
    let plan = made(&fleet, &wanted);
    assert_eq!(plan.blocked, []);
    let to = plan.operations.rows().iter();
    let to: Vec<_> = to.filter_map(|it| it.destination.clone()).collect();
    assert_eq!(to, vec![name("host-0"); 6]);
    // Of the two that are there at one time.
    let needed = room(&fleet, &plan, Some(1));
    assert_eq!(needed[&name("host-0")].memory_mb, 16 * 1_024);
    assert_eq!(needed.len(), 1);
}

#[test]
fn a_plan_whose_guests_do_not_fit_beside_those_that_are_back_is_found() {
    let fleet = one_to_spare();
    let (wish, options) = returning(["host-1", "host-2", "host-3"].map(name).to_vec(), 1);
    // As if nobody returned, later ones go to hosts that are done.
    let stays = Options {
        return_home: ReturnHome::Never,
        ..options.clone()
    };
    let plan = make(&fleet, &wish, &stays).unwrap();
    assert_eq!(lint(&fleet, &wish, &stays, &plan), []);
    let done = plan
        .operations
        .rows()
        .iter()
        .filter(|it| it.after_done.is_some());
    assert!(done.count() > 0);
    let found = lint(&fleet, &wish, &options, &plan);
    assert!(found.iter().any(|it| it.rule == Rule::Room), "{found:?}");
}

#[test]
fn nobody_moves_twice_where_all_return() {
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let fleet = generate::fleet(seed, 12, 70, generate::link(10, 10)).unwrap();
        let (mut hosts, servers, groups) = fleet.into_parts();
        for host in &mut hosts {
            host.host.capacity.memory_mb -= random.i64(0..60) * 1_024;
        }
        let fleet = Fleet::new(hosts, servers, groups).unwrap();
        for at_a_time in 1..4 {
            let plan = made(&fleet, &returning(all_hosts(&fleet), at_a_time));
            let mut moved = HashSet::new();
            for operation in plan.operations.rows() {
                assert!(moved.insert(operation.server), "{seed} {operation:?}");
            }
            if at_a_time == 1 {
                has_room_each_time(&fleet, &plan);
            }
        }
    }
}

/// What leaves one host fits beside everybody else, who is where it was.
fn has_room_each_time(fleet: &Fleet, plan: &Plan) {
    let mut came: HashMap<(&HostName, &HostName), i64> = HashMap::new();
    for operation in plan.operations.rows() {
        let Some(to) = &operation.destination else {
            continue;
        };
        let server = fleet.server_no(operation.server).unwrap();
        let all = came.entry((&operation.source, to)).or_default();
        *all += fleet.servers()[server].need.room.memory_mb;
        let host = &fleet.hosts()[fleet.host_no(to).unwrap()].host;
        assert!(*all <= host.free().memory_mb, "{to} is full");
    }
}
