//! Zones, pods and clusters: where hosts belong, what was said of that, and that placements keep it.

use std::convert::Infallible;

use godwit_core::event::Event;
use godwit_core::host::management::Standing;
use godwit_core::host::scope::{Level, Misplaced, ScopeKind, Switch, Topology};
use godwit_core::requester::Requester;
use godwit_store::{
    AggregateChange, AggregateError, AllocationChange, CommitError, HostLoad, ManagementChange,
    NewAggregate, NewTopology, Placing, Scope, ScopeError, ServiceBinary, ServiceChange,
    ServiceKey, ServiceStatus, StepError, TopologyError,
};

use crate::bench::{Bench, asked, at, host, note_for, placed, running, uuid};

fn by(user: &str) -> Requester {
    Requester {
        user: Some(user.to_owned()),
        project: Some("ops".to_owned()),
        request_id: Some("req-1".to_owned()),
    }
}

fn within(zone: &str, pod: Option<&str>, cluster: Option<&str>) -> NewTopology {
    NewTopology {
        zone: Some(zone.to_owned()),
        pod: pod.map(str::to_owned),
        cluster: cluster.map(str::to_owned),
        placing: Placing {
            aggregate: uuid("aggregate", zone),
            by: by("root"),
            at: at(5),
        },
    }
}

fn fine<T>(_: &T) -> Result<(), Infallible> {
    Ok(())
}

async fn place(
    bench: &Bench,
    name: &str,
    new: NewTopology,
) -> Result<Topology, TopologyError<Infallible>> {
    let placing = new.placing.clone();
    let wanted = move |before: &Topology| {
        let NewTopology {
            zone, pod, cluster, ..
        } = new.clone();
        let zone = zone.unwrap_or_else(|| before.zone.clone());
        Ok(Topology { zone, pod, cluster })
    };
    bench.store.host_place(&host(name), placing, wanted).await
}

fn change(disabled: bool, reason: Option<&str>, second: i64) -> AllocationChange {
    AllocationChange {
        disabled,
        reason: reason.map(str::to_owned),
        by: by("root"),
        at: at(second),
    }
}

async fn load(bench: &Bench, name: &str) -> HostLoad {
    bench.store.host_load(&host(name)).await.unwrap().unwrap()
}

fn levels(load: &HostLoad) -> Vec<(Level, &str)> {
    let because = load.because.iter();
    because.map(|it| (it.level, it.name.as_str())).collect()
}

fn names(scopes: &[Scope]) -> Vec<(ScopeKind, &str, i64)> {
    let scope = |it: &'_ Scope| (it.kind, it.hosts);
    let names = scopes.iter().map(|it| it.name.as_str());
    names
        .zip(scopes.iter().map(scope))
        .map(|(name, (kind, hosts))| (kind, name, hosts))
        .collect()
}

/// Puts the migration of server 1 on `b`, or says why not.
async fn goes_to_b(bench: &Bench) -> Result<(), CommitError> {
    let event = placed("b");
    let note = note_for(&event, at(20));
    match bench.apply(1, event, note).await {
        Ok(_) => Ok(()),
        Err(StepError::Commit(error)) => Err(error),
        Err(error) => panic!("{error:?}"),
    }
}

on_both! {
    async fn a_host_that_is_expected_is_there_when_it_registers(bench: Bench) {
        let store = &bench.store;
        let expected = within("z1", Some("p1"), Some("c1"));
        for _ in 0..2 {
            store.host_expect(&host("a"), expected.clone()).await.unwrap();
            store.host_expect(&host("b"), within("z1", None, None)).await.unwrap();
        }
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let topology = load(&bench, "a").await.topology;
        let scopes: Vec<_> = topology.scopes().collect();
        let all = [(ScopeKind::Zone, "z1"), (ScopeKind::Pod, "p1"), (ScopeKind::Cluster, "c1")];
        assert_eq!(scopes, all);
        assert_eq!(load(&bench, "b").await.topology.zone, "z1");
        assert_eq!(bench.server(1).await.availability_zone.as_deref(), Some("z1"));
        // One that has registered is where it is.
        store.host_expect(&host("a"), within("z2", None, None)).await.unwrap();
        assert_eq!(load(&bench, "a").await.topology, topology);
    }

    async fn hosts_are_in_scopes_that_nest(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        let z1 = within("z1", Some("p1"), Some("c1"));
        for name in ["b", "c"] {
            let placed = place(&bench, name, z1.clone()).await.unwrap();
            assert_eq!(placed, load(&bench, name).await.topology);
        }
        let pod = NewTopology { zone: None, ..within("", Some("p2"), None) };
        assert_eq!(place(&bench, "a", pod).await.unwrap().zone, "zone-of-a");
        let scopes = bench.store.scope_list().await.unwrap();
        let expected = [
            (ScopeKind::Zone, "z1", 2), (ScopeKind::Zone, "zone-of-a", 1),
            (ScopeKind::Pod, "p1", 2), (ScopeKind::Pod, "p2", 1),
            (ScopeKind::Cluster, "c1", 2),
        ];
        assert_eq!(names(&scopes), expected);
        assert_eq!(scopes[4].topology.pod.as_deref(), Some("p1"));

        let error = place(&bench, "b", within("z2", Some("p1"), None)).await.unwrap_err();
        let TopologyError::Misplaced(error) = error else { panic!("{error:?}") };
        assert_eq!(error, Misplaced::PodInZone { pod: "p1".to_owned(), zone: "z1".to_owned() });
        let error = place(&bench, "b", within("z1", None, Some("c1"))).await.unwrap_err();
        assert!(matches!(error, TopologyError::Misplaced(Misplaced::ClusterInPod { .. })));
        let error = place(&bench, "a", within("z1", None, None)).await.unwrap_err();
        assert!(matches!(error, TopologyError::Occupied { servers: 1, .. }), "{error:?}");
        let error = place(&bench, "x", within("z1", None, None)).await.unwrap_err();
        assert!(matches!(error, TopologyError::NoSuchHost));
        assert_eq!(bench.store.scope_list().await.unwrap(), scopes, "nothing was changed");

        place(&bench, "b", within("z2", None, None)).await.unwrap();
        assert_eq!(load(&bench, "b").await.host.service.zone, "z2");
        let aggregates = bench.store.aggregate_list().await.unwrap();
        let hosts = |name: &str| {
            aggregates.iter().find(|it| it.name == name).map(|it| it.hosts.clone()).unwrap()
        };
        assert_eq!((hosts("z1"), hosts("z2")), (vec![host("c")], vec![host("b")]));
    }

    async fn an_aggregate_of_another_zone_keeps_its_name(bench: Bench) {
        bench.host("a").await;
        bench.sql(
            "INSERT INTO aggregates (uuid, name, availability_zone, metadata, created_at)
             VALUES ('00000000-0000-4000-8000-0000000000aa', 'z1', NULL, '{}',
                '2026-11-01 00:00:00')",
        );
        let error = place(&bench, "a", within("z1", None, None)).await.unwrap_err();
        assert!(matches!(error, TopologyError::AggregateOfAnotherZone(name) if name == "z1"));
        assert_eq!(load(&bench, "a").await.host.service.zone, "zone-of-a");
    }

    async fn what_is_said_of_a_scope_is_said_of_its_hosts(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0)]).await;
        place(&bench, "b", within("z1", Some("p1"), Some("c1"))).await.unwrap();
        let said = |kind, name: &'static str, change| bench.store.scope_allocate((kind, name), change, fine);
        let pod = said(ScopeKind::Pod, "p1", change(true, Some("power"), 7)).await.unwrap();
        assert_eq!((pod.switch.since, pod.switch.by.as_ref()), (Some(at(7)), Some(&by("root"))));
        said(ScopeKind::Zone, "z1", change(true, Some("flood"), 8)).await.unwrap();
        let b = load(&bench, "b").await;
        assert_eq!(levels(&b), [(Level::Zone, "z1"), (Level::Pod, "p1")]);
        assert_eq!(b.because[1].switch, pod.switch);
        assert_eq!(levels(&load(&bench, "a").await), []);
        assert_eq!(bench.store.zones_disabled().await.unwrap(), ["z1"]);
        let cluster = bench.store.scope_list().await.unwrap().pop().unwrap();
        assert_eq!((cluster.kind, cluster.because.len()), (ScopeKind::Cluster, 2));

        let again = said(ScopeKind::Pod, "p1", change(true, Some("power"), 9)).await.unwrap();
        assert_eq!(again.switch.since, Some(at(7)), "it was so already");
        said(ScopeKind::Zone, "z1", change(false, None, 9)).await.unwrap();
        let pod = said(ScopeKind::Pod, "p1", change(false, None, 10)).await.unwrap();
        assert_eq!((pod.switch.disabled, pod.switch.since), (false, Some(at(10))));
        assert_eq!(levels(&load(&bench, "b").await), []);
        let nowhere = said(ScopeKind::Cluster, "c9", change(true, Some("x"), 11)).await;
        assert!(matches!(nowhere, Err(ScopeError::NoSuchScope)));
        for load in bench.store.host_loads().await.unwrap() {
            let name = load.host.facts.name.clone();
            let one = bench.store.host_loads_of([name.clone(), name]).await.unwrap();
            assert_eq!(one, [load]);
        }
    }

    async fn nothing_is_placed_where_somebody_said_so_meanwhile(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        place(&bench, "b", within("z1", Some("p1"), Some("c1"))).await.unwrap();
        bench.begin(1).await;
        for (kind, name) in [
            (ScopeKind::Zone, "z1"), (ScopeKind::Pod, "p1"), (ScopeKind::Cluster, "c1"),
        ] {
            let off = change(true, Some("power"), 7);
            bench.store.scope_allocate((kind, name), off, fine).await.unwrap();
            let refused = goes_to_b(&bench).await.unwrap_err();
            assert!(matches!(refused, CommitError::Disabled { host: it, because }
                if it == host("b") && because.len() == 1 && because[0].name == name));
            let on = change(false, None, 8);
            bench.store.scope_allocate((kind, name), on, fine).await.unwrap();
        }
        let key = ServiceKey::On(host("b"), ServiceBinary::Compute);
        let service = bench.store.service_find(key).await.unwrap().unwrap();
        let turn = |status, second| ServiceChange {
            status: Some(status),
            forced_down: None,
            note: asked("req-1", at(second)),
        };
        let update = |change| bench.store.service_update(service.uuid, change, |_, _| Ok::<(), ()>(()));
        let off = ServiceStatus::Disabled { reason: Some("fan".to_owned()) };
        let disabled = update(turn(off, 9)).await.unwrap();
        assert_eq!(disabled.switch().by, Some(asked("req-1", at(0)).requester()));
        assert_eq!(disabled.disabled_since, Some(at(9)));
        let refused = goes_to_b(&bench).await.unwrap_err();
        assert!(matches!(refused, CommitError::Disabled { .. }));
        assert_eq!(bench.store.claim_list().await.unwrap(), []);
        update(turn(ServiceStatus::Enabled, 10)).await.unwrap();
        goes_to_b(&bench).await.unwrap();
        bench.assert_sound().await;
    }

    async fn nothing_moves_in_or_out_of_a_cluster_that_is_not_managed(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        let alone = NewTopology { zone: None, ..within("", None, Some("c1")) };
        place(&bench, "a", alone).await.unwrap();
        for name in ["b", "c"] {
            place(&bench, name, within("z1", None, Some("c2"))).await.unwrap();
        }
        bench.begin(1).await;
        let say = async |cluster, managed, second| {
            let change = ManagementChange {
                managed,
                reason: Some("upgrade".to_owned()).filter(|_| !managed),
                by: by("root"),
                at: at(second),
            };
            bench.store.cluster_manage(cluster, change, fine).await.ok()
        };
        let standing = async |cluster: &str| {
            let scopes = bench.store.scope_list().await.unwrap();
            let mut named = scopes.into_iter().filter(|it| it.name == cluster);
            named.next().unwrap().management.unwrap()
        };
        assert_eq!(say("c9", false, 10).await, None);
        for (cluster, host_name) in [("c1", "a"), ("c2", "b")] {
            let said = say(cluster, false, 10).await.unwrap();
            assert_eq!((said.standing(), said.since), (Standing::Unmanaged, Some(at(10))));
            let refused = goes_to_b(&bench).await.unwrap_err();
            assert!(matches!(&refused, CommitError::Unmanaged { host: it, cluster: out }
                if *it == host(host_name) && out.cluster == cluster && !out.reconciling));
            let said = say(cluster, true, 11).await.unwrap();
            assert_eq!(said.standing(), Standing::Reconciling);
            let refused = goes_to_b(&bench).await.unwrap_err();
            assert!(matches!(&refused, CommitError::Unmanaged { cluster, .. }
                if cluster.reconciling));
            let load = load(&bench, host_name).await;
            assert!(load.unmanaged.unwrap().reconciling);
            bench.hears("a", at(12), vec![running(1)]).await;
            bench.hears("b", at(13), Vec::new()).await;
        }
        assert_eq!(standing("c1").await.reconciled_at, Some(at(12)));
        assert_eq!(standing("c2").await.standing(), Standing::Reconciling, "c was not looked at");
        bench.sql("UPDATE services SET forced_down = TRUE WHERE host = 'c'");
        bench.hears("b", at(14), Vec::new()).await;
        assert_eq!(standing("c2").await.reconciled_at, Some(at(14)), "nobody waits for the dead");
        goes_to_b(&bench).await.unwrap();
        let out = say("c2", false, 20).await.unwrap();
        assert_eq!(say("c2", false, 21).await.unwrap(), out, "it was so already");
        let note = note_for(&Event::Admitted, at(22));
        let refused = bench.apply(1, Event::Admitted, note).await.unwrap_err();
        assert!(matches!(refused, StepError::Commit(CommitError::Unmanaged { .. })));
        let heard_since = at(100);
        assert_eq!(bench.store.agents_let_be(heard_since).await.unwrap(), 1, "b, and c is dead");
        bench.assert_sound().await;
    }

    async fn who_declared_a_host_dead_is_written_down(bench: Bench) {
        bench.host("a").await;
        let key = ServiceKey::On(host("a"), ServiceBinary::Compute);
        let service = bench.store.service_find(key).await.unwrap().unwrap();
        let forced = |down, second| ServiceChange {
            status: None,
            forced_down: Some(down),
            note: asked("req-1", at(second)),
        };
        let update = |change| bench.store.service_update(service.uuid, change, |_, _| Ok::<(), ()>(()));
        let dead = update(forced(true, 3)).await.unwrap();
        assert_eq!((dead.forced_down_at, dead.forced_down_by), (Some(at(3)), Some(asked("req-1", at(0)).requester())));
        let risen = update(forced(false, 4)).await.unwrap();
        assert_eq!((risen.forced_down_at, risen.forced_down_by), (None, None));
    }

    async fn what_is_not_as_its_caller_read_it_stays(bench: Bench) {
        bench.host("a").await;
        place(&bench, "a", within("z1", Some("p1"), Some("c1"))).await.unwrap();
        let scope = (ScopeKind::Pod, "p1");
        let off = |second| change(true, Some("power"), second);
        let was_on = |switch: &Switch| if switch.disabled { Err("off") } else { Ok(()) };
        bench.store.scope_allocate(scope, off(7), was_on).await.unwrap();
        let refused = bench.store.scope_allocate(scope, change(false, None, 8), was_on).await;
        assert!(matches!(refused, Err(ScopeError::Refused("off"))));
        assert!(bench.store.scope_find(scope).await.unwrap().unwrap().switch.disabled);
        let managed = ManagementChange {
            managed: false,
            reason: Some("upgrade".to_owned()),
            by: by("root"),
            at: at(9),
        };
        let refused = bench.store.cluster_manage("c1", managed, |_| Err("no")).await;
        assert!(matches!(refused, Err(ScopeError::Refused("no"))));
        let elsewhere = |place: &Topology| if place.pod.is_some() { Err("p1") } else { Ok(place.clone()) };
        let placing = within("z1", None, None).placing;
        let refused = bench.store.host_place(&host("a"), placing, elsewhere).await;
        assert!(matches!(refused, Err(TopologyError::Refused("p1"))));
        assert_eq!(load(&bench, "a").await.topology.cluster.as_deref(), Some("c1"));
        assert_eq!(load(&bench, "a").await.unmanaged, None);
    }

    async fn who_leaves_a_cluster_that_takes_no_part_is_looked_at_first(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        place(&bench, "b", within("z1", None, Some("c1"))).await.unwrap();
        bench.begin(1).await;
        let say = async |managed, second| {
            let change = ManagementChange {
                managed,
                reason: Some("upgrade".to_owned()).filter(|_| !managed),
                by: by("root"),
                at: at(second),
            };
            bench.store.cluster_manage("c1", change, fine).await.unwrap()
        };
        say(false, 3).await;
        // It leaves at second 5.
        for place_of_b in [within("z1", None, Some("c2")), within("z1", None, None)] {
            place(&bench, "b", place_of_b).await.unwrap();
            let unmanaged = load(&bench, "b").await.unmanaged.unwrap();
            assert_eq!((unmanaged.cluster.as_str(), unmanaged.reconciling), ("c1", true));
            let refused = goes_to_b(&bench).await.unwrap_err();
            assert!(matches!(refused, CommitError::Unmanaged { cluster, .. } if cluster.reconciling));
        }
        bench.hears("b", at(5), Vec::new()).await;
        assert!(load(&bench, "b").await.unmanaged.is_some(), "that was before");
        bench.sql("UPDATE services SET forced_down = TRUE WHERE host = 'b'");
        assert_eq!(load(&bench, "b").await.unmanaged, None, "nobody waits for the dead");
        bench.sql("UPDATE services SET forced_down = FALSE WHERE host = 'b'");
        bench.hears("b", at(6), Vec::new()).await;
        assert_eq!(load(&bench, "b").await.unmanaged, None);
        assert_eq!(bench.texts("SELECT host AS text FROM host_topologies"), [""; 0], "nothing is left of it");
        goes_to_b(&bench).await.unwrap();
        // Who leaves a cluster that takes part is free at once.
        place(&bench, "c", within("z1", None, Some("c3"))).await.unwrap();
        place(&bench, "c", within("z1", None, None)).await.unwrap();
        assert_eq!(load(&bench, "c").await.unmanaged, None);
        bench.assert_sound().await;
    }

    async fn no_cluster_comes_to_be_in_two_zones_by_an_aggregate(bench: Bench) {
        for name in ["a", "b", "c"] {
            bench.host(name).await;
            place(&bench, name, within("z1", Some("p1"), Some("c1"))).await.unwrap();
        }
        let store = &bench.store;
        let new = |name: &str, zone: Option<&str>| NewAggregate {
            uuid: uuid("aggregate", name),
            name: name.to_owned(),
            availability_zone: zone.map(str::to_owned),
            by: by("root"),
            at: at(6),
        };
        let change = async |id, change| {
            store.aggregate_change(id, change, by("root"), at(7), |_| Ok::<_, Infallible>(())).await
        };
        let before = store.aggregate_list().await.unwrap();
        let z1 = before[0].id;
        let out = change(z1, AggregateChange::RemoveHost(host("a"))).await.unwrap_err();
        let AggregateError::Misplaced(misplaced) = out else { panic!("{out:?}") };
        let zone = "z1".to_owned();
        assert_eq!(misplaced, Misplaced::ClusterInZone { cluster: "c1".to_owned(), zone });
        let east = store.aggregate_create(new("east", Some("z2"))).await.unwrap().unwrap();
        let plain = store.aggregate_create(new("plain", None)).await.unwrap().unwrap();
        change(plain.id, AggregateChange::AddHost(host("a"))).await.unwrap();
        let all = store.aggregate_list().await.unwrap();
        for (id, what) in [
            (east.id, AggregateChange::AddHost(host("a"))),
            (z1, AggregateChange::RemoveHost(host("b"))),
        ] {
            let refused = change(id, what).await;
            // The zone of a host is that of its first aggregate.
            match id == east.id {
                true => { refused.unwrap(); }
                false => assert!(matches!(refused, Err(AggregateError::Misplaced(_)))),
            }
        }
        change(east.id, AggregateChange::RemoveHost(host("a"))).await.unwrap();
        assert_eq!(store.aggregate_list().await.unwrap(), all, "nothing was changed");
        bench.assert_sound().await;
        // All of them together may go elsewhere.
        let update = AggregateChange::Update { name: None, availability_zone: Some("z3".to_owned()) };
        change(z1, update).await.unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(load(&bench, name).await.topology.zone, "z3");
        }
        bench.assert_sound().await;
    }

    async fn who_registers_in_another_zone_is_in_no_cluster_of_the_old_one(bench: Bench) {
        for name in ["a", "b"] {
            bench.host(name).await;
            place(&bench, name, within("z1", Some("p1"), Some("c1"))).await.unwrap();
        }
        let note = asked("req-1", at(8));
        let deleted = bench.store.service_delete(uuid("service", "b"), note, |_, _| Ok::<_, ()>(()));
        deleted.await.unwrap();
        bench.assert_sound().await;
        bench.host("b").await;
        let place_of_b = load(&bench, "b").await.topology;
        assert_eq!((place_of_b.zone.as_str(), place_of_b.pod, place_of_b.cluster), ("zone-of-b", None, None));
        assert_eq!(load(&bench, "a").await.topology.cluster.as_deref(), Some("c1"));
        bench.assert_sound().await;
        // Where nobody else is in it, its cluster comes along.
        let note = asked("req-1", at(9));
        let deleted = bench.store.service_delete(uuid("service", "a"), note, |_, _| Ok::<_, ()>(()));
        deleted.await.unwrap();
        bench.host("a").await;
        let place_of_a = load(&bench, "a").await.topology;
        assert_eq!((place_of_a.zone.as_str(), place_of_a.cluster.as_deref()), ("zone-of-a", Some("c1")));
    }
}
