//! What happens in a fleet at random.

use std::collections::BTreeSet;

use super::*;

/// One thing happens in the fleet, one time in three near the plan; who it happens to.
fn happens(case: &Case, random: &mut fastrand::Rng, parts: &mut Parts) -> BTreeSet<Subject> {
    let near = random.u8(0..3) == 0;
    let (hosts, servers, groups) = parts;
    let operations = case.plan.operations.rows();
    let operation = &operations[random.usize(0..operations.len())];
    let planned = (
        hosts
            .iter()
            .position(|it| Some(&it.host.name) == operation.destination.as_ref()),
        servers
            .iter()
            .position(|it| it.need.server == operation.server),
    );
    let any = (random.usize(0..hosts.len()), random.usize(0..servers.len()));
    let (host, server) = match planned {
        (Some(host), Some(server)) if near => (host, server),
        (_, _) => any,
    };
    let other = hosts[random.usize(0..hosts.len())].host.name.clone();
    let mut concerned = BTreeSet::new();
    let of_server = Subject::Server(servers[server].need.server);
    let of_host = Subject::Host(hosts[host].host.name.clone());
    let id = &mut servers[server];
    match random.u8(0..16) {
        // Servers boot, are deleted, resized, moved, stopped.
        0..=3 => {
            let used = &mut hosts[host].host.used;
            used.memory_mb += random.i64(1..129) * 1_024;
            used.vcpus += 1;
            concerned.insert(of_host);
        }
        4 | 5 => {
            let source = servers.swap_remove(server).need.source;
            concerned.extend([of_server, Subject::Host(source)]);
        }
        6 => {
            id.need.room.memory_mb *= 2;
            concerned.insert(of_server);
        }
        7 | 8 => {
            concerned.extend([of_server, Subject::Host(id.need.source.clone())]);
            concerned.insert(Subject::Host(other.clone()));
            id.need.source = other;
        }
        9 => {
            id.moving_to = Some(other.clone());
            concerned.extend([of_server, Subject::Host(other)]);
        }
        10 => {
            id.running = false;
            concerned.insert(of_server);
        }
        11 => {
            let dirty = id.dirty_bytes_per_second.unwrap_or_default();
            id.dirty_bytes_per_second = Some(dirty * random.u64(1..20));
            concerned.insert(of_server);
        }
        12 => {
            if !groups.is_empty() {
                id.group = Some(GroupNo::new(random.usize(0..groups.len())));
            }
            concerned.extend([of_server, Subject::Host(id.need.source.clone())]);
        }
        13 => {
            let row = &mut hosts[host];
            match random.u8(0..4) {
                0 => row.host.disable(),
                1 => row.host.up = false,
                2 => row.host.unmanaged = Some(unmanaged("c")),
                _ => row.fenced = true,
            }
            concerned.insert(of_host);
        }
        14 => {
            hosts[host].host.hypervisor_version += random.i64(-1..2) * 1_000;
            concerned.insert(of_host);
        }
        _ => {
            hosts[host].host.capacity.memory_mb -= random.i64(0..100) * 1_024;
            concerned.insert(of_host);
        }
    }
    concerned
}

#[test]
fn no_change_that_matters_is_missed_and_few_that_do_not_matter_are_refused() {
    let (mut mattered, mut needless, mut all) = (0, 0, 0);
    for seed in 0..20 {
        let case = Case::new(seed, |_| ());
        for change in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed * 1_000 + change);
            let mut now = case.parts.clone();
            let concerned = happens(&case, &mut random, &mut now);
            let differences = case.differences(&now);
            // The plan could not be run, or one of its servers is not what it was.
            let broken = lint(&fleet(&now), &case.wish, &Options::default(), &case.plan);
            let planned = case
                .parts
                .1
                .iter()
                .filter(|it| case.moves(it))
                .any(|before| {
                    let mut all = now.1.iter();
                    let after = all.find(|it| it.need.server == before.need.server);
                    after.is_none_or(|after| {
                        let other = |it: &FleetServer| FleetServer {
                            dirty_bytes_per_second: None,
                            ..it.clone()
                        };
                        other(after) != other(before)
                    })
                });
            all += 1;
            if planned || !broken.is_empty() {
                mattered += 1;
                let named = differences.iter().any(|it| concerned.contains(&it.subject));
                assert!(named, "{seed} {change}: {broken:?} {differences:?}");
            } else if !differences.is_empty() {
                needless += 1;
            }
        }
    }
    assert!(mattered >= 100, "{mattered}");
    assert!(needless * 100 <= all * 2, "{needless} of {all}");
}
