//! The events of all migrations in one order.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures::future::join_all;
use godwit_core::event::Event;
use godwit_core::event_type::EventKind;
use godwit_core::ids::MigrationUuid;
use godwit_store::{
    EventPage, EventQuery, EventReadError, EventSubject, EventTypes, LoggedEvent, NewLiveMigration,
    PositionedEvent, Store,
};

use crate::bench::{Bench, anybody, asked, at, migration, new_migration, note_for, placed, server};

/// What follows a position, in pages of so many.
async fn after(store: &Store, position: i64, limit: i64) -> Vec<PositionedEvent> {
    let query = EventQuery::after(position, limit);
    store.events_page(&query).await.unwrap().events
}

/// Reads in small pages until there are so many.
async fn read(store: Store, count: usize) -> Vec<PositionedEvent> {
    let mut found: Vec<PositionedEvent> = Vec::new();
    while found.len() < count {
        let last = found.last().map_or(0, |last| last.position);
        found.extend(after(&store, last, 3).await);
    }
    found
}

/// Of which migration it is.
fn of(event: &PositionedEvent) -> MigrationUuid {
    match &event.event {
        LoggedEvent::Migration { migration, .. } => *migration,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn an_event_is_the_same_in_both_logs(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        assert_eq!(after(&bench.store, 0, 9).await, []);
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        let log = bench.store.migration_events(migration(1), 0).await.unwrap();
        let all = after(&bench.store, 0, 9).await;
        let numbered = (1..).zip(log).map(|(position, event)| PositionedEvent {
            position,
            event: LoggedEvent::Migration {
                migration: migration(1),
                server: server(1),
                server_project_id: Some("demo".to_owned()),
                line: event,
            },
        });
        assert_eq!(all, numbered.collect::<Vec<_>>());
        assert_eq!(after(&bench.store, 1, 1).await, all[1..2]);
        assert_eq!(after(&bench.store, 3, 9).await, []);
        bench.assert_sound().await;
    }

    async fn readers_miss_nothing_and_agree(bench: Bench) {
        const WRITERS: u128 = 30;
        bench.fleet(&[("a", 30)]).await;
        let readers = [bench.store.clone(), bench.another().await];
        let readers = readers.map(|store| tokio::spawn(read(store, 30)));
        let writers = (1..=WRITERS).map(|n| {
            let store = bench.store.clone();
            tokio::spawn(async move {
                let new = new_migration(n, at(10));
                store.server_begin_live_migration(new, anybody).await.unwrap();
            })
        });
        for writer in join_all(writers).await {
            writer.unwrap();
        }
        let [first, second] = readers;
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!(first, second);
        let positions: Vec<i64> = first.iter().map(|line| line.position).collect();
        assert_eq!(positions, (1..=30).collect::<Vec<_>>());
        bench.assert_sound().await;
    }

    async fn who_wants_some_is_told_how_far_was_looked(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.sql(&format!("UPDATE servers SET project_id = 'lab' WHERE uuid = '{}'", server(2)));
        bench.begin(1).await;
        bench.begin(2).await;
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        let all = EventQuery::after(0, 9);
        let read = async |query: EventQuery| {
            let EventPage { events, last_position, more } =
                bench.store.events_page(&query).await.unwrap();
            let positions: Vec<_> = events.iter().map(|it| it.position).collect();
            (positions, last_position, more)
        };
        let everything = EventQuery { after: None, ..all.clone() };
        assert_eq!(read(everything).await, (vec![1, 2, 3, 4], 4, false));
        assert_eq!(read(EventQuery { limit: 3, ..all.clone() }).await, (vec![1, 2, 3], 3, true));
        let of = |project: &str| EventQuery { project: Some(project.to_owned()), ..all.clone() };
        assert_eq!(read(of("demo")).await, (vec![1, 3, 4], 4, false));
        assert_eq!(read(of("lab")).await, (vec![2], 4, false));
        assert_eq!(read(EventQuery { limit: 1, ..of("lab") }).await, (vec![2], 2, true));
        assert_eq!(read(EventQuery { after: Some(2), ..of("lab") }).await, (vec![], 4, false));
        assert_eq!(read(of("no\0project")).await, (vec![], 4, false));
        let first = EventQuery {
            subject: Some(EventSubject::Migration(migration(1))),
            ..all.clone()
        };
        assert_eq!(read(first.clone()).await, (vec![1, 3, 4], 4, false));
        let page = EventQuery { after: Some(1), limit: 1, ..first.clone() };
        assert_eq!(read(page).await, (vec![3], 3, true));
        let others = EventQuery { project: Some("lab".to_owned()), ..first };
        assert_eq!(read(others).await, (vec![], 4, false));
        let named = |names: &[&str]| EventQuery {
            types: Some(EventTypes {
                kinds: vec![],
                names: names.iter().map(|name| format!("migration.{name}")).collect(),
            }),
            ..all.clone()
        };
        assert_eq!(read(named(&["requested", "admitted"])).await, (vec![1, 2, 4], 4, false));
        assert_eq!(read(named(&[])).await, (vec![], 4, false));
        let of_kind = |kind| EventQuery {
            types: Some(EventTypes { kinds: vec![kind], names: vec![] }),
            ..all.clone()
        };
        assert_eq!(read(of_kind(EventKind::Migration)).await, (vec![1, 2, 3, 4], 4, false));
        assert_eq!(read(of_kind(EventKind::Host)).await, (vec![], 4, false));
        bench.assert_sound().await;
    }

    async fn a_position_that_is_not_kept_is_not_read_from(bench: Bench) {
        bench.fleet(&[("a", 3)]).await;
        for n in 1..=3 {
            bench.begin(n).await;
        }
        assert_eq!(after(&bench.store, 0, 9).await.len(), 3);
        bench.sql("DELETE FROM events WHERE position = 1");
        let expired = async |position| {
            let read = bench.store.events_page(&EventQuery::after(position, 9)).await;
            matches!(read, Err(EventReadError::Expired(it)) if it == position)
        };
        assert!(expired(0).await, "a gap is never silent");
        assert_eq!(after(&bench.store, 1, 9).await.len(), 2);
        let kept = EventQuery { after: None, ..EventQuery::after(0, 9) };
        assert_eq!(bench.store.events_page(&kept).await.unwrap().events.len(), 2);
        assert!(!expired(3).await);
        assert!(expired(4).await, "of another database");
    }

    async fn who_asked_is_on_record(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let new = NewLiveMigration { user_id: None, ..new_migration(1, at(10)) };
        bench.store.server_begin_live_migration(new, anybody).await.unwrap();
        bench.drive(1, [placed("b")]).await;
        let note = godwit_store::CommitNote::requested(asked("req-2", at(30)));
        bench.apply(1, Event::AbortRequested, note).await.unwrap();
        bench.apply(1, Event::CancelledUnstarted, note_for(&Event::CancelledUnstarted, at(31)))
            .await
            .unwrap();
        let log = bench.store.migration_events(migration(1), 0).await.unwrap();
        let who: Vec<_> = log
            .iter()
            .map(|it| (it.user_id.as_deref(), it.project_id.as_deref(), it.request_id.as_deref()))
            .collect();
        assert_eq!(who, [
            (None, Some("admin-project"), Some("req-1")),
            (None, None, None),
            (Some("admin"), Some("admin-project"), Some("req-2")),
            (None, None, None),
        ]);
    }
}

/// SQLite has one writer, which is never late.
#[tokio::test]
async fn a_writer_that_commits_late_is_not_overtaken() {
    let bench = Bench::postgres().await;
    bench.fleet(&[("a", 2)]).await;
    bench.begin(1).await;
    let mut late = PgConnection::establish(&bench.url).unwrap();
    late.batch_execute(
        "BEGIN;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, to_status, actor, detail)
         SELECT 'migration', id, 2, created_at, 'late', status, 'conductor', 'null'
         FROM migrations",
    )
    .unwrap();
    bench.begin(2).await;
    let seen = after(&bench.store, 0, 9).await;
    let seen: Vec<_> = seen.iter().map(|line| (line.position, of(line))).collect();
    assert_eq!(seen, [(1, migration(1)), (2, migration(2))]);

    late.batch_execute("COMMIT").unwrap();
    let rest = after(&bench.store, 2, 9).await;
    assert_eq!(rest.len(), 1);
    assert_eq!(
        (rest[0].position, rest[0].event.event_type().as_str()),
        (3, "migration.late")
    );
}
