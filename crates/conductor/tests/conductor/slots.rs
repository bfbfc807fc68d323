//! The queue: limits per source and per destination.

use std::time::Duration;

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::event::Event;
use godwit_core::failure::FailureCode;
use godwit_core::slots::SlotRole;
use godwit_core::status::MigrationStatus as Status;
use godwit_test_support::wait_for;

use crate::cluster::*;

/// Counts slots of one role on one host until everything has ended; returns the most seen.
async fn most_at_once(cluster: &Cluster, number: usize, role: SlotRole) -> usize {
    let mut most = 0;
    wait_for("everything to end", PATIENCE, async || {
        let slots = cluster.store.slot_list().await?;
        let here = |slot: &&godwit_store::Slot| slot.host == host(number) && slot.role == role;
        most = most.max(slots.iter().filter(here).count());
        let unfinished = cluster.store.migrations_unfinished().await?;
        Ok(unfinished.is_empty().then_some(()))
    })
    .await
    .unwrap();
    most
}

on_both! {
    async fn a_limit_of_one_queues_the_others_and_all_complete(made: Made) {
        let mut made = made.with_hosts(&[3, 0, 0]);
        made.config.slots.per_source = 1;
        let cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let mut all = Vec::new();
        for number in 1..=3 {
            all.push(cluster.begin(number, anywhere()).await.unwrap());
        }
        wait_for("one to run and two to be queued", PATIENCE, async || {
            let mut statuses = Vec::new();
            for uuid in &all {
                statuses.push(cluster.record(*uuid).await.migration.status());
            }
            let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
            let seen = (count(Status::Running), count(Status::Queued));
            anyhow::ensure!(seen == (1, 2), "{statuses:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        assert_eq!(most_at_once(&cluster, 1, SlotRole::Source).await, 1);
        for uuid in all {
            assert_eq!(cluster.record(uuid).await.migration.status(), Status::Completed);
        }
        cluster.is_sound().await;
    }

    async fn destinations_have_a_limit_too(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 1, 0]);
        made.config.slots.per_destination = 1;
        let cluster = made.start().await;
        for number in 1..=3 {
            cluster.begin(number, to(4)).await.unwrap();
        }
        assert_eq!(most_at_once(&cluster, 4, SlotRole::Destination).await, 1);
        for number in 1..=3 {
            assert_eq!(cluster.server(number).await.host, Some(host(4)));
        }
        cluster.is_sound().await;
    }

    async fn whoever_has_to_wait_does_not_hold_up_others(made: Made) {
        let mut made = made.with_hosts(&[2, 1, 0]);
        made.config.slots.per_source = 1;
        made.never_converges(1);
        let cluster = made.start().await;
        let busy = cluster.begin(1, to(3)).await.unwrap();
        cluster.reaches(busy, Status::Running).await;
        let behind = cluster.begin(2, to(3)).await.unwrap();
        cluster.reaches(behind, Status::Queued).await;
        let other = cluster.begin(3, to(3)).await.unwrap();
        assert_eq!(cluster.ends(other).await.migration.status(), Status::Completed);
        assert_eq!(cluster.record(behind).await.migration.status(), Status::Queued);
        cluster.ask(busy, Event::AbortRequested).await;
        assert_eq!(cluster.ends(behind).await.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }

    async fn the_queue_has_a_deadline(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.config.slots.per_source = 1;
        made.config.time_limits.queued = Duration::from_millis(500);
        made.never_converges(1);
        let cluster = made.start().await;
        let busy = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(busy, Status::Running).await;
        let behind = cluster.begin(2, anywhere()).await.unwrap();
        let record = cluster.ends(behind).await;
        assert_eq!(record.migration.status(), Status::Error);
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::TimedOut);
        cluster.ask(busy, Event::AbortRequested).await;
        cluster.ends(busy).await;
        cluster.is_sound().await;
    }

    async fn a_destination_that_goes_down_meanwhile_is_replaced(made: Made) {
        let mut made = made.with_hosts(&[2, 0, 0]);
        made.config.slots.per_source = 1;
        made.config.service_down_time = Duration::from_secs(1);
        made.never_converges(1);
        // Both prefer host-2 for as long as it is the emptier one.
        made.host(3).memory_bytes /= 2;
        made.host(3).vcpus /= 2;
        let mut cluster = made.start().await;
        let busy = cluster.begin(1, to(3)).await.unwrap();
        cluster.reaches(busy, Status::Running).await;
        let behind = cluster.begin(2, anywhere()).await.unwrap();
        let placed = cluster.reaches(behind, Status::Queued).await;
        assert_eq!(placed.migration.destination(), Some(&host(2)));
        cluster.kill_agent(&host(2));
        is_down(&cluster, 2).await;
        cluster.ask(busy, Event::AbortRequested).await;
        let record = cluster.ends(behind).await;
        assert_eq!(record.migration.status(), Status::Completed);
        assert_eq!(record.migration.destination(), Some(&host(3)));
        cluster.start_agent(&host(2));
        cluster.is_sound().await;
    }

    async fn a_named_destination_that_goes_down_meanwhile_is_not_replaced(made: Made) {
        let mut made = made.with_hosts(&[2, 0, 0]);
        made.config.slots.per_source = 1;
        made.config.service_down_time = Duration::from_secs(1);
        made.never_converges(1);
        let mut cluster = made.start().await;
        let busy = cluster.begin(1, to(3)).await.unwrap();
        cluster.reaches(busy, Status::Running).await;
        let behind = cluster.begin(2, to(2)).await.unwrap();
        cluster.reaches(behind, Status::Queued).await;
        cluster.kill_agent(&host(2));
        is_down(&cluster, 2).await;
        cluster.ask(busy, Event::AbortRequested).await;
        let record = cluster.ends(behind).await;
        assert_eq!(record.migration.status(), Status::Error);
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::NoValidHost);
        let log = cluster.log(behind).await;
        assert!(log.iter().any(|line| line.contains("the host's agent is down")), "{log:?}");
        cluster.start_agent(&host(2));
        cluster.is_sound().await;
    }
}

async fn is_down(cluster: &Cluster, number: usize) {
    use godwit_core::time::Clock as _;
    wait_for("the host to count as down", PATIENCE, async || {
        let known = cluster.store.host_find(&host(number)).await?.unwrap();
        let down_time = cluster.config.service_down_time;
        let up = known.service.is_up(SystemClock.now(), down_time);
        Ok((!up).then_some(()))
    })
    .await
    .unwrap();
}
