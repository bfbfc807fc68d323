//! `/servers/{id}/candidates` and `/hosts/{host}/drain-check`: where servers could go.

use serde_json::{Value, json};

use crate::seed::{SERVER, Server};
use crate::world::{LAB, Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// A running server on `host-1`, and three other hosts.
async fn four() -> World {
    let world = World::new().await;
    for name in ["host-1", "host-2", "host-3", "host-4"] {
        world.host(name).await;
    }
    world.server(Server::default());
    world
}

async fn found(world: &World, query: &str) -> Vec<Value> {
    let path = format!("/servers/{SERVER}/candidates{query}");
    world.native(Who::Admin, &path).await.items()
}

fn codes(item: &Value) -> Vec<&str> {
    let reasons = item["reasons"].as_array().unwrap().iter();
    reasons
        .map(|reason| reason["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_host_but_the_servers_own_is_judged() {
    let world = four().await;
    world.sql(
        "UPDATE services SET disabled = TRUE WHERE host = 'host-2';
         UPDATE hosts SET memory_mb = 100 WHERE name = 'host-3';
         UPDATE hosts SET last_inventory_at = '2026-11-20 12:00:05' WHERE name = 'host-4';",
    );
    let items = found(&world, "").await;
    let judged: Vec<_> = items
        .iter()
        .map(|it| (it["host"].as_str().unwrap(), codes(it)))
        .collect();
    let expected = [
        ("host-2", vec!["disabled"]),
        ("host-3", vec!["memory"]),
        ("host-4", vec![]),
    ];
    assert_eq!(judged, expected);
    let best = json!({"host": "host-4", "suitable": true, "score": 1, "reasons": [],
        "facts_at": "2026-11-20T12:00:05Z"});
    assert_eq!(items[2], best);
    assert_eq!(
        (&items[0]["suitable"], &items[0]["score"]),
        (&json!(false), &json!(null))
    );
    let page = found(&world, "?limit=1&marker=host-2&fields=host").await;
    assert_eq!(page, [json!({"host": "host-3"})]);
}

#[tokio::test]
async fn what_is_said_of_a_scope_is_a_reason_of_its_hosts() {
    let world = four().await;
    for (path, body) in [
        ("/hosts/host-2/topology", json!({"pod": "p1"})),
        (
            "/scopes/pod/p1/allocation",
            json!({"state": "disabled", "reason": "power"}),
        ),
    ] {
        let ask = world
            .ask("PUT", &format!("{}{path}", super::ROOT))
            .by(Who::Admin);
        assert_eq!(ask.json(&body).send().await.status, 200);
    }
    let items = found(&world, "").await;
    assert_eq!(
        (codes(&items[0]), codes(&items[1])),
        (vec!["disabled"], vec![])
    );
}

#[tokio::test]
async fn a_server_on_a_silent_host_goes_nowhere_until_that_is_declared_dead() {
    let world = four().await;
    world.advance(61);
    for name in ["host-2", "host-3", "host-4"] {
        world.host(name).await;
    }
    for item in found(&world, "").await {
        assert_eq!(codes(&item), ["source-not-fenced"]);
        assert_eq!(item["suitable"], false);
    }
    world.sql("UPDATE services SET forced_down = TRUE WHERE host = 'host-1'");
    for item in found(&world, "").await {
        assert_eq!((codes(&item), &item["suitable"]), (vec![], &json!(true)));
    }
}

#[tokio::test]
async fn who_may_not_see_hosts_finds_none_and_no_other_projects_servers() {
    let world = four().await;
    world.server(Server {
        uuid: OTHER,
        project: LAB,
        ..Server::default()
    });
    let own = format!("/servers/{SERVER}/candidates?with_total=true");
    let list = world.native(Who::Manager, &own).await.ok();
    assert_eq!(list, json!({"items": [], "next": null, "total": 0}));
    let other = format!("/servers/{OTHER}/candidates");
    world
        .native(Who::Manager, &other)
        .await
        .problem(404, "not-found");
    world
        .native(Who::Member, &own)
        .await
        .problem(403, "forbidden");
    let bad = format!("/servers/{SERVER}/candidates?marker=a%20b");
    assert_eq!(world.native(Who::Admin, &bad).await.invalid(), ["?marker"]);
}

#[tokio::test]
async fn a_host_can_be_emptied_as_far_as_all_its_servers_fit_together() {
    let world = four().await;
    world.server(Server {
        uuid: OTHER,
        name: "vm-2",
        ..Server::default()
    });
    let check = async || {
        world
            .native(Who::Admin, "/hosts/host-1/drain-check")
            .await
            .ok()
    };
    let all = check().await;
    assert_eq!(all["movable"].as_array().unwrap().len(), 2);
    assert_eq!((&all["blocked"], &all["fix"]), (&json!([]), &json!(null)));
    // Room for one of them, on one host.
    world.sql(
        "UPDATE hosts SET memory_mb = 128 WHERE name = 'host-2';
         UPDATE services SET disabled = TRUE WHERE host IN ('host-3', 'host-4');",
    );
    let some = check().await;
    assert_eq!(some["movable"].as_array().unwrap().len(), 1);
    let blocked = &some["blocked"][0];
    assert_eq!(codes(blocked), ["disabled", "memory"]);
    // Of the first of them, and how many there are.
    let scopes = json!([{"scope": "host", "name": "host-3"}]);
    let evidence = json!({"host": "host-3", "scopes": scopes, "hosts": 2});
    assert_eq!(blocked["reasons"][0]["evidence"], evidence);
    let changes = some["fix"]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{some}");
    let request = &changes[0]["request"];
    let path = request["path"].as_str().unwrap();
    let sent = world.ask(request["method"].as_str().unwrap(), path);
    let sent = sent.by(Who::Admin).json(&request["body"]).send().await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let all = check().await;
    assert_eq!((&all["blocked"], &all["fix"]), (&json!([]), &json!(null)));
    let nowhere = world.native(Who::Admin, "/hosts/host-9/drain-check").await;
    nowhere.problem(404, "not-found");
}

/// One of a group that keeps apart finds a place where none of the others is.
#[tokio::test]
async fn groups_count_when_a_host_is_emptied() {
    let world = four().await;
    world.server(Server {
        uuid: OTHER,
        name: "vm-2",
        ..Server::default()
    });
    world.sql(&format!(
        "INSERT INTO server_groups (uuid, name, project_id, user_id, policy, created_at)
         VALUES ('66666666-0000-4000-8000-000000000001', 'web', '{LAB}', 'u', 'anti-affinity',
             '2026-11-20 12:00:00');
         INSERT INTO server_group_members (group_id, server_uuid, origin, created_at)
         SELECT id, '{SERVER}', 'observed', '2026-11-20 12:00:00' FROM server_groups;
         INSERT INTO server_group_members (group_id, server_uuid, origin, created_at)
         SELECT id, '{OTHER}', 'observed', '2026-11-20 12:00:00' FROM server_groups;
         UPDATE services SET disabled = TRUE WHERE host IN ('host-3', 'host-4');"
    ));
    let path = "/hosts/host-1/drain-check";
    let checked = world.native(Who::Admin, path).await.ok();
    assert_eq!(checked["movable"].as_array().unwrap().len(), 1);
    assert_eq!(codes(&checked["blocked"][0]), ["disabled", "anti-affinity"]);
}

/// `candidates` and `drain-check` say what a plan would.
#[tokio::test]
async fn a_server_that_outruns_its_streams_is_to_be_stopped_or_stays() {
    let world = four().await;
    world.sql("UPDATE servers SET dirty_bytes_per_second = 9000000000, memory_mb = 4096");
    for item in found(&world, "").await {
        assert_eq!(codes(&item), ["never-converges"]);
        let rates = json!({
            "dirty_bytes_per_second": 9_000_000_000_u64, "stream_bytes_per_second": 1_250_000_000,
        });
        assert_eq!(item["reasons"][0]["evidence"], rates);
    }
    let path = "/hosts/host-1/drain-check";
    let checked = world.native(Who::Admin, path).await.ok();
    assert_eq!(codes(&checked["blocked"][0]), ["never-converges"]);
    let changes = &checked["fix"]["changes"];
    assert_eq!(
        (changes.as_array().unwrap().len(), &changes[0]["kind"]),
        (1, &json!("power-state"))
    );
    let request = &changes[0]["request"];
    let sent = world.ask(
        request["method"].as_str().unwrap(),
        request["path"].as_str().unwrap(),
    );
    let sent = sent.by(Who::Admin).json(&request["body"]).send().await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    world.sql("UPDATE servers SET task_state = NULL, vm_state = 'stopped', power_state = 4");
    let checked = world.native(Who::Admin, path).await.ok();
    assert_eq!(
        (&checked["movable"], &checked["fix"]),
        (&json!([SERVER]), &json!(null))
    );
}

#[tokio::test]
async fn a_host_of_another_cluster_joins_that_of_the_server_by_the_request_of_its_fix() {
    let world = four().await;
    for (host, cluster) in [("host-1", "c1"), ("host-2", "c2"), ("host-3", "c1")] {
        let path = format!("{}/hosts/{host}/topology", super::ROOT);
        let ask = world.ask("PUT", &path).by(Who::Admin);
        let placed = ask.json(&json!({ "cluster": cluster })).send().await;
        assert_eq!(placed.status, 200, "{}", placed.text);
    }
    let items = found(&world, "").await;
    let judged: Vec<_> = items.iter().map(codes).collect();
    assert_eq!(judged, [vec!["other-cluster"], vec![], vec![]]);
    let evidence = json!({"cluster": "c2", "needed_cluster": "c1"});
    assert_eq!(items[0]["reasons"][0]["evidence"], evidence);
    let request = &items[0]["reasons"][0]["fix"]["changes"][0]["request"];
    let sent = world.ask(
        request["method"].as_str().unwrap(),
        request["path"].as_str().unwrap(),
    );
    let sent = sent.by(Who::Admin).json(&request["body"]).send().await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert!(
        found(&world, "")
            .await
            .iter()
            .all(|it| codes(it).is_empty())
    );
}
