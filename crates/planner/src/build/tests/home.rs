//! Servers that go to hosts that are full of others.

use std::collections::HashSet;

use super::*;
use crate::table::{HostNo, ServerNo, Table};

#[test]
fn two_servers_that_swap_hosts_use_a_third() {
    let fleet = fleet(&[8, 8, 4], &[(0, 6), (1, 4)]);
    let ids = ids(&fleet);
    let wish = Wish::ReturnHome {
        homes: vec![(ids[0], name("host-1")), (ids[1], name("host-0"))],
    };
    let plan = planned(&fleet, &wish, &Options::default());
    assert_eq!(plan.operations.len(), 3);
    assert_eq!(plan.operations.rows()[0].because, [Cause::MakesWay]);
}

#[test]
fn a_circle_without_a_third_host_is_blocked_with_what_is_missing() {
    let fleet = fleet(&[8, 8, 3], &[(0, 6), (1, 4)]);
    let ids = ids(&fleet);
    let wish = Wish::ReturnHome {
        homes: vec![(ids[0], name("host-1")), (ids[1], name("host-0"))],
    };
    let plan = planned(&fleet, &wish, &Options::default());
    assert_eq!(plan.state, PlanState::Aborted);
    let codes = plan
        .blocked
        .iter()
        .flat_map(|it| &it.reasons)
        .map(|it| it.code);
    assert!(codes.clone().count() >= 2);
    assert!(codes.into_iter().all(|code| code == ReasonCode::Memory));
}

#[test]
fn a_chain_goes_in_the_order_in_which_room_is_freed() {
    let fleet = fleet(&[8, 8, 8], &[(0, 6), (1, 6)]);
    let ids = ids(&fleet);
    let wish = Wish::ReturnHome {
        homes: vec![(ids[0], name("host-1")), (ids[1], name("host-2"))],
    };
    let plan = planned(&fleet, &wish, &Options::default());
    let [first, second] = plan.operations.rows() else {
        panic!("{plan:?}");
    };
    assert_eq!((first.server, second.server), (ids[1], ids[0]));
    assert_eq!(second.after, [first.id]);
}

/// Does everybody have room, and every group that keeps apart its rule, when all are home?
fn fits_at_home(fleet: &Fleet, homes: &[(ServerUuid, HostName)]) -> bool {
    let at = fleet.servers().numbers();
    let mut at: Table<ServerNo, HostNo> = at.map(|it| fleet.host_of(it)).collect::<Vec<_>>().into();
    for (server, home) in homes {
        at[fleet.server_no(*server).unwrap()] = fleet.host_no(home).unwrap();
    }
    let room = fleet.hosts().iter().all(|(no, host)| {
        let here = fleet
            .servers()
            .iter()
            .filter(|(server, _)| at[*server] == no);
        let used: i64 = here.map(|(_, it)| it.need.room.memory_mb).sum();
        used <= host.host.capacity.memory_mb
    });
    let apart = fleet.groups().iter().all(|(no, group)| {
        let hosts: HashSet<_> = fleet.members(no).iter().map(|it| at[*it]).collect();
        group.policy != Policy::AntiAffinity || hosts.len() == fleet.members(no).len()
    });
    room && apart
}

#[test]
fn return_home_is_whole_wherever_everybody_fits_at_home() {
    let (mut possible, mut whole) = (0, 0);
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let fleet = generate::fleet(seed, 8, 50, generate::link(10, 10)).unwrap();
        let mut homes: Vec<_> = ids(&fleet);
        random.shuffle(&mut homes);
        let homes = homes.into_iter().take(25);
        let homes = homes.map(|id| (id, name(&format!("host-{}", random.usize(0..8)))));
        let homes: Vec<_> = homes.collect();
        let fits = fits_at_home(&fleet, &homes);
        let plan = planned(&fleet, &Wish::ReturnHome { homes }, &partial());
        assert!(fits || !plan.blocked.is_empty());
        possible += usize::from(fits);
        whole += usize::from(plan.blocked.is_empty());
    }
    assert!(possible >= 5, "{possible}");
    assert_eq!(whole, possible);
}

/// Three or four hosts and up to seven servers, which fill them; and where each server is at home.
fn full(random: &mut fastrand::Rng) -> (Vec<i64>, Vec<(usize, i64)>, Vec<usize>) {
    let rooms: Vec<_> = (0..random.usize(3..5))
        .map(|_| random.i64(12..20))
        .collect();
    let mut left = [rooms.clone(), rooms.clone()];
    let (mut servers, mut homes) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let size = random.i64(3..11);
        let (on, home) = (random.usize(0..rooms.len()), random.usize(0..rooms.len()));
        if servers.len() < 7 && left[0][on] >= size && left[1][home] >= size {
            left[0][on] -= size;
            left[1][home] -= size;
            servers.push((on, size));
            homes.push(home);
        }
    }
    (rooms, servers, homes)
}

/// Is there a sequence of moves, each into room that is there, after which all are home?
fn exists(rooms: &[i64], servers: &[(usize, i64)], homes: &[usize]) -> bool {
    let start: Vec<usize> = servers.iter().map(|(on, _)| *on).collect();
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        if at == homes {
            return true;
        }
        let mut free = rooms.to_vec();
        for (on, (_, size)) in at.iter().zip(servers) {
            free[*on] -= size;
        }
        for (server, (_, size)) in servers.iter().enumerate() {
            for to in (0..rooms.len()).filter(|to| *to != at[server] && free[*to] >= *size) {
                let mut next = at.clone();
                next[server] = to;
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    false
}

#[test]
fn return_home_onto_full_hosts_is_found_where_there_is_a_way() {
    let (mut possible, mut impossible, mut whole) = (0, 0, 0);
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (rooms, servers, homes) = full(&mut random);
        let exists = exists(&rooms, &servers, &homes);
        let fleet = fleet(&rooms, &servers);
        let homes = ids(&fleet).into_iter().zip(&homes);
        let homes = homes.map(|(id, home)| (id, name(&format!("host-{home}"))));
        let wish = Wish::ReturnHome {
            homes: homes.collect(),
        };
        let plan = planned(&fleet, &wish, &partial());
        assert!(exists || !plan.blocked.is_empty(), "{seed}");
        possible += usize::from(exists);
        impossible += usize::from(!exists);
        whole += usize::from(plan.blocked.is_empty());
    }
    assert!(impossible >= 20, "{impossible}");
    assert_eq!(whole, possible);
}
