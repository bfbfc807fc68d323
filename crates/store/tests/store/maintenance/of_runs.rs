//! Runs that hold hosts themselves.

use super::*;

on_both! {
    async fn a_run_holds_the_host_that_enters_maintenance_or_there_is_none(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.ask_for(crate::plans::new_plan(1, Target::Maintenance(host("a"))), 10).await;
        let begin = async |second| {
            let holder = hold("me", Immovable::Wait).holder;
            let new = godwit_store::NewRun {
                uuid: run(1),
                host: Some(host("a")),
                hold: Some((holder, fresh(2))),
            };
            bench.store.plan_run(plan(1), new, Vec::<()>::new(), by_user(second)).await
        };
        assert!(begin(15).await.is_err(), "it is being made");
        assert_eq!(bench.store.maintenance_find(&host("a")).await.unwrap(), None);
        bench.store.plan_made(plan(1), one_move(), by_conductor(20)).await.unwrap();
        begin(30).await.unwrap();
        let held = bench.store.maintenance_find(&host("a")).await.unwrap().unwrap();
        assert_eq!(held.maintenance.state, State::Entering);
        assert_eq!(work(&held), Some((run(1), Purpose::Emptying)));
        assert_eq!(bench.store.run_find(run(2), None).await.unwrap(), None, "none is made");
        bench.assert_sound().await;
    }

    async fn a_rolling_run_holds_a_host_and_releases_it(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.rolls(&["a"], one_move()).await;
        let options = Options { reason: Some("a new kernel".to_owned()), ..Options::default() };
        for _ in 0..2 {
            let held = bench.holds_by_run("a", &options).await;
            assert_eq!(held.maintenance.holders.len(), 1);
            assert_eq!(held.maintenance.holders[0].holder, format!("run:{}", run(1)));
            assert_eq!(work(&held), Some((run(1), Purpose::Emptying)));
        }
        assert_eq!(bench.store.run_find(run(2), None).await.unwrap(), None, "none is made");
        bench.carries_out(1, 1).await;
        bench.sees(&[], 60).await;
        for _ in 0..2 {
            let of = (run(1), host("a"));
            let ids = [fresh(3), fresh(4)];
            let released = bench.store.maintenance_release_by_run(of, ReturnHome::Now, ids, by_conductor(70));
            let released = released.await.unwrap().unwrap();
            assert_eq!(released.maintenance.state, State::Leaving);
            assert_eq!(work(&released), Some((run(4), Purpose::Returning)));
        }
        bench.assert_sound().await;
    }

    /// Whoever joins somebody who empties many hosts wants this one empty, and none of the others as it is.
    async fn a_run_of_many_hosts_goes_on_when_others_hold_one_of_them_too(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.rolls(&["a"], one_move()).await;
        let options = Options { immovable: Immovable::Skip, ..Options::default() };
        bench.holds_by_run("a", &options).await;
        let joined = bench.holds(hold("b", Immovable::Wait), 3, 50).await;
        assert_eq!(joined.maintenance.holders.len(), 2);
        assert_eq!(joined.maintenance.immovable(), Immovable::Wait);
        let record = bench.run(1).await.run;
        assert_eq!((record.state, record.cancel_requested_at), (RunState::Running, None));
        bench.assert_sound().await;
    }

    async fn of_what_a_plan_of_several_hosts_left_out_each_hears_of_its_own(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 1)]).await;
        let made = godwit_store::PlanMade {
            blocked: vec![crate::plans::blocked(2), crate::plans::blocked(3)],
            ..one_move()
        };
        bench.rolls(&["a", "b"], made).await;
        for (name, number) in [("a", 2), ("b", 3)] {
            let of = (run(1), host(name));
            let nobody = bench.store.maintenance_end_part(of.clone(), fresh(9), by_conductor(35)).await;
            assert_eq!(nobody.unwrap(), None, "nobody holds it yet");
            bench.holds_by_run(name, &Options::default()).await;
            for _ in 0..2 {
                let ended = bench.store.maintenance_end_part(of.clone(), fresh(3), by_conductor(50)).await;
                let it = ended.unwrap().unwrap();
                assert_eq!(work(&it), None);
                let left: Vec<_> = it.maintenance.left.keys().copied().collect();
                // The one move of this plan has not ended either.
                let expected = match name {
                    "a" => vec![server(1), server(number)],
                    _ => vec![server(number)],
                };
                assert_eq!(left, expected);
            }
        }
    }

    async fn what_has_expired_of_maintenance_goes_and_its_numbers_go_on(bench: Bench) {
        bench.fleet(&[("a", 0)]).await;
        bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        bench.holds(hold("other", Immovable::Wait), 2, 31).await;
        bench.store.events_expire(at(30), 99).await.unwrap();
        assert_eq!(bench.store.host_events_prune(9).await.unwrap(), 1);
        bench.releases("other", 3, 40).await;
        let told = bench.told(EventSubject::Maintenance(host("a"))).await;
        let numbers: Vec<i64> = told.iter().map(|it| it.sequence).collect();
        assert_eq!(numbers, [2, 3]);
        bench.assert_sound().await;
    }
}
