//! What is said of hosts is what becomes of servers that go there.
//!
//! ```text
//!   rows ──► verdicts ──────────────────────────► suitable, or reasons ─┐
//!   rows ──► begin ──► place ──► agents' checks ──► placed, or an end  ─┴─ the same
//! ```
//!
//! Fleets are made of seeds. From every host somebody leaves who never arrives, so that whoever is
//! placed waits for its turn, and is called off there: nobody moves.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use godwit_compute_agent::drivers::simulated::{Fleet as World, GuestSpec, HostSpec, PoolSpec};
use godwit_core::event::Event;
use godwit_core::host::link::{Link, LinkRole};
use godwit_core::host::scope::{ScopeKind, Topology};
use godwit_core::ids::HostName;
use godwit_core::reason::{Evidence, ReasonCode};
use godwit_core::requester::Requester;
use godwit_core::server_group::{DeclaredGroup, Policy};
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock;
use godwit_facts::{Basis, Fleet, Guest, Verdict, gib_ceil, verdicts};
use godwit_rpc::domain::Disk;
use godwit_store::{
    AllocationChange, ManagementChange, Placing, ServiceChange, ServiceStatus, Store,
};
use godwit_test_support::fleet::rpc::owner;
use godwit_test_support::wait_for;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt, SeedableRng};

use crate::cluster::*;

mod generated;

use self::generated::*;

const FLEETS: u64 = 5;
const PAIRS: usize = 2_000;
const HOSTS: usize = 40;
const MOVERS: usize = 160;
const AT_ONCE: usize = 30;
/// Where those go who never arrive.
const SINK: usize = HOSTS + 1;
/// A host whose agent is dead, without guests.
const DEAD: usize = HOSTS + 2;

/// From where moves are possible at all, somebody leaves who never arrives.
async fn occupy(cluster: &Cluster) -> HashSet<HostName> {
    let mut sources = HashSet::new();
    for number in 1..=HOSTS {
        let uuid = cluster.begin(number, to(SINK)).await.unwrap();
        let record = wait_for("its fate", PATIENCE, async || {
            let record = cluster.record(uuid).await;
            let status = record.migration.status();
            let decided = status == Status::Running || status.is_terminal();
            Ok(decided.then_some(record))
        });
        if record.await.unwrap().migration.status() == Status::Running {
            sources.insert(host(number));
        }
    }
    sources
}

struct Pair {
    number: usize,
    to: HostName,
    verdict: Verdict,
}

async fn guest(cluster: &Cluster, number: usize) -> Guest {
    let store = &cluster.store;
    let found = store
        .server_find_with_hardware(server(number))
        .await
        .unwrap();
    let (server, hardware) = found.unwrap();
    let group = store.server_group_membership(server.uuid).await.unwrap();
    Guest {
        server,
        hardware,
        group,
    }
}

async fn verdict(cluster: &Cluster, fleet: &Fleet, number: usize, to: HostName) -> Pair {
    let said = verdicts(fleet, &guest(cluster, number).await);
    let verdict = said.into_iter().find(|it| it.host == to).unwrap();
    Pair {
        number,
        to,
        verdict,
    }
}

/// What is said to be short is short, by what the world has.
fn is_so(world: &World, pair: &Pair, config: &godwit_conductor::Config) {
    let spec = world.hosts.iter().find(|it| it.name == pair.to).unwrap();
    let guest = &world.guests[pair.number - 1];
    let there = || world.guests.iter().filter(|it| it.host == pair.to);
    let local = |pool: &Option<String>| pool.as_deref().is_none_or(|it| it == "local");
    let ratios = config.allocation_ratios;
    let bytes = |guest: &GuestSpec| -> u64 {
        let disks = guest.disks.iter().filter(|disk| local(&disk.pool));
        disks.map(|disk| disk.allocated_bytes).sum()
    };
    let capacity = ratios.capacity(godwit_core::resources::Resources {
        vcpus: spec.vcpus.into(),
        memory_mb: i64::try_from(spec.memory_bytes / MIB).unwrap(),
        disk_gb: i64::try_from(spec.disk_bytes / GIB).unwrap(),
    });
    for reason in &pair.verdict.reasons {
        match &reason.evidence {
            Evidence::Vcpus {
                needed_vcpus,
                free_vcpus,
            } => {
                let used: i64 = there().map(|it| i64::from(it.vcpus)).sum();
                let really = (i64::from(guest.vcpus), capacity.vcpus - used);
                assert_eq!((*needed_vcpus, *free_vcpus), really);
                assert!(needed_vcpus > free_vcpus);
            }
            Evidence::Memory {
                needed_mib,
                free_mib,
            } => {
                let mib = |it: &GuestSpec| i64::try_from(it.memory_bytes / MIB).unwrap();
                let used: i64 = there().map(mib).sum();
                assert_eq!(
                    (*needed_mib, *free_mib),
                    (mib(guest), capacity.memory_mb - used)
                );
                assert!(needed_mib > free_mib);
            }
            Evidence::Disk {
                needed_gib,
                free_gib,
            } => {
                let stays = |disk: &&Disk| {
                    !local(&disk.pool) && spec.pools.contains(disk.pool.as_ref().unwrap())
                };
                let disks = guest.disks.iter().filter(|it| !it.read_only);
                let copied: u64 = disks
                    .filter(|it| !stays(it))
                    .map(|it| it.allocated_bytes)
                    .sum();
                let used: i64 = there().map(|it| gib_ceil(bytes(it))).sum();
                assert_eq!(*free_gib, capacity.disk_gb - used);
                // What is rounded is up to a GiB off for each pool.
                let over = needed_gib - gib_ceil(copied);
                assert!(
                    (0..=2).contains(&over) && needed_gib > free_gib,
                    "{reason:?}"
                );
            }
            Evidence::Convergence {
                dirty_bytes_per_second: dirty,
                stream_bytes_per_second: stream,
            } => {
                let source = world.hosts.iter().find(|it| it.name == guest.host).unwrap();
                let stream_of = |it: &HostSpec| it.links[0].stream_bytes_per_second.unwrap();
                assert_eq!(*dirty, guest.dirty_bytes_per_second);
                assert_eq!(*stream, stream_of(source).min(stream_of(spec)));
                assert!(*dirty as f64 >= *stream as f64 * 0.999, "{reason:?}");
            }
            Evidence::Cluster {
                cluster,
                needed_cluster,
            } => assert_ne!(cluster, needed_cluster),
            Evidence::Pools { pools } => assert!(pools.iter().all(|it| !spec.pools.contains(it))),
            Evidence::HypervisorType { .. }
            | Evidence::HypervisorVersion { .. }
            | Evidence::Arch { .. }
            | Evidence::CpuFeatures { .. }
            | Evidence::Clusters { .. }
            | Evidence::AgentVersion { .. }
            | Evidence::Hypervisor { .. }
            | Evidence::LocalDisks { .. }
            | Evidence::Disabled { .. }
            | Evidence::Held { .. }
            | Evidence::Host { .. }
            | Evidence::Affinity { .. }
            | Evidence::AntiAffinity { .. }
            | Evidence::Named { .. }
            | Evidence::Hosts { .. }
            | Evidence::Nothing => {}
        }
    }
}

/// Goes there as an operation of a plan, and is called off once it is placed. Returns why it was not, if it was not.
async fn goes(cluster: &Cluster, pair: &Pair) -> Option<String> {
    let request = godwit_core::migration::LiveRequest {
        host: Some(pair.to.clone()),
        ..godwit_core::migration::LiveRequest::of_plan()
    };
    let uuid = cluster.begin(pair.number, request).await.unwrap();
    let placed = wait_for("it to be placed or not", PATIENCE, async || {
        let record = cluster.record(uuid).await;
        let ended = record.migration.status().is_terminal();
        let placed = record.migration.placement.is_some();
        Ok((placed || ended).then_some((placed, record.migration.failure)))
    });
    let (placed, failure) = placed.await.unwrap();
    if placed {
        assert!(cluster.ask(uuid, Event::AbortRequested).await);
    }
    cluster.ends(uuid).await;
    match placed {
        true => None,
        false => Some(format!("{failure:?}: {:?}", cluster.log(uuid).await)),
    }
}

/// Pairs of servers and hosts, none of which is in the way of another one.
fn round(rng: &mut StdRng, world: &World, sources: &HashSet<HostName>) -> Vec<(usize, HostName)> {
    let (mut hosts, mut groups, mut numbers) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut pairs = Vec::new();
    for _ in 0..10 * AT_ONCE {
        let number = rng.random_range(HOSTS + 1..=HOSTS + MOVERS);
        let guest = &world.guests[number - 1];
        let to = world.hosts.choose(rng).unwrap().name.clone();
        let group = guest.group.as_ref().map(|it| it.uuid);
        let free = sources.contains(&guest.host)
            && to != guest.host
            && to != host(SINK)
            && !hosts.contains(&to)
            && !numbers.contains(&number)
            && group.is_none_or(|it| !groups.contains(&it));
        if free && pairs.len() < AT_ONCE {
            hosts.insert(to.clone());
            numbers.insert(number);
            groups.extend(group);
            pairs.push((number, to));
        }
    }
    pairs
}

/// How often each verdict was given; the last counts hosts that were suitable.
type Tally = BTreeMap<&'static str, usize>;

async fn fleet_of(seed: u64, tally: &mut Tally) {
    let world = world(seed);
    let mut made = Made::sqlite().await;
    made.fleet = world.clone();
    made.speed = 1.0;
    made.config.slots.per_source = 1;
    // Verdicts are no matter of who moves when.
    made.config.link_budgets.enabled = false;
    made.config.time_limits.completion_per_gib = Duration::ZERO;
    made.config.service_down_time = Duration::from_secs(5);
    let mut cluster = made.start().await;
    let sources = occupy(&cluster).await;
    let movers = world.guests[HOSTS..].iter();
    let rates = movers.map(|it| {
        let rate = i64::try_from(it.dirty_bytes_per_second).unwrap();
        (it.uuid, rate)
    });
    let told = cluster.store.servers_measured(rates.collect());
    told.await.unwrap();
    differ(&mut cluster).await;
    assert!(sources.len() > HOSTS / 2, "{sources:?}");
    let config = cluster.config.clone();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut asked = 0;
    while asked < PAIRS {
        let basis = Basis {
            now: SystemClock.now(),
            down_time: config.service_down_time,
            ratios: config.allocation_ratios,
        };
        let fleet = Fleet::load(&cluster.store, basis).await.unwrap();
        let chosen = round(&mut rng, &world, &sources);
        let mut pairs = Vec::new();
        for (number, to) in chosen {
            pairs.push(verdict(&cluster, &fleet, number, to).await);
        }
        asked += pairs.len();
        let went = pairs.iter().map(|pair| goes(&cluster, pair));
        let went = futures::future::join_all(went).await;
        for (pair, refused) in pairs.iter().zip(went) {
            let Pair {
                number,
                to,
                verdict,
            } = pair;
            let suitable = verdict.score.is_some();
            assert_eq!(suitable, verdict.reasons.is_empty());
            assert_eq!(
                suitable,
                refused.is_none(),
                "fleet {seed}, {number} to {to}: {:#?}, {refused:?}",
                verdict.reasons
            );
            is_so(&world, pair, &config);
            let codes = verdict.reasons.iter().map(|it| it.code.as_str());
            for code in codes.chain(suitable.then_some("suitable")) {
                *tally.entry(code).or_default() += 1;
            }
        }
    }
    let claims = cluster.store.claim_list().await.unwrap();
    assert_eq!(claims.len(), sources.len(), "{claims:?}");
    assert_eq!(mismatches(&cluster), 0.0);
}

/// Over all codes.
fn mismatches(cluster: &Cluster) -> f64 {
    let families = cluster.registry.gather();
    let family = families
        .iter()
        .find(|it| it.name() == "godwit_verdict_mismatch_total");
    let series = family.map_or(&[][..], |family| family.get_metric());
    series.iter().map(|it| it.get_counter().get_value()).sum()
}

async fn says(cluster: &Cluster, number: usize, to: usize) -> Pair {
    let basis = Basis {
        now: SystemClock.now(),
        down_time: cluster.config.service_down_time,
        ratios: cluster.config.allocation_ratios,
    };
    let fleet = Fleet::load(&cluster.store, basis).await.unwrap();
    verdict(cluster, &fleet, number, host(to)).await
}

async fn switch_pod(cluster: &Cluster, disabled: bool) {
    let change = AllocationChange {
        disabled,
        reason: None,
        by: by(),
        at: SystemClock.now(),
    };
    let pod = (ScopeKind::Pod, "p1");
    let changed = cluster.store.scope_allocate(pod, change, any_version);
    changed.await.unwrap();
}

async fn switch_host(cluster: &Cluster, number: usize, disabled: bool) {
    let known = cluster
        .store
        .host_find(&host(number))
        .await
        .unwrap()
        .unwrap();
    let status = match disabled {
        true => ServiceStatus::Disabled { reason: None },
        false => ServiceStatus::Enabled,
    };
    let change = ServiceChange {
        status: Some(status),
        forced_down: None,
        note: asked("req-switch", SystemClock.now()),
    };
    let fine = |_: &_, _: &_| Ok::<_, ()>(());
    let changed = cluster
        .store
        .service_update(known.service.uuid, change, fine);
    changed.await.unwrap();
}

/// Both changes of the fix are carried out, each alone and then together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fix_lets_a_server_go_there_and_no_part_of_it_does() {
    let made = Made::sqlite().await.with_hosts(&[1, 0]);
    let cluster = made.start().await;
    place(&cluster.store, 2, (Some("p1"), None)).await;
    for (pod, itself) in [(true, true), (false, true), (true, false)] {
        switch_pod(&cluster, pod).await;
        switch_host(&cluster, 2, itself).await;
        let pair = says(&cluster, 1, 2).await;
        let [reason] = pair.verdict.reasons.as_slice() else {
            panic!("{:?}", pair.verdict);
        };
        assert_eq!(reason.code, ReasonCode::Disabled);
        let changes = &reason.fix.as_ref().unwrap().changes;
        let mut targets: Vec<_> = changes.iter().map(|it| it.target.as_str()).collect();
        targets.sort_unstable();
        let wanted = [(itself, "host-2"), (pod, "pod/p1")].into_iter();
        let wanted: Vec<_> = wanted.filter_map(|(off, it)| off.then_some(it)).collect();
        assert_eq!(targets, wanted);
        assert!(goes(&cluster, &pair).await.is_some());
    }
    switch_pod(&cluster, false).await;
    let pair = says(&cluster, 1, 2).await;
    assert!(pair.verdict.score.is_some() && pair.verdict.reasons.is_empty());
    let uuid = cluster.begin(1, to(2)).await.unwrap();
    assert_eq!(
        cluster.ends(uuid).await.migration.status(),
        Status::Completed
    );
    cluster.is_sound().await;
}

/// Nova has no such check: whoever asked for the move may force it to complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_plans_leave_alone_since_it_never_ends_nova_may_move_all_the_same() {
    let mut made = Made::sqlite().await.with_hosts(&[1, 0]);
    made.never_converges(1);
    let cluster = made.start().await;
    let rate = (server(1), 2_000_000_000);
    cluster.store.servers_measured(vec![rate]).await.unwrap();
    let pair = says(&cluster, 1, 2).await;
    let codes: Vec<_> = pair.verdict.reasons.iter().map(|it| it.code).collect();
    assert_eq!(codes, [ReasonCode::NeverConverges]);
    let refused = goes(&cluster, &pair).await.unwrap();
    assert!(
        refused.contains(ReasonCode::NeverConverges.as_str()),
        "{refused}"
    );
    let uuid = cluster.begin(1, to(2)).await.unwrap();
    cluster.reaches(uuid, Status::Running).await;
    assert!(cluster.ask(uuid, Event::AbortRequested).await);
    cluster.ends(uuid).await;
    cluster.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_verdicts_are_what_becomes_of_servers() {
    let mut tally = Tally::new();
    for seed in 0..FLEETS {
        fleet_of(seed, &mut tally).await;
    }
    println!("{tally:#?}");
    for code in [
        ReasonCode::Disabled,
        ReasonCode::Down,
        ReasonCode::Unmanaged,
        ReasonCode::OtherCluster,
        ReasonCode::NeverConverges,
        ReasonCode::HypervisorType,
        ReasonCode::HypervisorTooOld,
        ReasonCode::Cpu,
        ReasonCode::Vcpus,
        ReasonCode::Memory,
        ReasonCode::Disk,
        ReasonCode::Affinity,
        ReasonCode::AntiAffinity,
    ] {
        let count = tally.get(code.as_str()).copied().unwrap_or_default();
        assert!(count > 20, "{code}: {tally:?}");
    }
    assert!(tally["suitable"] > 500, "{tally:?}");
}
