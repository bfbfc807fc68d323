//! How migrations end: completed, aborted in every state, forced both ways, timed out.

use std::time::Duration;

use godwit_compute_agent::drivers::simulated::Power;
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::event::Event;
use godwit_core::failure::FailureCode;
use godwit_core::migration::{StorageMode, TimeoutAction};
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;

use crate::cluster::*;

on_both! {
    async fn a_server_moves_on_shared_storage(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Completed);
        assert_eq!(record.migration.destination(), Some(&host(2)));
        assert_eq!(record.migration.placement.unwrap().storage, StorageMode::Shared);
        let memory = record.progress.memory.unwrap();
        assert!(memory.processed >= memory.total && memory.remaining == 0, "{memory:?}");
        assert!(record.progress.downtime_ms.is_some());
        let server = cluster.server(1).await;
        assert_eq!((server.host, server.vm_state), (Some(host(2)), VmState::Active));
        let names: Vec<_> = cluster.log(uuid).await;
        let names: Vec<_> = names.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(
            names,
            ["requested", "placed", "admitted", "prepared", "handed_over", "finished"]
        );
        cluster.is_sound().await;
    }

    async fn a_server_moves_with_its_disks(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.guest(1).disks[0].pool = None;
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Completed);
        assert_eq!(record.migration.placement.unwrap().storage, StorageMode::Copied);
        assert!(record.progress.disk.unwrap().total > 0);
        // 2 GiB of memory at least, and 2 of the disk.
        assert_eq!(record.migration.limits.completion, Duration::from_secs(800 * 4));
        cluster.is_sound().await;
    }

    async fn a_paused_server_moves_and_stays_paused(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.guest(1).power = Power::Paused;
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }

    async fn progress_is_seen_while_it_moves(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let first = progressed_beyond(&cluster, uuid, 0).await;
        let second = progressed_beyond(&cluster, uuid, first.0).await;
        assert!(second.1 > first.1, "updated_at advances");
        cluster.ask(uuid, Event::AbortRequested).await;
        cluster.ends(uuid).await;
        cluster.is_sound().await;
        assert_eq!(cluster.server(1).await.progress, 0);
    }

    async fn an_abort_while_running_leaves_the_server_at_its_source(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(uuid, Status::Running).await;
        assert!(cluster.ask(uuid, Event::AbortRequested).await);
        assert_cancelled(&cluster, uuid).await;
    }

    async fn an_abort_while_preparing_does_not_wait_for_the_preparation(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.hold(&host(2), HoldPoint::BeforePrepare);
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(uuid, Status::Preparing).await;
        assert!(cluster.ask(uuid, Event::AbortRequested).await);
        assert_cancelled(&cluster, uuid).await;
    }

    async fn an_abort_in_the_queue_asks_nobody(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.config.slots.per_source = 1;
        made.never_converges(1);
        let cluster = made.start().await;
        let first = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(first, Status::Running).await;
        let second = cluster.begin(2, anywhere()).await.unwrap();
        cluster.reaches(second, Status::Queued).await;
        assert!(cluster.ask(second, Event::AbortRequested).await);
        let record = cluster.ends(second).await;
        assert_eq!(record.migration.status(), Status::Cancelled);
        assert_eq!(cluster.record(first).await.migration.status(), Status::Running);
        cluster.ask(first, Event::AbortRequested).await;
        assert_cancelled(&cluster, first).await;
    }

    async fn an_abort_before_it_is_placed_counts(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.kill_conductor(1);
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        assert!(cluster.ask(uuid, Event::AbortRequested).await);
        cluster.start_conductor(1);
        assert_cancelled(&cluster, uuid).await;
    }

    async fn an_abort_that_comes_too_late_completes(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.hold(&host(2), HoldPoint::BeforeFinish);
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        settles(&cluster, uuid).await;
        assert!(cluster.ask(uuid, Event::AbortRequested).await);
        cluster.release(&host(2), HoldPoint::BeforeFinish);
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }

    async fn force_completes_by_post_copy(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        made.speed = 2.0;
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(uuid, Status::Running).await;
        assert!(cluster.ask(uuid, Event::ForceCompleteRequested).await);
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Completed);
        let log = cluster.log(uuid).await;
        assert!(log.contains(&"post_copy_started".to_owned()), "{log:?}");
        assert!(log.iter().any(|line| line.contains("post_copy\"")), "{log:?}");
        cluster.is_sound().await;
    }

    async fn force_completes_by_pausing(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.host(1).post_copy = false;
        made.never_converges(1);
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(uuid, Status::Running).await;
        assert!(cluster.ask(uuid, Event::ForceCompleteRequested).await);
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Completed);
        let log = cluster.log(uuid).await;
        assert!(log.iter().any(|line| line.contains("pause")), "{log:?}");
        assert!(!log.contains(&"post_copy_started".to_owned()), "{log:?}");
        cluster.is_sound().await;
    }

    async fn a_move_that_takes_too_long_is_aborted(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        made.config.time_limits.completion_per_gib = Duration::from_secs(1);
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = assert_cancelled(&cluster, uuid).await;
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::TimedOut);
    }

    async fn a_move_that_takes_too_long_is_forced_where_that_is_wanted(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        made.config.time_limits.completion_per_gib = Duration::from_secs(1);
        made.config.time_limits.timeout_action = TimeoutAction::ForceComplete;
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }

    async fn a_preparation_that_takes_too_long_fails(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.config.time_limits.preparing = Duration::from_millis(500);
        let cluster = made.start().await;
        cluster.hold(&host(2), HoldPoint::Prepared);
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Failed);
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::TimedOut);
        cluster.is_sound().await;
    }
}

pub(crate) async fn progressed_beyond(
    cluster: &Cluster,
    uuid: godwit_core::ids::MigrationUuid,
    bytes: i64,
) -> (i64, godwit_core::time::Timestamp) {
    godwit_test_support::wait_for("progress", PATIENCE, async || {
        let record = cluster.record(uuid).await;
        let moved = record.progress.memory.map_or(0, |memory| memory.processed);
        Ok((moved > bytes).then(|| (moved, record.updated_at.unwrap())))
    })
    .await
    .unwrap()
}

async fn settles(cluster: &Cluster, uuid: godwit_core::ids::MigrationUuid) {
    godwit_test_support::wait_for("the move to settle", PATIENCE, async || {
        Ok(cluster.record(uuid).await.migration.phase.settling())
    })
    .await
    .unwrap();
}

async fn assert_cancelled(
    cluster: &Cluster,
    uuid: godwit_core::ids::MigrationUuid,
) -> godwit_store::MigrationRecord {
    let record = cluster.ends(uuid).await;
    assert_eq!(
        record.migration.status(),
        Status::Cancelled,
        "{:?}",
        cluster.log(uuid).await
    );
    let server = cluster
        .store
        .server_find(record.migration.server)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(server.vm_state, VmState::Active);
    assert_eq!(server.host, Some(record.migration.source_compute.clone()));
    cluster.is_sound().await;
    record
}
