//! Hosts are locked in one order, so that nobody waits for somebody who waits for him.

use futures::future::join;
use godwit_core::run::{Event, RunState};
use godwit_store::{PlannedOperation, RunStep, RunStepError, Store};
use godwit_test_support::wait_for;

use crate::bench::Bench;
use crate::plans::{by_conductor, made, moves, operation};
use crate::runs::run;

/// Pairs of operations that end at the same time.
const ROUNDS: u128 = 200;

/// The operations of a run, by twos: the first and the second of a round.
fn pairs(first: (&str, &str), second: (&str, &str), from: u128) -> Vec<PlannedOperation> {
    let of_round = |round| {
        let number = from + 2 * round;
        [
            moves(number, first.0, first.1),
            moves(number + 1, second.0, second.1),
        ]
    };
    (0..ROUNDS).flat_map(of_round).collect()
}

/// Both of a round end, in one transaction.
async fn end(store: &Store, number: u128, (from, round): (u128, u128)) {
    let both = [from + 2 * round, from + 2 * round + 1];
    let events = both.map(|it| Event::SkipRequested(operation(it)));
    let steps: Vec<RunStep> = events.clone().into_iter().map(RunStep::from).collect();
    let decide = move |_: &_| Ok::<_, ()>(steps.clone());
    let done = store.run_step_part(run(number), events.to_vec(), by_conductor(50), decide);
    match done.await {
        Ok(_) => {}
        Err(RunStepError::Rejected(why)) => panic!("{why}"),
        Err(why) => panic!("{why:?}"),
    }
}

on_both! {
    /// One run notices ends at d and c, and then at b and a; the other the other way round.
    async fn two_runs_that_notice_ends_of_swapped_hosts_never_wait_for_each_other(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)]).await;
        let (low, high) = (("a", "b"), ("c", "d"));
        for (number, first, second) in [(1, high, low), (2, low, high)] {
            let from = number * 10_000;
            bench.run_running(number, made(pairs(first, second, from), &[])).await;
        }
        let stores = [bench.another().await, bench.another().await];
        for round in 0..ROUNDS {
            let one = end(&stores[0], 1, (10_000, round));
            join(one, end(&stores[1], 2, (20_000, round))).await;
        }
        for number in [1, 2] {
            assert_eq!(bench.run(number).await.run.state, RunState::Partial);
        }
        drop(stores);
        bench.has_seen_no_deadlock().await;
    }
}

impl Bench {
    /// PostgreSQL counts them; each is reported once its connection is closed.
    async fn has_seen_no_deadlock(&self) {
        if self.is_sqlite() {
            return;
        }
        let counted = wait_for(
            "the others to be gone",
            std::time::Duration::from_secs(60),
            async || {
                let found = self.texts(
                    "SELECT CAST(deadlocks AS TEXT) AS text FROM pg_stat_database
                 WHERE datname = current_database() AND numbackends <= 12",
                );
                Ok(found.into_iter().next())
            },
        );
        assert_eq!(counted.await.unwrap(), "0");
    }
}
