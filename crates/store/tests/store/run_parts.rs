//! A step of a run reads what it is about, however many operations the run has.

use std::time::{Duration, Instant};

use godwit_core::failure::FailureCode;
use godwit_core::run::{Event, OperationState, Outcome, Progress, RunState};
use godwit_store::{PlanMade, RunPart};

use crate::bench::Bench;
use crate::plans::{by_conductor, made, moves, operation};
use crate::runs::{failure, run, two};

/// Each to another of 25 hosts, so that what the run needs of one of them is not a matter of all.
fn many(count: u128) -> PlanMade {
    let operations = (1..=count).map(|it| moves(it, "a", &format!("to-{}", it * 25 / (count + 1))));
    made(operations.collect(), &[])
}

impl Bench {
    async fn part_of_step(&self, number: u128, event: Event) -> RunPart {
        let applied = self
            .store
            .run_apply_part(run(number), event, by_conductor(50));
        applied.await.unwrap()
    }
}

/// What steps of a run of so many operations take: how long the quickest of each kind took together,
/// and the most operations that one read.
async fn cost(bench: &Bench, number: u128, count: u128) -> (Duration, usize) {
    bench.fleet(&[("a", 40)]).await;
    bench.run_running(number, many(count)).await;
    let (mut quickest, mut most) = ([Duration::MAX; 2], 0);
    // The first step after an upgrade counts.
    for of in 1..=20 {
        let begun = Instant::now();
        let part = bench.store.operation_begin(
            run(number),
            operation(of),
            godwit_store::OperationStart::Live(crate::bench::new_migration(
                of,
                crate::bench::at(45),
            )),
            crate::bench::anybody,
            by_conductor(45),
        );
        let part = part.await.unwrap();
        quickest[0] = quickest[0].min(begun.elapsed());
        most = most.max(part.record().run.operations.len());
        let begun = Instant::now();
        let part = bench
            .part_of_step(
                number,
                Event::OperationEnded(operation(of), Outcome::Completed),
            )
            .await;
        quickest[1] = quickest[1].min(begun.elapsed());
        most = most.max(part.record().run.operations.len());
    }
    (quickest.iter().sum(), most)
}

#[tokio::test]
async fn a_step_of_a_run_of_5000_operations_costs_what_one_of_50_does() {
    let (small, of_small) = cost(&Bench::sqlite().await, 1, 50).await;
    let (large, of_large) = cost(&Bench::sqlite().await, 1, 5_000).await;
    assert_eq!((of_small, of_large), (1, 1), "operations that were read");
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    println!("50 operations: {small:?}, 5,000: {large:?}, ratio {ratio:.2}");
    // All that is left is the one host that the operation goes to: 200 operations of it, not 2.
    assert!(ratio < 3.0, "{small:?} {large:?}");
}

on_both! {
    async fn parts_of_several_steps_make_a_whole(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        let whole = bench.run_running(1, two()).await;
        let first = bench.part_of_step(1, Event::SkipRequested(operation(1))).await;
        assert_eq!(first.record().run.operations.len(), 1);
        assert_eq!(first.record().run.others.waiting.operations, 1);
        assert_eq!(first.clone().onto(whole.clone()).unwrap().run.operations.len(), 2);
        let second = bench.part_of_step(1, Event::SkipRequested(operation(2))).await;
        assert_eq!(second.record().run.state, RunState::Partial, "the others were counted");
        assert_eq!(second.clone().onto(whole.clone()), None, "a step is missing in between");
        let both = first.clone().then(second.clone());
        assert_eq!(both.record().run.others, Default::default());
        assert_eq!(both.onto(whole.clone()), Some(bench.run(1).await));
        assert_eq!(second.then(first).onto(whole), None, "the wrong way round");
    }

    /// As an earlier release leaves them.
    async fn what_was_not_counted_is_counted(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.run_running(1, two()).await;
        bench.sql("UPDATE runs SET tally = NULL");
        let part = bench.part_of_step(1, Event::SkipRequested(operation(1))).await;
        assert_eq!(part.record().run.others.waiting.operations, 1);
        assert_eq!(part.record().run.others.waiting.weight, 11);
        assert_eq!(part.record().run.progress, Progress::NONE.raised_to(50));
        // Written by one that does not know the column, which leaves another generation behind.
        bench.sql("UPDATE operations SET state = 'failed' WHERE place = 2");
        bench.sql("UPDATE runs SET generation = generation + 1");
        let refused = bench.store.run_apply_part(run(1), Event::SkipRequested(operation(2)), by_conductor(51));
        assert!(refused.await.is_err());
        let whole = bench.run(1).await;
        assert_eq!(whole.run.tally().failed.operations, 1);
    }

    async fn an_operation_begins_only_behind_those_that_it_comes_after(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 0)]).await;
        let mut plan = made(vec![moves(1, "a", "b"), moves(2, "a", "b"), moves(3, "a", "b")], &[]);
        plan.operations[2].after = vec![operation(1)];
        bench.run_running(1, plan).await;
        assert!(bench.begins(1, 3, 41).await.is_err());
        bench.begins(1, 2, 42).await.unwrap();
        bench.begins(1, 1, 43).await.unwrap();
        let failed = Outcome::Failed(failure(FailureCode::GuestLost));
        bench.happens(1, Event::OperationEnded(operation(1), failed), 44).await;
        bench.begins(1, 3, 45).await.unwrap();
        let states = bench.run(1).await.run.operations.into_iter().map(|it| it.state);
        use OperationState::{Failed, Running};
        assert_eq!(states.collect::<Vec<_>>(), [Failed, Running, Running]);
    }
}
