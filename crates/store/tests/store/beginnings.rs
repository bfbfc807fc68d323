//! Hosts and scopes that are new, where these begin disabled.

use godwit_core::host::scope::beginning::{Beginning, Beginnings};
use godwit_core::host::scope::{Level, ScopeKind, Topology};
use godwit_core::requester::Requester;
use godwit_store::{
    AllocationChange, EventQuery, Placing, ServiceBinary, ServiceChange, ServiceKey, ServiceStatus,
    Store, StoreOptions,
};

use crate::bench::{Bench, asked, at, host, registration, uuid};

async fn begins(bench: &Bench, new_hosts: Beginning, new_scopes: Beginning) -> Store {
    let beginnings = Beginnings {
        new_hosts,
        new_scopes,
    };
    let options = StoreOptions {
        beginnings,
        ..StoreOptions::default()
    };
    Store::open(&bench.url, options).await.unwrap()
}

fn by() -> Requester {
    asked("req-1", at(0)).requester()
}

async fn place(store: &Store, name: &str, (pod, cluster): (Option<&str>, Option<&str>)) {
    let (pod, cluster) = (pod.map(str::to_owned), cluster.map(str::to_owned));
    let placing = Placing {
        aggregate: uuid("aggregate", "z1"),
        by: by(),
        at: at(5),
    };
    let within = move |before: &Topology| {
        let (pod, cluster) = (pod.clone(), cluster.clone());
        Ok::<_, ()>(Topology {
            pod,
            cluster,
            ..before.clone()
        })
    };
    store
        .host_place(&host(name), placing, within)
        .await
        .unwrap();
}

/// What keeps a host from receiving, with why.
async fn because(store: &Store, name: &str) -> Vec<(Level, String)> {
    let load = store.host_load(&host(name)).await.unwrap().unwrap();
    let because = load.because.into_iter();
    because
        .map(|it| (it.level, it.switch.reason.unwrap_or_default()))
        .collect()
}

async fn told(bench: &Bench) -> Vec<(String, String)> {
    let page = bench
        .store
        .events_page(&EventQuery::after(0, 999))
        .await
        .unwrap();
    let told = page
        .events
        .iter()
        .map(|it| (it.event.event_type(), it.event.subject()));
    let told = told.collect();
    bench.sql("DELETE FROM events");
    told
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter()
        .map(|(kind, subject)| ((*kind).to_owned(), (*subject).to_owned()))
        .collect()
}

async fn enable(store: &Store, scope: (ScopeKind, &str)) {
    let change = AllocationChange {
        disabled: false,
        reason: None,
        by: by(),
        at: at(9),
    };
    let said = store.scope_allocate(scope, change, |_| Ok::<_, ()>(()));
    said.await.unwrap();
}

const OF_HOST: &str = "New compute service disabled due to config option.";

on_both! {
    async fn a_host_that_enrols_is_disabled_until_somebody_enables_it(bench: Bench) {
        bench.host("old").await;
        let store = begins(&bench, Beginning::Disabled, Beginning::Enabled).await;
        store.host_register(registration("old", at(2))).await.unwrap();
        assert_eq!(because(&store, "old").await, [], "it was known");
        assert_eq!(told(&bench).await, []);
        store.host_register(registration("new", at(3))).await.unwrap();
        assert_eq!(because(&store, "new").await, [(Level::Host, OF_HOST.to_owned())]);
        let both = [("host.registered", "host/new"), ("host.disabled", "host/new")];
        assert_eq!(told(&bench).await, pairs(&both));
        let key = ServiceKey::On(host("new"), ServiceBinary::Compute);
        let service = store.service_find(key).await.unwrap().unwrap();
        assert_eq!((service.disabled, service.disabled_since), (true, Some(at(3))));
        let enabled = ServiceChange {
            status: Some(ServiceStatus::Enabled),
            forced_down: None,
            note: asked("req-1", at(4)),
        };
        let changed = store.service_update(service.uuid, enabled, |_, _| Ok::<_, ()>(()));
        changed.await.unwrap();
        told(&bench).await;
        for second in 5..7 {
            store.host_register(registration("new", at(second))).await.unwrap();
            assert_eq!(because(&store, "new").await, [], "what its operator said stays");
        }
        // Also where it is deleted and comes back.
        let deleted = store.service_delete(service.uuid, asked("req-2", at(8)), |_, _| Ok::<_, ()>(()));
        deleted.await.unwrap();
        store.host_register(registration("new", at(9))).await.unwrap();
        assert_eq!(because(&store, "new").await, []);
        bench.assert_sound().await;
    }

    async fn a_scope_that_a_first_host_comes_into_is_disabled_until_somebody_enables_it(bench: Bench) {
        bench.host("a").await;
        bench.host("b").await;
        place(&bench.store, "b", (Some("old"), None)).await;
        told(&bench).await;
        let store = begins(&bench, Beginning::Enabled, Beginning::Disabled).await;
        place(&store, "a", (Some("p1"), Some("c1"))).await;
        let expected = [("host.scope_disabled", "pod/p1"), ("host.scope_disabled", "cluster/c1"),
            ("host.topology_changed", "host/a"), ("host.disabled", "host/a")];
        assert_eq!(told(&bench).await, pairs(&expected));
        let reason = |kind: &str| format!("New {kind} disabled due to config option.");
        let both = [(Level::Pod, reason("pod")), (Level::Cluster, reason("cluster"))];
        assert_eq!(because(&store, "a").await, both);
        let pod = store.scope_find((ScopeKind::Pod, "p1")).await.unwrap().unwrap();
        assert_eq!((pod.switch.by, pod.switch.since), (Some(by()), Some(at(5))));
        enable(&store, (ScopeKind::Pod, "p1")).await;
        enable(&store, (ScopeKind::Cluster, "c1")).await;
        told(&bench).await;
        // Of these something was said, or a host is in them.
        place(&store, "a", (None, None)).await;
        place(&store, "a", (Some("p1"), Some("c1"))).await;
        assert_eq!(because(&store, "a").await, []);
        place(&store, "a", (Some("p1"), Some("c2"))).await;
        assert_eq!(because(&store, "a").await, [(Level::Cluster, reason("cluster"))]);
        place(&store, "a", (None, None)).await;
        assert_eq!(because(&store, "b").await, []);
        // The zone that a host brings along.
        told(&bench).await;
        store.host_register(registration("c", at(12))).await.unwrap();
        assert_eq!(because(&store, "c").await, [(Level::Zone, reason("zone"))]);
        let expected = [("host.registered", "host/c"), ("host.scope_disabled", "zone/zone-of-c"),
            ("host.disabled", "host/c")];
        assert_eq!(told(&bench).await, pairs(&expected));
        store.host_register(registration("c", at(13))).await.unwrap();
        assert_eq!(told(&bench).await, []);
        bench.assert_sound().await;
    }

    async fn nothing_begins_disabled_unless_it_is_so_configured(bench: Bench) {
        bench.told_host("a", 1).await;
        place(&bench.store, "a", (Some("p1"), Some("c1"))).await;
        assert_eq!(because(&bench.store, "a").await, []);
        let expected = [("host.registered", "host/a"), ("host.topology_changed", "host/a")];
        assert_eq!(told(&bench).await, pairs(&expected));
    }
}
