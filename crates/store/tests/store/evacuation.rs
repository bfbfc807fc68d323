//! Evacuations: what they supersede, when the server is free again, and what becomes of the
//! dead host's leftovers.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::effect::Effect;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::{EvacuationRequest, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::recovery::Sighting;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::status::{MigrationKind, MigrationStatus as Status};
use godwit_store::{Actor, BeginError, CommitNote, NewEvacuation, NewLiveMigration};

use crate::bench::{
    Bench, anybody, at, host, migration, new_evacuation, new_migration, placed, running, server,
    sighted,
};

async fn done(bench: &Bench) {
    bench.fleet(&[("a", 1), ("b", 0)]).await;
    bench.evacuate(1).await;
    bench.drive(1, [placed("b"), Event::Booted]).await;
    bench.assert_sound().await;
}

/// The hosts that say something of the server.
async fn seen(bench: &Bench) -> Vec<String> {
    let sightings = bench.store.sightings(server(1)).await.unwrap();
    let hosts = sightings
        .into_iter()
        .map(|sighting| sighting.host.to_string());
    hosts.collect()
}

fn no() -> Failure {
    Failure::new(FailureCode::NoValidHost, "No valid host was found.")
}

fn another(n: u128) -> NewEvacuation {
    NewEvacuation {
        uuid: migration(n),
        ..new_evacuation(1, at(60))
    }
}

on_both! {
    async fn a_server_is_rebuilt_elsewhere(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.sql("UPDATE servers SET vm_state = 'error', task_state = 'powering-off',
                   fault = '{\"code\": 500, \"message\": \"!\", \"details\": null,
                              \"created\": \"2026-01-01T00:00:00Z\"}'");
        let record = bench.evacuate(1).await;
        assert_eq!(record.migration.kind, MigrationKind::Evacuation);
        assert_eq!(record.migration.status(), Status::Accepted);
        let request = EvacuationRequest {
            host: None,
            forced: false,
            was: VmState::Error,
            end_stopped: false,
            affinity: Affinity::Strict,
        };
        assert_eq!(record.migration.request, Request::Evacuation(request));
        assert_eq!((record.old_flavor_id, record.new_flavor_id), (None, None));
        let source = record.source_node.as_deref();
        assert_eq!((source, record.dest_compute), (Some("a.example.org"), None));
        assert_eq!(bench.server(1).await.task_state, Some(TaskState::Rebuilding));
        bench.assert_sound().await;

        bench.drive(1, [placed("b")]).await;
        let record = bench.record(1).await;
        assert_eq!(record.migration.status(), Status::PreMigrating);
        assert_eq!(record.source_node.as_deref(), Some("a.example.org"));
        assert_eq!(record.dest_host.as_deref(), Some("192.0.2.1"));
        assert_eq!(record.started_at, Some(at(20)));
        let claims = bench.store.claim_list().await.unwrap();
        assert_eq!(claims.iter().map(|it| &it.host).collect::<Vec<_>>(), [&host("b")]);
        let waiting = bench.server(1).await;
        assert_eq!((waiting.host, waiting.task_state),
                   (Some(host("a")), Some(TaskState::RebuildSpawning)));
        bench.assert_sound().await;

        bench.drive(1, [Event::Booted]).await;
        let record = bench.record(1).await;
        assert_eq!((record.migration.status(), record.ended_at), (Status::Done, Some(at(20))));
        assert_eq!(record.migration.deadline, None);
        assert_eq!(bench.store.claim_list().await.unwrap(), []);
        let rebuilt = bench.server(1).await;
        assert_eq!((rebuilt.host, rebuilt.vm_state, rebuilt.task_state),
                   (Some(host("b")), VmState::Active, None));
        assert_eq!((rebuilt.power_state, rebuilt.fault), (PowerState::Running, None));
        let seen = bench.store.sightings(server(1)).await.unwrap();
        let seen: Vec<_> = seen.iter().map(|it| (it.host.as_str(), it.sighting)).collect();
        assert_eq!(seen, [("b", Sighting::Executing)], "what the dead host said is past");
        assert_eq!(bench.store.migrations_unfinished().await.unwrap(), []);
        bench.assert_sound().await;
    }

    async fn a_stopped_server_stays_stopped(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0)]).await;
        bench.hears("a", at(2), vec![sighted(1, Sighting::Inactive)]).await;
        bench.evacuate(1).await;
        bench.drive(1, [placed("b"), Event::Booted]).await;
        let rebuilt = bench.server(1).await;
        assert_eq!((rebuilt.vm_state, rebuilt.power_state), (VmState::Stopped, PowerState::Shutdown));
        bench.assert_sound().await;
    }

    async fn a_stopped_server_stays_stopped_however_often_it_fails(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.hears("a", at(2), vec![sighted(1, Sighting::Inactive)]).await;
        // Its host lost it before it died: then only its vm_state says that it was off.
        bench.sql("UPDATE servers SET power_state = 0");
        bench.evacuate(1).await;
        bench.drive(1, [Event::NotPlaced(no())]).await;
        assert_eq!(bench.server(1).await.vm_state, VmState::Error);
        bench.store.evacuation_begin(another(7), anybody).await.unwrap();
        bench.drive(7, [placed("b"), Event::NotBooted(no())]).await;
        // An operator's word about its state is none about its power.
        let note = crate::bench::asked("req-reset", at(30));
        bench.store.server_reset_state(server(1), VmState::Active, note).await.unwrap();
        bench.store.evacuation_begin(another(8), anybody).await.unwrap();
        bench.drive(8, [placed("b"), Event::Booted]).await;
        let rebuilt = bench.server(1).await;
        assert_eq!((rebuilt.vm_state, rebuilt.power_state), (VmState::Stopped, PowerState::Shutdown));
        bench.assert_sound().await;
    }

    async fn a_server_that_a_cold_move_powered_off_is_started(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin_cold(1).await;
        bench.drive(1, [placed("b"), Event::Prepared, Event::SourceStopped]).await;
        assert_eq!(bench.server(1).await.power_state, PowerState::Shutdown);
        bench.store.evacuation_begin(another(7), anybody).await.unwrap();
        bench.drive(7, [Event::NotPlaced(no())]).await;
        let broken = bench.server(1).await;
        assert_eq!((broken.vm_state, broken.power_state), (VmState::Error, PowerState::Running));
        bench.store.evacuation_begin(another(8), anybody).await.unwrap();
        bench.drive(8, [placed("a"), Event::Booted]).await;
        let rebuilt = bench.server(1).await;
        assert_eq!((rebuilt.vm_state, rebuilt.power_state), (VmState::Active, PowerState::Running));
        bench.assert_sound().await;
    }

    async fn a_server_that_cannot_be_rebuilt_is_an_error(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.evacuate(1).await;
        bench.drive(1, [Event::NotPlaced(no())]).await;
        bench.evacuate(2).await;
        bench.drive(2, [placed("b"), Event::NotBooted(no())]).await;
        assert_eq!(bench.record(1).await.migration.status(), Status::Error);
        assert_eq!(bench.record(2).await.migration.status(), Status::Failed);
        for n in [1, 2] {
            let broken = bench.server(n).await;
            assert_eq!((broken.host, broken.vm_state, broken.task_state),
                       (Some(host("a")), VmState::Error, None));
            assert_eq!(broken.fault.unwrap().message, no().message);
        }
        assert_eq!(bench.store.claim_list().await.unwrap(), []);
        bench.assert_sound().await;
        bench.store.evacuation_begin(another(7), anybody).await.unwrap();
        bench.assert_sound().await;
    }

    async fn a_source_that_is_not_dead_keeps_its_server(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let before = bench.server(1).await;
        bench.evacuate(1).await;
        bench.drive(1, [Event::SourceReturned]).await;
        let record = bench.record(1).await;
        assert_eq!(record.migration.status(), Status::Error);
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::StillInUse);
        let after = bench.server(1).await;
        assert_eq!((after.vm_state, after.task_state), (before.vm_state, before.task_state));
        bench.assert_sound().await;
    }

    async fn what_is_done_leaves_the_server_free(bench: Bench) {
        done(&bench).await;
        let live = NewLiveMigration { uuid: migration(7), ..new_migration(1, at(50)) };
        let record = bench.store.server_begin_live_migration(live, anybody).await.unwrap();
        assert_eq!(record.migration.source_compute, host("b"));
        bench.assert_sound().await;
    }

    async fn a_dead_host_that_returns_is_cleaned(bench: Bench) {
        done(&bench).await;
        let left = async |name| {
            let found = bench.store.evacuations_done_from(&host(name)).await.unwrap();
            found.into_iter().map(|it| it.migration.uuid).collect::<Vec<_>>()
        };
        assert_eq!((left("a").await, left("b").await), (vec![migration(1)], vec![]));
        let stepped = bench
            .apply(1, Event::SourceReturned, crate::bench::note_for(&Event::SourceReturned, at(90)))
            .await
            .unwrap();
        assert_eq!(stepped.transition.effects, [Effect::Withdraw]);
        assert_eq!((stepped.record.migration.status(), stepped.record.ended_at),
                   (Status::Done, Some(at(20))));
        bench.assert_sound().await;
        assert_eq!(left("a").await, [migration(1)], "until it says that it is clean");
        bench.drive(1, [Event::Withdrawn]).await;
        let record = bench.record(1).await;
        assert_eq!((record.migration.status(), record.ended_at), (Status::Completed, Some(at(20))));
        assert_eq!(left("a").await, []);
        bench.assert_sound().await;
    }

    async fn what_a_cleaned_host_said_before_does_not_count(bench: Bench) {
        done(&bench).await;
        let leftover = || vec![sighted(1, Sighting::Inactive)];
        bench.hears("a", at(70), leftover()).await;
        let apply = async |event, second| {
            bench.apply(1, event, CommitNote::new(Actor::Conductor, at(second))).await.unwrap();
        };
        apply(Event::SourceReturned, 80).await;
        bench.assert_sound().await;
        apply(Event::Withdrawn, 100).await;
        assert_eq!(bench.record(1).await.migration.status(), Status::Completed);
        bench.assert_sound().await;
        // The agent looked before it cleaned, and is heard after.
        bench.hears("a", at(90), leftover()).await;
        assert_eq!(seen(&bench).await, ["b"]);
        bench.hears("a", at(101), leftover()).await;
        assert_eq!(seen(&bench).await, ["a", "b"], "it is there again");
    }

    async fn a_server_that_came_back_stays_with_the_host_that_was_dead(bench: Bench) {
        done(&bench).await;
        let live = NewLiveMigration { uuid: migration(7), ..new_migration(1, at(50)) };
        bench.store.server_begin_live_migration(live, anybody).await.unwrap();
        let moves = [placed("a"), Event::Admitted, Event::Prepared, Event::HandedOver,
                     Event::Finished { clean: true }];
        bench.drive(7, moves).await;
        bench.hears("a", at(70), vec![running(1)]).await;
        for event in [Event::SourceReturned, Event::Withdrawn] {
            bench.apply(1, event, CommitNote::new(Actor::Conductor, at(80))).await.unwrap();
        }
        assert_eq!(seen(&bench).await, ["a"]);
        bench.assert_sound().await;
    }

    async fn a_leftover_is_no_wonder_but_nobody_guesses(bench: Bench) {
        done(&bench).await;
        let leftover = bench.hears("a", at(70), vec![sighted(1, Sighting::Inactive)]).await;
        assert_eq!(leftover.opened, []);
        bench.assert_sound().await;
        // The dead host started its guests again, while the server is off where it belongs.
        bench.hears("b", at(80), vec![sighted(1, Sighting::Inactive)]).await;
        let woken = bench.hears("a", at(80), vec![running(1)]).await;
        assert_eq!(woken.moved_by_hand, []);
        assert_eq!(woken.opened[0].subject.kind, DiscrepancyKind::SeenElsewhere);
        let twice = bench.hears("b", at(81), vec![running(1)]).await;
        assert_eq!(twice.opened[0].subject.kind, DiscrepancyKind::SeenTwice);
        assert_eq!(bench.server(1).await.host, Some(host("b")));
        // Cleaned, all is well.
        let clean = bench.hears("a", at(90), Vec::new()).await;
        assert!(!clean.closed.is_empty());
        assert_eq!(bench.store.discrepancy_list_open().await.unwrap(), []);
        bench.assert_sound().await;
    }

    async fn an_evacuation_supersedes_what_cannot_go_on(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        bench.store.evacuation_begin(another(7), anybody).await.unwrap();
        let record = bench.record(1).await;
        assert_eq!((record.migration.status(), record.ended_at), (Status::Error, Some(at(60))));
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::Superseded);
        let events = bench.store.migration_events(migration(1), 0).await.unwrap();
        assert_eq!(events.last().unwrap().name, "superseded");
        assert_eq!(bench.store.claim_list().await.unwrap(), []);
        assert_eq!(bench.store.slot_list().await.unwrap(), []);
        assert_eq!(bench.server(1).await.task_state, Some(TaskState::Rebuilding));
        bench.assert_sound().await;
        // One that has not begun is superseded by another, such as to a named host.
        bench.store.evacuation_begin(another(8), anybody).await.unwrap();
        assert_eq!(bench.record(7).await.migration.status(), Status::Error);
        bench.assert_sound().await;
    }

    async fn a_guest_that_may_run_elsewhere_is_not_started_again(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted, Event::Prepared, Event::PostCopyStarted]).await;
        let error = bench.store.evacuation_begin(another(7), anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NotFree), "{error:?}");
        bench.drive(1, [Event::HandedOver]).await;
        let error = bench.store.evacuation_begin(another(7), anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NotFree), "{error:?}");
        bench.drive(1, [Event::Finished { clean: true }]).await;
        bench.store.evacuation_begin(another(7), anybody).await.unwrap();
        bench.drive(7, [placed("a")]).await;
        let error = bench.store.evacuation_begin(another(8), anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NotFree), "its destination may have started it");
        bench.assert_sound().await;
    }

    async fn a_named_destination_is_shown_at_once(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let mut new = new_evacuation(1, at(10));
        new.request.host = Some(host("b"));
        let record = bench.store.evacuation_begin(new, anybody).await.unwrap();
        assert_eq!((record.dest_compute, record.migration.placement), (Some(host("b")), None));
    }
}
