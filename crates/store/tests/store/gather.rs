//! Lookups that many make at one time.

use futures::future::join_all;

use crate::bench::server;

/// More than one query takes.
const MANY: u128 = 150;

on_both! {
    async fn everybody_gets_his_own_answer(bench: Bench) {
        bench.fleet(&[("a", MANY as usize), ("b", 0)]).await;
        for n in [3, 77, 149] {
            bench.begin(n).await;
            bench.drive(n, [crate::bench::placed("b")]).await;
        }
        let servers = (1..=MANY + 50).chain(70..80);
        let answers = join_all(servers.clone().map(|n| {
            let store = bench.store.clone();
            async move { store.migrations_in_progress_for_server(server(n), None).await.unwrap() }
        }));
        for (n, answer) in servers.zip(answers.await) {
            let seen = answer.map(|it| it.found.iter().map(|it| it.server).collect::<Vec<_>>());
            let expected = match n {
                3 | 77 | 149 => Some(vec![server(n)]),
                1..=MANY => Some(Vec::new()),
                _ => None,
            };
            assert_eq!(seen, expected, "server {n}");
        }
    }

    async fn a_row_that_cannot_be_read_hides_no_other(bench: Bench) {
        bench.fleet(&[("a", 9), ("b", 0)]).await;
        bench.begin(5).await;
        bench.drive(5, [crate::bench::placed("b")]).await;
        bench.sql("UPDATE migrations SET source_compute = 'no host name'");
        let answers = join_all((1..=9).map(|n| {
            let store = bench.store.clone();
            async move { store.migrations_in_progress_for_server(server(n), None).await }
        }));
        for (n, answer) in (1..=9).zip(answers.await) {
            assert_eq!(answer.is_err(), n == 5, "server {n}: {answer:?}");
        }
    }

    async fn an_answer_is_never_older_than_its_question(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let crowd = || join_all((0..40).map(|_| {
            let store = bench.store.clone();
            async move { store.migrations_in_progress_for_server(server(1), None).await }
        }));
        for _ in 0..20 {
            let (_, ()) = tokio::join!(crowd(), async {
                bench.begin(1).await;
                bench.drive(1, [crate::bench::placed("b")]).await;
                let found = bench.store.migrations_in_progress_for_server(server(1), None).await;
                assert_eq!(found.unwrap().unwrap().found.len(), 1, "committed before the question");
                bench.sql("DELETE FROM slots; DELETE FROM claims; DELETE FROM effects; \
                           DELETE FROM events; DELETE FROM migrations; \
                           UPDATE servers SET task_state = NULL");
                let found = bench.store.migrations_in_progress_for_server(server(1), None).await;
                assert_eq!(found.unwrap().unwrap().found.len(), 0, "gone before the question");
            });
        }
    }
}
