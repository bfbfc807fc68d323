//! Whatever the fleet: reasons say what is so, and their fixes make them go away.

use std::collections::BTreeSet;

use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::{Because, Level};
use godwit_core::migration::BlockMigration;
use godwit_core::reason::{Change, ChangeKind};
use godwit_core::resources::Resources;
use godwit_core::server_group::Policy;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{disabled, group, host, name, need, stream, unmanaged};
use crate::reason::{Evidence, ReasonCode, Rejected};
use crate::search::Search;

fn room() -> impl Strategy<Value = Resources> {
    (0..12_i64, 0..9_000_i64, 0..120_i64).prop_map(|(vcpus, memory_mb, disk_gb)| Resources {
        vcpus,
        memory_mb,
        disk_gb,
    })
}

fn any_cluster() -> impl Strategy<Value = Option<Unmanaged>> {
    proptest::option::weighted(0.3, "[cd]".prop_map(|it| unmanaged(&it)))
}

fn levels() -> impl Strategy<Value = Vec<Level>> {
    proptest::sample::subsequence(Level::ALL.to_vec(), 0..Level::ALL.len())
}

/// What a host is in.
fn of(level: Level, host: &str) -> &str {
    match level {
        Level::Zone => "nova",
        Level::Pod => "pod 1",
        Level::Cluster => "c",
        Level::Host => host,
    }
}

fn pools() -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set("[abc]", 0..3)
}

prop_compose! {
    fn any_host()(
        text in "[abc]", disabled_at in levels(),
        holders in proptest::sample::subsequence(vec!["anna".to_owned(), "run:1/ä".to_owned()], 0..=2), up in any::<bool>(), c in any_cluster(), used in room(), pools in pools(),
        (old, fake, arm, behind) in (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        (cluster, stream, can) in (proptest::option::of("[cd]"), 1_u64..4, pools()),
    ) -> Host {
        let mut it = host(&text);
        (it.up, it.unmanaged, it.used, it.pools) = (up, c, used, pools);
        it.holders = holders;
        it.because = disabled_at.into_iter().map(|level| disabled(level, of(level, &text))).collect();
        it.hypervisor_version -= i64::from(old);
        if fake {
            it.hypervisor_type = "fake".into();
        }
        if arm {
            it.arch = "aarch64".into();
        }
        it.topology.cluster = cluster;
        it.agent_too_old = behind.then(|| "1.9.0".to_owned());
        it.stream_bytes_per_second = stream * 400_000_000;
        it.cpu_features = std::sync::Arc::new(can);
        it
    }
}

prop_compose! {
    fn any_need()(
        room in room(), pools in pools(), local_disks in any::<bool>(), c in any_cluster(),
        block_migration in prop_oneof![
            Just(BlockMigration::Auto), Just(BlockMigration::Yes), Just(BlockMigration::No),
        ],
        policy in proptest::option::of(prop_oneof![
            Just(Policy::Affinity), Just(Policy::AntiAffinity), Just(Policy::SoftAffinity),
        ]),
        others in proptest::collection::vec("[abc]", 0..5),
        most in proptest::option::of(1..4_u32), cluster in proptest::option::of("[cd]"),
        dirty in proptest::option::of(0_u64..2_000_000_000), features in pools(),
    ) -> Need {
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let mut it = need("a");
        (it.room, it.pools, it.local_disks, it.unmanaged) = (room, pools, local_disks, c);
        it.pool_gib = it.pools.iter().map(|pool| (pool.clone(), 7)).collect();
        it.block_migration = block_migration;
        it.topology.cluster = cluster;
        it.cpu_features = features;
        (it.live, it.stream) = (dirty.is_some(), dirty.map(stream));
        it.group = policy.map(|policy| {
            let mut group = group(policy, &others);
            group.max_server_per_host = most;
            group
        });
        it
    }
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Any),
        "[abc]".prop_map(|it| Target::Named(name(&it)))
    ]
}

/// What the change is made to that enables it.
fn target(because: &Because) -> String {
    match because.level {
        Level::Host => because.name.clone(),
        level @ (Level::Zone | Level::Pod | Level::Cluster) => format!("{level}/{}", because.name),
    }
}

/// Makes a change.
fn apply(change: &Change, host: &mut Host, need: &mut Need) {
    let of_host = change.target == host.name.as_str();
    let of_scope = host.because.iter().any(|it| target(it) == change.target);
    let of_cluster = change.kind == ChangeKind::Management;
    assert!(of_host || of_scope || of_cluster || change.target == need.server.to_string());
    let number = || change.to.as_i64().unwrap();
    match change.kind {
        ChangeKind::Allocation => {
            assert_eq!(change.to, "enabled");
            let before = host.because.len();
            host.because.retain(|it| target(it) != change.target);
            assert_eq!(host.because.len(), before - 1);
        }
        ChangeKind::Maintenance => host.holders.retain(|it| change.from != it.as_str()),
        ChangeKind::Management => {
            for it in [&mut host.unmanaged, &mut need.unmanaged] {
                let named = |it: &mut Unmanaged| format!("cluster/{}", it.cluster) == change.target;
                it.take_if(named);
            }
        }
        ChangeKind::Cluster => {
            host.topology.cluster = serde_json::from_value(change.to.clone()).unwrap();
        }
        ChangeKind::Agent => host.up = change.to == "up",
        ChangeKind::AgentVersion => host.agent_too_old = None,
        ChangeKind::PowerState => {
            assert_eq!(
                (&change.from, &change.to),
                (&"running".into(), &"shutdown".into())
            );
            (need.live, need.stream) = (false, None);
        }
        ChangeKind::HypervisorVersion => host.hypervisor_version = number(),
        ChangeKind::FreeVcpus => host.used.vcpus = host.capacity.vcpus - number(),
        ChangeKind::FreeMemory => host.used.memory_mb = host.capacity.memory_mb - number(),
        ChangeKind::FreeDisk => host.used.disk_gb = host.capacity.disk_gb - number(),
        ChangeKind::Pools => host.pools = serde_json::from_value(change.to.clone()).unwrap(),
        ChangeKind::GroupMembersOnHost => {
            let group = need.group.as_mut().unwrap();
            let mut stay = number();
            group.others.retain(|other| {
                let here = other.host.as_ref() == Some(&host.name);
                stay -= i64::from(here);
                !here || stay >= 0
            });
        }
        ChangeKind::Group => need.group = None,
        ChangeKind::ForcedDown => panic!("no reason of a candidate"),
    }
    let used = host.used;
    assert!(
        used.vcpus >= 0 && used.memory_mb >= 0 && used.disk_gb >= 0,
        "{used:?}"
    );
}

/// Is it as the evidence says, and is that wrong?
fn holds(reason: &Reason, host: &Host, need: &Need) -> bool {
    let (free, room) = (host.free(), need.room_at(&host.pools));
    let is_short = |(said_needed, said_free): (i64, i64), needed: i64, free: i64| {
        (said_needed, said_free) == (needed, free) && free < needed
    };
    match &reason.evidence {
        Evidence::Nothing | Evidence::Hosts { .. } => false,
        Evidence::Host { host: named } => *named == host.name,
        Evidence::Disabled {
            host: named,
            scopes,
        } => {
            let named_scopes = scopes.iter().map(|it| (it.scope, it.name.as_str()));
            let really = host.because.iter().map(|it| (it.level, it.name.as_str()));
            *named == host.name && !scopes.is_empty() && named_scopes.eq(really)
        }
        Evidence::Held {
            host: named,
            holders,
        } => *named == host.name && !holders.is_empty() && *holders == host.holders,
        Evidence::Clusters { clusters } => {
            let really = [&host.unmanaged, &need.unmanaged].into_iter().flatten();
            let really: BTreeSet<String> = really.map(|it| it.cluster.clone()).collect();
            !clusters.is_empty() && *clusters == really
        }
        Evidence::Cluster {
            cluster,
            needed_cluster,
        } => {
            let really = (&host.topology.cluster, &need.topology.cluster);
            let said = (&Some(cluster.clone()), &Some(needed_cluster.clone()));
            said == really && cluster != needed_cluster
        }
        Evidence::AgentVersion {
            host: named,
            agent_version,
            needed_agent_version,
        } => {
            let really = host.agent_too_old.as_ref() == Some(agent_version);
            *named == host.name && really && agent_version < needed_agent_version
        }
        Evidence::Hypervisor { hypervisor_type } => {
            need.live && !godwit_core::host::hypervisor::moves_live(hypervisor_type)
        }
        Evidence::LocalDisks {
            host: named,
            local_gib,
        } => *named == need.source && need.local_disks && *local_gib <= need.room.disk_gb,
        Evidence::Convergence {
            dirty_bytes_per_second: dirty,
            stream_bytes_per_second: rate,
        } => {
            let stream = need.stream.unwrap();
            let least = host.stream_bytes_per_second.min(stream.bytes_per_second);
            (*dirty, *rate) == (stream.dirty_bytes_per_second, least)
                && *dirty as f64 >= *rate as f64 * 0.999
        }
        Evidence::Named { named_host } => *named_host != host.name,
        Evidence::HypervisorType {
            hypervisor_type,
            needed_hypervisor_type,
        } => hypervisor_type != needed_hypervisor_type,
        Evidence::HypervisorVersion {
            hypervisor_version,
            needed_hypervisor_version,
        } => hypervisor_version < needed_hypervisor_version,
        Evidence::Vcpus {
            needed_vcpus,
            free_vcpus,
        } => is_short((*needed_vcpus, *free_vcpus), room.vcpus, free.vcpus),
        Evidence::Memory {
            needed_mib,
            free_mib,
        } => is_short((*needed_mib, *free_mib), room.memory_mb, free.memory_mb),
        Evidence::Disk {
            needed_gib,
            free_gib,
        } => is_short((*needed_gib, *free_gib), room.disk_gb, free.disk_gb),
        Evidence::Arch { arch, needed_arch } => arch != needed_arch,
        Evidence::CpuFeatures { missing_features } => {
            let missing = missing_features.is_disjoint(&host.cpu_features);
            missing && missing_features.is_subset(&need.cpu_features)
        }
        Evidence::Pools { pools } => {
            !pools.is_empty() && pools.is_disjoint(&host.pools) && pools.is_subset(&need.pools)
        }
        Evidence::Affinity { hosts, .. } => !hosts.contains(&host.name),
        Evidence::AntiAffinity { most, there, .. } => there >= most,
    }
}

fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|reason| reason.code).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// As xen-api's 7145 has it: a wrong reason for five years.
    #[test]
    fn no_reason_names_what_is_not_short(
        host in any_host(), need in any_need(), target in any_target(),
    ) {
        for reason in reasons(&host, &need, &target) {
            prop_assert!(holds(&reason, &host, &need), "{reason:?}");
        }
    }

    #[test]
    fn a_fix_makes_its_reason_go_away_and_brings_no_other(
        host in any_host(), need in any_need(), target in any_target(),
    ) {
        let before = reasons(&host, &need, &target);
        for reason in &before {
            let Some(fix) = &reason.fix else { continue };
            let (mut host, mut need) = (host.clone(), need.clone());
            for change in &fix.changes {
                prop_assert_ne!(&change.from, &change.to);
                apply(change, &mut host, &mut need);
            }
            let mut others = codes(&before);
            others.retain(|code| *code != reason.code);
            prop_assert_eq!(codes(&reasons(&host, &need, &target)), others);
        }
    }

    #[test]
    fn no_smaller_part_of_a_fix_does(
        host in any_host(), need in any_need(), target in any_target(),
    ) {
        for reason in &reasons(&host, &need, &target) {
            let Some(fix) = &reason.fix else { continue };
            for left_out in 0..fix.changes.len() {
                let (mut host, mut need) = (host.clone(), need.clone());
                let changes = fix.changes.iter().enumerate();
                let kept = changes.filter(|(number, _)| *number != left_out);
                kept.for_each(|(_, change)| apply(change, &mut host, &mut need));
                let still = codes(&reasons(&host, &need, &target));
                prop_assert!(still.contains(&reason.code), "{reason:?}");
            }
        }
    }

    /// Whoever puts the server there takes the host that is called suitable, and no other.
    #[test]
    fn what_is_said_is_what_is_done(mut host in any_host(), need in any_need()) {
        if host.name == need.source {
            host.name = name("b");
        }
        let source = Host { up: true, name: name("a"), ..host.clone() };
        let hosts = [source, host];
        let (fitting, rejected) = candidates(&hosts, &need, &Target::Any);
        let chosen = &hosts[1].name;
        for target in [Target::Any, Target::Named(chosen.clone())] {
            let mut search = Search::begin(&hosts, need.clone(), &target, None).unwrap();
            let tried = search.next_host();
            match fitting.contains(chosen) {
                true => prop_assert_eq!(tried.as_ref(), Ok(chosen)),
                false => prop_assert_eq!(tried, Err(crate::texts::no_valid_host())),
            }
            let reasons = |all: &[crate::reason::Rejection]| {
                let of_chosen = all.iter().find(|it| it.host == *chosen);
                of_chosen.map(|it| codes(&it.reasons))
            };
            prop_assert_eq!(reasons(search.rejections()), reasons(&rejected));
        }
    }

    #[test]
    fn the_fix_for_having_no_host_makes_one_do(
        hosts in proptest::collection::btree_map("[abc]", any_host(), 1..4), need in any_need(),
    ) {
        let named = |(text, host): (String, Host)| Host { name: name(&text), ..host };
        let hosts: Vec<Host> = hosts.into_iter().map(named).collect();
        let (fitting, rejected) = candidates(&hosts, &need, &Target::Any);
        prop_assume!(fitting.is_empty());
        let cost = |it: &Rejection| {
            let changes = it.reasons.iter().map(|reason| Some(reason.fix.as_ref()?.changes.len()));
            changes.sum::<Option<usize>>()
        };
        let least = rejected.iter().filter_map(cost).min();
        let fix = serde_json::to_value(Rejected::of(&rejected)).unwrap()["fix"].clone();
        prop_assert_eq!(fix["changes"].as_array().map(Vec::len), least);
        let makes_it_do = |rejection: &Rejection| {
            let fixes = rejection.reasons.iter().map(|reason| reason.fix.as_ref());
            let fixes: Option<Vec<_>> = fixes.collect();
            let changes: Vec<_> = fixes?.into_iter().flat_map(|fix| &fix.changes).collect();
            if fix["changes"] != serde_json::json!(changes) {
                return None;
            }
            let mut host = hosts.iter().find(|it| it.name == rejection.host)?.clone();
            let mut need = need.clone();
            changes.into_iter().for_each(|change| apply(change, &mut host, &mut need));
            Some(reasons(&host, &need, &Target::Any).is_empty())
        };
        let does: Vec<bool> = rejected.iter().filter_map(makes_it_do).collect();
        prop_assert_eq!(does.is_empty(), least.is_none());
        prop_assert!(does.into_iter().all(|does| does));
    }
}

#[test]
fn a_disabled_host_is_enabled_by_a_request_of_novas() {
    let mut disabled = host("b");
    disabled.because = vec![crate::fixtures::disabled(Level::Host, "b")];
    let found = reasons(&disabled, &need("a"), &Target::Any);
    let fix = found[0].fix.as_ref().unwrap();
    let request = fix.changes[0].request.as_ref().unwrap();
    assert_eq!(
        (request.method, request.path.as_str()),
        ("PUT", "/v2.1/os-services/enable")
    );
    assert_eq!(
        request.body,
        serde_json::json!({"host": "b", "binary": "nova-compute"})
    );
}

#[test]
fn a_scope_is_enabled_by_a_request_of_ours() {
    let mut disabled = host("b");
    disabled.because = vec![
        crate::fixtures::disabled(Level::Zone, "east 1/ä"),
        crate::fixtures::disabled(Level::Host, "b"),
    ];
    let found = reasons(&disabled, &need("a"), &Target::Any);
    assert_eq!(found[0].text, "the zone east 1/ä and the host are disabled");
    let fix = found[0].fix.as_ref().unwrap();
    assert_eq!(fix.text, "Enable the zone east 1/ä and b.");
    let request = fix.changes[0].request.as_ref().unwrap();
    assert_eq!(
        (request.method, request.path.as_str()),
        (
            "PUT",
            "/relocation/v1/scopes/zone/east%201%2F%C3%A4/allocation"
        )
    );
    assert_eq!(request.body, serde_json::json!({"state": "enabled"}));
}

#[test]
fn what_is_short_is_said_in_numbers() {
    let mut full = host("b");
    full.used.memory_mb = 7_680;
    let found = reasons(&full, &need("a"), &Target::Any);
    assert_eq!(
        found[0].evidence,
        Evidence::Memory {
            needed_mib: 1_024,
            free_mib: 512,
        }
    );
    let fix = found[0].fix.as_ref().unwrap();
    assert_eq!(fix.text, "Free 512 MiB of memory on b.");
}
