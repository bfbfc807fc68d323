use godwit_core::failure::{Failure, FailureCode};
use godwit_core::host::scope::Topology;
use godwit_core::migration::BlockMigration;
use godwit_core::plan::PlanKind;
use godwit_core::plan::options::Fallback;
use godwit_core::plan::request::Target as PlanTarget;
use godwit_core::run::{Revision, Rolling};
use godwit_core::server_group::Membership;
use godwit_core::time::Timestamp;
use uuid::Uuid;

use super::*;

fn name(text: &str) -> HostName {
    HostName::new(text).unwrap()
}

fn amount(memory_mb: i64) -> Resources {
    Resources {
        vcpus: 1,
        memory_mb,
        disk_gb: 0,
    }
}

fn host(text: &str, free_mb: i64) -> Host {
    Host {
        name: name(text),
        node: text.to_owned(),
        topology: nova(),
        because: Vec::new(),
        unmanaged: None,
        holders: Vec::new(),
        up: true,
        agent_too_old: None,
        hypervisor_type: "QEMU".to_owned(),
        hypervisor_version: 1,
        arch: "x86_64".to_owned(),
        cpu_features: Arc::default(),
        pools: BTreeSet::new(),
        capacity: Resources {
            vcpus: 64,
            memory_mb: 65_536,
            disk_gb: 100,
        },
        used: amount(65_536 - free_mb),
        stream_bytes_per_second: 1_250_000_000,
        arriving: 0,
    }
}

fn nova() -> Topology {
    Topology {
        zone: "nova".to_owned(),
        pod: None,
        cluster: None,
    }
}

fn need() -> Need {
    Need {
        server: Uuid::from_u128(1).into(),
        source: name("a"),
        topology: nova(),
        hypervisor_type: "QEMU".to_owned(),
        hypervisor_version: 1,
        arch: "x86_64".to_owned(),
        cpu_features: BTreeSet::new(),
        room: amount(1_024),
        pools: BTreeSet::new(),
        pool_gib: BTreeMap::new(),
        local_disks: false,
        block_migration: BlockMigration::Auto,
        source_is_dead: false,
        live: false,
        stream: None,
        unmanaged: None,
        group: None,
    }
}

/// It was to go from a to b.
fn operation(number: u128) -> Operation {
    let id = OperationUuid(Uuid::from_u128(number));
    let server = Uuid::from_u128(number).into();
    Operation::waiting(id, OperationKind::Live, server, ("a", "b"))
}

fn run(operations: Vec<Operation>) -> Run {
    Run::pending(PlanKind::Host, operations, Vec::new()).unwrap()
}

fn chosen(hosts: &[Host], target: &PlanTarget, run: &Run) -> Result<String, Vec<ReasonCode>> {
    let found = choose(hosts, &need(), (target, run), &run.operations[0], |_| true);
    match found {
        Ok(best) => Ok(best.host.to_string()),
        Err(reasons) => Err(reasons.into_iter().map(|it| it.code).collect()),
    }
}

#[test]
fn another_host_is_the_best_of_those_that_were_not_tried() {
    let servers = PlanTarget::Servers(Vec::new());
    let hosts = [
        host("a", 60_000),
        host("b", 50_000),
        host("c", 40_000),
        host("d", 30_000),
    ];
    let mut run = run(vec![operation(1)]);
    assert_eq!(chosen(&hosts, &servers, &run), Ok("c".to_owned()));
    let at = Timestamp::from_micros(0).unwrap();
    let failure = Failure::new(FailureCode::PreCheck, "No.");
    run.revisions.push(Revision {
        operation: run.operations[0].id,
        from: "c".to_owned(),
        to: "b".to_owned(),
        because: Some(failure.clone()),
        at,
    });
    // What another operation was sent to counts for that one only.
    run.revisions.push(Revision {
        operation: OperationUuid(Uuid::from_u128(9)),
        from: "d".to_owned(),
        to: "b".to_owned(),
        because: Some(failure),
        at,
    });
    assert_eq!(chosen(&hosts, &servers, &run), Ok("d".to_owned()));
    let full = [host("b", 50_000), host("d", 100)];
    let nowhere = Err(vec![ReasonCode::Memory]);
    assert_eq!(chosen(&full, &servers, &run), nowhere);
    let alone = [host("a", 60_000), host("b", 50_000)];
    assert_eq!(
        chosen(&alone, &servers, &run),
        Err(vec![ReasonCode::Unknown])
    );
}

#[test]
fn nothing_is_sent_to_a_host_that_the_plan_empties() {
    let hosts = [host("c", 40_000), host("d", 30_000)];
    let run = run(vec![operation(1)]);
    for target in [
        PlanTarget::Host(name("c")),
        PlanTarget::Maintenance(name("c")),
    ] {
        assert_eq!(chosen(&hosts, &target, &run), Ok("d".to_owned()));
    }
}

#[test]
fn a_host_whose_turn_is_to_come_is_for_what_fits_nowhere_else() {
    let hosts = [host("c", 40_000), host("d", 30_000), host("e", 50_000)];
    let target = PlanTarget::Rolling {
        hosts: ["a", "c", "e"].map(name).to_vec(),
        max_unavailable: 1,
    };
    let mut run = run(vec![operation(1)]);
    let mut rolling = Rolling::of(["a", "c", "e"].map(name), 1);
    rolling.hosts[2].state = godwit_core::run::RollingState::Emptying;
    run.rolling = Some(rolling);
    assert_eq!(chosen(&hosts, &target, &run), Ok("d".to_owned()));
    let full = [host("c", 40_000), host("d", 100), host("e", 50_000)];
    assert_eq!(chosen(&full, &target, &run), Ok("c".to_owned()));
    let emptied = [host("d", 100), host("e", 50_000)];
    let nowhere = Err(vec![ReasonCode::Memory]);
    assert_eq!(chosen(&emptied, &target, &run), nowhere);
}

#[test]
fn what_the_run_holds_is_free_to_its_operation_and_no_more() {
    let operation = operation(1);
    let codes = |free, held| -> Vec<ReasonCode> {
        let held = BTreeMap::from([(name("b"), amount(held))]);
        let reasons = against(&[host("b", free)], &need(), &operation, &held);
        reasons.into_iter().map(|it| it.code).collect()
    };
    assert_eq!(codes(1_024, 0), []);
    assert_eq!(codes(0, 1_024), []);
    assert_eq!(codes(512, 512), []);
    assert_eq!(codes(-1, 8_192), [ReasonCode::Memory]);
    assert_eq!(codes(511, 512), [ReasonCode::Memory]);
    let gone = against(&[], &need(), &operation, &BTreeMap::new());
    assert_eq!(gone[0].code, ReasonCode::Unknown);
    let mut off = host("b", 60_000);
    off.holders = vec!["anna".to_owned()];
    let reasons = against(&[off], &need(), &operation, &BTreeMap::new());
    assert_eq!(reasons[0].code, ReasonCode::Maintenance);
}

#[test]
fn servers_that_keep_apart_count_where_they_are_still_to_be_brought() {
    let mut others = operation(2);
    others.destination = "c".to_owned();
    let run = run(vec![operation(1), others]);
    let mates: BTreeSet<_> = run.operations.iter().map(|it| it.server).collect();
    let joined = |policy, mates: &BTreeSet<_>| {
        let mut need = need();
        need.group = Some(Membership {
            group: Uuid::from_u128(7).into(),
            name: "web".to_owned(),
            policy,
            max_server_per_host: None,
            others: Vec::new(),
        });
        join_planned(&mut need, &run, &run.operations[0], mates);
        let hosts = need.group.unwrap().others.into_iter();
        hosts.filter_map(|it| it.host).collect::<Vec<_>>()
    };
    assert_eq!(joined(Policy::AntiAffinity, &mates), [name("c")]);
    assert_eq!(joined(Policy::Affinity, &mates), []);
    assert_eq!(joined(Policy::AntiAffinity, &BTreeSet::new()), []);
}

/// Where its operation goes instead, and as what, where a live move ends on these hosts only.
fn turned(
    hosts: &[Host],
    target: &PlanTarget,
    run: &Run,
    ends: &[&str],
) -> (String, OperationKind) {
    let ends = |host: &Host| ends.contains(&host.name.as_str());
    let found = choose(hosts, &need(), (target, run), &run.operations[0], ends);
    let best = found.unwrap();
    (best.host.to_string(), best.kind)
}

#[test]
fn who_cannot_be_moved_while_it_runs_goes_cold_where_the_plan_permits_it() {
    let hosts = [host("b", 50_000), host("c", 40_000), host("d", 30_000)];
    let servers = PlanTarget::Servers(Vec::new());
    let mut run = run(vec![operation(1)]);
    let turn = |run: &Run, ends: &[&str]| turned(&hosts, &servers, run, ends);
    assert_eq!(turn(&run, &[]), ("c".to_owned(), OperationKind::Live));
    run.fallback = Fallback::Cold;
    assert_eq!(
        turn(&run, &["c", "d"]),
        ("c".to_owned(), OperationKind::Live)
    );
    assert_eq!(turn(&run, &["d"]), ("d".to_owned(), OperationKind::Live));
    assert_eq!(turn(&run, &[]), ("c".to_owned(), OperationKind::Cold));
}

#[test]
fn who_did_not_end_goes_cold_to_where_it_was_to_go() {
    let hosts = [host("b", 50_000), host("c", 40_000)];
    let named = PlanTarget::Server(operation(1).server, Some(name("b")));
    let mut run = run(vec![operation(1)]);
    run.operations[0].failure = Some(Failure::new(FailureCode::Stalled, "It never ended."));
    let refused = why_not_replaced(&named, &run, &run.operations[0]);
    assert_eq!(refused.unwrap().code, ReasonCode::NotNamed);
    run.fallback = Fallback::Cold;
    let servers = PlanTarget::Servers(Vec::new());
    for target in [&named, &servers] {
        assert_eq!(why_not_replaced(target, &run, &run.operations[0]), None);
        let cold = ("b".to_owned(), OperationKind::Cold);
        assert_eq!(turned(&hosts, target, &run, &["c"]), cold);
    }
    // Only there, where it was named; and once.
    let full = [host("b", 100), host("c", 40_000)];
    let found = choose(&full, &need(), (&named, &run), &run.operations[0], |_| true);
    assert_eq!(found.unwrap_err()[0].code, ReasonCode::Memory);
    run.operations[0].kind = OperationKind::Cold;
    assert_eq!(chosen(&hosts, &servers, &run), Ok("c".to_owned()));
    assert!(why_not_replaced(&named, &run, &run.operations[0]).is_some());
}

#[test]
fn disks_go_to_the_pool_that_was_named_or_nowhere() {
    let target = PlanTarget::Pool {
        pool: "a".to_owned(),
        to: "b".to_owned(),
    };
    let mut run = run(vec![operation(1)]);
    run.operations[0].kind = OperationKind::Storage;
    let refused = why_not_replaced(&target, &run, &run.operations[0]);
    assert_eq!(refused.unwrap().code, ReasonCode::NotNamed);
}
