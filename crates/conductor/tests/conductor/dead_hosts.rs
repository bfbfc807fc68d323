//! Hosts that die in the middle of moves, with an operator who says so: the living outweigh the
//! dead, and what is settled is settled at once.

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::discrepancy::DiscrepancyKind as Kind;
use godwit_core::failure::FailureCode;
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::crash::has_event;
use crate::ends::progressed_beyond;

on_both! {
    async fn a_guest_that_was_handed_over_is_at_its_destination_whatever_its_source_did_not_say(
        made: Made,
    ) {
        let mut made = made.with_hosts(&[1, 0]);
        // Slow enough to be caught in the middle.
        made.speed = 0.5;
        let mut cluster = made.start().await;
        let moving = cluster.begin(1, anywhere()).await.unwrap();
        // Its source has certainly begun.
        progressed_beyond(&cluster, moving, 0).await;
        cluster.kill_agent(&host(1));
        wait_for("the guest to be handed over", PATIENCE, async || {
            let there = cluster.fabric.whereabouts(server(1)) == Some(host(2));
            Ok(there.then_some(()))
        })
        .await
        .unwrap();
        cluster.fabric.power(&host(1), false);
        cluster.declare_dead(1, true).await;

        let ended = cluster.ends(moving).await.migration;
        assert_eq!(ended.status(), Status::Completed, "{:#?}", cluster.log(moving).await);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.task_state), (VmState::Active, None));
        assert_eq!(server.host, Some(host(2)));
        assert_eq!(cluster.open_discrepancies().await, [Kind::SourceNotClean]);

        cluster.come_back(1);
        cluster.settles().await;
        assert_eq!(cluster.fabric.whereabouts(server.uuid), Some(host(2)));
        cluster.is_sound().await;
    }

    async fn a_guest_that_died_with_its_source_can_be_evacuated_from_there(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        let mut cluster = made.start().await;
        let moving = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(moving, Status::Running).await;
        cluster.die(1);
        cluster.declare_dead(1, true).await;
        let ended = cluster.ends(moving).await.migration;
        assert_eq!(ended.status(), Status::Failed);
        assert_eq!(ended.failure.unwrap().code, FailureCode::SourceDead);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(1))));

        let evacuation = cluster.evacuate(1, false).await.unwrap();
        cluster.reaches(evacuation, Status::Done).await;
        assert_eq!(cluster.server(1).await.host, Some(host(2)));
        cluster.come_back(1);
        assert_eq!(cluster.ends(evacuation).await.migration.status(), Status::Completed);
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn a_dead_destination_holds_neither_the_server_nor_its_slots(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        let mut cluster = made.start().await;
        let moving = cluster.begin(1, to(2)).await.unwrap();
        cluster.reaches(moving, Status::Running).await;
        cluster.die(2);
        cluster.declare_dead(2, true).await;
        let ended = cluster.ends(moving).await.migration;
        assert_eq!(ended.status(), Status::Failed, "{:#?}", cluster.log(moving).await);
        assert_eq!(ended.failure.unwrap().code, FailureCode::DestinationDead);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.task_state), (VmState::Active, None));
        assert_eq!(server.host, Some(host(1)));
        assert!(cluster.store.slot_list().await.unwrap().is_empty());
        assert!(cluster.store.claim_list().await.unwrap().is_empty());
        assert_eq!(cluster.open_discrepancies().await, [Kind::DestinationNotClean]);

        cluster.come_back(2);
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn a_guest_that_died_with_its_destination_is_recorded_there(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0, 0]).start().await;
        cluster.hold(&host(2), HoldPoint::BeforeFinish);
        let moving = cluster.begin(1, to(2)).await.unwrap();
        has_event(&cluster, moving, "handed_over").await;
        cluster.die(2);
        cluster.declare_dead(2, true).await;
        let ended = cluster.ends(moving).await.migration;
        assert_eq!(ended.status(), Status::Completed, "{:#?}", cluster.log(moving).await);
        assert_eq!(cluster.server(1).await.host, Some(host(2)));
        assert!(cluster.store.slot_list().await.unwrap().is_empty());

        let evacuation = cluster.evacuate(1, false).await.unwrap();
        cluster.reaches(evacuation, Status::Done).await;
        let server = cluster.server(1).await;
        assert_eq!(server.vm_state, VmState::Active);
        assert_ne!(server.host, Some(host(2)));
        assert_eq!(cluster.fabric.whereabouts(server.uuid), server.host);
    }

    async fn a_cold_move_whose_destination_dies_goes_back(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.hold(&host(2), HoldPoint::BeforeBoot);
        let moving = cluster.begin_cold(1).await.unwrap();
        cluster.reaches(moving, Status::PostMigrating).await;
        cluster.die(2);
        cluster.declare_dead(2, true).await;
        let ended = cluster.ends(moving).await.migration;
        assert_eq!(ended.status(), Status::Error, "{:#?}", cluster.log(moving).await);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(1))));
        assert_eq!(cluster.open_discrepancies().await, [Kind::DestinationNotClean]);
        cluster.come_back(2);
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn an_evacuation_whose_destination_dies_can_be_asked_for_again(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0, 0]).start().await;
        cluster.die(1);
        cluster.declare_dead(1, true).await;
        for number in [2, 3] {
            cluster.hold(&host(number), HoldPoint::BeforeBoot);
        }
        let first = cluster.evacuate(1, false).await.unwrap();
        let placed = cluster.reaches(first, Status::PreMigrating).await.migration;
        let chosen = placed.placement.unwrap().host;
        let number = if chosen == host(2) { 2 } else { 3 };
        cluster.die(number);
        cluster.declare_dead(number, true).await;
        let ended = cluster.ends(first).await.migration;
        assert_eq!(ended.failure.unwrap().code, FailureCode::DestinationDead);
        let other = if number == 2 { 3 } else { 2 };
        cluster.release(&host(other), HoldPoint::BeforeBoot);
        let second = cluster.evacuate(1, false).await.unwrap();
        cluster.reaches(second, Status::Done).await;
        assert_eq!(cluster.server(1).await.host, Some(host(other)));
    }

    async fn silence_is_no_proof(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.kill_agent(&host(1));
        let waiting = cluster.evacuate(1, false).await.unwrap();
        has_event(&cluster, waiting, "source_silent").await;
        let migration = cluster.record(waiting).await.migration;
        assert_eq!(migration.status(), Status::Accepted);
        assert_eq!(migration.failure.unwrap().code, FailureCode::SourceNotFenced);

        // It was only silent, with its guest alive.
        cluster.start_agent(&host(1));
        let dropped = cluster.ends(waiting).await.migration;
        assert_eq!(dropped.failure.unwrap().code, FailureCode::StillInUse);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.task_state), (VmState::Active, None));
        assert_eq!(server.host, Some(host(1)));
        cluster.is_sound().await;

        // Now it is dead.
        cluster.die(1);
        let waiting = cluster.evacuate(1, false).await.unwrap();
        has_event(&cluster, waiting, "source_silent").await;
        cluster.declare_dead(1, true).await;
        cluster.reaches(waiting, Status::Done).await;
        assert_eq!(cluster.server(1).await.host, Some(host(2)));
    }

    async fn an_evacuation_does_not_wait_for_ever(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.config.fencing_wait = std::time::Duration::from_millis(300);
        let mut cluster = made.start().await;
        cluster.kill_agent(&host(1));
        let waiting = cluster.evacuate(1, false).await.unwrap();
        let dropped = cluster.ends(waiting).await.migration;
        assert_eq!(dropped.status(), Status::Error);
        assert_eq!(dropped.failure.unwrap().code, FailureCode::SourceNotFenced);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.task_state), (VmState::Active, None));
        assert_eq!(server.host, Some(host(1)));
        assert_eq!(cluster.fabric.whereabouts(server.uuid), Some(host(1)));
    }

    async fn whoever_takes_over_owns_what_was_left(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let cold = cluster.begin_cold(1).await.unwrap();
        cluster.reaches(cold, Status::Finished).await;
        // Somebody resets the server's state, and moves it again: back to where it came from.
        cluster.reset_to_active(1).await;
        let back = cluster.begin(1, anywhere()).await.unwrap();
        let ended = cluster.ends(back).await.migration;
        assert_eq!(ended.status(), Status::Completed, "{:#?}", cluster.log(back).await);
        assert_eq!(cluster.server(1).await.host, Some(host(1)));
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn an_unconfirmed_move_whose_destination_died_is_evacuated_to_where_it_came_from(
        made: Made,
    ) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        let cold = cluster.begin_cold(1).await.unwrap();
        cluster.reaches(cold, Status::Finished).await;
        cluster.die(2);
        cluster.declare_dead(2, true).await;
        let evacuation = cluster.evacuate(1, false).await.unwrap();
        cluster.reaches(evacuation, Status::Done).await;
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(1))));
        cluster.come_back(2);
        assert_eq!(cluster.ends(evacuation).await.migration.status(), Status::Completed);
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn a_word_that_is_taken_back_is_no_proof_any_more(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.kill_agent(&host(1));
        cluster.declare_dead(1, true).await;
        cluster.hold(&host(2), HoldPoint::BeforeBoot);
        let evacuation = cluster.evacuate(1, false).await.unwrap();
        cluster.journals(&host(2), evacuation).await;
        cluster.kill_agent(&host(2));
        cluster.declare_dead(1, false).await;
        cluster.release(&host(2), HoldPoint::BeforeBoot);
        cluster.start_agent(&host(2));

        let ended = cluster.ends(evacuation).await.migration;
        assert_eq!(ended.failure.unwrap().code, FailureCode::SourceNotFenced);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(1))));
        assert_eq!(cluster.fabric.whereabouts(server.uuid), Some(host(1)));
    }

    async fn a_host_that_lives_whatever_was_declared_is_followed_on(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        let cluster = made.start().await;
        let moving = cluster.begin(1, anywhere()).await.unwrap();
        let (before, _) = progressed_beyond(&cluster, moving, 0).await;
        cluster.declare_dead(1, true).await;
        progressed_beyond(&cluster, moving, before).await;
        assert_eq!(cluster.record(moving).await.migration.status(), Status::Running);
    }

    async fn the_last_copy_of_a_disk_outlives_a_dead_destination(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.guest(1).disks[0].pool = None;
        let mut cluster = made.start().await;
        cluster.hold(&host(2), HoldPoint::BeforeFinish);
        let moving = cluster.begin(1, to(2)).await.unwrap();
        has_event(&cluster, moving, "handed_over").await;
        cluster.die(2);
        cluster.declare_dead(2, true).await;
        let ended = cluster.ends(moving).await.migration;
        assert_eq!(ended.status(), Status::Completed, "{:#?}", cluster.log(moving).await);
        assert_eq!(cluster.open_discrepancies().await, [Kind::SourceNotClean]);
    }

    async fn a_guest_that_a_presumed_dead_destination_started_is_followed(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.die(1);
        cluster.declare_dead(1, true).await;
        cluster.hold(&host(2), HoldPoint::Booted);
        let evacuation = cluster.evacuate(1, false).await.unwrap();
        wait_for("the guest to be started", PATIENCE, async || {
            let there = cluster.fabric.whereabouts(server(1)) == Some(host(2));
            Ok(there.then_some(()))
        })
        .await
        .unwrap();
        cluster.kill_agent(&host(2));
        cluster.declare_dead(2, true).await;
        let ended = cluster.ends(evacuation).await.migration;
        assert_eq!(ended.failure.unwrap().code, FailureCode::DestinationDead);

        // Its link was down, and nothing else.
        cluster.release(&host(2), HoldPoint::Booted);
        cluster.start_agent(&host(2));
        cluster.declare_dead(2, false).await;
        wait_for("the record to follow", PATIENCE, async || {
            Ok((cluster.server(1).await.host == Some(host(2))).then_some(()))
        })
        .await
        .unwrap();
    }
}
