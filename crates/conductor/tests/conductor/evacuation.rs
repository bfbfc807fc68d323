//! Evacuations: dead hosts, hosts that are not dead, and hosts that return.

use std::time::Duration;

use anyhow::ensure;
use godwit_compute_agent::drivers::simulated::{Fault, Power, Step};
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::fence::FenceKind;
use godwit_core::ids::MigrationUuid;
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock;
use godwit_store::{MigrationKey, Restoring};
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::crash::has_event;

/// Host 1 loses its power, and its operator says so.
async fn die(cluster: &mut Cluster) {
    cluster.die(1);
    cluster.declare_dead(1, true).await;
}

/// And is there again.
async fn come_back(cluster: &mut Cluster) {
    cluster.come_back(1);
    cluster.declare_dead(1, false).await;
}

async fn evacuated(cluster: &mut Cluster) -> MigrationUuid {
    die(cluster).await;
    let uuid = cluster.evacuate_when_free(1).await;
    cluster.reaches(uuid, Status::Done).await;
    uuid
}

on_both! {
    async fn a_dead_hosts_server_runs_elsewhere(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        let uuid = evacuated(&mut cluster).await;
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.task_state), (VmState::Active, None));
        assert_eq!(server.host, Some(host(2)));
        assert_eq!(cluster.fabric.whereabouts(server.uuid), Some(host(2)));
        assert!(cluster.store.claim_list().await.unwrap().is_empty());
        let detail = cluster.store.migration_detail(MigrationKey::Uuid(uuid), None).await;
        let proof = detail.unwrap().unwrap().fence_proof.unwrap();
        assert_eq!((proof.kind, proof.evidence.host), (FenceKind::Operator, host(1)));
        assert!(proof.at.is_some() && proof.evidence.forced_down);

        come_back(&mut cluster).await;
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
        assert_eq!(cluster.server(1).await.host, Some(host(2)));
        cluster.is_sound().await;
    }

    async fn a_server_that_is_to_end_stopped_is_not_started(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        die(&mut cluster).await;
        let uuid = cluster.evacuate(1, true).await.unwrap();
        cluster.reaches(uuid, Status::Done).await;
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Stopped, Some(host(2))));
    }

    /// Since the backup was made, the server has moved to a host that is silent now.
    async fn after_a_restore_nothing_is_started_before_all_hosts_were_heard(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0, 0]).start().await;
        cluster.kill_agent(&host(3));
        cluster.die(1);
        let told = Restoring {
            at: SystemClock.now(),
            dead: [host(1)].into(),
            remember: Duration::from_secs(7 * 86_400),
        };
        cluster.store.restored(told).await.unwrap();
        cluster.kill_agent(&host(2));
        cluster.start_agent(&host(2));
        let uuid = cluster.evacuate(1, false).await.unwrap();
        let ended = cluster.ends(uuid).await.migration;
        assert_eq!(ended.status(), Status::Error);
        let failure = ended.failure.unwrap();
        assert_eq!(failure.code, FailureCode::StillInUse);
        let why = "has not shown what it has since the database was restored.";
        assert!(failure.message.ends_with(why), "{failure}");
        let kept = cluster.server(1).await;
        assert_eq!((kept.vm_state, kept.host), (VmState::Active, Some(host(1))));

        cluster.start_agent(&host(3));
        wait_for("all hosts to have shown what they have", PATIENCE, async || {
            let awaited = cluster.store.host_awaited(&host(1)).await?;
            ensure!(awaited.is_none(), "{awaited:?} is awaited");
            Ok(Some(()))
        })
        .await
        .unwrap();
        let uuid = cluster.evacuate(1, false).await.unwrap();
        cluster.reaches(uuid, Status::Done).await;
    }

    async fn a_host_that_answers_keeps_its_server(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let uuid = cluster.evacuate(1, false).await.unwrap();
        let ended = cluster.ends(uuid).await.migration;
        assert_eq!(ended.status(), Status::Error);
        let failure = ended.failure.unwrap();
        assert_eq!(failure.code, FailureCode::StillInUse);
        assert_eq!(failure.message, "Compute service of host-1 is still in use.");
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(1))));
        cluster.is_sound().await;
    }

    /// The command to start it was given up and may still be under way, when the source turns out
    /// to have had the server all the time.
    async fn a_host_that_returns_with_its_server_keeps_it(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.kill_agent(&host(1));
        cluster.declare_dead(1, true).await;
        cluster.hold(&host(2), HoldPoint::BeforeBoot);
        let uuid = cluster.evacuate(1, false).await.unwrap();
        cluster.journals(&host(2), uuid).await;
        cluster.kill_agent(&host(2));
        cluster.start_agent(&host(1));
        cluster.start_agent(&host(2));
        cluster.release(&host(2), HoldPoint::BeforeBoot);
        let ended = cluster.ends(uuid).await.migration;
        let log = cluster.log(uuid).await;
        assert_eq!(ended.status(), Status::Failed, "{log:#?}");
        assert_eq!(ended.failure.unwrap().code, FailureCode::StillInUse, "{log:#?}");
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(1))));
        assert_eq!(cluster.fabric.power_of(server.uuid), Some(Power::On));
        cluster.is_sound().await;
    }

    async fn a_host_that_was_declared_dead_may_take_a_moment_to_die(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.declare_dead(1, true).await;
        let uuid = cluster.evacuate(1, false).await.unwrap();
        // It is asked, and answers, before its power goes.
        has_event(&cluster, uuid, "requested").await;
        die(&mut cluster).await;
        cluster.reaches(uuid, Status::Done).await;
        assert_eq!(cluster.server(1).await.host, Some(host(2)));
    }

    async fn a_host_that_does_not_die_keeps_its_server_whatever_was_declared(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.declare_dead(1, true).await;
        let uuid = cluster.evacuate(1, false).await.unwrap();
        let failure = cluster.ends(uuid).await.migration.failure.unwrap();
        assert_eq!(failure.code, FailureCode::StillInUse);
        assert_eq!(cluster.server(1).await.host, Some(host(1)));
    }

    async fn a_server_that_no_host_takes_is_broken(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        die(&mut cluster).await;
        let broke = Failure::new(FailureCode::HypervisorError, "It broke.");
        cluster.fabric.inject(&host(2), Step::Boot, Fault::Fail(broke));
        let uuid = cluster.evacuate(1, false).await.unwrap();
        let ended = cluster.ends(uuid).await.migration;
        assert_eq!(ended.status(), Status::Failed);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Error, Some(host(1))));
        // Somebody tries again, and it works.
        let uuid = cluster.evacuate(1, false).await.unwrap();
        cluster.reaches(uuid, Status::Done).await;
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(2))));
    }

    async fn a_move_under_way_ends_before_the_server_is_evacuated(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        let mut cluster = made.start().await;
        let moving = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(moving, Status::Running).await;
        let uuid = evacuated(&mut cluster).await;
        let failed = cluster.record(moving).await.migration;
        assert_eq!(failed.status(), Status::Failed);
        assert_eq!(failed.failure.unwrap().code, FailureCode::SourceDead);
        assert_eq!(cluster.fabric.whereabouts(server(1)), Some(host(2)));
        come_back(&mut cluster).await;
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
    }

    async fn a_conductor_may_die_between_any_two_events(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        for event in ["requested", "placed", "booted", "source_returned"] {
            die(&mut cluster).await;
            let uuid = cluster.evacuate(1, false).await.unwrap();
            if event == "source_returned" {
                cluster.reaches(uuid, Status::Done).await;
                come_back(&mut cluster).await;
            }
            has_event(&cluster, uuid, event).await;
            cluster.kill_conductor(1);
            cluster.start_conductor(1);
            if event != "source_returned" {
                cluster.reaches(uuid, Status::Done).await;
                come_back(&mut cluster).await;
            }
            let status = cluster.ends(uuid).await.migration.status();
            assert_eq!(status, Status::Completed, "{:#?}", cluster.log(uuid).await);
            cluster.all_are_up().await;
            cluster.is_sound().await;
            // Back, so that the next one begins where this one did.
            let back = cluster.begin(1, to(1)).await.unwrap();
            assert_eq!(cluster.ends(back).await.migration.status(), Status::Completed);
        }
    }
}
