//! Runs that are to keep to something: cancelled, skipped, late, in order, and one before the other.

use std::time::Duration;

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::event::Event as OfMigration;
use godwit_core::failure::FailureCode;
use godwit_core::ids::RunUuid;
use godwit_core::plan::options::{Constraint, Priority};
use godwit_core::run::{Event, OperationKind, OperationState as Is, RunState};
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock as _;
use godwit_store::RunRecord;

use crate::cluster::*;
use crate::planned::*;

/// Did the one of this place end before that one began?
fn in_turn(record: &RunRecord, first: usize, second: usize) -> bool {
    record.operations[first].ended_at.unwrap() <= record.operations[second].started_at.unwrap()
}

/// A run of two moves, of which the first is held before its hand-over, and the second waits for its slot.
async fn first_of_two(made: Made, deadline: Option<Duration>) -> (Cluster, RunUuid) {
    let mut made = made.with_hosts(&[2, 0]);
    made.config.slots.per_source = 1;
    let cluster = made.start().await;
    cluster.hold(&host(1), HoldPoint::BeforeHandover);
    let mut wanted = Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))]);
    wanted.options.deadline = deadline.map(|it| SystemClock.now().plus(it));
    let run = cluster.run(wanted).await;
    moves_now(&cluster, run, 0).await;
    (cluster, run)
}

on_both! {
    async fn of_two_runs_for_the_same_room_one_waits_and_says_for_whom(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        made.host(3).memory_bytes = 2 * GIB - 1;
        made.never_converges(1);
        let cluster = made.start().await;
        let first = cluster.run(Wanted::of(vec![moves(1, (1, 3))])).await;
        moves_now(&cluster, first, 0).await;
        let second = cluster.run(Wanted::of(vec![moves(2, (2, 3))])).await;
        let waits = cluster
            .run_reaches(second, "it to wait", |it| !it.waits_for.is_empty())
            .await;
        assert_eq!((waits.run.state, &waits.waits_for[..]), (RunState::Pending, &[first][..]));
        assert_eq!(cluster.migrations_of(2).await, 0);
        cluster.run_asked(first, cancel(true)).await;
        let record = cluster.run_ends(second).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(record.waits_for, []);
        assert!(cluster.is_on(2, 3).await);
        cluster.is_sound().await;
    }

    async fn what_has_not_begun_never_begins_once_a_run_is_cancelled(made: Made) {
        let mut made = made.with_hosts(&[3, 0]);
        made.config.slots.per_source = 1;
        made.never_converges(1);
        let cluster = made.start().await;
        let all = (1..=3).map(|it| moves(it, (1, 2))).collect();
        let run = cluster.run(Wanted::of(all)).await;
        moves_now(&cluster, run, 0).await;
        cluster.run_asked(run, cancel(false)).await;
        let record = cluster.run_record(run).await;
        assert_eq!(record.run.state, RunState::Cancelling, "something moves");
        assert_eq!(states(&record), [Is::Running, Is::Cancelled, Is::Cancelled]);
        cluster.run_asked(run, cancel(true)).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Cancelled);
        assert!(cluster.store.migrations_unfinished().await.unwrap().is_empty());
        for number in 1..=3 {
            assert!(cluster.is_on(number, 1).await);
        }
        assert_eq!((cluster.migrations_of(2).await, cluster.migrations_of(3).await), (0, 0));
        cluster.is_sound().await;
    }

    async fn what_runs_ends_by_itself_where_it_is_not_aborted(made: Made) {
        let (cluster, run) = first_of_two(made, None).await;
        cluster.run_asked(run, cancel(false)).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Cancelled);
        assert_eq!(states(&record), [Is::Completed, Is::Cancelled]);
        assert!(cluster.is_on(1, 2).await && cluster.is_on(2, 1).await);
        cluster.is_sound().await;
    }

    async fn a_skipped_operation_never_begins(made: Made) {
        let (cluster, run) = first_of_two(made, None).await;
        let second = cluster.run_record(run).await.run.operations[1].id;
        cluster.run_asked(run, Event::SkipRequested(second)).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Partial);
        assert_eq!(states(&record), [Is::Completed, Is::Skipped]);
        assert_eq!(cluster.migrations_of(2).await, 0);
        cluster.is_sound().await;
    }

    async fn at_its_deadline_nothing_new_begins(made: Made) {
        let (cluster, run) = first_of_two(made, Some(Duration::from_secs(4))).await;
        cluster.run_reaches(run, "it to be late", |it| it.run.is_late).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Partial);
        assert_eq!(states(&record), [Is::Completed, Is::Skipped]);
        assert_eq!(cluster.migrations_of(2).await, 0);
        cluster.is_sound().await;
    }

    async fn servers_move_in_the_order_that_was_asked_for(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        let wanted = Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))]);
        let run = cluster.run(wanted.keeps_to(Constraint::Before(server(2), server(1)))).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed);
        assert!(in_turn(&record, 1, 0), "{record:#?}");
        cluster.is_sound().await;
    }

    async fn servers_that_must_not_move_together_do_not(made: Made) {
        let cluster = made.with_hosts(&[3, 0]).start().await;
        let wanted = Wanted::of((1..=3).map(|it| moves(it, (1, 2))).collect());
        let apart = Constraint::NotTogether(vec![server(1), server(2)]);
        let run = cluster.run(wanted.keeps_to(apart)).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed);
        assert!(in_turn(&record, 0, 1), "{record:#?}");
        assert!(!in_turn(&record, 0, 2), "who need not wait does not: {record:#?}");
        cluster.is_sound().await;
    }

    async fn no_more_move_at_a_time_than_was_asked_for(made: Made) {
        let cluster = made.with_hosts(&[4, 0]).start().await;
        let wanted = Wanted::of((1..=4).map(|it| moves(it, (1, 2))).collect());
        let two = Constraint::AtMost(2, (1..=4).map(server).collect());
        let run = cluster.run(wanted.keeps_to(two)).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed);
        let at_once = |at| {
            let moved = record.operations.iter();
            let moved = moved.filter(|it| it.started_at <= Some(at) && it.ended_at > Some(at));
            moved.count()
        };
        let begun = record.operations.iter().filter_map(|it| it.started_at);
        assert_eq!(begun.map(at_once).max(), Some(2), "{record:#?}");
        cluster.is_sound().await;
    }

    async fn a_drain_is_behind_one_operation_of_another_however_many_that_has(made: Made) {
        let mut made = made.with_hosts(&[5, 1, 0]);
        made.config.slots.per_destination = 1;
        let cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let long = cluster.run(Wanted::of((1..=5).map(|it| moves(it, (1, 3))).collect())).await;
        moves_now(&cluster, long, 0).await;
        let short = cluster.run(Wanted::of(vec![moves(6, (2, 3))])).await;
        cluster.run_is(short, RunState::Running).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let (long, short) = (cluster.run_ends(long).await, cluster.run_ends(short).await);
        let begun = short.operations[0].started_at;
        let before = long.operations.iter().filter(|it| it.started_at < begun).count();
        assert!(before <= 2, "the one that moved already, and one more: {before}");
        cluster.is_sound().await;
    }

    async fn an_emergency_is_not_behind_the_queue_of_a_drain(made: Made) {
        let mut made = made.with_hosts(&[4, 1, 0]);
        made.config.slots.per_destination = 1;
        let cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let drain = cluster.run(Wanted::of((1..=4).map(|it| moves(it, (1, 3))).collect())).await;
        moves_now(&cluster, drain, 0).await;
        let mut urgent = Wanted::of(vec![moves(5, (2, 3))]);
        urgent.options.priority = Some(Priority::Emergency);
        let urgent = cluster.run(urgent).await;
        cluster.run_is(urgent, RunState::Running).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let (drain, urgent) = (cluster.run_ends(drain).await, cluster.run_ends(urgent).await);
        let begun = urgent.operations[0].started_at;
        let before = drain.operations.iter().filter(|it| it.started_at < begun).count();
        assert_eq!(before, 1, "only the one that moved already");
        cluster.is_sound().await;
    }

    async fn a_cold_move_that_is_aborted_is_undone(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.hold(&host(2), HoldPoint::BeforeBoot);
        let run = cluster.run(Wanted::of(vec![operation(OperationKind::Cold, 1, (1, 2))])).await;
        let record = cluster.run_reaches(run, "it to move", |it| runs(it, 0)).await;
        let migration = record.run.operations[0].migration.unwrap();
        cluster.reaches(migration, Status::PostMigrating).await;
        cluster.run_asked(run, cancel(true)).await;
        cluster.release(&host(2), HoldPoint::BeforeBoot);
        let record = cluster.run_ends(run).await;
        assert_eq!((record.run.state, states(&record)), (RunState::Cancelled, vec![Is::Cancelled]));
        assert_eq!(cluster.record(migration).await.migration.status(), Status::Reverted);
        assert!(cluster.is_on(1, 1).await);
        cluster.is_sound().await;
    }

    async fn what_somebody_aborts_is_not_tried_again(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.never_converges(1);
        let cluster = made.start().await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        moves_now(&cluster, run, 0).await;
        let record = cluster.run_record(run).await;
        let migration = record.run.operations[0].migration.unwrap();
        cluster.ask(migration, OfMigration::AbortRequested).await;
        let record = cluster.run_ends(run).await;
        assert_eq!((record.run.state, states(&record)), (RunState::Partial, vec![Is::Cancelled]));
        let failure = record.run.operations[0].failure.clone().unwrap();
        assert_eq!(failure.code, FailureCode::Aborted);
        assert_eq!(cluster.migrations_of(1).await, 1);
        cluster.is_sound().await;
    }

    async fn a_run_says_how_far_it_is(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.never_converges(2);
        let cluster = made.start().await;
        let wanted = Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))]);
        let wanted = wanted.keeps_to(Constraint::Before(server(1), server(2)));
        let run = cluster.run(wanted).await;
        // Ten seconds were expected, of which half are for the first.
        let half = |it: &RunRecord| {
            let left = it.eta.is_some_and(|eta| eta.mid <= 5.0);
            runs(it, 1) && it.run.progress.percent() >= 50 && left
        };
        let record = cluster.run_reaches(run, "it to be half done", half).await;
        cluster.run_asked(run, cancel(true)).await;
        let ended = cluster.run_ends(run).await;
        assert!(ended.run.progress >= record.run.progress, "{ended:#?}");
        assert_eq!((ended.run.progress.percent() < 100, ended.eta), (true, None));
        cluster.is_sound().await;
    }
}
