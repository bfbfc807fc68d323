use std::sync::Arc;

use godwit_core::host::scope::Level;
use godwit_core::migration::BlockMigration;
use godwit_core::reason::ChangeKind;
use godwit_core::server_group::Policy;

use super::*;
use crate::fixtures::{disabled, group, host, name, need, stream, unmanaged};
use crate::inventory::Stream;
use crate::reason::ReasonCode;

fn codes(host: &Host, need: &Need, target: &Target) -> Vec<ReasonCode> {
    let (_, rejected) = candidates(std::slice::from_ref(host), need, target);
    let reasons = rejected.into_iter().flat_map(|rejection| rejection.reasons);
    reasons.map(|reason| reason.code).collect()
}

/// One thing wrong with a destination that is otherwise fine.
fn assert_rejected(code: ReasonCode, spoil: impl FnOnce(&mut Host, &mut Need)) {
    let (mut host, mut need) = (host("b"), need("a"));
    assert_eq!(codes(&host, &need, &Target::Any), []);
    spoil(&mut host, &mut need);
    assert_eq!(codes(&host, &need, &Target::Any), [code]);
}

#[test]
fn only_disks_that_are_copied_need_room() {
    let mut it = need("a");
    it.local_disks = true;
    it.room.disk_gb = 10;
    it.pools = ["nfs", "ceph"].map(String::from).into();
    it.pool_gib = [("nfs".to_owned(), 3), ("ceph".to_owned(), 5)].into();
    let at = |pools: &[&str]| {
        let pools = pools.iter().map(|it| (*it).to_owned()).collect();
        it.room_at(&pools).disk_gb
    };
    assert_eq!((at(&[]), at(&["nfs"]), at(&["nfs", "ceph"])), (10, 7, 2));
    let shared = Need {
        local_disks: false,
        ..it.clone()
    };
    assert_eq!(shared.room_at(&it.pools).disk_gb, 0);
}

#[test]
fn every_reason_is_found() {
    use ReasonCode as R;
    assert_rejected(R::IsSource, |_, need| need.source = name("b"));
    assert_rejected(R::Disabled, |host, _| {
        host.because = vec![disabled(Level::Host, "b")];
    });
    assert_rejected(R::Maintenance, |host, _| host.holders = vec!["anna".into()]);
    assert_rejected(R::Unmanaged, |host, _| {
        host.unmanaged = Some(unmanaged("c"))
    });
    assert_rejected(R::Unmanaged, |_, need| {
        need.unmanaged = Some(unmanaged("c"))
    });
    assert_rejected(R::OtherCluster, |host, need| {
        host.topology.cluster = Some("d".to_owned());
        need.topology.cluster = Some("c".to_owned());
    });
    assert_rejected(R::Down, |host, _| host.up = false);
    assert_rejected(R::AgentTooOld, |host, _| {
        host.agent_too_old = Some("1.9.0".to_owned());
    });
    assert_rejected(R::HypervisorUnsupported, |host, need| {
        (host.hypervisor_type, need.hypervisor_type) = ("LXC".into(), "LXC".into());
        need.live = true;
    });
    assert_rejected(R::LocalStorage, |_, need| {
        need.block_migration = BlockMigration::No;
        need.local_disks = true;
    });
    assert_rejected(R::NeverConverges, |_, need| {
        need.stream = Some(stream(1_250_000_000));
    });
    assert_rejected(R::NeverConverges, |host, need| {
        host.stream_bytes_per_second = 500_000_000;
        need.stream = Some(stream(600_000_000));
    });
    assert_rejected(R::HypervisorType, |host, _| {
        host.hypervisor_type = "fake".into()
    });
    assert_rejected(R::HypervisorTooOld, |host, _| host.hypervisor_version -= 1);
    assert_rejected(R::Vcpus, |host, _| host.used.vcpus = 8);
    assert_rejected(R::Memory, |host, _| host.used.memory_mb = 7_169);
    assert_rejected(R::Disk, |host, need| {
        need.block_migration = BlockMigration::Yes;
        host.used.disk_gb = 91;
    });
    assert_rejected(R::Cpu, |host, _| host.arch = "aarch64".into());
    assert_rejected(R::Cpu, |host, need| {
        host.cpu_features = Arc::new(["avx2".to_owned()].into());
        need.cpu_features = ["avx2", "avx512f"].map(str::to_owned).into();
    });
    assert_rejected(R::Storage, |host, need| {
        need.block_migration = BlockMigration::No;
        host.pools.clear();
    });
    assert_rejected(R::Affinity, |_, need| {
        need.group = Some(group(Policy::Affinity, &["c"]));
    });
    assert_rejected(R::AntiAffinity, |_, need| {
        need.group = Some(group(Policy::AntiAffinity, &["b", "c"]));
    });
}

/// A destination that breaks this constraint, and no other.
fn broken(constraint: Constraint) -> (Host, Need, Target) {
    let (mut host, mut need, mut target) = (host("b"), need("a"), Target::Any);
    match constraint {
        Constraint::Elsewhere => need.source = name("b"),
        Constraint::Named => target = Target::Named(name("c")),
        Constraint::Enabled => host.because = vec![disabled(Level::Pod, "p")],
        Constraint::NotHeld => host.holders = vec!["anna".into()],
        Constraint::Managed => host.unmanaged = Some(unmanaged("c")),
        Constraint::Cluster => {
            need.topology.cluster = Some("c".to_owned());
            host.topology.cluster = Some("d".to_owned());
        }
        Constraint::Up => host.up = false,
        Constraint::AgentVersion => host.agent_too_old = Some("1.9.0".to_owned()),
        Constraint::HypervisorType => host.hypervisor_type = "fake".into(),
        Constraint::HypervisorVersion => host.hypervisor_version -= 1,
        Constraint::MovesLive => {
            need.live = true;
            need.hypervisor_type = "LXC".into();
            host.hypervisor_type = "LXC".into();
        }
        Constraint::Arch => host.arch = "aarch64".into(),
        Constraint::CpuFeatures => need.cpu_features = ["avx512f".to_owned()].into(),
        Constraint::Storage => {
            need.block_migration = BlockMigration::No;
            host.pools.clear();
        }
        Constraint::LocalStorage => {
            need.block_migration = BlockMigration::No;
            need.local_disks = true;
        }
        Constraint::Vcpus => host.used.vcpus = 8,
        Constraint::Memory => host.used.memory_mb = 7_169,
        Constraint::Disk => {
            need.block_migration = BlockMigration::Yes;
            host.used.disk_gb = 91;
        }
        Constraint::Converges => {
            need.live = true;
            need.stream = Some(stream(2_000_000_000));
        }
        Constraint::Group => need.group = Some(group(Policy::AntiAffinity, &["b"])),
    }
    (host, need, target)
}

/// Without any one of the constraints, each in turn, a host is taken that must not be.
#[test]
fn no_constraint_can_be_left_out() {
    for constraint in Constraint::ALL {
        let (host, need, target) = broken(*constraint);
        let finds = |it: &&Constraint| it.check(&host, &need, &target).is_some();
        let found: Vec<_> = Constraint::ALL.iter().filter(finds).collect();
        assert_eq!(found, [constraint]);
        assert!(!codes(&host, &need, &target).is_empty(), "{constraint}");
    }
}

fn only_reason(host: &Host, need: &Need) -> Reason {
    let (_, rejected) = candidates(std::slice::from_ref(host), need, &Target::Any);
    let [reason] = rejected[0].reasons.as_slice() else {
        panic!("{rejected:?}");
    };
    reason.clone()
}

#[test]
fn hosts_without_a_cluster_are_in_no_other_one() {
    let (mut host, mut need) = (host("b"), need("a"));
    for (own, there) in [(None, Some("c")), (Some("c"), None), (Some("c"), Some("c"))] {
        need.topology.cluster = own.map(str::to_owned);
        host.topology.cluster = there.map(str::to_owned);
        assert_eq!(codes(&host, &need, &Target::Any), []);
    }
}

#[test]
fn a_host_joins_the_cluster_of_a_server_where_that_is_in_its_zone() {
    let (mut host, mut need) = (host("b"), need("a"));
    need.topology.pod = Some("p".to_owned());
    need.topology.cluster = Some("c".to_owned());
    host.topology.cluster = Some("d".to_owned());
    let reason = only_reason(&host, &need);
    let fix = reason.fix.unwrap();
    assert_eq!(fix.text, "Put b into cluster c.");
    let request = fix.changes[0].request.as_ref().unwrap();
    assert_eq!(
        (request.method, &*request.path),
        ("PUT", "/relocation/v1/hosts/b/topology")
    );
    let whole = serde_json::json!({"zone": "nova", "pod": "p", "cluster": "c"});
    assert_eq!(request.body, whole);
    host.topology.zone = "east".to_owned();
    assert_eq!(only_reason(&host, &need).fix, None);
}

#[test]
fn a_server_that_outruns_its_stream_is_shown_with_both_rates_and_may_be_stopped() {
    let (mut host, mut need) = (host("b"), need("a"));
    (need.live, need.stream) = (true, Some(stream(2_000_000_000)));
    host.stream_bytes_per_second = 700_000_000;
    let reason = only_reason(&host, &need);
    let rates = serde_json::json!({
        "dirty_bytes_per_second": 2_000_000_000_u64, "stream_bytes_per_second": 700_000_000,
    });
    assert_eq!(reason.evidence.to_json(), rates);
    let request = reason.fix.unwrap().changes[0].request.clone().unwrap();
    let path = format!("/v2.1/servers/{}/action", need.server);
    assert_eq!((request.method, request.path), ("POST", path));
    assert_eq!(request.body, serde_json::json!({"os-stop": null}));
}

#[test]
fn what_is_small_enough_for_the_pause_alone_always_ends() {
    let (host, mut need) = (host("b"), need("a"));
    let small = Stream {
        memory_bytes: 100 << 20,
        ..stream(2_000_000_000)
    };
    need.stream = Some(small);
    assert_eq!(codes(&host, &need, &Target::Any), []);
}

/// Nova's own moves may be forced to complete by whoever asked for them.
#[test]
fn nothing_has_to_converge_that_nobody_said_has_to() {
    let (host, mut need) = (host("b"), need("a"));
    need.live = true;
    assert_eq!(codes(&host, &need, &Target::Any), []);
}

#[test]
fn disks_of_a_dead_host_are_there_once_it_is_back() {
    let (host, mut need) = (host("b"), need("a"));
    need.block_migration = BlockMigration::No;
    need.local_disks = true;
    need.pool_gib = [("nfs".to_owned(), 3)].into();
    assert_eq!(only_reason(&host, &need).fix, None);
    need.source_is_dead = true;
    let reason = only_reason(&host, &need);
    let shown = serde_json::json!({"host": "a", "local_gib": 7});
    assert_eq!(reason.evidence.to_json(), shown);
    let change = &reason.fix.unwrap().changes[0];
    assert_eq!((change.kind, &*change.target), (ChangeKind::Agent, "a"));
}

#[test]
fn of_two_types_of_hypervisors_the_types_are_wrong_and_what_is_off_moves_from_any() {
    let (mut host, mut need) = (host("b"), need("a"));
    (host.hypervisor_type, need.live) = ("LXC".into(), true);
    assert_eq!(
        codes(&host, &need, &Target::Any),
        [ReasonCode::HypervisorType]
    );
    need.hypervisor_type = "LXC".into();
    let shown = only_reason(&host, &need).evidence.to_json();
    assert_eq!(shown, serde_json::json!({"hypervisor_type": "LXC"}));
    need.live = false;
    assert_eq!(codes(&host, &need, &Target::Any), []);
}

#[test]
fn what_a_group_has_against_a_host_is_said() {
    let text = |need: &Need| {
        let (_, rejected) = candidates(&[host("b")], need, &Target::Any);
        rejected[0].reasons[0].text.clone()
    };
    let mut need = need("a");
    need.group = Some(group(Policy::Affinity, &["d", "c"]));
    assert_eq!(text(&need), "server group web keeps together on c, d");
    need.group = Some(group(Policy::AntiAffinity, &["b"]));
    assert_eq!(
        text(&need),
        "server group web allows 1 of its servers on a host, and 1 are here or may come to be"
    );
}

#[test]
fn a_group_with_affinity_leaves_a_dead_host() {
    let mut need = need("a");
    need.group = Some(group(Policy::Affinity, &["a"]));
    assert_eq!(
        codes(&host("b"), &need, &Target::Any),
        [ReasonCode::Affinity]
    );
    need.source_is_dead = true;
    assert_eq!(codes(&host("b"), &need, &Target::Any), []);
}

#[test]
fn soft_groups_come_before_room() {
    let mut full = host("b");
    full.used.memory_mb = 4_096;
    let hosts = [full, host("c"), host("d")];
    let order = |policy| {
        let mut need = need("a");
        need.group = Some(group(policy, &["b", "b", "c"]));
        let (fitting, _) = candidates(&hosts, &need, &Target::Any);
        fitting.iter().map(HostName::as_str).collect::<String>()
    };
    assert_eq!(order(Policy::SoftAffinity), "bcd");
    assert_eq!(order(Policy::SoftAntiAffinity), "dcb");
}

#[test]
fn all_reasons_are_collected() {
    let (mut host, need) = (host("a"), need("a"));
    host.because = vec![disabled(Level::Zone, "z")];
    host.used.memory_mb = 8_192;
    assert_eq!(
        codes(&host, &need, &Target::Named(name("b"))),
        [
            ReasonCode::IsSource,
            ReasonCode::NotNamed,
            ReasonCode::Disabled,
            ReasonCode::Memory
        ]
    );
}

#[test]
fn exactly_enough_is_enough() {
    let (mut host, need) = (host("b"), need("a"));
    host.used = host.capacity.less(need.room);
    assert_eq!(codes(&host, &need, &Target::Any), []);
}

#[test]
fn disks_take_room_only_where_they_are_copied() {
    let (mut host, mut need) = (host("b"), need("a"));
    host.used.disk_gb = 100;
    assert_eq!(codes(&host, &need, &Target::Any), []);
    host.pools.clear();
    assert_eq!(codes(&host, &need, &Target::Any), [ReasonCode::Disk]);
    host.pools.insert("nfs".into());
    need.local_disks = true;
    assert_eq!(codes(&host, &need, &Target::Any), [ReasonCode::Disk]);
}

#[test]
fn a_newer_hypervisor_fits() {
    let (mut host, need) = (host("b"), need("a"));
    host.hypervisor_version += 1;
    assert_eq!(codes(&host, &need, &Target::Any), []);
}

#[test]
fn the_emptiest_host_comes_first_and_names_break_ties() {
    let hosts: Vec<_> = [("d", 0), ("c", 4_096), ("b", 0), ("e", 8_192)]
        .map(|(text, used)| {
            let mut host = host(text);
            host.used.memory_mb = used;
            host
        })
        .into();
    let (fitting, rejected) = candidates(&hosts, &need("a"), &Target::Any);
    assert_eq!(fitting, ["b", "d", "c"].map(name));
    assert_eq!(rejected[0].host, name("e"));
}

#[test]
fn of_equal_hosts_the_one_with_fewer_arrivals_comes_first() {
    let mut busy = host("b");
    busy.arriving = 1;
    let (fitting, _) = candidates(&[busy, host("c")], &need("a"), &Target::Any);
    assert_eq!(fitting[0], name("c"));
}

#[test]
fn a_host_without_capacity_is_no_division_by_zero() {
    let (mut host, mut need) = (host("b"), need("a"));
    host.capacity = godwit_core::resources::Resources::default();
    need.room = godwit_core::resources::Resources::default();
    assert_eq!(codes(&host, &need, &Target::Any), []);
}
