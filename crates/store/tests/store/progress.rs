//! Progress ticks.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_store::{Amounts, CommitNote, Progress, ProgressSample};

use crate::bench::{at, migration, note_for, placed};

fn sample(n: u128, remaining: i64, second: i64) -> ProgressSample {
    ProgressSample {
        migration: migration(n),
        progress: Progress {
            memory: Some(Amounts {
                total: 1 << 40,
                processed: (1 << 40) - remaining,
                remaining,
            }),
            disk: None,
            dirty_rate: Some(4096),
            throughput: Some(1 << 30),
            downtime_ms: Some(300),
        },
        at: at(second),
    }
}

on_both! {
    async fn many_at_once_and_never_the_generation(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 0)]).await;
        for n in 1..=3 {
            bench.begin(n).await;
            bench.drive(n, [placed("b"), Event::Admitted, Event::Prepared]).await;
        }
        let before = bench.record(1).await;
        let disk = Amounts { total: 9, processed: 8, remaining: 1 };
        let mut last = sample(2, 0, 31);
        last.progress.disk = Some(disk);
        let samples = vec![sample(1, 1 << 39, 30), sample(2, 5, 30), sample(77, 1, 30), last];
        bench.store.migrations_progress(samples).await.unwrap();

        let after = bench.record(1).await;
        assert_eq!(after.progress, sample(1, 1 << 39, 30).progress);
        assert_eq!(after.updated_at, Some(at(30)));
        assert_eq!(after.migration, before.migration);
        assert_eq!(bench.server(1).await.progress, 50);
        let second = bench.record(2).await;
        assert_eq!(second.progress.disk, Some(disk), "the last sample counts");
        assert_eq!((bench.server(2).await.progress, second.updated_at), (100, Some(at(31))));
        assert_eq!(bench.record(3).await.progress, Progress::default());
        bench.store.migrations_progress(Vec::new()).await.unwrap();
    }

    async fn a_dirty_rate_that_is_told_gives_way_to_one_that_was_measured(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        let told = |rate| vec![(godwit_test_support::fleet::server(1_u128), rate)];
        bench.store.servers_measured(told(70)).await.unwrap();
        assert_eq!(bench.server(1).await.dirty_bytes_per_second, Some(70));
        bench.store.servers_measured(told(90)).await.unwrap();
        assert_eq!(bench.server(1).await.dirty_bytes_per_second, Some(70));
        assert_eq!(bench.server(2).await.dirty_bytes_per_second, None);
    }

    async fn a_servers_dirty_rate_is_what_a_move_of_it_last_measured(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        for n in 1..=2 {
            bench.begin(n).await;
            bench.drive(n, [placed("b"), Event::Admitted, Event::Prepared]).await;
        }
        let measured = |second, rate| {
            let mut sample = sample(1, 7, second);
            sample.progress.dirty_rate = rate;
            vec![sample]
        };
        for (second, rate, kept) in [
            (30, None, None),
            (31, Some(0), None),
            (32, Some(4096), Some(4096)),
            (33, Some(8192), Some(8192)),
            // It stands still, at the end of its move.
            (34, Some(0), Some(8192)),
        ] {
            bench.store.migrations_progress(measured(second, rate)).await.unwrap();
            let server = bench.server(1).await;
            assert_eq!(server.dirty_bytes_per_second, kept, "at {second}");
        }
        let last = Progress { dirty_rate: Some(512), ..Progress::default() };
        let failure = Failure::new(FailureCode::HypervisorError, "no");
        let failed = Event::MoveFailed(failure);
        let note = CommitNote { progress: Some(last), ..note_for(&failed, at(40)) };
        bench.apply(1, failed, note).await.unwrap();
        assert_eq!(bench.server(1).await.dirty_bytes_per_second, Some(512));
        assert_eq!(bench.server(2).await.dirty_bytes_per_second, None);
    }

    async fn late_ticks_are_no_news(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted, Event::Prepared]).await;
        bench.store.migrations_progress(vec![sample(1, 7, 30)]).await.unwrap();
        let failure = Failure::new(FailureCode::HypervisorError, "no");
        bench.drive(1, [Event::MoveFailed(failure), Event::RolledBack { clean: true }]).await;
        let ended = bench.record(1).await;
        assert_eq!(ended.progress, sample(1, 7, 30).progress, "the last figures stay");
        bench.store.migrations_progress(vec![sample(1, 3, 40)]).await.unwrap();
        assert_eq!(bench.record(1).await, ended);
        assert_eq!(bench.server(1).await.progress, 0);
    }
}
