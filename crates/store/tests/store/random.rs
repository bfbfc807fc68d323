//! Random events in random order: whatever is accepted, every promise holds after it, and what
//! is stored is what the table said.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::{Limits, Placement, StorageMode, TimeoutAction};
use godwit_store::{Actor, CommitError, CommitNote, StepError};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::bench::{Bench, at, host, migration, note_for};

fn events() -> impl Strategy<Value = Event> {
    let failure = || Failure::new(FailureCode::HypervisorError, "It said no.");
    let placement = (
        proptest::sample::select(vec!["b", "c"]),
        proptest::sample::select(vec![TimeoutAction::Abort, TimeoutAction::ForceComplete]),
    )
        .prop_map(|(destination, timeout_action)| {
            let placement = Placement {
                host: host(destination),
                node: format!("{destination}.example.org"),
                storage: StorageMode::Copied,
            };
            let limits = Limits {
                timeout_action,
                ..Limits::default()
            };
            Event::Placed(placement, limits)
        });
    prop_oneof![
        4 => placement,
        4 => Just(Event::Admitted),
        4 => Just(Event::Prepared),
        2 => Just(Event::AbortRequested),
        2 => Just(Event::ForceCompleteRequested),
        2 => Just(Event::PostCopyStarted),
        2 => Just(Event::HandedOver),
        3 => Just(Event::Finished { clean: true }),
        3 => Just(Event::RolledBack { clean: true }),
        1 => Just(Event::CancelledUnstarted),
        1 => Just(Event::NotPlaced(failure())),
        1 => Just(Event::NotPrepared(failure())),
        1 => Just(Event::MoveCancelled),
        1 => Just(Event::MoveFailed(failure())),
        1 => Just(Event::GuestLost(failure())),
        4 => Just(Event::SourceStopped),
        4 => Just(Event::Booted),
        1 => Just(Event::NotBooted(failure())),
        1 => Just(Event::ConfirmRequested),
        2 => Just(Event::RevertRequested),
        3 => Just(Event::Withdrawn),
        1 => Just(Event::SourceReturned),
        2 => Just(Event::DeadlinePassed),
    ]
}

/// Which of three migrations (live, cold, an evacuation), which event, and how many seconds after
/// the last one.
fn scripts() -> impl Strategy<Value = Vec<(u128, Event, i64)>> {
    let seconds = prop_oneof![5 => 0_i64..5, 1 => 100_i64..5_000];
    proptest::collection::vec((1..=3_u128, events(), seconds), 90)
}

async fn play(bench: &Bench, script: Vec<(u128, Event, i64)>) {
    let mut now = 20;
    let mut applied = 0;
    for (n, event, later) in script {
        now += later;
        let before = bench.record(n).await;
        let expected = godwit_core::transition::step(&before.migration, &event, at(now));
        let note = CommitNote {
            actor: Actor::Conductor,
            ..note_for(&event, at(now))
        };
        match bench.store.migration_apply(migration(n), event, note).await {
            Ok(stepped) => {
                let expected = expected.unwrap();
                assert_eq!(stepped.before, before);
                assert_eq!(
                    stepped.record.migration, expected.next,
                    "stored as it was said"
                );
                assert_eq!(stepped.transition, expected);
                assert_eq!(bench.record(n).await, stepped.record);
                bench.assert_sound().await;
                applied += 1;
            }
            Err(StepError::Rejected(why)) => {
                assert_eq!(expected.unwrap_err(), why);
                assert_eq!(bench.record(n).await, before);
            }
            Err(StepError::Commit(CommitError::NoRoom { .. } | CommitError::NoSlot { .. })) => {
                panic!("there is room for all three");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(applied > 0, "a script that does nothing proves nothing");
}

on_both! {
    async fn every_promise_holds_after_every_step(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 0), ("c", 0)]).await;
        bench.begin(1).await;
        bench.begin_cold(2).await;
        bench.evacuate(3).await;
        bench.remember();
        let mut runner = TestRunner::default();
        for _ in 0..8 {
            let script = scripts().new_tree(&mut runner).unwrap().current();
            println!("{script:#?}");
            bench.recall();
            play(&bench, script).await;
        }
    }
}
