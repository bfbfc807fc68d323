use super::*;
use crate::generate;
use crate::optimum::{self, Mover};
use crate::table::Number;

fn bound(fleet: &Fleet, movers: &[Mover]) -> f64 {
    let tasks = movers.iter().map(|it| Task {
        server: it.server,
        live: true,
        rebuilt: false,
        destination: it.home,
    });
    of_moves(fleet, &tasks.collect::<Vec<_>>())
}

#[test]
fn no_schedule_of_a_few_moves_is_faster() {
    let (mut gaps, mut exact) = (Vec::new(), 0);
    for seed in 0..200 {
        let (fleet, movers) = generate::few(seed, 4).unwrap();
        let best = optimum::of_moves(&fleet, &movers, 1_500);
        let bound = bound(&fleet, &movers);
        assert!(bound <= best.seconds, "{seed}: {bound} {best:?}");
        exact += usize::from(best.exact);
        if best.seconds.is_finite() && best.seconds > 0.0 {
            gaps.push(best.seconds / bound);
        }
    }
    gaps.sort_by(f64::total_cmp);
    assert!(exact >= 130, "{exact}");
    assert!(gaps.len() >= 130 && gaps[gaps.len() / 2] <= 1.1, "{gaps:?}");
}

const GIB: f64 = (1_u64 << 30) as f64;

/// Servers of so many GiB that dirty so many bytes per second, on such hosts; 10 Gbit/s.
fn small(stream_gbit: u64, servers: &[(usize, u64, u64)]) -> Fleet {
    let link = generate::link(10, stream_gbit);
    let (mut hosts, _, _) = generate::fleet(1, 4, 0, link).unwrap().into_parts();
    let (_, all, _) = generate::fleet(1, 50, 150, link).unwrap().into_parts();
    let mut placed = Vec::new();
    for (mut server, (on, gib, dirty)) in all.into_iter().zip(servers) {
        let host = &mut hosts[*on].host;
        server.group = None;
        server.need.source = host.name.clone();
        server.need.room.memory_mb = *gib as i64 * 1_024;
        server.memory_bytes = gib << 30;
        server.dirty_bytes_per_second = Some(*dirty);
        host.used = host.used.plus(server.need.room);
        placed.push(server);
    }
    Fleet::new(hosts, placed, Vec::new()).unwrap()
}

fn movers(homes: &[Option<usize>]) -> Vec<Mover> {
    let numbered = homes.iter().enumerate();
    let mover = |(server, home): (usize, &Option<usize>)| Mover {
        server: ServerNo::new(server),
        home: home.map(HostNo::new),
    };
    numbered.map(mover).collect()
}

fn about(is: f64, expected: f64) {
    assert!((is / expected - 1.0).abs() < 1e-6, "{is}, not {expected}");
}

#[test]
fn one_guest_takes_its_set_up_and_its_rounds() {
    let fleet = small(5, &[(0, 10, 62_500_000)]);
    // A tenth of what a round sends is dirty after it, until 0.3 s are enough for the rest.
    let rounds = 10.0 * GIB / 625e6 * 1.11;
    about(bound(&fleet, &movers(&[None])), 3.0 + rounds);
}

#[test]
fn a_link_carries_what_it_carries_in_either_direction() {
    let fleet = small(10, &[(0, 4, 0), (0, 6, 0), (1, 10, 0), (2, 10, 0)]);
    let from_one = movers(&[None, None]);
    about(bound(&fleet, &from_one), 3.0 + 10.0 * GIB / 1.25e9);
    let to_one = movers(&[Some(3), Some(3), Some(3), Some(3)]);
    about(bound(&fleet, &to_one), 3.0 + 30.0 * GIB / 1.25e9);
}

#[test]
fn what_whole_streams_leave_of_a_link_is_worth_little_to_busy_guests() {
    // A third of a stream is what they dirty: only the three whole streams get on.
    let dirty = 125_000_000;
    let fleet = small(3, &[(0, 8, dirty); 12]);
    let progress = 12.0 * (8.0 * GIB - dirty as f64 * 0.3) * 1.5;
    let is = bound(&fleet, &movers(&[None; 12]));
    about(is, 3.0 + progress / (3.0 * 375e6));
}

#[test]
fn whoever_needs_room_waits_for_it() {
    let fleet = small(10, &[(0, 4, 0), (1, 6, 0), (1, 2, 0)]);
    let (mut hosts, mut servers, _) = fleet.into_parts();
    let homes = movers(&[Some(1), Some(2), Some(2)]);
    let seconds = |gib: f64| 3.0 + gib * GIB / 1.25e9;
    hosts[1].host.capacity.memory_mb = 8 * 1_024;
    let full = Fleet::new(hosts.clone(), servers.clone(), Vec::new()).unwrap();
    about(bound(&full, &homes), seconds(4.0) + seconds(2.0));
    // Both of its group have to leave.
    hosts[1].host.capacity.memory_mb = 80 * 1_024;
    for server in &mut servers {
        server.group = Some(crate::table::GroupNo::new(0));
    }
    let group = crate::fleet::Group {
        id: "66666666-0000-4000-8000-000000000000".parse().unwrap(),
        name: "apart".to_owned(),
        policy: godwit_core::server_group::Policy::AntiAffinity,
        max_server_per_host: None,
    };
    let apart = Fleet::new(hosts, servers, vec![group]).unwrap();
    about(bound(&apart, &homes), seconds(4.0) + seconds(6.0));
}

#[test]
fn hosts_are_emptied_so_many_at_a_time() {
    let fleet = small(10, &[(0, 4, 0), (1, 8, 0), (2, 20, 0)]);
    let tasks = movers(&[None, None, None]).into_iter().map(|it| Task {
        server: it.server,
        live: true,
        rebuilt: false,
        destination: None,
    });
    let tasks: Vec<_> = tasks.collect();
    let seconds = |gib: f64| 3.0 + gib * GIB / 1.25e9;
    let all = seconds(4.0) + seconds(8.0) + seconds(20.0);
    about(of_rolling(&fleet, &tasks, 1), all);
    about(of_rolling(&fleet, &tasks, 3), seconds(20.0));
}

#[test]
fn a_guest_that_goes_by_way_of_a_fast_host_makes_room_before_it_is_home() {
    let fleet = small(10, &[(0, 8, 0), (1, 8, 0)]);
    let (mut hosts, servers, groups) = fleet.into_parts();
    hosts[1].host.capacity.memory_mb = 8 * 1_024;
    hosts[2].link.stream_bytes_per_second = 125_000_000;
    let fleet = Fleet::new(hosts, servers, groups).unwrap();
    let homes = movers(&[Some(1), Some(2)]);
    let best = optimum::of_moves(&fleet, &homes, 100_000);
    let (fast, slow) = (8.0 * GIB / 1.25e9, 8.0 * GIB / 125e6);
    assert!(best.exact);
    assert!(best.seconds < 3.0 + slow + 3.0 + fast);
    about(bound(&fleet, &homes), 3.0 + slow);
    let back = movers(&[Some(1), Some(3)]);
    about(bound(&fleet, &back), 3.0 + fast + 3.0 + fast);
}

#[test]
fn who_is_home_may_make_way_sooner_than_who_has_to_leave() {
    let fleet = small(10, &[(0, 4, 0), (1, 2, 0), (1, 60, 0)]);
    let (mut hosts, servers, groups) = fleet.into_parts();
    hosts[1].host.capacity.memory_mb = 64 * 1_024;
    let fleet = Fleet::new(hosts, servers, groups).unwrap();
    let homes = movers(&[Some(1), Some(1), Some(2)]);
    let long = 3.0 + 60.0 * GIB / 1.25e9;
    about(bound(&fleet, &homes), long);
    let best = optimum::of_moves(&fleet, &homes, 20_000);
    assert!(best.seconds < long + 3.0 + 4.0 * GIB / 1.25e9);
}
