//! Random moves of grouped servers: whatever is accepted, no group ever has more servers on a
//! host, or on their way to it or back, than it allows.

use std::collections::BTreeMap;

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::server_group::{DeclaredGroup, Policy};
use godwit_store::{CommitError, Observed, StepError};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::bench::{
    Bench, anybody, at, declared, migration, new_cold, new_evacuation, new_migration, note_for,
    placed, running, server,
};

const HOSTS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Servers by number: those of the first group, which keeps to one a host, and those of the
/// second, which keeps to two.
const GROUPS: [(&[u128], usize); 2] = [(&[1, 2, 3], 1), (&[4, 5, 6, 7], 2)];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Live,
    Cold,
    Evacuation,
}

/// One turn: something happens to the unfinished migration of a server, or else one begins.
type Turn = (u128, Kind, Event);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let kind =
        prop_oneof![3 => Just(Kind::Live), 3 => Just(Kind::Cold), 1 => Just(Kind::Evacuation)];
    let failure = || Failure::new(FailureCode::HypervisorError, "It said no.");
    let event = prop_oneof![
        8 => proptest::sample::select(HOSTS.to_vec()).prop_map(placed),
        4 => Just(Event::Admitted),
        4 => Just(Event::Prepared),
        3 => Just(Event::HandedOver),
        5 => Just(Event::Finished { clean: true }),
        2 => Just(Event::RolledBack { clean: true }),
        4 => Just(Event::SourceStopped),
        4 => Just(Event::Booted),
        1 => Just(Event::NotBooted(failure())),
        1 => Just(Event::NotPrepared(failure())),
        1 => Just(Event::MoveFailed(failure())),
        1 => Just(Event::AbortRequested),
        2 => Just(Event::ConfirmRequested),
        2 => Just(Event::RevertRequested),
        2 => Just(Event::Withdrawn),
    ];
    proptest::collection::vec((1..=7_u128, kind, event), 150)
}

async fn assert_nobody_is_crowded(bench: &Bench) {
    let unfinished = bench.store.migrations_unfinished().await.unwrap();
    for (servers, most) in GROUPS {
        let mut on: BTreeMap<_, Vec<u128>> = BTreeMap::new();
        for n in servers {
            let mut hosts: Vec<_> = bench.server(*n).await.host.into_iter().collect();
            for record in unfinished
                .iter()
                .filter(|it| it.migration.server == server(*n))
            {
                hosts.push(record.migration.source_compute.clone());
                hosts.extend(record.migration.destination().cloned());
            }
            hosts.sort();
            hosts.dedup();
            for host in hosts {
                on.entry(host).or_default().push(*n);
            }
        }
        for (host, crowd) in on {
            assert!(
                crowd.len() <= most,
                "{host} may have {crowd:?}: {unfinished:#?}"
            );
        }
    }
}

/// What came of a turn.
#[derive(Default)]
struct Played {
    accepted: usize,
    refused_by_groups: usize,
}

async fn play(bench: &Bench, turns: Vec<Turn>) -> Played {
    let mut played = Played::default();
    let mut current: BTreeMap<u128, u128> = BTreeMap::new();
    for (number, (n, kind, event)) in turns.into_iter().enumerate() {
        let now = at(20 + i64::try_from(number).unwrap());
        let Some(under_way) = current.get(&n).copied() else {
            let next = 1_000 + u128::try_from(number).unwrap();
            let uuid = migration(next);
            match kind {
                Kind::Live => {
                    let mut new = new_migration(n, now);
                    new.uuid = uuid;
                    bench
                        .store
                        .server_begin_live_migration(new, anybody)
                        .await
                        .unwrap();
                }
                Kind::Cold => {
                    let mut new = new_cold(n, now);
                    new.uuid = uuid;
                    bench
                        .store
                        .cold_migration_begin(new, anybody)
                        .await
                        .unwrap();
                }
                Kind::Evacuation => {
                    let mut new = new_evacuation(n, now);
                    new.uuid = uuid;
                    bench.store.evacuation_begin(new, anybody).await.unwrap();
                }
            }
            current.insert(n, next);
            continue;
        };
        // Nobody places a move where it comes from.
        let record = bench.record(under_way).await;
        if matches!(&event, Event::Placed(it, _) if it.host == record.migration.source_compute) {
            continue;
        }
        let note = note_for(&event, now);
        match bench
            .store
            .migration_apply(migration(under_way), event, note)
            .await
        {
            Ok(stepped) => {
                played.accepted += 1;
                if stepped.record.migration.status().has_ended() {
                    current.remove(&n);
                }
                assert_nobody_is_crowded(bench).await;
                bench.assert_sound().await;
            }
            Err(StepError::Commit(CommitError::GroupPolicy { .. })) => {
                played.refused_by_groups += 1;
            }
            Err(StepError::Rejected(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    played
}

on_both! {
    async fn no_move_ever_breaks_a_group(bench: Bench) {
        let [single, pairs] = [(1, 1), (2, 2)].map(|(n, most)| DeclaredGroup {
            max_server_per_host: Some(most),
            ..declared(n, Policy::AntiAffinity)
        });
        for name in HOSTS {
            bench.host(name).await;
        }
        let on: [(&str, &[u128]); 3] = [("a", &[1, 4, 5]), ("b", &[2, 6, 7]), ("c", &[3])];
        for (name, servers) in on {
            let domains = servers.iter().map(|n| Observed {
                group: Some(if *n <= 3 { single.clone() } else { pairs.clone() }),
                ..running(*n)
            });
            bench.hears(name, at(1), domains.collect()).await;
        }
        assert_nobody_is_crowded(&bench).await;
        bench.remember();
        let mut runner = TestRunner::default();
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..6 {
            let turns = turns().new_tree(&mut runner).unwrap().current();
            println!("{turns:#?}");
            bench.recall();
            let played = play(&bench, turns).await;
            accepted += played.accepted;
            refused += played.refused_by_groups;
        }
        assert!(accepted > 50 && refused > 5, "{accepted} accepted, {refused} refused by groups");
    }
}
