//! What happens to hosts, and discrepancies, in the one order of all events.

use godwit_core::discrepancy::{DiscrepancyKind, DiscrepancySubject};
use godwit_core::time::Timestamp;
use godwit_store::{
    EventQuery, EventSubject, LoggedEvent, PositionedEvent, Service, ServiceChange, ServiceState,
    ServiceStatus, ServiceUse, Store, StoreOptions, SubjectEvent,
};

use crate::bench::{Bench, asked, at, host, migration, running, server, uuid};
use crate::released::as_released;

/// Everything that is told.
async fn told(store: &Store) -> Vec<PositionedEvent> {
    let page = store.events_page(&EventQuery::after(0, 999)).await;
    page.unwrap().events
}

async fn types(store: &Store) -> Vec<String> {
    let told = told(store).await;
    told.iter().map(|it| it.event.event_type()).collect()
}

/// Only what is told of hosts.
async fn of_hosts(store: &Store) -> Vec<(String, SubjectEvent)> {
    let told = told(store).await.into_iter();
    let of_host = |it: PositionedEvent| match it.event {
        LoggedEvent::Host { host, line } => Some((host.to_string(), line)),
        _ => None,
    };
    told.filter_map(of_host).collect()
}

async fn change(
    bench: &Bench,
    status: Option<ServiceStatus>,
    forced_down: Option<bool>,
    second: i64,
) {
    let change = ServiceChange {
        status,
        forced_down,
        note: asked("req-7", at(second)),
    };
    let fine = |_: &Service, _: &ServiceUse| Ok::<_, ()>(());
    let changed = bench
        .store
        .service_update(uuid("service", "a"), change, fine);
    changed.await.unwrap();
}

fn disabled(reason: &str) -> Option<ServiceStatus> {
    let reason = Some(reason.to_owned());
    Some(ServiceStatus::Disabled { reason })
}

async fn remove(bench: &Bench, second: i64) {
    let note = asked("req-8", at(second));
    let removed = bench
        .store
        .service_delete(uuid("service", "a"), note, |_, _| Ok::<_, ()>(()));
    removed.await.unwrap();
}

async fn tell_silence(store: &Store, alive_since: i64, second: i64) -> usize {
    let told = store.hosts_tell_silence(Some(at(alive_since)), at(second));
    told.await.unwrap()
}

async fn beat(bench: &Bench, second: i64) {
    let (name, boot) = (host("a"), uuid("boot", "a"));
    let known = bench.store.host_heartbeat(&name, boot, at(second)).await;
    assert!(known.unwrap());
}

fn nowhere(n: u128) -> DiscrepancySubject {
    DiscrepancySubject::of_server(DiscrepancyKind::SeenNowhere, server(n), Some(host("a")))
}

/// Opens one for each of these servers at `second`: their host shows none of them.
async fn lose(bench: &Bench, second: i64) {
    bench.hears("a", at(second), vec![]).await;
}

/// They are back, so that nothing is wrong any more.
async fn find_again(bench: &Bench, count: u128, second: i64) {
    let guests = (1..=count).map(running).collect();
    bench.hears("a", at(second), guests).await;
}

async fn close(bench: &Bench, n: u128, second: i64) -> bool {
    let because = "it was found".to_owned();
    let closed = bench
        .store
        .discrepancies_close(vec![nowhere(n)], because, at(second));
    closed.await.unwrap()
}

async fn expire(bench: &Bench, before: Timestamp) {
    while bench.store.events_expire(before, 99).await.unwrap() > 0 {}
}

on_both! {
    async fn what_happens_to_a_host_is_told_in_its_order_and_by_whom(bench: Bench) {
        bench.told_host("a", 1).await;
        bench.told_host("a", 2).await;
        change(&bench, disabled("a new disk"), None, 3).await;
        change(&bench, disabled("a new disk"), None, 4).await;
        change(&bench, disabled("two of them"), Some(true), 5).await;
        change(&bench, Some(ServiceStatus::Enabled), Some(false), 6).await;
        remove(&bench, 7).await;
        bench.told_host("a", 8).await;
        let all = of_hosts(&bench.store).await;
        let told: Vec<_> = all
            .iter()
            .map(|(host, it)| (host.as_str(), it.sequence, it.name.as_str(), it.at))
            .collect();
        assert_eq!(told, [
            ("a", 1, "registered", at(1)),
            ("a", 2, "disabled", at(3)),
            ("a", 3, "forced_down", at(5)),
            ("a", 4, "disabled", at(5)),
            ("a", 5, "forced_up", at(6)),
            ("a", 6, "enabled", at(6)),
            ("a", 7, "removed", at(7)),
            ("a", 8, "registered", at(8)),
        ]);
        let who = |it: &SubjectEvent| (it.actor.clone(), it.user_id.clone(), it.request_id.clone());
        assert_eq!(who(&all[0].1), ("agent:a".to_owned(), None, None));
        let admin = Some("admin".to_owned());
        assert_eq!(who(&all[1].1), ("api".to_owned(), admin.clone(), Some("req-7".to_owned())));
        assert_eq!(who(&all[6].1), ("api".to_owned(), admin, Some("req-8".to_owned())));
        assert_eq!(all[1].1.detail["reason"], "a new disk");
        let service: ServiceState =
            serde_json::from_value(all[3].1.detail["service"].clone()).unwrap();
        assert_eq!(service.disabled_reason.as_deref(), Some("two of them"));
        assert!(service.disabled && service.forced_down);
        assert_eq!((service.uuid, service.last_seen_up), (uuid("service", "a"), Some(at(2))));
        bench.assert_sound().await;
    }

    async fn what_is_refused_is_not_told(bench: Bench) {
        bench.host("a").await;
        let down = ServiceChange { status: None, forced_down: Some(true), note: asked("r", at(5)) };
        let refused = bench.store.service_update(uuid("service", "a"), down, |_, _| Err(()));
        refused.await.unwrap_err();
        assert_eq!(types(&bench.store).await, [""; 0]);
    }

    async fn silence_is_told_once_and_so_is_its_end(bench: Bench) {
        bench.host("a").await;
        let others = bench.another().await;
        beat(&bench, 10).await;
        assert_eq!(tell_silence(&bench.store, 10, 70).await, 0, "it was just heard");
        assert_eq!(tell_silence(&bench.store, 11, 71).await, 1);
        assert_eq!(tell_silence(&bench.store, 12, 72).await, 0);
        // One that was started since, whose clock is behind.
        assert_eq!(tell_silence(&others, 5, 65).await, 0);
        assert_eq!(types(&bench.store).await, ["host.down"]);
        let silent = bench.store.host_find(&host("a")).await.unwrap().unwrap().service;
        assert_eq!(silent.silent_since, Some(at(10)));
        assert!(silent.is_told_silent());

        beat(&bench, 73).await;
        let heard = bench.store.host_find(&host("a")).await.unwrap().unwrap().service;
        assert!(!heard.is_told_silent());
        assert_eq!(tell_silence(&others, 14, 74).await, 1);
        assert_eq!(tell_silence(&bench.store, 14, 74).await, 0);
        assert_eq!(tell_silence(&bench.store, 80, 140).await, 1, "and again");
        assert_eq!(types(&bench.store).await, ["host.down", "host.up", "host.down"]);
        bench.assert_sound().await;
    }

    async fn of_many_that_notice_one_tells_it(bench: Bench) {
        for name in ["a", "b", "c"] {
            bench.host(name).await;
        }
        let others = [bench.another().await, bench.another().await, bench.store.clone()];
        let looks = others.iter().map(|store| tell_silence(store, 50, 60));
        let told: usize = futures::future::join_all(looks).await.into_iter().sum();
        assert_eq!(told, 3);
        assert_eq!(types(&bench.store).await, ["host.down"; 3]);
        bench.assert_sound().await;
    }

    /// Without a conductor nobody is heard.
    async fn who_has_not_listened_for_long_says_of_nobody_that_it_is_silent(bench: Bench) {
        bench.host("a").await;
        assert_eq!(bench.store.hosts_tell_silence(None, at(99)).await.unwrap(), 0);
        assert_eq!(tell_silence(&bench.store, 50, 99).await, 1);
        beat(&bench, 100).await;
        assert_eq!(bench.store.hosts_tell_silence(None, at(101)).await.unwrap(), 1);
        assert_eq!(types(&bench.store).await, ["host.down", "host.up"]);
    }

    async fn discrepancies_are_told_with_their_servers_project(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        lose(&bench, 20).await;
        assert!(close(&bench, 1, 30).await);
        assert!(!close(&bench, 1, 31).await);
        let all = told(&bench.store).await;
        let LoggedEvent::Discrepancy { id, server_project_id, line } = &all[0].event else {
            panic!("{all:?}")
        };
        assert_eq!(server_project_id.as_deref(), Some("demo"));
        assert_eq!((line.sequence, line.at, line.actor.as_str()), (1, at(20), "conductor"));
        assert_eq!(line.detail["kind"], "seen_nowhere");
        assert_eq!(line.detail["server"], server(1).to_string());
        assert_eq!((&line.detail["host"], &line.detail["migration"]), (&"a".into(), &().into()));
        assert!(line.detail["text"].is_string());
        let LoggedEvent::Discrepancy { id: closed, line, .. } = &all[1].event else {
            panic!("{all:?}")
        };
        assert_eq!((closed, line.sequence, line.at), (id, 2, at(30)));
        assert_eq!(line.detail["because"], "it was found");
        let kinds: Vec<_> = all.iter().map(|it| it.event.event_type()).collect();
        assert_eq!(kinds, ["discrepancy.opened", "discrepancy.closed"]);
        find_again(&bench, 1, 32).await;
        bench.assert_sound().await;
    }

    async fn a_reader_gets_what_it_may_see(bench: Bench) {
        bench.fleet(&[("a", 2)]).await;
        let lab = format!("UPDATE servers SET project_id = 'lab' WHERE uuid = '{}'", server(2));
        bench.sql(&lab);
        bench.begin(1).await;
        change(&bench, disabled("x"), None, 12).await;
        lose(&bench, 20).await;
        let every = ["migration.requested", "host.disabled", "discrepancy.opened"];
        let all = EventQuery::after(0, 99);
        let demo = || Some("demo".to_owned());
        let subject = |subject| EventQuery { subject: Some(subject), ..all.clone() };
        for (query, expected) in [
            (EventQuery { hosts: false, ..all.clone() }, &every[..1]),
            (EventQuery { hosts: false, project: demo(), ..all.clone() }, &every[..1]),
            (EventQuery { project: Some("lab".to_owned()), ..all.clone() }, &every[1..]),
            (subject(EventSubject::Host(host("a"))), &every[1..2]),
            (subject(EventSubject::Host(host("b"))), &[]),
            (subject(EventSubject::Migration(migration(1))), &every[..1]),
        ] {
            let page = bench.store.events_page(&query).await.unwrap();
            let kinds: Vec<_> = page.events.iter().map(|it| it.event.event_type()).collect();
            assert_eq!(kinds, expected, "{query:?}");
            assert!(page.events.iter().all(|it| query.wants(it)), "{query:?}");
            let wanted = told(&bench.store).await.into_iter().filter(|it| query.wants(it));
            assert_eq!(wanted.collect::<Vec<_>>(), page.events, "{query:?}");
            assert_eq!(page.last_position, bench.store.events_end().await.unwrap());
        }
    }

    /// What expires stays in no log that would grow for ever.
    async fn what_has_expired_of_hosts_goes_and_their_numbers_go_on(bench: Bench) {
        bench.told_host("a", 1).await;
        for second in 2..6 {
            change(&bench, disabled(&second.to_string()), None, second).await;
        }
        assert_eq!(bench.store.host_events_prune(99).await.unwrap(), 0, "they can be read");
        expire(&bench, at(3)).await;
        assert_eq!(bench.store.host_events_prune(2).await.unwrap(), 2);
        assert_eq!(bench.store.host_events_prune(99).await.unwrap(), 1);
        let kept = EventQuery { after: None, ..EventQuery::after(0, 9) };
        let left = bench.store.events_page(&kept).await.unwrap();
        let left: Vec<i64> = left.events.iter().map(|it| it.position).collect();
        assert_eq!(left, [4, 5]);
        expire(&bench, at(99)).await;
        assert_eq!(bench.store.host_events_prune(99).await.unwrap(), 1, "the last one stays");
        change(&bench, Some(ServiceStatus::Enabled), None, 50).await;
        let page = bench.store.events_page(&EventQuery::after(5, 9)).await.unwrap();
        assert_eq!(page.events[0].event.id(), "host:a/6");
        bench.assert_sound().await;
    }

    async fn closed_discrepancies_go_with_their_events_and_open_ones_stay(bench: Bench) {
        bench.fleet(&[("a", 3)]).await;
        lose(&bench, 20).await;
        assert!(close(&bench, 1, 30).await && close(&bench, 2, 40).await);
        change(&bench, disabled("the last event is of something else"), None, 45).await;
        let prune = async |second, limit| {
            bench.store.discrepancies_prune(at(second), limit).await.unwrap()
        };
        assert_eq!(prune(99, 9).await, 0, "what was told of them can be read");
        expire(&bench, at(99)).await;
        assert_eq!(prune(29, 9).await, 0);
        assert_eq!(prune(30, 9).await, 1);
        assert_eq!(prune(99, 1).await, 1);
        assert_eq!(prune(99, 9).await, 0, "one is open");
        let open = bench.store.discrepancy_list_open().await.unwrap();
        assert_eq!(open.iter().map(|it| it.subject.clone()).collect::<Vec<_>>(), [nowhere(3)]);
        assert!(close(&bench, 3, 50).await);
        let end = bench.store.events_end().await.unwrap();
        let page = bench.store.events_page(&EventQuery::after(end - 1, 9)).await.unwrap();
        assert_eq!(page.events[0].event.event_type(), "discrepancy.closed");
        find_again(&bench, 3, 51).await;
        bench.assert_sound().await;
    }

    /// As a later release may write.
    async fn kinds_that_nobody_knows_are_passed_over(bench: Bench) {
        bench.told_host("a", 1).await;
        bench.sql(
            "INSERT INTO events (subject_kind, subject_id, sequence, at, name, to_status, actor,
                                 detail)
             SELECT 'later', subject_id, 1, at, 'x', 'y', 'z', '{}' FROM events",
        );
        change(&bench, disabled("x"), None, 5).await;
        let page = |after, limit| {
            let query = EventQuery::after(after, limit);
            async { bench.store.events_page(&{ query }).await.unwrap() }
        };
        let all = page(0, 9).await;
        let positions: Vec<_> = all.events.iter().map(|it| it.position).collect();
        assert_eq!((positions, all.last_position), (vec![1, 3], 3));
        let only = page(1, 1).await;
        assert_eq!((only.events.len(), only.last_position, only.more), (0, 2, true));
    }

    async fn nothing_is_told_that_the_release_before_would_not_read(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let url = as_released(&bench.url, BESIDE);
        let options = StoreOptions::default();
        assert!(!Store::upgrade(&url, &options).await.unwrap().is_empty());
        let store = Store::open(&url, options.clone()).await.unwrap();
        let registration = |name| crate::bench::registration(name, at(5));
        store.host_register(registration("b")).await.unwrap();
        assert_eq!(tell_silence(&store, 50, 60).await, 0);
        assert_eq!(types(&store).await, [""; 0]);

        // None of its processes is left.
        assert!(Store::upgrade(&url, &options).await.unwrap().is_empty());
        store.host_register(registration("c")).await.unwrap();
        assert_eq!(tell_silence(&store, 5, 60).await, 1, "of a, the only one that is silent");
        assert_eq!(types(&store).await, ["host.registered", "host.down"]);
        assert_eq!(store.check_invariants().await.unwrap(), []);
    }
}

/// The last change of a release that knows events of migrations only.
const BESIDE: &str = "20261128000060";
