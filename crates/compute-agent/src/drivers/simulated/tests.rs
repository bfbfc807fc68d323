use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{CheckDestination, CheckSource, ForceMeans, Move, MoveKind, Side};
use godwit_rpc::progress::Outcome;
use godwit_test_support::fleet::rpc::{command, owner};
use godwit_test_support::fleet::{MIB, host, migration, server};
use tokio_util::sync::CancellationToken;

use super::fleet::Power;
use super::*;
use crate::driver::{Driver, DriverError, DriverStateStore, Job, JobState};
use crate::holds::Holds;

struct NoNotes;

#[async_trait]
impl DriverStateStore for NoNotes {
    fn read(&self) -> Option<serde_json::Value> {
        None
    }
    async fn write(&self, _page: serde_json::Value) -> Result<(), DriverError> {
        Ok(())
    }
}

fn guest(number: u128) -> GuestSpec {
    GuestSpec::new(server(number), &format!("vm-{number}"), owner(), host(1))
}

/// Two hosts with links of 100 MiB/s.
fn fleet(guests: Vec<GuestSpec>) -> Fleet {
    let hosts = [1, 2].map(|number| HostSpec {
        link_bytes_per_second: 100 * MIB,
        ..HostSpec::new(host(number))
    });
    Fleet {
        hosts: hosts.to_vec(),
        guests,
        pools: Vec::new(),
    }
}

fn job(number: u128) -> Job {
    let what = Move {
        migration: migration(number),
        server: server(number),
        ..command(0, 0).what
    };
    Job::new(what, Arc::new(NoNotes))
}

struct Bench {
    fabric: Fabric,
    source: Simulated,
    destination: Simulated,
}

impl Bench {
    fn new(fleet: Fleet) -> Self {
        Self::of(Fabric::new(fleet, 1.0))
    }

    fn of(fabric: Fabric) -> Self {
        let driver = |number| fabric.driver(&host(number), Holds::default()).unwrap();
        Self {
            source: driver(1),
            destination: driver(2),
            fabric,
        }
    }

    async fn begin(&self, job: &Job) -> Result<(), DriverError> {
        let never = CancellationToken::new();
        let domains = self.source.domains().await?;
        let guest = domains
            .iter()
            .find(|domain| domain.server == job.what.server)
            .unwrap();
        let receiver = self.destination.prepare(job, guest, &never).await?;
        self.source.start(job, &receiver, &never).await
    }

    /// Lets simulated time pass until the job has ended; at most an hour.
    async fn ending(&self, job: &Job) -> Option<Outcome> {
        for _ in 0..7200 {
            match self.source.progress(job).await.unwrap() {
                JobState::Ended(ended) => return Some(ended.outcome),
                JobState::Moving { .. } => tokio::time::advance(Duration::from_millis(500)).await,
                JobState::NoJob => return None,
            }
        }
        None
    }

    async fn sightings(&self, number: u128) -> [Sighting; 2] {
        let mut seen = [Sighting::Absent; 2];
        for (seen, driver) in seen.iter_mut().zip([&self.source, &self.destination]) {
            for domain in driver.domains().await.unwrap() {
                if domain.server == server(number) {
                    *seen = domain.sighting;
                }
            }
        }
        seen
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_moves_and_is_seen_on_both_sides_as_it_is() {
    let bench = Bench::new(fleet(vec![guest(1)]));
    let job = job(1);
    assert_eq!(
        bench.sightings(1).await,
        [Sighting::Executing, Sighting::Absent]
    );
    bench.begin(&job).await.unwrap();
    assert_eq!(
        bench.sightings(1).await,
        [Sighting::Moving, Sighting::Incoming]
    );
    tokio::time::advance(Duration::from_secs(5)).await;
    let JobState::Moving {
        progress,
        post_copy: false,
    } = bench.source.progress(&job).await.unwrap()
    else {
        panic!("it does not move")
    };
    assert_eq!(progress.memory.processed, 500 * MIB);
    assert_eq!(bench.ending(&job).await, Some(Outcome::HandedOver));
    assert_eq!(
        bench.sightings(1).await,
        [Sighting::Absent, Sighting::Executing]
    );
    bench
        .destination
        .finish(&job, Side::Destination)
        .await
        .unwrap();
    bench.source.finish(&job, Side::Source).await.unwrap();
    assert_eq!(bench.source.progress(&job).await.unwrap(), JobState::NoJob);
}

#[tokio::test(start_paused = true)]
async fn two_moves_share_a_link() {
    let quiet = |number| GuestSpec {
        dirty_bytes_per_second: 0,
        ..guest(number)
    };
    let bench = Bench::new(fleet(vec![quiet(1), quiet(2)]));
    for number in [1, 2] {
        bench.begin(&job(number)).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(15)).await;
    assert!(matches!(
        bench.source.progress(&job(1)).await.unwrap(),
        JobState::Moving { .. }
    ));
    tokio::time::advance(Duration::from_secs(6)).await;
    for number in [1, 2] {
        assert!(matches!(
            bench.source.progress(&job(number)).await,
            Ok(JobState::Ended(_))
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_never_converges_is_forced_either_way() {
    for (post_copy, means) in [(true, ForceMeans::PostCopy), (false, ForceMeans::Pause)] {
        let busy = GuestSpec {
            dirty_bytes_per_second: 500 * MIB,
            working_set_bytes: 512 * MIB,
            ..guest(1)
        };
        let mut fleet = fleet(vec![busy]);
        fleet.hosts[0].post_copy = post_copy;
        let bench = Bench::new(fleet);
        let job = job(1);
        bench.begin(&job).await.unwrap();
        assert_eq!(
            bench.ending(&job).await,
            None,
            "it would never end of itself"
        );
        assert_eq!(bench.source.force_complete(&job).await.unwrap(), means);
        if post_copy {
            assert_eq!(bench.source.abort(&job).await, Err(DriverError::TooLate));
            assert_eq!(
                bench.sightings(1).await,
                [Sighting::HandedOver, Sighting::Executing]
            );
        }
        assert_eq!(bench.ending(&job).await, Some(Outcome::HandedOver));
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_leaves_the_guest_and_its_destination_is_cleaned() {
    let bench = Bench::new(fleet(vec![guest(1)]));
    let job = job(1);
    bench.begin(&job).await.unwrap();
    bench.source.abort(&job).await.unwrap();
    assert_eq!(bench.ending(&job).await, Some(Outcome::Cancelled));
    bench
        .source
        .roll_back(&job, Side::Source, false)
        .await
        .unwrap();
    bench
        .destination
        .roll_back(&job, Side::Destination, false)
        .await
        .unwrap();
    assert_eq!(
        bench.sightings(1).await,
        [Sighting::Executing, Sighting::Absent]
    );
    bench.begin(&job).await.unwrap();
    assert_eq!(
        bench.ending(&job).await,
        Some(Outcome::HandedOver),
        "and it can move again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_fails_a_move_and_loses_a_post_copied_guest() {
    let bench = Bench::new(fleet(vec![guest(1), guest(2)]));
    let (first, second) = (job(1), job(2));
    bench.begin(&first).await.unwrap();
    bench.begin(&second).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    bench.source.force_complete(&second).await.unwrap();
    bench.fabric.connect(&host(2), false);
    let Some(Outcome::Failed(failure)) = bench.ending(&first).await else {
        panic!("not failed")
    };
    assert_eq!(failure.code, FailureCode::LinkLost);
    let Some(Outcome::Lost(failure)) = bench.ending(&second).await else {
        panic!("not lost")
    };
    assert_eq!(failure.code, FailureCode::GuestLost);
    assert_eq!(
        bench.sightings(1).await,
        [Sighting::Executing, Sighting::Incoming]
    );
    assert_eq!(
        bench.sightings(2).await,
        [Sighting::Absent, Sighting::Absent]
    );
}

#[tokio::test(start_paused = true)]
async fn faults_strike_once_where_they_were_put() {
    let bench = Bench::new(fleet(vec![guest(1)]));
    let job = job(1);
    let failure = Failure::new(FailureCode::PrepareFailed, "no");
    bench
        .fabric
        .inject(&host(2), Step::Prepare, Fault::Fail(failure.clone()));
    assert_eq!(bench.begin(&job).await, Err(DriverError::Failed(failure)));

    bench.fabric.inject(&host(1), Step::Move, Fault::Hang);
    bench.begin(&job).await.unwrap();
    assert_eq!(bench.ending(&job).await, None, "it stalls");
    bench.fabric.release();
    assert_eq!(bench.ending(&job).await, Some(Outcome::HandedOver));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_step_ends_when_it_is_cancelled_or_released() {
    let bench = Bench::new(fleet(vec![guest(1)]));
    let guest = bench.source.domains().await.unwrap().remove(0);
    bench.fabric.inject(&host(2), Step::Prepare, Fault::Hang);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let cancelled = bench.destination.prepare(&job(1), &guest, &cancel).await;
    assert_eq!(cancelled, Err(DriverError::Cancelled));

    bench.fabric.inject(&host(2), Step::Prepare, Fault::Hang);
    let never = CancellationToken::new();
    let (job, fabric) = (job(1), bench.fabric.clone());
    let preparing = bench.destination.prepare(&job, &guest, &never);
    let releasing = async { fabric.release() };
    let (prepared, ()) = tokio::join!(preparing, releasing);
    prepared.unwrap();
}

#[tokio::test(start_paused = true)]
async fn local_disks_need_room_and_are_copied() {
    let mut local = guest(1);
    local.disks[0].pool = None;
    let mut fleet = fleet(vec![local]);
    fleet.hosts[1].disk_bytes = 512 * MIB;
    let bench = Bench::new(fleet);
    let destination = bench.destination.facts().await.unwrap();
    let check = CheckSource {
        migration: job(1).what.migration,
        server: server(1),
        kind: MoveKind::Live,
        block_migration: BlockMigration::Auto,
        destination,
    };
    let movable = bench.source.check_source(&check).await.unwrap();
    assert_eq!(movable.storage, StorageMode::Copied);
    let check = CheckDestination {
        migration: check.migration,
        guest: movable.guest.clone(),
        source: bench.source.facts().await.unwrap(),
        storage: movable.storage,
        disk_over_commit: None,
    };
    let refused = bench.destination.check_destination(&check).await;
    assert!(
        matches!(refused, Err(DriverError::Failed(failure)) if failure.code == FailureCode::PreCheck)
    );

    let mut full = job(1);
    full.what.storage = StorageMode::Copied;
    let never = CancellationToken::new();
    let refused = bench
        .destination
        .prepare(&full, &movable.guest, &never)
        .await;
    assert!(
        matches!(refused, Err(DriverError::Failed(failure)) if failure.code == FailureCode::DestinationFull)
    );
}

/// Two hosts with a pool of each kind, and a guest with a disk on each.
fn stored() -> Fleet {
    let pool = |name: &str, shared, capacity_bytes| PoolSpec {
        name: name.to_owned(),
        kind: Some("any".to_owned()),
        shared,
        capacity_bytes,
        taken_bytes: 10 * MIB,
    };
    let mut guest = guest(1);
    let disk = guest.disks[0].clone();
    guest.disks = ["nfs", "only-1", "local"]
        .into_iter()
        .map(|pool| godwit_rpc::domain::Disk {
            pool: Some(pool.to_owned()),
            allocated_bytes: 100 * MIB,
            ..disk.clone()
        })
        .collect();
    let mut fleet = fleet(vec![guest]);
    fleet.pools = vec![
        pool("nfs", true, Some(1000 * MIB)),
        pool("only-1", true, Some(1000 * MIB)),
        pool("local", false, None),
    ];
    for (host, pools) in fleet
        .hosts
        .iter_mut()
        .zip([["nfs", "only-1", "local"], ["nfs", "local", "-"]])
    {
        host.disk_bytes = 500 * MIB;
        host.pools = pools
            .iter()
            .filter(|it| **it != "-")
            .map(|it| (*it).to_owned())
            .collect();
    }
    fleet
}

#[tokio::test(start_paused = true)]
async fn disks_are_copied_from_where_the_destination_does_not_see_them() {
    let bench = Bench::new(stored());
    let free = async |driver: &Simulated| {
        let facts = driver.facts().await.unwrap();
        let pools = facts.pools.iter();
        pools
            .map(|it| (it.id.clone(), it.local, it.free_bytes / MIB))
            .collect::<Vec<_>>()
    };
    let named = |all: &[(&str, bool, u64)]| {
        let all = all
            .iter()
            .map(|(id, local, free)| ((*id).to_owned(), *local, *free));
        all.collect::<Vec<_>>()
    };
    let [nfs, only] = [("nfs", false, 890), ("only-1", false, 890)];
    assert_eq!(
        free(&bench.source).await,
        named(&[nfs, only, ("local", true, 390)])
    );
    assert_eq!(
        free(&bench.destination).await,
        named(&[nfs, ("local", true, 490)])
    );

    let mut job = job(1);
    job.what.storage = StorageMode::Copied;
    bench.begin(&job).await.unwrap();
    assert_eq!(bench.ending(&job).await, Some(Outcome::HandedOver));
    let JobState::Ended(ended) = bench.source.progress(&job).await.unwrap() else {
        panic!("it has not ended");
    };
    assert_eq!(ended.progress.unwrap().disk.unwrap().total, 200 * MIB);
    let domains = bench.destination.domains().await.unwrap();
    let pools: Vec<_> = domains[0]
        .disks
        .iter()
        .map(|disk| disk.pool.as_deref())
        .collect();
    assert_eq!(pools, [Some("nfs"), Some("local"), Some("local")]);
    assert_eq!(
        free(&bench.destination).await,
        named(&[nfs, ("local", true, 290)])
    );
    let only = ("only-1", false, 990);
    assert_eq!(
        free(&bench.source).await,
        named(&[nfs, only, ("local", true, 490)])
    );
}

#[tokio::test(start_paused = true)]
async fn one_stream_may_not_fill_a_link() {
    use godwit_core::host::link::{Link, LinkRole};

    let quiet = GuestSpec {
        dirty_bytes_per_second: 0,
        memory_bytes: 1000 * MIB,
        ..guest(1)
    };
    let mut fleet = fleet(vec![quiet]);
    fleet.hosts[1].links = vec![Link {
        name: "eth1".to_owned(),
        role: LinkRole::Migration,
        bytes_per_second: Some(200 * MIB),
        stream_bytes_per_second: Some(25 * MIB),
    }];
    let bench = Bench::new(fleet);
    let job = job(1);
    bench.begin(&job).await.unwrap();
    tokio::time::advance(Duration::from_secs(39)).await;
    let state = bench.source.progress(&job).await.unwrap();
    assert!(matches!(state, JobState::Moving { .. }), "{state:?}");
    tokio::time::advance(Duration::from_secs(2)).await;
    let state = bench.source.progress(&job).await.unwrap();
    assert!(matches!(state, JobState::Ended(_)), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn a_world_outlives_its_process_and_a_move_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let first = || fleet(vec![guest(1), guest(2)]);
    let bench = Bench::of(Fabric::open(directory.path(), 1.0, first).unwrap());
    bench.begin(&job(1)).await.unwrap();
    assert_eq!(bench.ending(&job(1)).await, Some(Outcome::HandedOver));
    bench.begin(&job(2)).await.unwrap();

    let again = || panic!("there is a world already");
    let bench = Bench::of(Fabric::open(directory.path(), 1.0, again).unwrap());
    assert_eq!(
        bench.sightings(1).await,
        [Sighting::Absent, Sighting::Executing]
    );
    assert_eq!(
        bench.sightings(2).await,
        [Sighting::Executing, Sighting::Absent]
    );
    bench.fabric.set_power(server(1), Power::Off);
    assert_eq!(
        bench.sightings(1).await,
        [Sighting::Absent, Sighting::Inactive]
    );

    std::fs::write(directory.path().join("simulated-world.json"), "{").unwrap();
    let unreadable = Fabric::open(directory.path(), 1.0, || fleet(vec![]));
    assert!(matches!(unreadable, Err(FabricError::Unreadable(..))));
}
