//! Hosts, services, flavors, discrepancies.

use godwit_core::discrepancy::{DiscrepancyKind, DiscrepancySubject};
use std::time::Duration;

use godwit_core::host::link::{Link, LinkRole};
use godwit_store::{ConductorBeat, HostRegistration, Inventory, ServiceBinary};
use uuid::Uuid;

use crate::bench::{at, host, registration, running, server, uuid};

const DOWN: Duration = Duration::from_secs(60);

on_both! {
    async fn hosts_register_and_beat(bench: Bench) {
        let store = &bench.store;
        let (first, new) = store.host_register(registration("a", at(5))).await.unwrap();
        assert!(new);
        assert_eq!(first.facts, registration("a", at(5)).facts);
        assert_eq!((first.created_at, first.updated_at), (at(5), None));
        assert_eq!(first.service.zone, "zone-of-a");
        assert_eq!(first.service.binary, ServiceBinary::Compute);
        assert_eq!(store.host_find(&host("a")).await.unwrap(), Some(first.clone()));
        assert_eq!(store.host_find(&host("b")).await.unwrap(), None);

        let mut again = HostRegistration {
            host_uuid: Uuid::nil(),
            service_uuid: Uuid::nil(),
            ..registration("a", at(6))
        };
        again.facts.memory_mb = 7;
        let (second, new) = store.host_register(again.clone()).await.unwrap();
        assert!(!new, "the same run of the agent");
        assert_eq!((second.id, second.uuid), (first.id, first.uuid), "rows keep their ids");
        assert_eq!(second.service.uuid, first.service.uuid);
        assert_eq!((second.facts.memory_mb, second.updated_at), (7, Some(at(6))));
        again.agent.boot_id = Uuid::max();
        assert!(store.host_register(again).await.unwrap().1, "started anew");

        let old = uuid("boot", "a");
        assert!(!store.host_heartbeat(&host("a"), old, at(9)).await.unwrap(), "must register");
        assert!(!store.host_heartbeat(&host("x"), old, at(9)).await.unwrap());
        assert!(store.host_heartbeat(&host("a"), Uuid::max(), at(9)).await.unwrap());
        let service = store.host_find(&host("a")).await.unwrap().unwrap().service;
        assert_eq!(service.last_seen_up, Some(at(9)));
        assert_eq!((service.updated_at, service.report_count), (Some(at(9)), 4));
    }

    async fn what_an_inventory_says_of_its_host_counts_from_then_on(bench: Bench) {
        bench.host("a").await;
        let store = &bench.store;
        let before = store.host_find(&host("a")).await.unwrap().unwrap();
        let mut facts = before.facts.clone();
        facts.storage_pools.clear();
        facts.local_free_gb = 5;
        facts.links = vec![Link {
            name: "eth1".to_owned(),
            role: LinkRole::Migration,
            bytes_per_second: Some(7),
            stream_bytes_per_second: None,
        }];
        let inventory = |at, facts| Inventory { host: host("a"), at, facts, domains: Vec::new() };
        let hear = async |second, facts| {
            store.inventory_record(inventory(at(second), facts)).await.unwrap();
            store.host_find(&host("a")).await.unwrap().unwrap()
        };
        let after = hear(7, Some(facts.clone())).await;
        assert_eq!((&after.facts, after.last_inventory_at), (&facts, Some(at(7))));
        assert_eq!((after.agent, after.updated_at), (before.agent, before.updated_at));
        let later = hear(8, None).await;
        assert_eq!((&later.facts, later.last_inventory_at), (&facts, Some(at(8))));
        let late = hear(6, Some(before.facts)).await;
        assert_eq!((late.facts, late.last_inventory_at), (facts, Some(at(8))), "it is older");
    }

    async fn services_are_up_by_novas_rule(bench: Bench) {
        bench.host("a").await;
        let beat = |second| ConductorBeat {
            uuid: uuid("service", "c1"),
            host: host("c1"),
            version: "0.1.0".to_owned(),
            at: at(second),
        };
        bench.store.conductor_heartbeat(beat(1)).await.unwrap();
        bench.store.conductor_heartbeat(beat(2)).await.unwrap();
        let services = bench.store.service_list().await.unwrap();
        assert_eq!(services.len(), 2);
        let conductor = &services[1];
        assert_eq!((conductor.binary, conductor.zone.as_str()), (ServiceBinary::Conductor, "internal"));
        assert_eq!((conductor.report_count, conductor.updated_at), (2, Some(at(2))));
        assert!(conductor.is_up(at(62), DOWN));
        assert!(!conductor.is_up(at(63), DOWN));

        bench.sql("UPDATE services SET forced_down = TRUE, disabled = TRUE, disabled_reason = 'x'");
        bench.store.host_register(registration("a", at(3))).await.unwrap();
        let compute = bench.store.host_find(&host("a")).await.unwrap().unwrap().service;
        assert!(!compute.is_up(at(3), DOWN), "declared dead");
        assert!(compute.disabled, "what operators set survives a registration");
        assert_eq!(compute.disabled_reason.as_deref(), Some("x"));
    }

    async fn hosts_are_listed_with_their_load(bench: Bench) {
        bench.fleet(&[("b", 2), ("a", 0)]).await;
        let hosts = bench.store.host_list().await.unwrap();
        let names: Vec<_> = hosts.iter().map(|it| it.facts.name.as_str()).collect();
        assert_eq!(names, ["b", "a"], "by id");
        assert_eq!(hosts[0].last_inventory_at, Some(at(1)));
        let loads = bench.store.host_loads().await.unwrap();
        assert_eq!((loads[0].servers.memory_mb, loads[1].servers.memory_mb), (4096, 0));
        assert_eq!(loads[0].host, hosts[0]);
    }

    async fn flavors_are_made_of_sizes_or_metadata(bench: Bench) {
        bench.host("a").await;
        let named = |n: u128, vcpus| {
            let mut it = running(n);
            let flavor = godwit_store::FlavorSpec {
                name: "m1.small".to_owned(),
                vcpus,
                memory_mb: 2048,
                root_gb: 20,
                ephemeral_gb: 1,
                swap_mb: 2,
            };
            it.owner.flavor = Some(flavor);
            it.owner.flavorid = (n == 4).then(|| "42".to_owned());
            it
        };
        let domains = vec![running(1), named(2, 1), named(3, 2), named(4, 4), named(5, 1)];
        bench.hears("a", at(1), domains).await;
        let flavors = bench.store.flavor_list().await.unwrap();
        let ids: Vec<_> = flavors.iter().map(|it| it.flavorid.as_str()).collect();
        assert_eq!(ids, ["adopted.2c.2048m.20g", "m1.small", "m1.small-2-2048-20-1-2", "42"]);
        assert_eq!(bench.server(5).await.flavor, flavors[1]);
        assert_eq!(bench.server(3).await.flavor.spec.name, "m1.small");
        let found = bench.store.flavor_find("42").await.unwrap();
        assert_eq!(found.as_ref(), flavors.get(3));
        assert_eq!(bench.store.flavor_find("4\u{0}2").await.unwrap(), None);
    }

    async fn discrepancies_open_once_and_close(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.begin(1).await;
        let claim = async |second| {
            let claimed = bench.store.effects_claim("me", at(second), Duration::from_secs(5), 1);
            claimed.await.unwrap()[0].lease
        };
        let lost = claim(10).await;
        let held = claim(20).await;
        let subject = DiscrepancySubject {
            kind: DiscrepancyKind::HostSilent,
            server: Some(server(1)),
            migration: None,
            host: Some(host("a")),
        };
        let store = &bench.store;
        let open_by = async |lease, second| {
            let why = "silent".to_owned();
            store.discrepancy_open(subject.clone(), lease, why, at(second)).await.unwrap()
        };
        let open = async |second| open_by(held, second).await;
        let close = async |second| {
            let closed = store.discrepancies_close(vec![subject.clone()], "heard".to_owned(), at(second));
            closed.await.unwrap()
        };
        assert!(!close(1).await);
        assert!(!open_by(lost, 2).await, "what its holder came upon may be settled");
        assert!(open(2).await);
        assert!(!open(3).await);
        let listed = store.discrepancy_list_open().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((&listed[0].subject, listed[0].opened_at), (&subject, at(2)));
        assert_eq!(store.figures().await.unwrap().discrepancies, [(subject.kind, 1)]);
        assert!(close(4).await);
        assert!(store.discrepancy_list_open().await.unwrap().is_empty());
        assert!(open(5).await, "and may open again");
        assert!(close(6).await);
        assert!(store.effect_done(held, at(7)).await.unwrap());
        assert!(!open(8).await, "nobody would close it");
    }
}
