//! How runs are listed, and for how long they are kept; and who else is asked.

use super::*;

on_both! {
    async fn progress_never_runs_backwards(bench: Bench) {
        bench.run_running(1, two()).await;
        let percent = async |percent, eta| {
            let progress = Progress::NONE.raised_to(percent);
            let at = RunProgress { run: run(1), progress, eta };
            let written = bench.store.run_progress(at).await.unwrap();
            let record = bench.run(1).await;
            (written, record.run.progress.percent(), record.eta)
        };
        let eta = Some(Estimate { low: 1.0, mid: 2.0, high: 3.0 });
        assert_eq!(percent(30, eta).await, (true, 30, eta));
        assert_eq!(percent(20, None).await, (true, 30, None));
        assert_eq!(percent(100, eta).await, (true, 99, eta), "it has not ended");
        bench.happens(1, Event::CancelRequested { abort_running: false }, 50).await;
        assert_eq!(percent(30, eta).await, (false, 99, None));
    }

    async fn a_page_ends_where_it_has_enough_operations(bench: Bench) {
        for number in 1..=3 {
            let both = vec![moves(number * 10, "a", "b"), moves(number * 10 + 1, "a", "b")];
            bench.run_pending(number, made(both, &[("b", 2)])).await;
        }
        let list = async |operations, after| {
            let page = RunPage { limit: 3, after, operations };
            let listed = bench.store.run_list(&RunFilter::default(), page).await.unwrap();
            let runs: Vec<_> = listed.items.iter().map(|it| it.uuid).collect();
            (runs, listed.goes_on)
        };
        assert_eq!(list(Some(3), None).await, (vec![run(3), run(2)], true));
        let marker = bench.run(2).await.id;
        assert_eq!(list(Some(3), Some(marker)).await, (vec![run(1)], false));
        assert_eq!(list(Some(1), None).await, (vec![run(3)], true));
        assert_eq!(list(None, None).await, (vec![run(3), run(2), run(1)], false));
        let of = async |project: &str| {
            let all = vec![run(1), run(2), run(9)];
            bench.store.runs_of_project(all, project).await.unwrap()
        };
        let project = bench.run(1).await.by.project.unwrap();
        assert_eq!(of(&project).await, [run(1), run(2)].into());
        assert_eq!(of("other").await, [].into());
    }

    async fn lists_go_on_where_they_stopped(bench: Bench) {
        for number in 1..=3 {
            let plan = made(vec![moves(number, "a", "b")], &[("b", 1)]);
            bench.run_pending(number, plan).await;
        }
        bench.claim(1, TEN).await;
        let list = async |filter: RunFilter, after, limit| {
            let page = RunPage { limit, after, operations: None };
            let found = bench.store.run_list(&filter, page).await.unwrap();
            found.items.iter().map(|it| it.uuid).collect::<Vec<_>>()
        };
        let all = RunFilter::default;
        assert_eq!(list(all(), None, 9).await, [run(3), run(2), run(1)]);
        assert_eq!(list(all(), None, 1).await, [run(3)]);
        let marker = bench.run(3).await.id;
        assert_eq!(list(all(), Some(marker), 1).await, [run(2)]);
        let project = bench.run(1).await.by.project;
        for (filter, expected) in [
            (RunFilter { state: Some(RunState::Running), ..all() }, vec![run(1)]),
            (RunFilter { kind: Some(PlanKind::Rolling), ..all() }, vec![]),
            (RunFilter { project: Some("other".to_owned()), ..all() }, vec![]),
            (
                RunFilter { project, kind: Some(PlanKind::Host), state: Some(RunState::Pending) },
                vec![run(3), run(2)],
            ),
        ] {
            let count = bench.store.run_count(&filter).await.unwrap();
            assert_eq!(usize::try_from(count).unwrap(), expected.len(), "{filter:?}");
            assert_eq!(list(filter, None, 9).await, expected);
        }
        let page = RunPage { limit: 1, after: None, operations: Some(1) };
        let whole = bench.store.run_list(&all(), page).await.unwrap();
        assert_eq!((whole.items, whole.goes_on), (vec![bench.run(3).await], true));
        let unfinished = bench.store.runs_unfinished().await.unwrap();
        assert_eq!(unfinished.iter().map(|it| it.uuid).collect::<Vec<_>>(), [run(1), run(2), run(3)]);
        for (project, known) in [(None, 3), (Some("other"), 0)] {
            let snapshot = bench.store.snapshot(project).await.unwrap();
            assert_eq!(snapshot.runs.len(), known);
        }
        let found = bench.store.run_find(run(1), Some("other")).await.unwrap();
        assert_eq!(found, None);
    }

    async fn what_has_ended_is_forgotten_with_its_plan(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0), ("c", 0)]).await;
        bench.run_running(1, two()).await;
        bench.begins(1, 1, 41).await.unwrap();
        let failed = Outcome::Failed(failure(FailureCode::PreCheck));
        bench.happens(1, Event::OperationEnded(operation(1), failed), 50).await;
        let event = Event::OperationRevised(operation(1), "c".to_owned(), OperationKind::Live);
        bench.happens(1, event, 51).await;
        bench.happens(1, Event::CancelRequested { abort_running: false }, 60).await;
        bench.run_pending(2, made(vec![moves(9, "a", "b")], &[("b", 1)])).await;
        let prune = async |second| bench.store.runs_prune(at(second), 9).await.unwrap();
        assert_eq!(prune(99).await, 0, "its events can be read");
        bench.store.events_expire(at(99), 99).await.unwrap();
        assert_eq!(prune(99).await, 0, "somebody has still to do something for it");
        for claimed in bench.outbox().await {
            if matches!(claimed.subject, Subject::Run(it, _) if it == run(1)) {
                bench.store.effect_done(claimed.lease, at(61)).await.unwrap();
            }
        }
        assert_eq!(bench.store.plans_prune(at(99), 9).await.unwrap(), 0, "it goes with its run");
        assert_eq!(prune(59).await, 0);
        assert_eq!(prune(99).await, 1);
        assert_eq!(prune(99).await, 0, "the other one has not ended");
        assert_eq!(bench.texts("SELECT uuid AS text FROM plans"), [plan(2).to_string()]);
        assert_eq!(bench.texts("SELECT uuid AS text FROM operations"), [operation(9).to_string()]);
        assert_eq!(bench.texts("SELECT operation_uuid AS text FROM run_revisions"), [""; 0]);
        bench.assert_sound().await;
    }

    /// Of two that act at the same time each sees what the other one did.
    async fn steps_at_the_same_time_follow_each_other(bench: Bench) {
        let many: Vec<_> = (1..=12).map(|it| moves(it, "a", "b")).collect();
        bench.run_running(1, made(many, &[("b", 9)])).await;
        let skips = (1..=12).map(|of| {
            let store = bench.store.clone();
            async move {
                let event = Event::SkipRequested(operation(of));
                store.run_apply(run(1), event, by_conductor(50)).await.map(drop)
            }
        });
        for skipped in futures::future::join_all(skips).await {
            skipped.unwrap();
        }
        let record = bench.run(1).await;
        assert_eq!(states(&record), [OperationState::Skipped; 12]);
        assert_eq!(record.run.generation, 14);
        bench.assert_sound().await;
    }

    async fn a_plan_that_shuts_down_asks_whoever_holds_the_host(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let mut shutdown = moves(1, "a", "a");
        shutdown.kind = OperationKind::Shutdown;
        bench.run_running(1, made(vec![shutdown], &[])).await;
        let start = OperationStart::Power(godwit_store::NewPower {
            server: crate::bench::server(1),
            action: godwit_core::power::PowerAction::Stop,
            note: crate::bench::asked("req-2", at(41)),
        });
        let begun = bench.store.operation_begin(run(1), operation(1), start, anybody, by_conductor(41));
        let refused = begun.await;
        let forbidden = matches!(&refused, Err(OperationBeginError::ShutdownForbidden(it)) if *it == host("a"));
        assert!(forbidden, "{refused:?}");
        assert_eq!(bench.server(1).await.task_state, None);
    }

    async fn a_plan_whose_servers_are_blocked_is_partial_at_best(bench: Bench) {
        let new = NewPlan {
            options: Options { allow_partial: true, ..Options::default() },
            ..new_plan(1, Target::Host(host("a")))
        };
        bench.ask_for(new, 10).await;
        let partial = PlanMade { blocked: vec![blocked(8)], ..made(vec![], &[]) };
        bench.store.plan_made(plan(1), partial, by_conductor(20)).await.unwrap();
        let nothing = Vec::<()>::new();
        bench.store.plan_run(plan(1), new_run(1), nothing, by_user(30)).await.unwrap();
        let RoomAnswer::Claimed(record) = bench.claim(1, TEN).await else { panic!() };
        assert_eq!((record.run.blocked, record.run.state), (1, RunState::Partial));
        assert_eq!(record, Box::new(bench.run(1).await));
        bench.assert_sound().await;
    }
}
