//! What is disabled receives nothing, not even by what was decided just before.

use std::collections::BTreeSet;

use futures::future::join;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::host::scope::{ScopeKind, Topology};
use godwit_store::{
    AllocationChange, CommitError, EventQuery, LoggedEvent, NewLiveMigration, Placing,
    ServiceBinary, ServiceChange, ServiceKey, ServiceStatus, StepError, Store,
};

use crate::bench::{
    Bench, anybody, asked, at, host, migration, new_migration, note_for, placed, uuid,
};

/// What can be disabled, and which of the hosts `b` and `c` are in it.
const SWITCHES: [(Option<ScopeKind>, &str, &[&str]); 6] = [
    (Some(ScopeKind::Zone), "z1", &["b", "c"]),
    (Some(ScopeKind::Pod), "p1", &["b", "c"]),
    (Some(ScopeKind::Cluster), "c1", &["b"]),
    (Some(ScopeKind::Cluster), "c2", &["c"]),
    (None, "b", &["b"]),
    (None, "c", &["c"]),
];

async fn scopes(bench: &Bench) {
    bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
    for (name, cluster) in [("b", "c1"), ("c", "c2")] {
        let placing = Placing {
            aggregate: uuid("aggregate", "z1"),
            by: asked("req-1", at(2)).requester(),
            at: at(2),
        };
        let place = Topology {
            zone: "z1".to_owned(),
            pod: Some("p1".to_owned()),
            cluster: Some(cluster.to_owned()),
        };
        bench
            .store
            .host_place(&host(name), placing, move |_| Ok::<_, ()>(place.clone()))
            .await
            .unwrap();
    }
}

async fn turn_host(store: &Store, name: &str, disabled: bool) {
    let key = ServiceKey::On(host(name), ServiceBinary::Compute);
    let service = store.service_find(key).await.unwrap().unwrap();
    let reason = Some("fan".to_owned());
    let change = ServiceChange {
        status: Some(match disabled {
            true => ServiceStatus::Disabled { reason },
            false => ServiceStatus::Enabled,
        }),
        forced_down: None,
        note: asked("req-1", at(15)),
    };
    let fine = |_: &_, _: &_| Ok::<(), ()>(());
    store
        .service_update(service.uuid, change, fine)
        .await
        .unwrap();
}

async fn turn(store: &Store, which: usize, disabled: bool) {
    let (kind, name, _) = SWITCHES[which];
    let Some(kind) = kind else {
        return turn_host(store, name, disabled).await;
    };
    let change = AllocationChange {
        disabled,
        reason: disabled.then(|| "power".to_owned()),
        by: asked("req-1", at(15)).requester(),
        at: at(15),
    };
    store
        .scope_allocate((kind, name), change, |_| Ok::<(), ()>(()))
        .await
        .unwrap();
}

async fn begin(store: &Store, number: u128) {
    let new = NewLiveMigration {
        uuid: migration(number),
        ..new_migration(1, at(10))
    };
    store
        .server_begin_live_migration(new, anybody)
        .await
        .unwrap();
}

/// Puts a migration of server 1 on a host; `false`: nothing is put there.
async fn place(store: &Store, number: u128, name: &str) -> bool {
    let event = placed(name);
    let note = note_for(&event, at(20));
    match store.migration_apply(migration(number), event, note).await {
        Ok(_) => true,
        Err(StepError::Commit(CommitError::Disabled { host: it, because })) => {
            assert!(it == host(name) && !because.is_empty());
            false
        }
        Err(error) => panic!("{error:?}"),
    }
}

async fn end(store: &Store, number: u128) {
    let event = Event::NotPlaced(Failure::new(FailureCode::NoValidHost, "enough"));
    let note = note_for(&event, at(21));
    store
        .migration_apply(migration(number), event, note)
        .await
        .unwrap();
}

/// Placements of one case; there are four.
const PLACEMENTS: usize = 2_500;

/// Each is decided some switches before it is written down.
async fn decided_just_before(seed: u64) {
    let bench = Bench::sqlite().await;
    scopes(&bench).await;
    let store = &bench.store;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut number, mut arrived, mut refused) = (1_000, 0_usize, 0_usize);
    begin(store, number).await;
    while arrived + refused < PLACEMENTS {
        let loads = store.host_loads().await.unwrap();
        let is_free = |name: &&str| {
            let load = loads.iter().find(|it| it.host.facts.name == host(name));
            load.unwrap().because.is_empty()
        };
        let free: Vec<&str> = ["b", "c"].into_iter().filter(is_free).collect();
        assert_eq!(
            free.len(),
            2,
            "everything is enabled at the beginning of a round"
        );
        let chosen = free[random.usize(0..free.len())];
        let mut disabled = [false; SWITCHES.len()];
        for _ in 0..random.usize(0..3) {
            let which = random.usize(0..SWITCHES.len());
            disabled[which] = !disabled[which];
            turn(store, which, disabled[which]).await;
        }
        let mut is_off = SWITCHES.iter().zip(disabled);
        let is_off = is_off.any(|((_, _, hosts), off)| off && hosts.contains(&chosen));
        let is_placed = place(store, number, chosen).await;
        assert_eq!(is_placed, !is_off, "{chosen} {disabled:?}");
        if is_placed {
            arrived += 1;
            end(store, number).await;
            number += 1;
            begin(store, number).await;
        } else {
            refused += 1;
        }
        for which in (0..SWITCHES.len()).filter(|which| disabled[*which]) {
            turn(store, which, false).await;
        }
    }
    assert!(
        arrived > PLACEMENTS / 5 && refused > PLACEMENTS / 5,
        "{arrived} {refused}"
    );
    bench.assert_sound().await;
}

macro_rules! seeds {
    ($($name:ident: $seed:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            decided_just_before($seed).await;
        }
    )+};
}

seeds! {
    what_is_disabled_receives_nothing_first_seed: 0x0dd5_eed1;
    what_is_disabled_receives_nothing_second_seed: 0x0dd5_eed2;
    what_is_disabled_receives_nothing_third_seed: 0x0dd5_eed3;
    what_is_disabled_receives_nothing_fourth_seed: 0x0dd5_eed4;
}

on_both! {
    /// As it is written down: between being disabled and being enabled nothing is placed.
    async fn two_at_a_time_are_one_after_the_other(bench: Bench) {
        scopes(&bench).await;
        let (places, switches) = (bench.store.clone(), bench.another().await);
        let placing = async {
            let (mut number, mut arrived) = (1_000, BTreeSet::new());
            begin(&places, number).await;
            for _ in 0..200 {
                if place(&places, number, "b").await {
                    arrived.insert(number);
                    end(&places, number).await;
                    number += 1;
                    begin(&places, number).await;
                }
            }
            arrived
        };
        let switching = async {
            for n in 0..200 {
                turn_host(&switches, "b", n % 2 == 0).await;
            }
        };
        let (arrived, ()) = join(placing, switching).await;
        let (mut after, mut is_off, mut seen) = (0, false, 0);
        loop {
            let page = bench.store.events_page(&EventQuery::after(after, 500)).await.unwrap();
            let Some(last) = page.events.last() else { break };
            after = last.position;
            for logged in &page.events {
                match (&logged.event, logged.event.event_type().as_str()) {
                    (LoggedEvent::Host { .. }, "host.disabled") => is_off = true,
                    (LoggedEvent::Host { .. }, "host.enabled") => is_off = false,
                    (LoggedEvent::Migration { .. }, "migration.placed") => {
                        assert!(!is_off, "{logged:?}");
                        seen += 1;
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(seen, arrived.len());
        bench.assert_sound().await;
    }
}
