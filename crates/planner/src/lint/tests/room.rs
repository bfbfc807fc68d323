use super::*;

/// Arrivals at `host-1`, which is full, of which each waits for one of those that leave it.
fn crossing(waits: [&[usize]; 2], sizes: [i64; 4]) -> Case {
    let mut case = Case::new();
    let servers: Vec<_> = (0..4).map(ServerNo::new).collect();
    let on = ["host-1", "host-1", "host-2", "host-3"];
    case.change(|hosts, all| {
        for host in hosts.iter_mut() {
            host.host.capacity.memory_mb = 100 * 1_024;
            host.host.used = Default::default();
        }
        hosts[1].host.capacity.memory_mb = sizes[0] + sizes[1];
        hosts[1].host.used.memory_mb = sizes[0] + sizes[1];
        for (server, (size, on)) in all.iter_mut().zip(sizes.into_iter().zip(on)) {
            server.need.room.memory_mb = size;
            server.memory_bytes = (size as u64) << 20;
            server.need.source = name(on);
        }
    });
    let ids = servers
        .iter()
        .map(|it| case.fleet.servers()[*it].need.server);
    let ids: Vec<_> = ids.collect();
    let template = case.operation(0).clone();
    let to = ["host-4", "host-4", "host-1", "host-1"];
    let after: [&[usize]; 4] = [&[], &[], waits[0], waits[1]];
    let rows = ids.iter().enumerate().map(|(at, id)| Operation {
        id: OperationNo::new(at),
        server: *id,
        source: name(on[at]),
        destination: Some(name(to[at])),
        after: after[at].iter().map(|it| OperationNo::new(*it)).collect(),
        ..template.clone()
    });
    case.plan.operations = rows.collect::<Vec<_>>().into();
    case.wish = Wish::ReturnHome {
        homes: ids.into_iter().zip(to.map(name)).collect(),
    };
    case
}

#[test]
fn arrivals_that_wait_for_different_ones_take_no_room_twice() {
    let rules = |waits, sizes| crossing(waits, sizes).rules();
    // Each has its own.
    assert_eq!(rules([&[0], &[1]], [40, 60, 40, 60]), []);
    assert_eq!(rules([&[1], &[0]], [40, 60, 40, 60]), [Rule::Room]);
    // Both wait for both, and take turns in no way.
    assert_eq!(rules([&[0, 1], &[0, 1]], [40, 60, 50, 50]), []);
    assert_eq!(rules([&[0, 1], &[0, 1]], [40, 60, 50, 51]), [Rule::Room]);
    // The second must take the room that only the first has waited for besides.
    assert_eq!(rules([&[0, 1], &[0]], [40, 60, 60, 40]), []);
    assert_eq!(rules([&[0, 1], &[0]], [40, 60, 50, 50]), [Rule::Room]);
    // Through another.
    assert_eq!(rules([&[0, 1], &[2]], [40, 60, 50, 50]), []);
}

#[test]
fn nothing_arrives_at_a_host_that_has_too_much_until_enough_has_left() {
    for (capacity, rules) in [(100, &[][..]), (99, &[Rule::Room][..])] {
        let mut case = crossing([&[0, 1], &[0, 1]], [40, 60, 40, 40]);
        case.change(|hosts, _| {
            hosts[1].host.used.memory_mb = 120;
            hosts[1].host.capacity.memory_mb = capacity;
        });
        assert_eq!(case.rules(), rules, "{capacity}");
    }
}
