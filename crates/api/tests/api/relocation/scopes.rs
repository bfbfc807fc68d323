//! `/scopes`, and what is said of hosts and of what they are in.

use serde_json::{Value, json};

use super::ROOT;
use crate::answers::Answer;
use crate::seed::{SERVER, Server};
use crate::world::{ADMIN, Who, World};

/// Three hosts in `nova`, the second of which has a server.
async fn three() -> World {
    let world = World::new().await;
    for name in ["host-1", "host-2", "host-3"] {
        world.host(name).await;
    }
    world.server(Server {
        host: Some("host-2"),
        ..Server::default()
    });
    world
}

async fn put(world: &World, path: &str, body: &Value) -> Answer {
    let ask = world.ask("PUT", &format!("{ROOT}{path}")).by(Who::Admin);
    ask.json(body).send().await
}

async fn shown(world: &World, path: &str) -> Value {
    world.native(Who::Admin, path).await.ok()
}

async fn zones(world: &World, who: Who) -> Value {
    let answer = world.get(who, 1, "/v2.1/os-availability-zone").await;
    answer.ok()["availabilityZoneInfo"].clone()
}

#[tokio::test]
async fn hosts_are_put_into_pods_and_clusters_of_their_zone() {
    let world = three().await;
    let place = json!({"zone": "nova", "pod": "p1", "cluster": "c1"});
    let answer = put(&world, "/hosts/host-1/topology", &place).await;
    assert_eq!(answer.ok(), place);
    let host = shown(&world, "/hosts/host-1?fields=zone,pod,cluster").await;
    assert_eq!(host, place);
    let enabled = json!({"state": "enabled", "effective": "enabled", "because": [],
        "reason": null, "by": null, "since": null});
    let managed = json!({"managed": true, "state": "managed", "reason": null, "by": null,
        "since": null, "reconciled_at": null});
    let scope = |scope: &str, name: &str, pod: Value, hosts: i64| {
        let management = Some(&managed).filter(|_| scope == "cluster");
        json!({"scope": scope, "name": name, "zone": "nova", "pod": pod, "hosts": hosts,
            "allocation": enabled, "management": management})
    };
    let expected = [
        scope("zone", "nova", json!(null), 3),
        scope("pod", "p1", json!("p1"), 1),
        scope("cluster", "c1", json!("p1"), 1),
    ];
    let list = world.native(Who::Admin, "/scopes?with_total=true").await;
    assert_eq!(
        (list.items(), &list.ok()["total"]),
        (expected.to_vec(), &json!(3))
    );
    let first = world
        .native(Who::Admin, "/scopes?limit=2&fields=name")
        .await;
    let next = first.ok()["next"].as_str().unwrap().to_owned();
    let path = next
        .strip_prefix(&format!("http://{}", world.address))
        .unwrap();
    let second = world.ask("GET", path).by(Who::Admin).send().await;
    assert_eq!(second.items(), [json!({"name": "c1"})]);

    // What is not said stays.
    for unsaid in [
        json!({}),
        json!({"zone": "nova"}),
        json!({"zone": null, "pod": "p1"}),
    ] {
        let same = put(&world, "/hosts/host-1/topology", &unsaid).await;
        assert_eq!(same.ok(), place, "{unsaid}");
    }
    let alone = json!({"cluster": null});
    let alone = put(&world, "/hosts/host-1/topology", &alone).await;
    assert_eq!(
        alone.ok(),
        json!({"zone": "nova", "pod": "p1", "cluster": null})
    );
    let none = json!({"pod": null, "cluster": null});
    let gone = put(&world, "/hosts/host-1/topology", &none).await;
    assert_eq!(
        gone.ok(),
        json!({"zone": "nova", "pod": null, "cluster": null})
    );
    assert_eq!(world.native(Who::Admin, "/scopes").await.items().len(), 1);
}

#[tokio::test]
async fn what_would_be_in_two_places_is_a_conflict() {
    let world = three().await;
    let place = json!({"pod": "p1", "cluster": "c1"});
    assert_eq!(
        put(&world, "/hosts/host-1/topology", &place).await.status,
        200
    );
    for (host, body, detail) in [
        (
            "host-3",
            json!({"zone": "east", "pod": "p1"}),
            "Pod p1 is in zone nova.",
        ),
        (
            "host-3",
            json!({"zone": "east", "cluster": "c1"}),
            "Cluster c1 is in zone nova.",
        ),
        (
            "host-3",
            json!({"pod": "p2", "cluster": "c1"}),
            "Cluster c1 is in pod p1.",
        ),
        (
            "host-2",
            json!({"zone": "east"}),
            "The host is in zone nova with 1 servers.",
        ),
    ] {
        let answer = put(&world, &format!("/hosts/{host}/topology"), &body).await;
        let problem = answer.problem(409, "topology-conflict");
        assert_eq!(problem["detail"], detail, "{body}");
        assert_eq!(
            shown(&world, &format!("/hosts/{host}")).await["zone"],
            "nova"
        );
    }
    let east = json!({"zone": "east"});
    assert_eq!(
        put(&world, "/hosts/host-3/topology", &east).await.status,
        200
    );
    let aggregates = world.get(Who::Admin, 1, "/v2.1/os-aggregates").await.ok();
    let made = &aggregates["aggregates"][0];
    assert_eq!(
        (&made["name"], &made["hosts"]),
        (&json!("east"), &json!(["host-3"]))
    );
    assert_eq!(made["availability_zone"], "east", "one truth");
}

#[tokio::test]
async fn what_is_said_of_a_scope_is_said_of_its_hosts() {
    let world = three().await;
    let place = json!({"pod": "p1", "cluster": "c1"});
    put(&world, "/hosts/host-1/topology", &place).await;
    world.advance(10);
    let off = json!({"state": "disabled", "reason": "power"});
    let said = put(&world, "/scopes/pod/p1/allocation", &off).await.ok();
    let by = said["by"].clone();
    assert_eq!(
        (&by["user"], &by["project"]),
        (&json!("u-admin"), &json!(ADMIN))
    );
    let because = json!([{"scope": "pod", "name": "p1", "reason": "power", "by": by,
        "since": "2026-11-20T12:00:10Z"}]);
    let expected = json!({"state": "disabled", "effective": "disabled", "because": because,
        "reason": "power", "by": by, "since": "2026-11-20T12:00:10Z"});
    assert_eq!(said, expected);
    let inherited = json!({"state": "enabled", "effective": "disabled", "because": because,
        "reason": null, "by": null, "since": null});
    assert_eq!(
        shown(&world, "/hosts/host-1").await["allocation"],
        inherited
    );
    assert_eq!(
        shown(&world, "/hosts/host-2").await["allocation"]["effective"],
        "enabled"
    );
    let own = json!({"state": "disabled", "reason": "fan"});
    let own = put(&world, "/hosts/host-1/allocation", &own).await.ok();
    assert_eq!(own["because"].as_array().unwrap().len(), 2);
    let service = world.get(Who::Admin, 53, "/v2.1/os-services").await.ok();
    assert_eq!(
        service["services"][0]["disabled_reason"], "fan",
        "one switch"
    );

    world.advance(10);
    let on = json!({"state": "enabled", "reason": null});
    let own = put(&world, "/hosts/host-1/allocation", &on).await.ok();
    assert_eq!(
        (&own["state"], &own["because"]),
        (&json!("enabled"), &because)
    );
    assert_eq!(own["since"], "2026-11-20T12:00:20Z");
    let said = put(&world, "/scopes/pod/p1/allocation", &on).await.ok();
    assert_eq!(
        (&said["effective"], &said["because"]),
        (&json!("enabled"), &json!([]))
    );
}

#[tokio::test]
async fn a_cluster_that_is_not_managed_takes_no_part_in_moves() {
    let world = three().await;
    for name in ["host-2", "host-3"] {
        let path = format!("/hosts/{name}/topology");
        put(&world, &path, &json!({"cluster": "c1"})).await.ok();
    }
    let candidates = format!("/servers/{SERVER}/candidates");
    let reasons = async || {
        let list = world.native(Who::Admin, &candidates).await;
        let items = list.items();
        let reasons = |it: &Value| it["reasons"].as_array().unwrap().clone();
        items.iter().map(reasons).collect::<Vec<_>>()
    };
    assert_eq!(reasons().await, [Vec::<Value>::new(), Vec::new()]);
    world.advance(10);
    let path = "/scopes/cluster/c1/management";
    let off = json!({"managed": false, "reason": "upgrade"});
    let said = put(&world, path, &off).await.ok();
    assert_eq!(
        (&said["state"], &said["reason"], &said["since"]),
        (
            &json!("unmanaged"),
            &off["reason"],
            &json!("2026-11-20T12:00:10Z")
        )
    );
    for reasons in reasons().await {
        assert_eq!(reasons[0]["code"], "unmanaged", "in and out");
        assert_eq!(reasons[0]["evidence"], json!({"clusters": ["c1"]}));
        let request = json!({"method": "PUT", "body": {"managed": true},
            "path": "/relocation/v1/scopes/cluster/c1/management"});
        let changes = &reasons[0]["fix"]["changes"];
        assert_eq!(
            *changes,
            json!([{"kind": "management", "target": "cluster/c1",
            "from": "unmanaged", "to": "managed", "request": request}])
        );
    }
    world.advance(10);
    let on = put(&world, path, &json!({"managed": true})).await.ok();
    assert_eq!(
        (&on["managed"], &on["state"]),
        (&json!(true), &json!("reconciling"))
    );
    let text = reasons().await[0][0]["text"].clone();
    assert_eq!(text, "the hosts of cluster c1 are still looked at");
    world.sql(
        "UPDATE cluster_managements SET reconciled_at = '2026-11-20 12:00:30'
         WHERE cluster = 'c1'",
    );
    let shown = shown(&world, "/scopes?fields=scope,management").await;
    let cluster = shown["items"].as_array().unwrap().last().unwrap().clone();
    let management = &cluster["management"];
    assert_eq!(
        (&management["state"], &management["reconciled_at"]),
        (&json!("managed"), &json!("2026-11-20T12:00:30Z"))
    );
    assert_eq!(reasons().await, [Vec::<Value>::new(), Vec::new()]);
    for path in [
        "/scopes/zone/nova/management",
        "/scopes/cluster/c9/management",
    ] {
        put(&world, path, &off).await.problem(404, "not-found");
    }
    let bad = put(&world, path, &json!({"managed": 0})).await.invalid();
    assert_eq!(bad, ["#/managed"]);
}

#[tokio::test]
async fn a_disabled_zone_is_absent_for_those_who_may_not_see_it() {
    let world = three().await;
    put(&world, "/hosts/host-3/topology", &json!({"zone": "east"})).await;
    let zone = |name: &str, available: bool| json!({"zoneName": name, "zoneState": {"available": available}, "hosts": null});
    let both = json!([zone("east", true), zone("nova", true)]);
    assert_eq!(zones(&world, Who::Reader).await, both);
    let off = json!({"state": "disabled", "reason": "flood"});
    put(&world, "/scopes/zone/east/allocation", &off).await;
    assert_eq!(
        zones(&world, Who::Reader).await,
        json!([zone("nova", true)])
    );
    let seen = json!([zone("nova", true), zone("east", false)]);
    assert_eq!(zones(&world, Who::Admin).await, seen);
    let list = world.native(Who::Admin, "/scopes?fields=name").await;
    assert_eq!(
        list.items(),
        [json!({"name": "east"}), json!({"name": "nova"})]
    );
}

#[tokio::test]
async fn disabled_scopes_are_for_those_who_may_see_them() {
    let rules = json!({"relocation:scopes:see-disabled": "!"});
    let world = World::under(rules).await;
    world.host("host-1").await;
    let off = json!({"state": "disabled", "reason": "flood"});
    put(&world, "/scopes/zone/nova/allocation", &off).await;
    let list = world
        .native(Who::Admin, "/scopes?with_total=true")
        .await
        .ok();
    assert_eq!(list, json!({"items": [], "next": null, "total": 0}));
    let details = world
        .get(Who::Admin, 1, "/v2.1/os-availability-zone/detail")
        .await;
    assert_eq!(details.ok()["availabilityZoneInfo"], json!([]));
}

#[tokio::test]
async fn bad_input_changes_nothing() {
    let world = three().await;
    let before = shown(&world, "/hosts").await;
    for (path, body, pointers) in [
        ("/hosts/host-1/allocation", json!({}), vec!["#/state"]),
        (
            "/hosts/host-1/allocation",
            json!({"state": "disabled"}),
            vec!["#/reason"],
        ),
        (
            "/scopes/zone/nova/allocation",
            json!({"state": "off", "who": 1}),
            vec!["#/who", "#/state"],
        ),
        (
            "/hosts/host-1/topology",
            json!({"zone": "a:b", "pod": "a/b"}),
            vec!["#/zone", "#/pod"],
        ),
        ("/hosts/host-1/topology", json!([]), vec!["#"]),
    ] {
        assert_eq!(put(&world, path, &body).await.invalid(), pointers, "{path}");
    }
    let off = json!({"state": "disabled", "reason": "x"});
    for path in [
        "/hosts/host-9/allocation",
        "/scopes/zone/east/allocation",
        "/scopes/rack/nova/allocation",
        "/scopes/pod/p1/allocation",
    ] {
        put(&world, path, &off).await.problem(404, "not-found");
    }
    put(&world, "/hosts/host-9/topology", &json!({}))
        .await
        .problem(404, "not-found");
    assert_eq!(shown(&world, "/hosts").await, before);
}

/// The document and the version of what a path shows.
async fn versioned(world: &World, path: &str) -> (Value, String) {
    let answer = world.native(Who::Admin, path).await;
    (answer.ok(), answer.header("etag").unwrap().to_owned())
}

#[tokio::test]
async fn only_what_was_read_is_changed() {
    let world = three().await;
    let place = json!({"zone": "nova", "pod": "p1", "cluster": "c1"});
    put(&world, "/hosts/host-1/topology", &place).await.ok();
    let off = |why: &str| json!({"state": "disabled", "reason": why});
    let (on, let_be) = (
        json!({"state": "enabled"}),
        json!({"managed": false, "reason": "upgrade"}),
    );
    for (path, first, second) in [
        ("/hosts/host-1/allocation", off("its fan"), on.clone()),
        (
            "/hosts/host-1/topology",
            json!({"pod": "p1", "cluster": "c2"}),
            place.clone(),
        ),
        ("/scopes/zone/nova/allocation", off("flood"), on.clone()),
        ("/scopes/pod/p1/allocation", off("power"), off("water")),
        ("/scopes/cluster/c1/allocation", off("power"), on.clone()),
        (
            "/scopes/cluster/c1/management",
            let_be,
            json!({"managed": true}),
        ),
    ] {
        let (before, read) = versioned(&world, path).await;
        assert_eq!(versioned(&world, path).await.1, read, "{path}");
        let change = async |body: &Value, version: &str| {
            let ask = world.ask("PUT", &format!("{ROOT}{path}")).by(Who::Admin);
            ask.header("If-Match", version).json(body).send().await
        };
        let never = change(&first, "\"0\"").await;
        never.problem(412, "precondition-failed");
        assert_eq!(shown(&world, path).await, before, "{path}");
        let changed = change(&first, &read).await;
        let version = changed.header("etag").unwrap().to_owned();
        assert_eq!(
            versioned(&world, path).await,
            (changed.ok(), version.clone()),
            "{path}"
        );
        assert_ne!(version, read);
        let late = change(&second, &read).await;
        late.problem(412, "precondition-failed");
        assert_eq!(change(&second, "*").await.status, 200, "{path}");
        assert_ne!(versioned(&world, path).await.1, version);
        assert_eq!(
            put(&world, path, &second).await.status,
            200,
            "who names none does not care"
        );
    }
    for path in [
        "/scopes/zone/nova/management",
        "/scopes/pod/p9/allocation",
        "/scopes/rack/r/allocation",
    ] {
        world
            .native(Who::Admin, path)
            .await
            .problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_host_that_leaves_a_cluster_that_takes_no_part_is_looked_at() {
    let world = three().await;
    let (path, in_c1) = ("/hosts/host-3/topology", json!({"cluster": "c1"}));
    put(&world, path, &in_c1).await.ok();
    let off = json!({"managed": false, "reason": "upgrade"});
    put(&world, "/scopes/cluster/c1/management", &off)
        .await
        .ok();
    put(&world, path, &json!({"cluster": null})).await.ok();
    let reasons = async || {
        let candidates = format!("/servers/{SERVER}/candidates");
        let list = world.native(Who::Admin, &candidates).await.items();
        let mut there = list.into_iter().filter(|it| it["host"] == "host-3");
        there.next().unwrap()["reasons"].clone()
    };
    let reason = reasons().await[0].clone();
    assert_eq!(
        (&reason["code"], &reason["evidence"]),
        (&json!("unmanaged"), &json!({"clusters": ["c1"]}))
    );
    assert_eq!(
        reason["text"],
        "the hosts of cluster c1 are still looked at"
    );
    // As its inventory leaves it, which the store's tests show.
    world.sql("UPDATE host_topologies SET left_cluster = NULL, left_at = NULL");
    assert_eq!(reasons().await, json!([]));
}
