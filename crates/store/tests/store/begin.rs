//! How a live migration begins, and when it does not.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::ServerUuid;
use godwit_core::migration::{Limits, LiveRequest, Request};
use godwit_core::server::TaskState;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_store::{BeginError, NewLiveMigration};
use uuid::Uuid;

use crate::bench::{anybody, anywhere, at, host, migration, new_migration, server};

on_both! {
    async fn everything_appears_at_once(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let before = bench.server(1).await;
        let record = bench.begin(1).await;

        assert_eq!(record, bench.record(1).await, "what is returned is what is stored");
        let migration = &record.migration;
        assert_eq!(migration.status(), MigrationStatus::Accepted);
        assert_eq!(migration.kind, MigrationKind::LiveMigration);
        assert_eq!(migration.server, server(1));
        assert_eq!(migration.source_compute, host("a"));
        assert_eq!((&migration.placement, &record.dest_compute), (&None, &None));
        assert_eq!(migration.request, Request::Live(anywhere()));
        assert_eq!(migration.limits, Limits::default());
        assert_eq!(migration.deadline, Some(at(10).plus(Limits::default().accepted)));
        assert_eq!((migration.generation, migration.effect_sequence), (1, 1));
        assert_eq!((record.created_at, record.updated_at), (at(10), None));
        assert_eq!((record.status_since, record.ended_at), (at(10), None));
        assert_eq!(record.source_node, None, "as Nova: only once a destination is found");
        assert_eq!(record.old_flavor_id, Some(before.flavor.id));
        assert_eq!(record.user_id.as_deref(), Some("admin"));
        assert_eq!(record.request_id.as_deref(), Some("req-1"));

        let after = bench.server(1).await;
        assert_eq!(after.task_state, Some(TaskState::Migrating));
        assert_eq!(after.generation, before.generation + 1);
        assert_eq!(after.updated_at, Some(at(10)));

        let events = bench.store.migration_events(migration.uuid, 0).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].sequence, events[0].name.as_str()), (1, "requested"));
        assert_eq!((events[0].from_status, events[0].to_status), (None, MigrationStatus::Accepted));
        assert_eq!(events[0].request_id.as_deref(), Some("req-1"));
        bench.assert_sound().await;
    }

    async fn a_forced_host_is_shown_before_it_is_accepted(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let request = LiveRequest { host: Some(host("b")), forced: true, ..anywhere() };
        let new = NewLiveMigration { request, ..new_migration(1, at(10)) };
        let record = bench.store.server_begin_live_migration(new, anybody).await.unwrap();
        assert_eq!(record.dest_compute, Some(host("b")));
        assert_eq!(record.migration.placement, None);

        let failure = Failure::new(FailureCode::NoValidHost, "No valid host was found.");
        bench.drive(1, [Event::NotPlaced(failure.clone())]).await;
        let record = bench.record(1).await;
        assert_eq!(record.migration.status(), MigrationStatus::Error);
        assert_eq!(record.migration.failure, Some(failure));
        assert_eq!(record.dest_compute, Some(host("b")), "and still after it was refused");
        bench.assert_sound().await;
    }

    async fn refusals_change_nothing(bench: Bench) {
        bench.fleet(&[("a", 2)]).await;
        let before = bench.server(1).await;
        let unknown = NewLiveMigration {
            server: ServerUuid(Uuid::nil()),
            ..new_migration(9, at(10))
        };
        let error = bench.store.server_begin_live_migration(unknown, anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NoSuchServer), "{error:?}");

        let refused = bench
            .store
            .server_begin_live_migration(new_migration(1, at(10)), |server| {
                Err::<(), _>(server.name.clone())
            })
            .await;
        assert!(matches!(refused, Err(BeginError::Refused(name)) if name == "vm-1"));
        assert_eq!(bench.server(1).await, before);
        assert_eq!(bench.store.migration_find(migration(1)).await.unwrap(), None);

        bench.begin(1).await;
        let again = NewLiveMigration { uuid: migration(7), ..new_migration(1, at(11)) };
        let error = bench.store.server_begin_live_migration(again, anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NotFree), "{error:?}");
        bench.assert_sound().await;
    }

    async fn an_unfinished_migration_stands_in_the_way_of_another(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.begin(1).await;
        // As if somebody had reset the server's state.
        bench.sql("UPDATE servers SET task_state = NULL");
        let again = NewLiveMigration { uuid: migration(7), ..new_migration(1, at(11)) };
        let error = bench.store.server_begin_live_migration(again, anybody).await.unwrap_err();
        assert!(matches!(error, BeginError::NotFree), "{error:?}");
        assert_eq!(bench.server(1).await.task_state, None, "rolled back");

        bench.sql("UPDATE migrations SET imported = TRUE");
        let again = NewLiveMigration { uuid: migration(7), ..new_migration(1, at(11)) };
        bench.store.server_begin_live_migration(again, anybody).await.unwrap();
    }

    async fn migrations_in_progress_are_found_with_their_server(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        let find = async |project| {
            let found = bench.store.migrations_in_progress_for_server(server(1), project);
            found.await.unwrap().map(|it| (it.project_id, it.found.len()))
        };
        assert_eq!(find(None).await, Some(("demo".to_owned(), 0)));
        assert_eq!(find(Some("lab")).await, None, "another project's");
        bench.begin(1).await;
        assert_eq!(find(Some("demo")).await, Some(("demo".to_owned(), 0)), "accepted is not");
        bench.drive(1, [crate::bench::placed("b")]).await;
        assert_eq!(find(Some("demo")).await, Some(("demo".to_owned(), 1)));
        let found = bench.store.migrations_in_progress_for_server(server(1), None).await;
        let (found, record) = (found.unwrap().unwrap().found, bench.record(1).await);
        let seen = found.iter().map(|it| (it.id, it.uuid, it.status, it.dest_compute.clone()));
        let of = record.migration;
        let expected = (record.id, of.uuid, of.status(), of.destination().cloned());
        assert_eq!(seen.collect::<Vec<_>>(), [expected]);
        bench.drive(1, [Event::AbortRequested, Event::CancelledUnstarted]).await;
        assert_eq!(find(None).await, Some(("demo".to_owned(), 0)), "ended is not");
        let nobody = ServerUuid(Uuid::nil());
        let found = bench.store.migrations_in_progress_for_server(nobody, None).await.unwrap();
        assert_eq!(found, None);
        let id = bench.record(1).await.id;
        let by_id = async |n, id| bench.store.migration_find_for_server(server(n), id).await.unwrap();
        assert_eq!(by_id(1, id).await, Some(bench.record(1).await));
        assert_eq!(by_id(2, id).await, None, "another server's");
        assert_eq!(by_id(1, id + 1).await, None);
        let shown = async |n, id, project| {
            let found = bench.store.migration_shown_for_server(server(n), id, project).await;
            found.unwrap().map(|it| it.found.map(|it| it.uuid))
        };
        assert_eq!(shown(1, id, Some("demo")).await, Some(Some(migration(1))));
        assert_eq!(shown(1, id, Some("lab")).await, None, "another project's");
        assert_eq!(shown(2, id, None).await, Some(None), "another server's");
        assert_eq!(shown(99, id, None).await, None, "nobody's");
    }
}
