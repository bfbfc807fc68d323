//! What is over is forgotten: events expire, and migrations that nobody needs are removed.

use godwit_core::event::Event;
use godwit_core::status::MigrationStatus as Status;
use godwit_store::{
    Actor, CommitNote, EventQuery, EventReadError, NewEvacuation, NewLiveMigration,
};

use crate::bench::{
    Bench, anybody, at, migration, new_evacuation, new_migration, placed, running, server,
};
use crate::invariants::busy;

/// The whole way of a live migration.
fn moves(destination: &str) -> [Event; 5] {
    [
        placed(destination),
        Event::Admitted,
        Event::Prepared,
        Event::HandedOver,
        Event::Finished { clean: true },
    ]
}

/// Migration `n` of server `of` is asked for at a second.
async fn begin(bench: &Bench, n: u128, of: u128, second: i64) {
    let new = NewLiveMigration {
        uuid: migration(n),
        ..new_migration(of, at(second))
    };
    let begun = bench.store.server_begin_live_migration(new, anybody);
    begun.await.unwrap();
}

async fn expire(bench: &Bench, second: i64, limit: i64) -> i64 {
    bench.store.events_expire(at(second), limit).await.unwrap()
}

async fn prune(bench: &Bench, second: i64, limit: i64) -> usize {
    let pruned = bench.store.migrations_prune(at(second), limit);
    pruned.await.unwrap()
}

/// The positions that a reader gets; `None`: it is told that some have expired.
async fn read(bench: &Bench, after: Option<i64>) -> Option<Vec<i64>> {
    let query = EventQuery {
        after,
        ..EventQuery::after(0, 99)
    };
    match bench.store.events_page(&query).await {
        Ok(page) => Some(page.events.iter().map(|it| it.position).collect()),
        Err(EventReadError::Expired(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

async fn is_there(bench: &Bench, n: u128) -> bool {
    let found = bench.store.migration_find(migration(n)).await;
    found.unwrap().is_some()
}

on_both! {
    async fn events_expire_in_their_order_and_the_last_one_stays(bench: Bench) {
        bench.fleet(&[("a", 4)]).await;
        for (n, second) in [(1, 10), (2, 20), (3, 30)] {
            begin(&bench, n, n, second).await;
        }
        assert_eq!(expire(&bench, 9, 9).await, 0);
        assert_eq!(read(&bench, Some(0)).await, Some(vec![1, 2, 3]));
        assert_eq!(expire(&bench, 10, 9).await, 1);
        assert_eq!(read(&bench, Some(0)).await, None, "a gap is never silent");
        assert_eq!(read(&bench, Some(1)).await, Some(vec![2, 3]));
        assert_eq!(read(&bench, None).await, Some(vec![2, 3]));
        assert_eq!(expire(&bench, 99, 1).await, 1);
        assert_eq!(expire(&bench, 99, 9).await, 0);
        assert_eq!(read(&bench, Some(1)).await, None);
        assert_eq!(read(&bench, Some(2)).await, Some(vec![3]));
        begin(&bench, 4, 4, 40).await;
        assert_eq!(read(&bench, Some(3)).await, Some(vec![4]), "numbers go on");
        assert_eq!(expire(&bench, 99, 9).await, 1);
        assert_eq!(read(&bench, None).await, Some(vec![4]));
        for n in 1..=4 {
            let log = bench.store.migration_events(migration(n), 0).await.unwrap();
            assert_eq!(log.len(), 1, "it is still in the log of its migration");
        }
        bench.assert_sound().await;
    }

    /// A clock that is behind makes no gap.
    async fn whoever_is_young_keeps_those_behind(bench: Bench) {
        bench.fleet(&[("a", 4)]).await;
        for (n, second) in [(1, 10), (2, 50), (3, 20), (4, 60)] {
            begin(&bench, n, n, second).await;
        }
        assert_eq!(expire(&bench, 30, 9).await, 1);
        assert_eq!(read(&bench, None).await, Some(vec![2, 3, 4]));
        assert_eq!(expire(&bench, 50, 9).await, 2);
    }

    async fn nothing_expires_where_nothing_was_told(bench: Bench) {
        assert_eq!(expire(&bench, 99, 9).await, 0);
        assert_eq!(prune(&bench, 99, 9).await, 0);
        assert_eq!(read(&bench, Some(0)).await, Some(vec![]));
    }

    async fn what_ended_goes_with_all_that_was_written_of_it(bench: Bench) {
        busy(&bench).await;
        assert_eq!(prune(&bench, 99, 9).await, 0, "its events can be read");
        assert!(expire(&bench, 99, 999).await > 0);
        assert_eq!(prune(&bench, 19, 9).await, 0, "it has just ended");
        assert_eq!(prune(&bench, 20, 1).await, 1);
        assert_eq!(prune(&bench, 20, 9).await, 1);
        assert_eq!(prune(&bench, 99, 9).await, 0);
        let mut left = vec![];
        for n in 1..=8 {
            if is_there(&bench, n).await {
                left.push(n);
            }
        }
        // 4 never was, 2 and 3 have ended, and 8 waits for its dead host.
        assert_eq!(left, [1, 5, 6, 7, 8]);
        assert_eq!(bench.store.migration_events(migration(2), 0).await.unwrap(), []);
        bench.assert_sound().await;

        let last = bench.store.events_end().await.unwrap();
        assert_eq!(read(&bench, Some(last - 1)).await, Some(vec![last]));
        bench.drive(1, [Event::HandedOver]).await;
        assert_eq!(read(&bench, Some(last)).await, Some(vec![last + 1]));
        bench.assert_sound().await;
    }

    /// Where the last of all events is one of it, the numbers would begin anew.
    async fn the_migration_that_the_last_event_is_of_stays(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        begin(&bench, 1, 1, 10).await;
        bench.drive(1, moves("b")).await;
        assert_eq!(expire(&bench, 99, 99).await, 5);
        assert_eq!(prune(&bench, 99, 9).await, 0);
        begin(&bench, 2, 2, 30).await;
        assert_eq!(expire(&bench, 99, 99).await, 1);
        assert_eq!(prune(&bench, 99, 9).await, 1);
        assert_eq!(read(&bench, None).await, Some(vec![7]));
        bench.assert_sound().await;
    }

    /// It says whether the guest came back to the dead host since, which then must not give it up.
    async fn an_evacuation_that_is_not_clean_keeps_what_its_server_did(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.evacuate(1).await;
        bench.drive(1, [placed("b"), Event::Booted]).await;
        begin(&bench, 7, 1, 50).await;
        bench.drive(7, moves("a")).await;
        begin(&bench, 2, 2, 60).await;
        expire(&bench, 99, 99).await;
        assert_eq!(prune(&bench, 99, 9).await, 0);
        bench.hears("a", at(70), vec![running(1), running(2)]).await;
        for (event, second) in [(Event::SourceReturned, 80), (Event::Withdrawn, 90)] {
            let note = CommitNote::new(Actor::Conductor, at(second));
            bench.apply(1, event, note).await.unwrap();
        }
        assert_eq!(bench.record(1).await.migration.status(), Status::Completed);
        // It ended for its server at 20, and for everybody at 90.
        bench.drive(2, [placed("b")]).await;
        expire(&bench, 99, 99).await;
        assert_eq!(prune(&bench, 89, 9).await, 1);
        assert!(is_there(&bench, 1).await && !is_there(&bench, 7).await);
        assert_eq!(prune(&bench, 90, 9).await, 1);
        bench.assert_sound().await;
    }

    async fn whoever_is_on_a_move_keeps_the_earlier_ones(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        begin(&bench, 1, 1, 10).await;
        bench.drive(1, moves("b")).await;
        let new = NewEvacuation { uuid: migration(2), ..new_evacuation(1, at(60)) };
        bench.store.evacuation_begin(new, anybody).await.unwrap();
        expire(&bench, 99, 99).await;
        assert_eq!(prune(&bench, 99, 9).await, 0);
    }

    async fn an_open_discrepancy_keeps_what_it_may_be_about(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        begin(&bench, 1, 1, 10).await;
        bench.drive(1, moves("b")).await;
        begin(&bench, 2, 2, 30).await;
        expire(&bench, 99, 99).await;
        bench.sql(&format!(
            "INSERT INTO discrepancies (kind, subject, server_uuid, migration_uuid, host, detail,
                                        opened_at)
             VALUES ('source_not_clean', 'x', '{}', '{}', 'a', 'x', '2023-11-14 22:13:30')",
            server(1),
            migration(1)
        ));
        assert_eq!(prune(&bench, 99, 9).await, 0);
        bench.sql("UPDATE discrepancies SET closed_at = '2023-11-14 22:13:40',
                   closed_because = 'x'");
        assert_eq!(prune(&bench, 99, 9).await, 1);
    }

    async fn what_was_imported_stays(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        begin(&bench, 1, 1, 10).await;
        bench.drive(1, moves("b")).await;
        begin(&bench, 2, 2, 30).await;
        expire(&bench, 99, 99).await;
        bench.sql(&format!("UPDATE migrations SET imported = TRUE WHERE uuid = '{}'", migration(1)));
        assert_eq!(prune(&bench, 99, 9).await, 0);
    }

    async fn two_that_prune_at_once_remove_each_row_once(bench: Bench) {
        bench.fleet(&[("a", 9), ("b", 0)]).await;
        for n in 1..=8 {
            begin(&bench, n, n, 10).await;
            bench.drive(n, moves("b")).await;
        }
        begin(&bench, 9, 9, 30).await;
        expire(&bench, 99, 999).await;
        let other = bench.another().await;
        let mut removed = 0;
        loop {
            let (one, two) = futures::future::join(
                bench.store.migrations_prune(at(99), 3),
                other.migrations_prune(at(99), 3),
            )
            .await;
            match one.unwrap() + two.unwrap() {
                0 => break,
                some => removed += some,
            }
        }
        assert_eq!(removed, 8);
        assert_eq!(read(&bench, None).await.unwrap().len(), 1);
        bench.assert_sound().await;
    }
}
