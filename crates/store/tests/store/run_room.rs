//! Room for runs: claimed whole or not at all, kept, passed on, and given back.

use std::collections::BTreeSet;
use std::time::Duration;

use godwit_core::effect::RunEffect;
use godwit_core::failure::FailureCode;
use godwit_core::plan::Options;
use godwit_core::plan::options::Priority;
use godwit_core::plan::request::Target;
use godwit_core::resources::Resources;
use godwit_core::run::{Event, OperationKind, Outcome, Revision, RunState};
use godwit_store::{
    ChangeNote, CommitError, NewDestination, NewPlan, PlanMade, RoomAnswer, RoomError, StepError,
};

use crate::bench::{ROOM, at, host, migration, note_for, placed};
use crate::plans::{by_conductor, by_user, capacity, made, moves, new_plan, operation, plan};
use crate::runs::{TEN, failure, new_run, run, two};

on_both! {
    async fn all_room_is_claimed_or_the_run_says_for_whom_it_waits(bench: Bench) {
        bench.fleet(&[("a", 4), ("b", 7)]).await;
        bench.run_running(1, two()).await;
        let second = made(vec![moves(3, "a", "b"), moves(4, "a", "c")], &[("b", 2), ("c", 1)]);
        bench.run_pending(2, second).await;
        assert_eq!(bench.claim(2, TEN).await, RoomAnswer::WaitsFor(BTreeSet::from([run(1)])));
        assert_eq!(bench.run(2).await.waits_for, [run(1)]);
        assert_eq!(bench.held(), ["1 b 4096"], "it holds nothing while it waits");
        // Small enough to fit, but it would overtake.
        bench.run_pending(3, made(vec![moves(5, "b", "c")], &[("c", 1)])).await;
        let answer = bench.claim(3, &[("c", 1)]).await;
        assert_eq!(answer, RoomAnswer::WaitsFor(BTreeSet::from([run(2)])));
        bench.assert_sound().await;

        let cancel = Event::CancelRequested { abort_running: false };
        bench.happens(1, cancel, 50).await;
        let RoomAnswer::Claimed(record) = bench.claim(2, TEN).await else { panic!() };
        assert_eq!(record.waits_for, []);
        assert_eq!(bench.held(), ["2 b 4096", "2 c 2048"]);
        bench.assert_sound().await;
    }

    async fn what_never_fits_is_refused(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 9)]).await;
        bench.run_pending(1, two()).await;
        let RoomAnswer::Refused(record) = bench.claim(1, TEN).await else { panic!() };
        assert_eq!(record.run.state, RunState::Failed);
        let why = record.run.operations[0].failure.clone().unwrap();
        assert_eq!(why.code, FailureCode::NoValidHost);
        assert!(why.message.ends_with(": b."), "{why:?}");
        bench.assert_sound().await;
    }

    async fn no_two_runs_move_the_same_server(bench: Bench) {
        bench.run_running(1, two()).await;
        let again = PlanMade {
            operations: vec![godwit_store::PlannedOperation { id: operation(9), ..moves(2, "a", "c") }],
            ..made(vec![], &[("c", 1)])
        };
        bench.run_pending(2, again).await;
        assert_eq!(bench.claim(2, TEN).await, RoomAnswer::WaitsFor(BTreeSet::from([run(1)])));
    }

    /// What a run holds is nobody else's, and passes to its migrations.
    async fn room_passes_from_the_run_to_its_migrations(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 8)]).await;
        bench.run_running(1, two()).await;
        bench.begin(3).await;
        let claim = note_for(&placed("b"), at(45));
        let stranger = bench.apply(3, placed("b"), claim.clone()).await;
        let full = matches!(&stranger, Err(StepError::Commit(CommitError::NoRoom { .. })));
        assert!(full, "{stranger:?}");
        bench.begins(1, 1, 46).await.unwrap();
        let held = bench.store.room_held_for(migration(1)).await.unwrap();
        assert_eq!(held, Some((host("b"), ROOM)));
        assert_eq!(bench.store.room_held_for(migration(3)).await.unwrap(), None);
        bench.apply(1, placed("b"), claim.clone()).await.unwrap();
        assert_eq!(bench.held(), ["1 b 2048"]);
        let taken = |it: godwit_store::HostLoad| it.servers.plus(it.claims).memory_mb;
        let loads = bench.store.host_loads().await.unwrap();
        let of_b = loads.into_iter().find(|it| it.host.facts.name == host("b")).unwrap();
        assert_eq!(taken(of_b), 10 * ROOM.memory_mb, "nothing counts twice");
        let stranger = bench.apply(3, placed("b"), claim).await;
        assert!(stranger.is_err());
        bench.assert_sound().await;
    }

    /// They may end with it, and nothing of theirs has arrived.
    async fn whoever_wants_the_room_of_migrations_under_way_waits_for_their_run(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 8)]).await;
        bench.run_running(1, two()).await;
        for number in [1, 2] {
            bench.begins(1, number, 46).await.unwrap();
            let claim = note_for(&placed("b"), at(47));
            bench.apply(number, placed("b"), claim).await.unwrap();
        }
        assert_eq!(bench.held(), ["1 b 0"], "it is all theirs");
        bench.run_pending(2, made(vec![moves(3, "a", "b")], &[("b", 1)])).await;
        let answer = bench.claim(2, TEN).await;
        assert_eq!(answer, RoomAnswer::WaitsFor(BTreeSet::from([run(1)])));
        bench.run_pending(3, made(vec![moves(4, "a", "b")], &[("b", 3)])).await;
        let answer = bench.claim(3, TEN).await;
        assert!(matches!(answer, RoomAnswer::Refused(_)), "others have that: {answer:?}");
        bench.assert_sound().await;
    }

    /// It ends, or somebody has to look.
    async fn room_that_a_move_of_no_run_holds_is_waited_for_and_not_for_ever(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 8)]).await;
        bench.begin(3).await;
        let claim = note_for(&placed("b"), at(30));
        bench.apply(3, placed("b"), claim).await.unwrap();
        bench.run_pending(1, two()).await;
        let nobody = RoomAnswer::WaitsFor(BTreeSet::new());
        assert_eq!(bench.claim(1, TEN).await, nobody);
        let at_second = async |second| {
            let asked = bench.store.run_claim_room(run(1), capacity(TEN), by_conductor(second));
            asked.await.unwrap()
        };
        assert_eq!(at_second(639).await, nobody);
        let answer = at_second(640).await;
        let RoomAnswer::Refused(record) = answer else { panic!("{answer:?}") };
        assert_eq!(record.run.state, RunState::Failed);
        let failure = record.run.operations[0].failure.clone().unwrap();
        assert_eq!(failure.message, "There is too little room, whoever else ends: b.");
        bench.assert_sound().await;
    }

    async fn room_that_a_server_leaves_is_kept_for_whom_the_run_brings_there(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 1)]).await;
        let swap = made(vec![moves(1, "a", "c"), moves(2, "b", "a")], &[("c", 1)]);
        bench.run_running(1, swap).await;
        bench.begins(1, 1, 41).await.unwrap();
        let event = Event::OperationEnded(operation(1), Outcome::Completed);
        bench.happens(1, event, 50).await;
        assert_eq!(bench.held(), ["1 a 2048"]);
        bench.happens(1, Event::SkipRequested(operation(2)), 51).await;
        assert_eq!(bench.held(), [""; 0]);
        bench.assert_sound().await;
    }

    async fn a_failed_operation_goes_elsewhere_where_there_is_room(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0), ("c", 9)]).await;
        bench.run_running(1, two()).await;
        bench.begins(1, 1, 41).await.unwrap();
        let failed = Outcome::Failed(failure(FailureCode::PreCheck));
        let record = bench.happens(1, Event::OperationEnded(operation(1), failed), 50).await;
        assert!(record.run.operations[0].replan);
        assert_eq!(bench.verbs().await, [RunEffect::Drive, RunEffect::Replan]);
        let revise = async |name: &str, most: i64| {
            let capacity = Resources { vcpus: 99, memory_mb: ROOM.memory_mb * most, disk_gb: 999 };
            let twice = Resources { memory_mb: 2 * ROOM.memory_mb, ..ROOM };
            let to = NewDestination {
                host: host(name),
                capacity,
                size: twice,
                kind: OperationKind::Live,
            };
            bench.store.operation_revise(run(1), operation(1), to, by_conductor(60)).await
        };
        let full = revise("c", 10).await;
        assert!(matches!(&full, Err(RoomError::NoRoom(it)) if *it == host("c")), "{full:?}");
        assert!(bench.run(1).await.run.operations[0].replan, "nothing has changed");
        revise("c", 11).await.unwrap();
        assert_eq!(bench.held(), ["1 b 2048", "1 c 4096"], "what it takes there, not what was planned");
        let record = bench.run(1).await;
        let expected = Revision {
            operation: operation(1),
            from: "b".to_owned(),
            to: "c".to_owned(),
            because: Some(failure(FailureCode::PreCheck)),
            at: at(60),
        };
        assert_eq!(record.run.revisions, [expected]);
        assert_eq!(record.run.operations[0].destination, "c");
        assert_eq!(record.operations[0].planned.destination, "b", "what was planned stays");
        bench.assert_sound().await;
    }

    async fn who_waits_longer_counts_for_more(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 9)]).await;
        let wanted = |number| made(vec![moves(number, "a", "b")], &[("b", 1)]);
        let new = |number, priority| NewPlan {
            options: Options { priority: Some(priority), ..Options::default() },
            ..new_plan(number, Target::Host(host("a")))
        };
        for (number, priority) in [(1, Priority::Rebalance), (2, Priority::User)] {
            bench.ask_for(new(number, priority), 10).await;
            bench.store.plan_made(plan(number), wanted(number), by_conductor(20)).await.unwrap();
            let nothing = Vec::<()>::new();
            let begun = bench.store.plan_run(plan(number), new_run(number), nothing, by_user(30));
            begun.await.unwrap();
        }
        assert_eq!(bench.claim(1, TEN).await, RoomAnswer::WaitsFor(BTreeSet::from([run(2)])));
        let aged = Duration::from_secs(3 * 600);
        let note = ChangeNote { at: at(30).plus(aged), ..by_conductor(30) };
        let answer = bench.store.run_claim_room(run(1), capacity(TEN), note).await.unwrap();
        assert!(matches!(answer, RoomAnswer::Claimed(_)), "{answer:?}");
    }
}
