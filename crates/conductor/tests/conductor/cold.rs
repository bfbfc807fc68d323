//! Cold moves, from the request to their confirmation or back.

use std::time::Duration;

use godwit_compute_agent::drivers::simulated::{Fault, Power, Step};
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::MigrationUuid;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::status::MigrationStatus as Status;
use godwit_store::{ActionPage, MigrationRecord};
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::crash::has_event;

fn failure() -> Failure {
    Failure::new(FailureCode::HypervisorError, "It broke.")
}

/// Moves a server as far as it goes by itself.
async fn moved(cluster: &Cluster) -> MigrationUuid {
    let uuid = cluster.begin_cold(1).await.unwrap();
    cluster.reaches(uuid, Status::Finished).await;
    uuid
}

/// It ended with the server as it was, on its source.
async fn as_it_was(cluster: &Cluster, record: &MigrationRecord) {
    let server = cluster.server(1).await;
    let source = &record.migration.source_compute;
    assert_eq!(server.host.as_ref(), Some(source));
    assert_eq!(
        (server.vm_state, server.task_state),
        (VmState::Active, None)
    );
    assert_eq!(
        cluster.fabric.whereabouts(server.uuid).as_ref(),
        Some(source)
    );
    cluster.is_sound().await;
}

on_both! {
    async fn a_move_waits_for_its_confirmation(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let uuid = moved(&cluster).await;
        let server = cluster.server(1).await;
        assert_eq!(server.host, Some(host(2)));
        assert_eq!((server.vm_state, server.task_state), (VmState::Resized, None));
        assert_eq!(cluster.fabric.whereabouts(server.uuid), Some(host(2)));
        assert_eq!(cluster.record(uuid).await.migration.deadline, None);

        assert!(cluster.ask(uuid, Event::ConfirmRequested).await);
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Confirmed);
        let server = cluster.server(1).await;
        assert_eq!((server.vm_state, server.host), (VmState::Active, Some(host(2))));
        cluster.is_sound().await;
    }

    async fn a_move_is_undone(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let uuid = moved(&cluster).await;
        assert!(cluster.ask(uuid, Event::RevertRequested).await);
        let task = cluster.server(1).await.task_state;
        assert!([Some(TaskState::ResizeReverting), None].contains(&task), "{task:?}");
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Reverted);
        as_it_was(&cluster, &record).await;
        let again = moved(&cluster).await;
        assert!(cluster.ask(again, Event::ConfirmRequested).await);
        assert_eq!(cluster.ends(again).await.migration.status(), Status::Confirmed);
        cluster.is_sound().await;
    }

    async fn time_confirms_a_move(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.config.time_limits.confirm = Duration::from_millis(500);
        let cluster = made.start().await;
        let uuid = cluster.begin_cold(1).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Confirmed);
        let log = cluster.log(uuid).await;
        assert!(log.iter().any(|line| line.starts_with("deadline_passed")), "{log:?}");
        cluster.is_sound().await;
    }

    async fn a_guest_that_was_off_is_started_nowhere(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.guest(1).power = Power::Off;
        let cluster = made.start().await;
        wait_for("the server to be known as off", PATIENCE, async || {
            let server = cluster.server(1).await;
            Ok((server.power_state == PowerState::Shutdown).then_some(()))
        })
        .await
        .unwrap();
        assert_eq!(cluster.server(1).await.vm_state, VmState::Stopped);
        let uuid = moved(&cluster).await;
        assert_eq!(cluster.fabric.power_of(server(1)), Some(Power::Off));
        assert!(cluster.ask(uuid, Event::RevertRequested).await);
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Reverted);
        assert_eq!(cluster.fabric.power_of(server(1)), Some(Power::Off));
        assert_eq!(cluster.server(1).await.vm_state, VmState::Stopped);
    }

    async fn whatever_fails_the_server_is_as_it_was(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        for (side, step) in [(2, Step::Prepare), (1, Step::Start), (2, Step::Boot)] {
            cluster.fabric.inject(&host(side), step, Fault::Fail(failure()));
            let uuid = cluster.begin_cold(1).await.unwrap();
            let record = cluster.ends(uuid).await;
            assert_eq!(record.migration.status(), Status::Error, "{step:?}");
            assert!(record.migration.failure.is_some());
            as_it_was(&cluster, &record).await;
        }
        let uuid = moved(&cluster).await;
        assert!(cluster.ask(uuid, Event::ConfirmRequested).await);
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Confirmed);
        cluster.is_sound().await;
    }

    async fn a_conductor_may_die_between_any_two_events(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        let forward = ["requested", "placed", "prepared", "source_stopped", "booted"];
        let ways: [(Event, &[&str], Status); 2] = [
            (
                Event::RevertRequested,
                &["revert_requested", "withdrawn"],
                Status::Reverted,
            ),
            (Event::ConfirmRequested, &["confirm_requested"], Status::Confirmed),
        ];
        for (request, names, ends) in ways {
            for event in forward.iter().chain(names) {
                let uuid = cluster.begin_cold(1).await.unwrap();
                if forward.contains(event) {
                    has_event(&cluster, uuid, event).await;
                } else {
                    cluster.reaches(uuid, Status::Finished).await;
                    assert!(cluster.ask(uuid, request.clone()).await);
                    has_event(&cluster, uuid, event).await;
                }
                cluster.kill_conductor(1);
                cluster.start_conductor(1);
                if forward.contains(event) {
                    cluster.reaches(uuid, Status::Finished).await;
                    assert!(cluster.ask(uuid, request.clone()).await);
                }
                let status = cluster.ends(uuid).await.migration.status();
                assert_eq!(status, ends, "{event}: {:#?}", cluster.log(uuid).await);
                cluster.is_sound().await;
            }
        }
    }

    async fn the_action_tells_what_was_done(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let uuid = moved(&cluster).await;
        assert!(cluster.ask(uuid, Event::ConfirmRequested).await);
        cluster.ends(uuid).await;
        let page = ActionPage::default();
        let actions = cluster.store.instance_action_list(server(1), &page).await.unwrap();
        assert_eq!(actions[0].action, "migrate");
        let events = cluster.store.instance_action_events(actions[0].id).await.unwrap();
        let mut told: Vec<_> = events
            .iter()
            .map(|event| (event.event.as_str(), event.result.as_deref()))
            .collect();
        told.reverse();
        let success = Some("Success");
        assert_eq!(
            told,
            [
                ("cold_migrate", success),
                ("compute_prep_resize", success),
                ("compute_resize_instance", success),
                ("compute_finish_resize", success),
            ]
        );
    }
}
