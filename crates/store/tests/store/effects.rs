//! The outbox: order, leases, retries.

use std::time::Duration;

use godwit_core::effect::{Effect, Subject};
use godwit_core::event::Event;
use godwit_core::power::PowerAction;
use godwit_core::trace::TraceContext;
use godwit_store::{ActionNote, ClaimedOfMigration, CommitNote, Lease, NewLiveMigration, NewPower};

use crate::bench::{Bench, anybody, asked, at, migration, new_migration, placed, server};

const LEASE: Duration = Duration::from_secs(5);

async fn claim(bench: &Bench, owner: &str, second: i64) -> Vec<ClaimedOfMigration> {
    let claimed = bench.store.effects_claim(owner, at(second), LEASE, 10);
    let claimed = claimed.await.unwrap().into_iter();
    claimed
        .map(|claimed| match claimed.subject {
            Subject::Migration(uuid, effect) => claimed.about((uuid, effect)),
            Subject::Server(..) | Subject::Plan(..) | Subject::Run(..) => panic!("{claimed:?}"),
        })
        .collect()
}

fn kinds(claimed: &[ClaimedOfMigration]) -> Vec<Effect> {
    claimed.iter().map(|it| it.subject.1).collect()
}

on_both! {
    async fn a_lease_is_exclusive_until_it_ends(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.begin(1).await;
        assert_eq!(claim(&bench, "early", 9).await, [], "its time has not come");
        let mine = claim(&bench, "me", 10).await;
        assert_eq!(mine.len(), 1);
        assert_eq!((mine[0].subject, mine[0].sequence), ((migration(1), Effect::Schedule), 1));
        assert_eq!((mine[0].lease.epoch, mine[0].attempts), (1, 0));
        assert_eq!(mine[0].created_at, at(10));
        assert_eq!(claim(&bench, "other", 14).await, [], "held");

        let store = &bench.store;
        assert!(store.effect_renew(mine[0].lease, at(20)).await.unwrap());
        assert_eq!(claim(&bench, "other", 19).await, [], "renewed");
        let theirs = claim(&bench, "other", 20).await;
        assert_eq!(theirs[0].lease.epoch, 2);
        assert!(!store.effect_renew(mine[0].lease, at(90)).await.unwrap(), "lost");
        assert!(!store.effect_done(mine[0].lease, at(21)).await.unwrap());
        assert!(!store.effect_retry(mine[0].lease, at(21), "late").await.unwrap());
        assert!(store.effect_done(theirs[0].lease, at(22)).await.unwrap());
        assert!(!store.effect_done(theirs[0].lease, at(22)).await.unwrap(), "once");
        assert_eq!(claim(&bench, "me", 900).await, []);
    }

    async fn many_leases_are_renewed_together(bench: Bench) {
        bench.fleet(&[("a", 3)]).await;
        for number in 1..=3 {
            bench.begin(number).await;
        }
        let mine: Vec<_> = claim(&bench, "me", 10).await.iter().map(|it| it.lease).collect();
        bench.store.effect_done(mine[1], at(11)).await.unwrap();
        let held = bench.store.effects_renew(mine.clone(), at(20)).await.unwrap();
        assert_eq!(held, [mine[0], mine[2]]);
        assert_eq!(claim(&bench, "other", 19).await, [], "renewed");
        assert_eq!(bench.store.effects_renew(Vec::new(), at(20)).await.unwrap(), []);
    }

    async fn a_retry_waits_and_is_counted(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.begin(1).await;
        let first = claim(&bench, "me", 10).await.remove(0);
        assert!(bench.store.effect_retry(first.lease, at(30), "no route").await.unwrap());
        assert!(!bench.store.effect_renew(first.lease, at(90)).await.unwrap(), "given back");
        assert_eq!(claim(&bench, "me", 29).await, []);
        let again = claim(&bench, "me", 30).await.remove(0);
        let lease = Lease { epoch: 2, ..first.lease };
        assert_eq!((again.lease, again.attempts), (lease, 1));
    }

    async fn a_clean_stop_gives_leases_back(bench: Bench) {
        bench.fleet(&[("a", 2)]).await;
        bench.begin(1).await;
        bench.begin(2).await;
        assert_eq!(bench.store.effects_claim("me", at(10), LEASE, 1).await.unwrap().len(), 1);
        assert_eq!(claim(&bench, "other", 10).await.len(), 1);
        assert_eq!(bench.store.effects_release("me").await.unwrap(), 1);
        assert_eq!(claim(&bench, "other", 11).await.len(), 1, "what was mine");
    }

    async fn a_move_under_way_does_not_wait_for_those_that_are_still_to_be_placed(bench: Bench) {
        bench.fleet(&[("a", 4), ("b", 0)]).await;
        for number in 1..=4 {
            bench.begin(number).await;
        }
        let claimed = bench.store.effects_claim("me", at(10), LEASE, 1);
        let first = claimed.await.unwrap().remove(0);
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        bench.store.effect_done(first.lease, at(11)).await.unwrap();
        let beginnings = bench.store.effects_claim_beginnings("me", at(20), LEASE, 1).await.unwrap();
        let second = (migration(2), Effect::Schedule);
        assert_eq!(beginnings[0].subject, Subject::Migration(second.0, second.1));
        let claimed = bench.store.effects_claim("me", at(20), LEASE, 1);
        let subject = claimed.await.unwrap().remove(0).subject;
        assert_eq!(subject, Subject::Migration(migration(1), Effect::Prepare));
    }

    async fn effects_keep_their_order_but_for_what_may_overtake(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        // Schedule is not done yet, so Prepare has to wait.
        assert_eq!(kinds(&claim(&bench, "x", 30).await), [Effect::Schedule]);
        let schedule = claim(&bench, "x", 40).await.remove(0);
        bench.store.effect_done(schedule.lease, at(41)).await.unwrap();
        let prepare = claim(&bench, "x", 41).await.remove(0);
        assert_eq!(prepare.subject.1, Effect::Prepare);
        bench.store.effect_done(prepare.lease, at(41)).await.unwrap();

        bench.drive(1, [Event::Prepared]).await;
        let start = claim(&bench, "x", 42).await;
        assert_eq!(kinds(&start), [Effect::Start], "Watch comes after it");
        bench.store.effect_done(start[0].lease, at(42)).await.unwrap();
        let watch = claim(&bench, "x", 42).await;
        assert_eq!(kinds(&watch), [Effect::Watch]);

        bench.drive(1, [Event::ForceCompleteRequested]).await;
        let force = claim(&bench, "y", 43).await;
        assert_eq!(kinds(&force), [Effect::ForceComplete], "nobody waits for Watch");
        bench.drive(1, [Event::AbortRequested]).await;
        assert_eq!(kinds(&claim(&bench, "y", 44).await), [Effect::Abort], "overtakes");
    }

    async fn effects_are_of_the_trace_of_the_request_behind_them(bench: Bench) {
        let trace = |span| TraceContext::new(7, span, 1);
        bench.fleet(&[("a", 3), ("b", 0)]).await;
        let new = NewLiveMigration { trace: trace(1), ..new_migration(1, at(10)) };
        bench.store.server_begin_live_migration(new, anybody).await.unwrap();
        let schedule = claim(&bench, "x", 20).await.remove(0);
        assert_eq!(schedule.trace, trace(1));
        bench.store.effect_done(schedule.lease, at(21)).await.unwrap();

        // What follows from it, whoever writes it, and whoever performs it again.
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        for second in [30, 40] {
            let prepare = claim(&bench, "x", second).await.remove(0);
            assert_eq!((prepare.subject.1, prepare.trace), (Effect::Prepare, trace(1)));
        }
        // What another request asks for is that request's.
        bench.drive(1, [Event::Prepared]).await;
        let note = ActionNote { trace: trace(2), ..asked("req-2", at(50)) };
        let note = CommitNote::requested(note);
        let aborted = bench.store.migration_apply(migration(1), Event::AbortRequested, note);
        aborted.await.unwrap();
        let abort = claim(&bench, "y", 60).await;
        let abort = abort.iter().find(|it| it.subject.1 == Effect::Abort).unwrap();
        assert_eq!(abort.trace, trace(2));

        let note = ActionNote { trace: trace(3), ..asked("req-3", at(70)) };
        let stop = NewPower { server: server(2), action: PowerAction::Stop, note };
        bench.store.power_begin(stop, anybody).await.unwrap();
        let claimed = bench.store.effects_claim("z", at(70), LEASE, 10).await.unwrap();
        let stop = claimed.iter().find(|it| matches!(it.subject, Subject::Server(..))).unwrap();
        assert_eq!(stop.trace, trace(3));
        bench.store.effect_done(stop.lease, at(71)).await.unwrap();

        // Of a request that nobody traces there is none.
        bench.store.server_begin_live_migration(new_migration(3, at(80)), anybody).await.unwrap();
        let claimed = claim(&bench, "w", 90).await;
        let untraced = claimed.iter().find(|it| it.subject.0 == migration(3)).unwrap();
        assert_eq!(untraced.trace, None);
    }
}
