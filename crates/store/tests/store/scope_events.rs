//! What is told of zones, pods and clusters, and of the hosts in them.

use godwit_core::host::scope::{ScopeKind, Topology};
use godwit_core::requester::Requester;
use godwit_store::{
    AggregateChange, AllocationChange, EventQuery, EventSubject, LoggedEvent, ManagementChange,
    Placing, PositionedEvent, ServiceChange, ServiceStatus, SubjectEvent,
};
use serde_json::{Value, json};

use crate::bench::{Bench, asked, at, host, uuid};

fn by() -> Requester {
    Requester {
        user: Some("root".to_owned()),
        project: Some("ops".to_owned()),
        request_id: Some("req-1".to_owned()),
    }
}

fn fine<T>(_: &T) -> Result<(), ()> {
    Ok(())
}

async fn place(
    bench: &Bench,
    name: &str,
    (zone, pod, cluster): (&str, Option<&str>, Option<&str>),
    second: i64,
) {
    let placing = Placing {
        aggregate: uuid("aggregate", zone),
        by: by(),
        at: at(second),
    };
    let wanted = Topology {
        zone: zone.to_owned(),
        pod: pod.map(str::to_owned),
        cluster: cluster.map(str::to_owned),
    };
    let wanted = move |_: &Topology| Ok::<_, ()>(wanted.clone());
    let placed = bench.store.host_place(&host(name), placing, wanted).await;
    placed.unwrap();
}

/// `a` and `b` in cluster `c1` of pod `p1`, `c` in that pod, `d` in none.
async fn four(bench: &Bench) {
    for (name, pod, cluster) in [
        ("a", Some("p1"), Some("c1")),
        ("b", Some("p1"), Some("c1")),
        ("c", Some("p1"), None),
        ("d", None, None),
    ] {
        bench.host(name).await;
        place(bench, name, ("east", pod, cluster), 1).await;
    }
    bench.sql("DELETE FROM events");
}

async fn allocate(bench: &Bench, scope: (ScopeKind, &str), reason: Option<&str>, second: i64) {
    let change = AllocationChange {
        disabled: reason.is_some(),
        reason: reason.map(str::to_owned),
        by: by(),
        at: at(second),
    };
    bench
        .store
        .scope_allocate(scope, change, fine)
        .await
        .unwrap();
}

async fn manage(bench: &Bench, reason: Option<&str>, second: i64) {
    let change = ManagementChange {
        managed: reason.is_none(),
        reason: reason.map(str::to_owned),
        by: by(),
        at: at(second),
    };
    bench
        .store
        .cluster_manage("c1", change, fine)
        .await
        .unwrap();
}

async fn switch(bench: &Bench, name: &str, status: ServiceStatus, second: i64) {
    let change = ServiceChange {
        status: Some(status),
        forced_down: None,
        note: asked("req-7", at(second)),
    };
    let changed = bench
        .store
        .service_update(uuid("service", name), change, |_, _| Ok::<_, ()>(()));
    changed.await.unwrap();
}

async fn page(bench: &Bench, subject: Option<EventSubject>) -> Vec<PositionedEvent> {
    let query = EventQuery {
        subject,
        ..EventQuery::after(0, 999)
    };
    bench.store.events_page(&query).await.unwrap().events
}

/// What was told since this was asked last.
async fn told(bench: &Bench) -> Vec<(String, String)> {
    let all = page(bench, None).await.into_iter();
    let told = all.map(|it| (it.event.event_type(), it.event.subject()));
    let told: Vec<_> = told.collect();
    bench.sql("DELETE FROM events");
    told
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(kind, subject): &(&str, &str)| ((*kind).to_owned(), (*subject).to_owned());
    of.iter().map(pair).collect()
}

fn line(event: &LoggedEvent) -> &SubjectEvent {
    match event {
        LoggedEvent::Host { line, .. } | LoggedEvent::Scope { line, .. } => line,
        other => panic!("{other:?}"),
    }
}

const POD: (ScopeKind, &str) = (ScopeKind::Pod, "p1");
const ZONE: (ScopeKind, &str) = (ScopeKind::Zone, "east");

on_both! {
    async fn a_scope_is_told_once_and_each_host_that_it_changes(bench: Bench) {
        four(&bench).await;
        let off = |reason: &str| ServiceStatus::Disabled { reason: Some(reason.to_owned()) };
        switch(&bench, "b", off("its fan"), 2).await;
        assert_eq!(told(&bench).await, pairs(&[("host.disabled", "host/b")]));

        allocate(&bench, POD, Some("power"), 3).await;
        let events = page(&bench, None).await;
        let first = line(&events[0].event);
        let detail = json!({"scope": "pod", "name": "p1", "reason": "power", "hosts": 3,
            "hosts_changed": 2});
        assert_eq!((&first.detail, first.actor.as_str()), (&detail, "api"));
        let requester = [&first.user_id, &first.project_id, &first.request_id];
        assert_eq!(requester.map(|it| it.as_deref()), [Some("root"), Some("ops"), Some("req-1")]);
        let second = line(&events[1].event);
        assert_eq!(second.detail["scope"], json!({"kind": "pod", "name": "p1"}));
        assert_eq!(second.detail["service"]["disabled"], Value::Bool(false), "its own switch");
        assert_eq!(second.detail["effective"], "disabled");
        assert_eq!((second.at, second.request_id.as_deref()), (at(3), Some("req-1")));
        let expected = [("host.scope_disabled", "pod/p1"), ("host.disabled", "host/a"),
            ("host.disabled", "host/c")];
        assert_eq!(told(&bench).await, pairs(&expected));

        // The same is no news, another reason is none to hosts, and a wider scope changes one more.
        allocate(&bench, POD, Some("power"), 4).await;
        assert_eq!(told(&bench).await, []);
        allocate(&bench, POD, Some("water"), 5).await;
        assert_eq!(told(&bench).await, pairs(&[("host.scope_disabled", "pod/p1")]));
        allocate(&bench, ZONE, Some("fire"), 6).await;
        let expected = [("host.scope_disabled", "zone/east"), ("host.disabled", "host/d")];
        assert_eq!(told(&bench).await, pairs(&expected));
        allocate(&bench, POD, None, 7).await;
        assert_eq!(told(&bench).await, pairs(&[("host.scope_enabled", "pod/p1")]));
        switch(&bench, "b", ServiceStatus::Enabled, 8).await;
        let own = page(&bench, None).await;
        assert_eq!(line(&own[0].event).detail["effective"], "disabled", "the zone is");
        assert_eq!(told(&bench).await, pairs(&[("host.enabled", "host/b")]));
        allocate(&bench, ZONE, None, 9).await;
        let hosts = ["host/a", "host/b", "host/c", "host/d"];
        let mut expected = vec![("host.scope_enabled", "zone/east")];
        expected.extend(hosts.map(|it| ("host.enabled", it)));
        assert_eq!(told(&bench).await, pairs(&expected));
        bench.assert_sound().await;
    }

    async fn a_cluster_that_comes_back_is_told_when_each_host_was_looked_at(bench: Bench) {
        four(&bench).await;
        manage(&bench, Some("upgrade"), 3).await;
        let unmanaged = [("host.scope_unmanaged", "cluster/c1"), ("host.unmanaged", "host/a"),
            ("host.unmanaged", "host/b")];
        assert_eq!(told(&bench).await, pairs(&unmanaged));
        manage(&bench, Some("upgrade"), 4).await;
        assert_eq!(told(&bench).await, []);
        manage(&bench, None, 5).await;
        assert_eq!(told(&bench).await, pairs(&[("host.scope_reconciling", "cluster/c1")]));
        bench.hears("a", at(6), Vec::new()).await;
        assert_eq!(told(&bench).await, []);
        bench.hears("b", at(7), Vec::new()).await;
        let events = page(&bench, None).await;
        assert!(events.iter().all(|it| line(&it.event).actor == "conductor"));
        let managed = [("host.scope_managed", "cluster/c1"), ("host.managed", "host/a"),
            ("host.managed", "host/b")];
        assert_eq!(told(&bench).await, pairs(&managed));
        bench.hears("b", at(8), Vec::new()).await;
        assert_eq!(told(&bench).await, [], "once");
        bench.assert_sound().await;
    }

    async fn what_happens_to_a_scope_is_read_by_its_name(bench: Bench) {
        four(&bench).await;
        allocate(&bench, POD, Some("power"), 3).await;
        allocate(&bench, ZONE, Some("fire"), 4).await;
        allocate(&bench, POD, None, 5).await;
        let of = async |kind, name: &str| {
            let subject = EventSubject::Scope(kind, name.to_owned());
            let found = page(&bench, Some(subject)).await.into_iter();
            let sequence = |it: PositionedEvent| (it.event.event_type(), line(&it.event).sequence);
            found.map(sequence).collect::<Vec<_>>()
        };
        let pod = [("host.scope_disabled".to_owned(), 1), ("host.scope_enabled".to_owned(), 2)];
        assert_eq!(of(ScopeKind::Pod, "p1").await, pod);
        assert_eq!(of(ScopeKind::Zone, "east").await.len(), 1);
        assert_eq!(of(ScopeKind::Cluster, "p1").await, []);
        let of_host = page(&bench, Some(EventSubject::Host(host("a")))).await;
        assert_eq!(of_host.len(), 1);
        let hidden = EventQuery { hosts: false, ..EventQuery::after(0, 999) };
        assert_eq!(bench.store.events_page(&hidden).await.unwrap().events, []);
    }

    async fn agents_of_an_unmanaged_cluster_come_and_go_without_alarm(bench: Bench) {
        four(&bench).await;
        manage(&bench, Some("upgrade"), 3).await;
        told(&bench).await;
        let silence = async |alive_since, second| {
            bench.store.hosts_tell_silence(Some(at(alive_since)), at(second)).await.unwrap();
            told(&bench).await
        };
        let down = silence(100, 100).await;
        let others = [("host.down", "host/c"), ("host.down", "host/d")];
        assert_eq!(down, pairs(&others), "and neither a nor b");
        for name in ["a", "c"] {
            let beat = bench.store.host_heartbeat(&host(name), uuid("boot", name), at(110)).await;
            assert!(beat.unwrap());
        }
        assert_eq!(silence(100, 111).await, pairs(&[("host.up", "host/c")]));
        // Managed again, what is so by then is told.
        manage(&bench, None, 120).await;
        told(&bench).await;
        assert_eq!(silence(115, 121).await, pairs(&[
            ("host.down", "host/a"), ("host.down", "host/b"), ("host.down", "host/c"),
        ]));
        bench.assert_sound().await;
    }

    async fn many_hosts_are_told_in_few_statements(bench: Bench) {
        let count = 603;
        let service = |n: usize| {
            let (name, service) = (format!("h{n:04}"), uuid("service", &format!("h{n:04}")));
            format!(
                "INSERT INTO services (uuid, \"binary\", host, zone, version, report_count, disabled,
                        forced_down, created_at)
                 VALUES ('{service}', 'nova-compute', '{name}', 'east', '0.1.0', 0, FALSE, FALSE,
                        '2026-11-20 12:00:00');"
            )
        };
        bench.sql(&(0..count).map(service).collect::<String>());
        allocate(&bench, ZONE, Some("fire"), 3).await;
        let query = EventQuery::after(0, 5_000);
        let events = bench.store.events_page(&query).await.unwrap().events;
        assert_eq!(events.len(), count + 1);
        let subjects: Vec<String> = events[1..].iter().map(|it| it.event.subject()).collect();
        let mut sorted = subjects.clone();
        sorted.sort();
        assert_eq!(subjects, sorted, "positions follow the hosts' order");
        allocate(&bench, ZONE, None, 4).await;
        let of_one = page(&bench, Some(EventSubject::Host(host("h0500")))).await;
        let sequences: Vec<i64> = of_one.iter().map(|it| line(&it.event).sequence).collect();
        assert_eq!(sequences, [1, 2]);
    }

    async fn a_host_that_is_put_elsewhere_is_told_once_with_what_comes_of_it(bench: Bench) {
        four(&bench).await;
        allocate(&bench, POD, Some("power"), 3).await;
        manage(&bench, Some("upgrade"), 4).await;
        told(&bench).await;
        let in_p1 = ("east", Some("p1"), Some("c1"));
        place(&bench, "d", in_p1, 5).await;
        let events = page(&bench, None).await;
        let moved = line(&events[0].event);
        let place_of = |pod: Option<&str>, cluster: Option<&str>| json!({"zone": "east", "pod": pod, "cluster": cluster});
        assert_eq!(moved.detail["from"], place_of(None, None));
        assert_eq!(moved.detail["to"], place_of(Some("p1"), Some("c1")));
        assert_eq!((moved.at, moved.actor.as_str()), (at(5), "api"));
        for event in &events {
            let line = line(&event.event);
            let requester = [&line.user_id, &line.project_id, &line.request_id];
            assert_eq!(requester.map(|it| it.as_deref()), [Some("root"), Some("ops"), Some("req-1")]);
        }
        let disabled = line(&events[1].event);
        assert_eq!(disabled.detail["scope"], json!({"kind": "pod", "name": "p1"}));
        assert_eq!((&disabled.detail["reason"], &disabled.detail["effective"]), (&json!("power"), &json!("disabled")));
        let all = [("host.topology_changed", "host/d"), ("host.disabled", "host/d"), ("host.unmanaged", "host/d")];
        assert_eq!(told(&bench).await, pairs(&all));
        place(&bench, "d", in_p1, 6).await;
        assert_eq!(told(&bench).await, [], "it was there already");
        // It was not looked at since it left.
        place(&bench, "d", ("east", None, None), 7).await;
        assert_eq!(told(&bench).await, pairs(&[("host.topology_changed", "host/d"), ("host.enabled", "host/d")]));
        bench.hears("d", at(8), Vec::new()).await;
        assert_eq!(told(&bench).await, pairs(&[("host.managed", "host/d")]));
        bench.hears("d", at(9), Vec::new()).await;
        assert_eq!(told(&bench).await, []);
        bench.assert_sound().await;
    }

    async fn hosts_that_come_into_another_zone_by_an_aggregate_are_told(bench: Bench) {
        for name in ["a", "b"] {
            bench.host(name).await;
            place(&bench, name, ("east", None, None), 1).await;
        }
        bench.host("c").await;
        place(&bench, "c", ("west", None, None), 1).await;
        allocate(&bench, (ScopeKind::Zone, "west"), Some("flood"), 2).await;
        told(&bench).await;
        let east = bench.store.aggregate_list().await.unwrap()[0].id;
        let to = |zone: &str| AggregateChange::Update { name: None, availability_zone: Some(zone.to_owned()) };
        let change = async |change, second| {
            let changed = bench.store.aggregate_change(east, change, by(), at(second), fine);
            changed.await.unwrap();
        };
        change(to("west"), 3).await;
        let events = page(&bench, None).await;
        let first = line(&events[0].event);
        assert_eq!((first.user_id.as_deref(), first.request_id.as_deref()), (Some("root"), Some("req-1")));
        assert_eq!((&first.detail["from"]["zone"], &first.detail["to"]["zone"]), (&json!("east"), &json!("west")));
        let both = [("host.topology_changed", "host/a"), ("host.topology_changed", "host/b"),
            ("host.disabled", "host/a"), ("host.disabled", "host/b")];
        assert_eq!(told(&bench).await, pairs(&both));
        let rename = AggregateChange::Update { name: Some("far east".to_owned()), availability_zone: None };
        change(rename, 4).await;
        assert_eq!(told(&bench).await, [], "they are where they were");
        change(AggregateChange::RemoveHost(host("a")), 5).await;
        let back = [("host.topology_changed", "host/a"), ("host.enabled", "host/a")];
        assert_eq!(told(&bench).await, pairs(&back));
        bench.assert_sound().await;
    }
}
