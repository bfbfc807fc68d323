//! Several stores on one database, as several conductors and APIs are.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use godwit_core::event::Event;
use godwit_core::transition::step;
use godwit_store::{Actor, BeginError, CommitError, CommitNote, NewLiveMigration, StepError};

use crate::bench::{LIMITS, anybody, at, migration, new_migration, note_for, placed};

on_both! {
    async fn no_effect_is_leased_twice(bench: Bench) {
        bench.fleet(&[("a", 40)]).await;
        for n in 1..=40 {
            bench.begin(n).await;
        }
        let stores = [bench.store.clone(), bench.another().await, bench.another().await];
        let claims = (0..30).map(|turn| {
            let (store, owner) = (stores[turn % 3].clone(), format!("conductor-{}", turn % 3));
            tokio::spawn(async move {
                store.effects_claim(&owner, at(20), Duration::from_secs(60), 3).await.unwrap()
            })
        });
        let mut leased = HashSet::new();
        for claim in join_all(claims).await {
            for effect in claim.unwrap() {
                assert_eq!(effect.lease.epoch, 1);
                assert!(leased.insert(effect.lease.effect), "{effect:?} twice");
            }
        }
        // Who was skipped over may have gone away empty; nothing may be left over in the end.
        while let claimed = stores[0].effects_claim("last", at(20), Duration::from_secs(60), 9).await.unwrap()
            && !claimed.is_empty()
        {
            leased.extend(claimed.iter().map(|it| it.lease.effect));
        }
        assert_eq!(leased.len(), 40);
    }

    async fn one_of_many_begins(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let other = bench.another().await;
        let begins = (1..=16).map(|n| {
            let store = if n % 2 == 0 { bench.store.clone() } else { other.clone() };
            let new = NewLiveMigration { uuid: migration(100 + n), ..new_migration(1, at(10)) };
            tokio::spawn(async move { store.server_begin_live_migration(new, anybody).await })
        });
        let mut begun = 0;
        for begin in join_all(begins).await {
            match begin.unwrap() {
                Ok(_) => begun += 1,
                Err(BeginError::NotFree) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(begun, 1);
        bench.assert_sound().await;
    }

    async fn one_of_two_transitions_from_the_same_row_wins(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let before = bench.begin(1).await.migration;
        let other = bench.another().await;
        let commits = (0..8).map(|turn| {
            let store = if turn % 2 == 0 { bench.store.clone() } else { other.clone() };
            let event = if turn < 4 { placed("b") } else { Event::AbortRequested };
            let transition = step(&before, &event, at(11)).unwrap();
            let (before, note) = (before.clone(), note_for(&event, at(11)));
            tokio::spawn(async move {
                store.migration_commit(&before, event, transition, note).await
            })
        });
        let mut won = 0;
        for commit in join_all(commits).await {
            match commit.unwrap() {
                Ok(_) => won += 1,
                Err(CommitError::Lost) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(won, 1);
        let record = bench.record(1).await;
        assert_eq!(record.migration.generation, before.generation + 1);
        assert_eq!(bench.store.migration_events(migration(1), 0).await.unwrap().len(), 2);
        bench.assert_sound().await;
    }

    async fn steps_and_remarks_in_parallel_leave_no_gap(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        let other = bench.another().await;
        let tasks = (0..24).map(|turn| {
            let store = if turn % 2 == 0 { bench.store.clone() } else { other.clone() };
            tokio::spawn(async move {
                if turn % 3 == 0 {
                    let detail = serde_json::json!(turn);
                    let noted = store
                        .migration_event_append(migration(1), "remark", Actor::Conductor, detail, at(12));
                    assert!(noted.await.unwrap());
                } else {
                    let note = note_for(&placed("b"), at(12));
                    store.migration_apply(migration(1), placed("b"), note).await.unwrap();
                }
            })
        });
        for task in join_all(tasks).await {
            task.unwrap();
        }
        let events = bench.store.migration_events(migration(1), 0).await.unwrap();
        let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=25).collect::<Vec<_>>());
        assert_eq!(bench.record(1).await.migration.generation, 17);
        bench.assert_sound().await;
    }

    async fn slot_limits_hold_under_parallel_admissions(bench: Bench) {
        bench.fleet(&[("a", 5), ("b", 5)]).await;
        for n in 1..=10 {
            bench.begin(n).await;
            // Crosswise, so that hosts are locked from both sides.
            bench.drive(n, [placed(if n <= 5 { "b" } else { "a" })]).await;
        }
        let other = bench.another().await;
        let admissions = (1..=10).map(|n| {
            let store = if n % 2 == 0 { bench.store.clone() } else { other.clone() };
            let note = CommitNote {
                slots: Some(LIMITS),
                ..CommitNote::new(Actor::Conductor, at(30))
            };
            tokio::spawn(async move { store.migration_apply(migration(n), Event::Admitted, note).await })
        });
        let mut admitted = 0;
        for admission in join_all(admissions).await {
            match admission.unwrap() {
                Ok(_) => admitted += 1,
                Err(StepError::Commit(CommitError::NoSlot { .. })) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(admitted, 2, "one from each to the other");
        assert_eq!(bench.store.slot_list().await.unwrap().len(), 4);
        bench.assert_sound().await;
    }

    async fn room_is_never_given_twice(bench: Bench) {
        bench.fleet(&[("a", 8), ("b", 7)]).await;
        for n in 1..=8 {
            bench.begin(n).await;
        }
        let other = bench.another().await;
        let placements = (1..=8).map(|n| {
            let store = if n % 2 == 0 { bench.store.clone() } else { other.clone() };
            let note = note_for(&placed("b"), at(11));
            tokio::spawn(async move { store.migration_apply(migration(n), placed("b"), note).await })
        });
        let mut fits = 0;
        for placement in join_all(placements).await {
            match placement.unwrap() {
                Ok(_) => fits += 1,
                Err(StepError::Commit(CommitError::NoRoom { .. })) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(fits, 3, "ten fit, seven are there");
        assert_eq!(bench.queue().await.len(), 3);
        bench.assert_sound().await;
    }

    async fn inventories_and_moves_do_not_stand_in_each_others_way(bench: Bench) {
        bench.fleet(&[("a", 4), ("b", 4)]).await;
        let other = bench.another().await;
        let on = |from: u128| (from..from + 4).map(crate::bench::running).collect::<Vec<_>>();
        let inventories = (0..10).flat_map(|turn| {
            [("a", on(1)), ("b", on(5))].map(|(name, domains)| {
                let store = if turn % 2 == 0 { bench.store.clone() } else { other.clone() };
                let inventory = godwit_store::Inventory {
                    host: crate::bench::host(name),
                    at: at(10 + turn),
                    facts: None,
                    domains,
                };
                tokio::spawn(async move {
                    store.inventory_record(inventory).await.unwrap();
                })
            })
        });
        let moves = (1..=8).map(|n| {
            let store = if n % 2 == 0 { bench.store.clone() } else { other.clone() };
            tokio::spawn(async move {
                let new = new_migration(n, at(10));
                store.server_begin_live_migration(new, anybody).await.unwrap();
                let event = placed(if n <= 4 { "b" } else { "a" });
                let note = note_for(&event, at(11));
                store.migration_apply(migration(n), event, note).await.unwrap();
                for event in [Event::AbortRequested, Event::CancelledUnstarted] {
                    let note = note_for(&event, at(12));
                    store.migration_apply(migration(n), event, note).await.unwrap();
                }
            })
        });
        for task in join_all(inventories.chain(moves)).await {
            task.unwrap();
        }
        bench.assert_sound().await;
    }
}
