use std::collections::BTreeSet;

use godwit_core::host::scope::Level;
use godwit_core::migration::BlockMigration;
use godwit_core::reason::ChangeKind;
use godwit_core::server_group::{Member, Policy};

use super::*;
use crate::fixtures::{disabled, group, host, name, need, stream, unmanaged};

/// A server of this number, with so much memory, on `a`.
fn server(number: u8, memory_mb: i64) -> Need {
    let uuid = format!("5e770000-0000-4000-8000-0000000000{number:02x}");
    let mut it = need("a");
    it.server = uuid.parse().unwrap();
    it.room.memory_mb = memory_mb;
    it
}

fn kinds(found: &Emptying) -> Vec<(ChangeKind, &str)> {
    let changes = found.changes.iter();
    changes.map(|it| (it.kind, it.target.as_str())).collect()
}

#[test]
fn what_fits_needs_no_change() {
    let found = smallest(&[host("a"), host("b")], &[server(1, 1_024)]).unwrap();
    assert_eq!(found.places, [(server(1, 0).server, name("b"))]);
    assert_eq!(found.fix(None), None);
}

#[test]
fn servers_that_fit_only_where_others_are_put_otherwise_need_none() {
    let (mut b, mut c) = (host("b"), host("c"));
    (b.capacity.memory_mb, c.capacity.memory_mb) = (7_000, 6_000);
    // The largest first would take 4 GiB of `b`, which leaves no two halves.
    let servers = [4_000, 3_000, 3_000, 3_000].map(i64::from);
    let servers: Vec<Need> = (1..).zip(servers).map(|(n, it)| server(n, it)).collect();
    let found = smallest(&[host("a"), b, c], &servers).unwrap();
    assert_eq!(kinds(&found), []);
}

#[test]
fn a_zone_is_enabled_once_for_all_its_hosts() {
    let mut hosts = [host("a"), host("b"), host("c")];
    for it in &mut hosts[1..] {
        it.because = vec![disabled(Level::Zone, "z")];
    }
    let found = smallest(&hosts, &[server(1, 8_000), server(2, 8_000)]).unwrap();
    assert_eq!(kinds(&found), [(ChangeKind::Allocation, "zone/z")]);
    let fix = found.fix(None).unwrap();
    assert_eq!(fix.text, "Enable the zone z.");
    assert!(fix.changes[0].request.is_some());
}

#[test]
fn what_a_request_changes_comes_before_what_a_hand_does() {
    let (mut b, mut c) = (host("b"), host("c"));
    b.up = false;
    c.because = vec![disabled(Level::Host, "c")];
    let found = smallest(&[host("a"), b, c], &[server(1, 1_024)]).unwrap();
    assert_eq!(kinds(&found), [(ChangeKind::Allocation, "c")]);
}

#[test]
fn room_is_freed_for_all_that_come() {
    let mut b = host("b");
    b.used.memory_mb = 7_000;
    let found = smallest(&[host("a"), b], &[server(1, 1_000), server(2, 2_000)]).unwrap();
    assert_eq!(kinds(&found), [(ChangeKind::FreeMemory, "b")]);
    let change = &found.changes[0];
    assert_eq!((&change.from, &change.to), (&1_192.into(), &3_000.into()));
    let before = Fix {
        text: "First this.".to_owned(),
        changes: Vec::new(),
    };
    let fix = found.fix(Some(before)).unwrap();
    assert_eq!(fix.text, "First this. Free 1808 MiB of memory on b.");
}

#[test]
fn what_no_host_could_ever_take_has_no_fix() {
    let mut b = host("b");
    b.because = vec![disabled(Level::Host, "b")];
    assert_eq!(smallest(&[host("a"), b.clone()], &[server(1, 9_000)]), None);
    b.arch = "aarch64".into();
    assert_eq!(smallest(&[host("a"), b], &[server(1, 1_000)]), None);
    assert_eq!(smallest(&[], &[server(1, 1_000)]), None);
    assert!(smallest(&[], &[]).is_some());
}

#[test]
fn a_group_that_stays_together_loses_all_its_servers_but_one() {
    let servers = [1, 2, 3].map(|number| {
        let mut it = server(number, 1_000);
        it.group = Some(group(Policy::Affinity, &["a", "a"]));
        it
    });
    let found = smallest(&[host("a"), host("b")], &servers).unwrap();
    let kinds: Vec<_> = found.changes.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [ChangeKind::Group; 2]);
}

#[test]
fn members_of_a_group_that_are_apart_make_room_for_those_that_come() {
    let mut it = server(1, 1_000);
    it.group = Some(group(Policy::AntiAffinity, &["b", "b", "c"]));
    let found = smallest(&[host("a"), host("b"), host("c")], &[it]).unwrap();
    let (kind, change) = (ChangeKind::GroupMembersOnHost, &found.changes[0]);
    assert_eq!((change.kind, found.changes.len()), (kind, 1));
    assert_eq!(change.to, 0);
}

mod properties {
    use godwit_core::resources::Resources;
    use proptest::prelude::*;

    use super::*;
    use crate::candidates::candidates;
    use crate::inventory::Target;

    prop_compose! {
        fn any_host(text: &'static str)(
            off in proptest::sample::subsequence(vec![Level::Zone, Level::Host], 0..=2),
            (up, old, arm) in (any::<bool>(), any::<bool>(), proptest::bool::weighted(0.1)),
            (vcpus, memory) in (0..8_i64, 0..4_i64), pool in any::<bool>(),
            out in proptest::option::weighted(0.2, Just("c1")), held in proptest::bool::weighted(0.2),
            apart in proptest::bool::weighted(0.2), behind in proptest::bool::weighted(0.2),
            slow in any::<bool>(),
        ) -> Host {
            let mut it = host(text);
            it.holders = held.then(|| "anna".to_owned()).into_iter().collect();
            it.because = off.into_iter().map(|level| match level {
                Level::Host => disabled(level, text),
                level => disabled(level, "z"),
            }).collect();
            it.up = up;
            it.unmanaged = out.map(unmanaged);
            it.topology.cluster = apart.then(|| "d".to_owned());
            it.agent_too_old = behind.then(|| "1.9.0".to_owned());
            if slow {
                it.stream_bytes_per_second = 500_000_000;
            }
            it.hypervisor_version -= i64::from(old);
            if arm {
                it.arch = "aarch64".into();
            }
            if !pool {
                it.pools.clear();
            }
            it.capacity = Resources { vcpus: 8, memory_mb: 4, disk_gb: 10 };
            it.used = Resources { vcpus, memory_mb: memory, disk_gb: 0 };
            it
        }
    }

    prop_compose! {
        fn any_need(number: u8)(
            vcpus in 1..6_i64, memory in 1..4_i64, keeps in any::<bool>(), grouped in any::<bool>(),
            dirty in proptest::option::weighted(0.3, prop_oneof![Just(9_u64), Just(20)]),
        ) -> Need {
            let mut it = server(number, memory);
            it.topology.cluster = Some("c".to_owned());
            it.live = dirty.is_some();
            it.stream = dirty.map(|it| stream(it * 100_000_000));
            it.room.vcpus = vcpus;
            it.room.disk_gb = 1;
            if keeps {
                it.block_migration = BlockMigration::No;
            }
            it.group = grouped.then(|| group(Policy::Affinity, &[]));
            it
        }
    }

    prop_compose! {
        fn any_needs()(
            mut needs in (any_need(1), any_need(2), any_need(3)).prop_map(|(a, b, c)| vec![a, b, c]),
            count in 1..=3_usize, elsewhere in proptest::sample::subsequence(vec!["b", "c"], 0..=2),
            policy in prop_oneof![Just(Policy::Affinity), Just(Policy::AntiAffinity)],
            out in proptest::option::weighted(0.2, prop_oneof![Just("c1"), Just("c2")]),
        ) -> Vec<Need> {
            needs.iter_mut().for_each(|it| it.unmanaged = out.map(unmanaged));
            needs.truncate(count);
            let members = needs.iter().filter(|it| it.group.is_some()).count();
            for it in &mut needs {
                if it.group.is_some() {
                    let mut others = vec!["a"; members - 1];
                    others.extend(&elsewhere);
                    it.group = Some(group(policy, &others));
                }
            }
            needs
        }
    }

    fn any_hosts() -> impl Strategy<Value = Vec<Host>> {
        (any_host("b"), any_host("c")).prop_map(|(b, c)| vec![host("a"), b, c])
    }

    /// Makes a change in the whole fleet.
    fn apply(change: &Change, hosts: &mut [Host], needs: &mut [Need]) {
        let number = || change.to.as_i64().unwrap();
        if change.kind == ChangeKind::Group {
            let leaves = |it: &&mut Need| it.server.to_string() == change.target;
            needs.iter_mut().find(leaves).unwrap().group = None;
            for group in needs.iter_mut().filter_map(|it| it.group.as_mut()) {
                let rests = |it: &Member| it.host == Some(name("a"));
                let one = group.others.iter().position(rests).unwrap();
                group.others.remove(one);
            }
            return;
        }
        if change.kind == ChangeKind::PowerState {
            let stops = |it: &&mut Need| it.server.to_string() == change.target;
            let it = needs.iter_mut().find(stops).unwrap();
            (it.live, it.stream) = (false, None);
            return;
        }
        if change.kind == ChangeKind::Management {
            let of_hosts = hosts.iter_mut().map(|it| &mut it.unmanaged);
            let of_needs = needs.iter_mut().map(|it| &mut it.unmanaged);
            for it in of_hosts.chain(of_needs) {
                it.take_if(|it| format!("cluster/{}", it.cluster) == change.target);
            }
        }
        for host in hosts {
            if change.kind == ChangeKind::Allocation {
                let target = |level: Level, name: &str| match level {
                    Level::Host => name.to_owned(),
                    level => format!("{level}/{name}"),
                };
                host.because
                    .retain(|it| target(it.level, &it.name) != change.target);
            }
            if change.target != host.name.as_str() {
                continue;
            }
            match change.kind {
                ChangeKind::Maintenance => {
                    host.holders.retain(|it| change.from != it.as_str());
                }
                ChangeKind::Cluster => {
                    host.topology.cluster = serde_json::from_value(change.to.clone()).unwrap();
                }
                ChangeKind::Agent => host.up = true,
                ChangeKind::AgentVersion => host.agent_too_old = None,
                ChangeKind::HypervisorVersion => host.hypervisor_version = number(),
                ChangeKind::FreeVcpus => host.used.vcpus = host.capacity.vcpus - number(),
                ChangeKind::FreeMemory => host.used.memory_mb = host.capacity.memory_mb - number(),
                ChangeKind::FreeDisk => host.used.disk_gb = host.capacity.disk_gb - number(),
                ChangeKind::Pools => {
                    host.pools = serde_json::from_value(change.to.clone()).unwrap()
                }
                ChangeKind::GroupMembersOnHost => {
                    for group in needs.iter_mut().filter_map(|it| it.group.as_mut()) {
                        let mut stay = number();
                        group.others.retain(|it| {
                            let here = it.host.as_ref() == Some(&host.name);
                            stay -= i64::from(here);
                            !here || stay >= 0
                        });
                    }
                }
                ChangeKind::Allocation | ChangeKind::Management => {}
                ChangeKind::Group | ChangeKind::ForcedDown | ChangeKind::PowerState => {
                    panic!("{change:?}")
                }
            }
        }
    }

    /// Do all find places one after the other, as the planner judges, in some order and some way?
    fn all_fit(hosts: &[Host], needs: &[Need]) -> bool {
        let Some((first, rest)) = needs.split_first() else {
            return true;
        };
        let (fitting, _) = candidates(hosts, first, &Target::Any);
        fitting.iter().any(|best| {
            let mut hosts = hosts.to_vec();
            let host = hosts.iter_mut().find(|it| it.name == *best).unwrap();
            host.used = host.used.plus(first.room_at(&host.pools));
            let mut rest = rest.to_vec();
            if let Some(first) = &first.group {
                let others = rest.iter_mut().filter_map(|it| it.group.as_mut());
                others.filter(|it| it.group == first.group).for_each(|it| {
                    it.others.push(Member {
                        host: Some(best.clone()),
                        moving: None,
                    });
                });
            }
            all_fit(&hosts, &rest)
        })
    }

    /// The fewest changes by trying every way: of each server on each host the fixes of all reasons,
    /// and that it leaves its group.
    fn fewest(hosts: &[Host], needs: &[Need], made: &BTreeSet<(ChangeKind, String)>) -> usize {
        let Some((first, rest)) = needs.split_first() else {
            return made.len();
        };
        let mut best = usize::MAX;
        for leaves in [false, true] {
            if leaves && first.group.is_none() {
                continue;
            }
            for at in 0..hosts.len() {
                let (mut hosts, mut made) = (hosts.to_vec(), made.clone());
                let mut needs: Vec<Need> = std::iter::once(first).chain(rest).cloned().collect();
                if leaves {
                    let (_, change) = reason::leaving_group(first).unwrap();
                    apply(&change, &mut hosts, &mut needs);
                    made.insert((change.kind, change.target));
                }
                let reasons = |hosts: &[Host], need: &Need| {
                    let (_, rejected) = candidates(&hosts[at..=at], need, &Target::Any);
                    rejected
                        .into_iter()
                        .flat_map(|it| it.reasons)
                        .collect::<Vec<_>>()
                };
                let fixes: Option<Vec<Fix>> = reasons(&hosts, &needs[0])
                    .into_iter()
                    .map(|it| it.fix)
                    .collect();
                let Some(fixes) = fixes else { continue };
                for change in fixes.iter().flat_map(|fix| &fix.changes) {
                    apply(change, &mut hosts, &mut needs);
                    made.insert((change.kind, change.target.clone()));
                }
                if !reasons(&hosts, &needs[0]).is_empty() {
                    continue;
                }
                let host = &mut hosts[at];
                let room = needs[0].room_at(&host.pools);
                host.used = host.used.plus(room);
                // What is in use by those that came cannot be freed.
                host.capacity = host.capacity.less(room);
                host.used = host.used.less(room);
                let first_group = needs[0].group.clone();
                let mut rest = needs.split_off(1);
                if let Some(first) = first_group {
                    let others = rest.iter_mut().filter_map(|it| it.group.as_mut());
                    others.filter(|it| it.group == first.group).for_each(|it| {
                        let host = Some(host.name.clone());
                        it.others.push(Member { host, moving: None });
                    });
                }
                best = best.min(fewest(&hosts, &rest, &made));
            }
        }
        best
    }

    fn parts(changes: &[Change]) -> impl Iterator<Item = Vec<&Change>> {
        (0..changes.len()).map(|left_out| {
            let kept = changes
                .iter()
                .enumerate()
                .filter(move |(n, _)| *n != left_out);
            kept.map(|(_, change)| change).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn with_the_fix_all_fit_and_with_no_smaller_part_of_it(
            hosts in any_hosts(), needs in any_needs(),
        ) {
            let Some(found) = smallest(&hosts, &needs) else { return Ok(()) };
            let with = |changes: &mut dyn Iterator<Item = &Change>| {
                let (mut hosts, mut needs) = (hosts.clone(), needs.clone());
                changes.for_each(|change| apply(change, &mut hosts, &mut needs));
                all_fit(&hosts, &needs)
            };
            prop_assert!(with(&mut found.changes.iter()), "{found:?}");
            for part in parts(&found.changes) {
                prop_assert!(!with(&mut part.into_iter()), "{found:?}");
            }
        }

        #[test]
        fn no_set_of_changes_is_smaller(hosts in any_hosts(), needs in any_needs()) {
            let mut needs = needs;
            // A group whose servers are apart is looked at above: who comes counts as who is there.
            needs.iter_mut().for_each(|it| {
                it.group = it.group.take().filter(|it| it.policy == Policy::Affinity);
            });
            let fewest = fewest(&hosts, &needs, &BTreeSet::new());
            let found = smallest(&hosts, &needs).map_or(usize::MAX, |it| it.changes.len());
            prop_assert_eq!(found, fewest);
        }
    }
}

#[test]
fn a_server_that_outruns_every_stream_is_stopped_and_nobody_else() {
    let mut busy = server(1, 1_000);
    (busy.live, busy.stream) = (true, Some(stream(2_000_000_000)));
    let found = smallest(&[host("a"), host("b")], &[busy.clone(), server(2, 1_000)]).unwrap();
    let target = busy.server.to_string();
    assert_eq!(kinds(&found), [(ChangeKind::PowerState, target.as_str())]);
    // Somewhere else it need not be.
    let mut slow = host("b");
    slow.stream_bytes_per_second = 500_000_000;
    busy.stream = Some(stream(900_000_000));
    let found = smallest(&[host("a"), slow, host("c")], &[busy]).unwrap();
    assert_eq!((found.changes.len(), &found.places[0].1), (0, &name("c")));
}

/// A thousand hosts, none of which takes anything as it is.
#[test]
fn of_a_large_fleet_it_is_found_as_well() {
    let mut hosts: Vec<Host> = (0..1_000).map(|n| host(&format!("host-{n}"))).collect();
    for (n, it) in hosts.iter_mut().enumerate() {
        it.used.memory_mb = 8_000;
        match n % 4 {
            0 => it.up = false,
            1 => it.because = vec![disabled(Level::Host, it.name.as_str())],
            2 => it.because = vec![disabled(Level::Zone, "z"), disabled(Level::Pod, "p")],
            _ => it.hypervisor_version -= 1,
        }
    }
    let needs: Vec<Need> = (0..60)
        .map(|n| Need {
            source: name("host-0"),
            ..server(n, 256 + i64::from(n))
        })
        .collect();
    let found = smallest(&hosts, &needs).unwrap();
    assert!(!found.changes.is_empty());
}
