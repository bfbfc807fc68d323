//! Cold migrations: the server's row along the way, whose room is whose, and both ways on from
//! `finished`.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use godwit_core::migration::{ColdRequest, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::recovery::Sighting;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::status::{MigrationKind, MigrationStatus as Status};
use godwit_store::{BeginError, NewLiveMigration, ResizeError};

use crate::bench::{
    Bench, ROOM, anybody, asked, at, host, migration, new_cold, new_migration, placed, running,
    server, sighted,
};

/// What leads to `finished`, after the placement.
const TO_FINISHED: [Event; 3] = [Event::Prepared, Event::SourceStopped, Event::Booted];

async fn finished(bench: &Bench) {
    bench.fleet(&[("a", 1), ("b", 0)]).await;
    bench.begin_cold(1).await;
    bench.drive(1, [placed("b")]).await;
    bench.drive(1, TO_FINISHED).await;
    bench.assert_sound().await;
}

async fn claimed(bench: &Bench) -> Vec<HostName> {
    let claims = bench.store.claim_list().await.unwrap();
    assert!(claims.iter().all(|claim| claim.room == ROOM));
    claims.into_iter().map(|claim| claim.host).collect()
}

async fn seen(bench: &Bench) -> Vec<(HostName, Sighting)> {
    let seen = bench.store.sightings(server(1)).await.unwrap();
    seen.into_iter().map(|it| (it.host, it.sighting)).collect()
}

/// Host, state, task and power of server 1.
async fn is(bench: &Bench, on: &str, state: VmState, task: Option<TaskState>, power: PowerState) {
    let found = bench.server(1).await;
    assert_eq!(found.host, Some(host(on)));
    assert_eq!(found.node, Some(format!("{on}.example.org")));
    assert_eq!(found.availability_zone, Some(format!("zone-of-{on}")));
    assert_eq!((found.vm_state, found.task_state), (state, task));
    assert_eq!(found.power_state, power);
    bench.assert_sound().await;
}

fn no() -> Failure {
    Failure::new(FailureCode::BootFailed, "It did not start.")
}

on_both! {
    async fn the_server_goes_along(bench: Bench) {
        use PowerState::{Running, Shutdown};
        use VmState::{Active, Resized};
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let record = bench.begin_cold(1).await;
        assert_eq!(record, bench.record(1).await);
        assert_eq!(record.migration.kind, MigrationKind::Migration);
        assert_eq!(record.migration.status(), Status::PreMigrating);
        let request = ColdRequest { host: None, was: Active, affinity: Affinity::Strict };
        assert_eq!(record.migration.request, Request::Cold(request), "was: as it is in the row");
        assert_eq!(record.source_node.as_deref(), Some("a.example.org"));
        assert_eq!((record.old_flavor_id, &record.dest_host), (record.new_flavor_id, &None));
        assert!(record.old_flavor_id.is_some());
        is(&bench, "a", Active, Some(TaskState::ResizePrep), Running).await;

        bench.drive(1, [placed("b")]).await;
        let record = bench.record(1).await;
        assert_eq!(record.dest_host.as_deref(), Some("192.0.2.1"), "Nova shows it of cold moves");
        assert_eq!((record.started_at, claimed(&bench).await), (None, vec![host("b")]));
        bench.drive(1, [Event::Prepared]).await;
        assert_eq!(bench.record(1).await.started_at, Some(at(20)));
        is(&bench, "a", Active, Some(TaskState::ResizeMigrating), Running).await;

        bench.drive(1, [Event::SourceStopped]).await;
        assert_eq!(claimed(&bench).await, [host("a")], "the way back");
        is(&bench, "b", Active, Some(TaskState::ResizeFinish), Shutdown).await;
        bench.drive(1, [Event::Booted]).await;
        let record = bench.record(1).await;
        assert_eq!((record.migration.status(), record.ended_at), (Status::Finished, None));
        assert_eq!((record.migration.deadline, claimed(&bench).await), (None, vec![host("a")]));
        is(&bench, "b", Resized, None, Running).await;
        let expected = [(host("a"), Sighting::Inactive), (host("b"), Sighting::Executing)];
        assert_eq!(seen(&bench).await, expected);

        let waiting = bench.store.migration_awaiting_confirmation(server(1)).await.unwrap();
        assert_eq!(waiting, Some(record));
        let confirmed = bench.store.resize_confirm(server(1), asked("req-2", at(30)), anybody);
        assert_eq!(confirmed.await.unwrap().record.migration.status(), Status::Confirming);
        is(&bench, "b", Resized, None, Running).await;
        bench.drive(1, [Event::Finished { clean: true }]).await;
        let record = bench.record(1).await;
        assert_eq!((record.migration.status(), record.ended_at), (Status::Confirmed, Some(at(20))));
        assert_eq!((claimed(&bench).await, seen(&bench).await.len()), (vec![], 1));
        is(&bench, "b", Active, None, Running).await;
    }

    async fn a_server_that_was_off_stays_off(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0)]).await;
        bench.hears("a", at(2), vec![sighted(1, Sighting::Inactive)]).await;
        bench.begin_cold(1).await;
        bench.drive(1, [placed("b")]).await;
        bench.drive(1, TO_FINISHED).await;
        is(&bench, "b", VmState::Resized, None, PowerState::Shutdown).await;
        let confirmed = bench.store.resize_confirm(server(1), asked("req-2", at(30)), anybody);
        confirmed.await.unwrap();
        bench.drive(1, [Event::Finished { clean: true }]).await;
        is(&bench, "b", VmState::Stopped, None, PowerState::Shutdown).await;
    }

    async fn what_its_user_does_before_the_confirmation_counts(bench: Bench) {
        finished(&bench).await;
        bench.hears("b", at(40), vec![sighted(1, Sighting::Inactive)]).await;
        is(&bench, "b", VmState::Resized, None, PowerState::Shutdown).await;
        let confirmed = bench.store.resize_confirm(server(1), asked("req-2", at(41)), anybody);
        confirmed.await.unwrap();
        bench.drive(1, [Event::Finished { clean: true }]).await;
        is(&bench, "b", VmState::Stopped, None, PowerState::Shutdown).await;
    }

    async fn it_can_be_undone(bench: Bench) {
        finished(&bench).await;
        let reverted = bench.store.resize_revert(server(1), asked("req-2", at(30)), anybody);
        assert_eq!(reverted.await.unwrap().record.migration.status(), Status::Reverting);
        let reverting = Some(TaskState::ResizeReverting);
        is(&bench, "b", VmState::Resized, reverting, PowerState::Running).await;
        bench.drive(1, [Event::Withdrawn]).await;
        assert_eq!(claimed(&bench).await, [], "it counts at its source again");
        is(&bench, "a", VmState::Resized, reverting, PowerState::Shutdown).await;
        bench.drive(1, [Event::RolledBack { clean: true }]).await;
        assert_eq!(bench.record(1).await.migration.status(), Status::Reverted);
        assert_eq!(seen(&bench).await, [(host("a"), Sighting::Executing)]);
        is(&bench, "a", VmState::Active, None, PowerState::Running).await;
    }

    async fn a_failure_leaves_the_server_as_it_was(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let before = bench.server(1).await;
        bench.begin_cold(1).await;
        bench.drive(1, [placed("b"), Event::Prepared, Event::SourceStopped]).await;
        bench.drive(1, [Event::NotBooted(no())]).await;
        assert_eq!(claimed(&bench).await, [host("a")]);
        bench.assert_sound().await;
        bench.drive(1, [Event::Withdrawn, Event::RolledBack { clean: true }]).await;
        let record = bench.record(1).await;
        assert_eq!((record.migration.status(), record.migration.failure), (Status::Error, Some(no())));
        let after = bench.server(1).await;
        assert_eq!((after.host, after.node, after.fault), (before.host, before.node, None));
        is(&bench, "a", before.vm_state, None, before.power_state).await;
        assert_eq!(claimed(&bench).await, []);
    }

    async fn a_move_without_a_destination_changes_nothing(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.begin_cold(1).await;
        bench.drive(1, [Event::NotPlaced(no())]).await;
        assert_eq!(bench.record(1).await.migration.status(), Status::Error);
        is(&bench, "a", VmState::Active, None, PowerState::Running).await;
    }

    async fn only_what_waits_can_be_confirmed(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.begin_cold(1).await;
        let confirm = |n| bench.store.resize_confirm(server(n), asked("req-2", at(30)), anybody);
        assert!(matches!(confirm(1).await, Err(ResizeError::NotFinished)));
        assert!(matches!(confirm(2).await, Err(ResizeError::NotFinished)));
        assert!(matches!(confirm(9).await, Err(ResizeError::NoSuchServer)));
        bench.drive(1, [placed("b")]).await;
        bench.drive(1, TO_FINISHED).await;
        let refused = bench.store.resize_revert(server(1), asked("req-3", at(30)), |server| {
            Err::<(), _>(server.vm_state)
        });
        assert!(matches!(refused.await, Err(ResizeError::Refused(VmState::Resized))));
        assert_eq!(bench.record(1).await.migration.status(), Status::Finished);
        assert_eq!(bench.store.instance_action_find(server(1), "req-3").await.unwrap(), None);
        confirm(1).await.unwrap();
        assert!(matches!(confirm(1).await, Err(ResizeError::NotFinished)), "it is being confirmed");
        bench.assert_sound().await;
    }

    async fn what_waits_too_long_is_found(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin_cold(1).await;
        let Event::Placed(placement, mut limits) = placed("b") else { unreachable!() };
        limits.confirm = std::time::Duration::from_secs(3600);
        bench.drive(1, [Event::Placed(placement, limits)]).await;
        bench.drive(1, TO_FINISHED).await;
        let due = async |now| {
            let overdue = bench.store.migrations_overdue(now, 10).await.unwrap();
            overdue.into_iter().map(|it| it.migration.uuid).collect::<Vec<_>>()
        };
        assert_eq!(due(at(3619)).await, []);
        assert_eq!(due(at(3620)).await, [migration(1)]);
        let note = crate::bench::note_for(&Event::DeadlinePassed, at(3620));
        bench.apply(1, Event::DeadlinePassed, note).await.unwrap();
        assert_eq!(bench.record(1).await.migration.status(), Status::Confirming);
        bench.assert_sound().await;
    }

    async fn what_stays_at_the_source_is_no_wonder(bench: Bench) {
        finished(&bench).await;
        let from_a = bench.hears("a", at(40), vec![sighted(1, Sighting::Inactive)]).await;
        let from_b = bench.hears("b", at(40), vec![running(1)]).await;
        assert_eq!((from_a.opened, from_b.opened), (vec![], vec![]));
        bench.assert_sound().await;
        // But nobody may start it there, and the record never follows it back.
        let off = bench.hears("b", at(50), vec![sighted(1, Sighting::Inactive)]).await;
        let woken = bench.hears("a", at(50), vec![running(1)]).await;
        assert_eq!((off.opened.len(), woken.moved_by_hand.len()), (0, 0));
        let kinds: Vec<_> = woken.opened.iter().map(|it| it.subject.kind).collect();
        assert_eq!(kinds, [DiscrepancyKind::SeenElsewhere]);
        is(&bench, "b", VmState::Resized, None, PowerState::Shutdown).await;
        let both = bench.hears("b", at(60), vec![running(1)]).await;
        let kinds: Vec<_> = both.opened.iter().map(|it| it.subject.kind).collect();
        assert_eq!(kinds, [DiscrepancyKind::SeenTwice]);
    }

    async fn nothing_begins_before_the_confirmation(bench: Bench) {
        finished(&bench).await;
        let live = || NewLiveMigration { uuid: migration(7), ..new_migration(1, at(50)) };
        let error = bench.store.server_begin_live_migration(live(), anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NotFree), "{error:?}");

        // Somebody resets the state: then it can be neither confirmed nor reverted.
        let note = asked("req-9", at(45));
        assert!(bench.store.server_reset_state(server(1), VmState::Active, note).await.unwrap());
        bench.assert_sound().await;
        bench.store.server_begin_live_migration(live(), anybody).await.unwrap();
        let record = bench.record(1).await;
        assert_eq!((record.migration.status(), record.ended_at), (Status::Error, Some(at(50))));
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::Superseded);
        assert_eq!(claimed(&bench).await, []);
        assert_eq!(bench.server(1).await.task_state, Some(TaskState::Migrating));
        assert_eq!(bench.record(7).await.migration.source_compute, host("b"));
    }

    async fn a_server_with_a_task_is_not_free(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.sql("UPDATE servers SET task_state = 'powering-off'");
        let error = bench.store.cold_migration_begin(new_cold(1, at(10)), anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NotFree), "{error:?}");
        assert_eq!(bench.store.migration_find(migration(1)).await.unwrap(), None);
    }

    async fn a_guest_that_is_off_is_not_started_whatever_its_state_was_reset_to(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.hears("a", at(2), vec![sighted(1, Sighting::Inactive)]).await;
        let note = asked("req-reset", at(5));
        bench.store.server_reset_state(server(1), VmState::Active, note).await.unwrap();
        let record = bench.begin_cold(1).await;
        let request = ColdRequest { host: None, was: VmState::Stopped, affinity: Affinity::Strict };
        assert_eq!(record.migration.request, Request::Cold(request));
        bench.drive(1, [placed("b")]).await;
        bench.drive(1, TO_FINISHED).await;
        is(&bench, "b", VmState::Resized, None, PowerState::Shutdown).await;
    }
}
