//! The events of all migrations in one order.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures::future::join_all;
use godwit_core::event::Event;
use godwit_store::{PositionedEvent, Store};

use crate::bench::{Bench, anybody, at, migration, new_migration, placed};

/// Reads in small pages until there are so many.
async fn read(store: Store, count: usize) -> Vec<PositionedEvent> {
    let mut found: Vec<PositionedEvent> = Vec::new();
    while found.len() < count {
        let after = found.last().map_or(0, |last| last.position);
        found.extend(store.events_after(after, 3).await.unwrap());
    }
    found
}

on_both! {
    async fn an_event_is_the_same_in_both_logs(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        assert_eq!(bench.store.events_after(0, 9).await.unwrap(), []);
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        let log = bench.store.migration_events(migration(1), 0).await.unwrap();
        let all = bench.store.events_after(0, 9).await.unwrap();
        let numbered = (1..).zip(log).map(|(position, event)| PositionedEvent {
            position,
            migration: migration(1),
            event,
        });
        assert_eq!(all, numbered.collect::<Vec<_>>());
        assert_eq!(bench.store.events_after(1, 1).await.unwrap(), all[1..2]);
        assert_eq!(bench.store.events_after(3, 9).await.unwrap(), []);
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
    let seen = bench.store.events_after(0, 9).await.unwrap();
    let seen: Vec<_> = seen
        .iter()
        .map(|line| (line.position, line.migration))
        .collect();
    assert_eq!(seen, [(1, migration(1)), (2, migration(2))]);

    late.batch_execute("COMMIT").unwrap();
    let rest = bench.store.events_after(2, 9).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!((rest[0].position, rest[0].event.name.as_str()), (3, "late"));
}
