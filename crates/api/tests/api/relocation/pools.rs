//! `/pools`: which hosts reach which storage.

use serde_json::json;

use crate::world::{Who, World};

async fn two() -> World {
    let world = World::new().await;
    world.host("host-1").await;
    world.host("host-2").await;
    let shared = json!({"id": "ceph", "total_bytes": 100, "available_bytes": 60});
    let (own, seen) = (
        json!({"id": "scratch", "total_bytes": 7, "available_bytes": 7}),
        json!({"id": "ceph", "total_bytes": 100, "available_bytes": 50}),
    );
    world.sql(&format!(
        "UPDATE hosts SET storage_pools = '[{shared}, {own}]' WHERE name = 'host-1';
         UPDATE hosts SET storage_pools = '[{seen}]' WHERE name = 'host-2';"
    ));
    world
}

#[tokio::test]
async fn a_pool_that_two_hosts_reach_is_one_shared_one() {
    let world = two().await;
    let ceph = json!({"name": "ceph", "kind": null, "shared": true, "hosts": ["host-1", "host-2"],
        "capacity_bytes": 100, "free_bytes": 50});
    let scratch = json!({"name": "scratch", "kind": null, "shared": false, "hosts": ["host-1"],
        "capacity_bytes": 7, "free_bytes": 7});
    let all = world
        .native(Who::Admin, "/pools?with_total=true")
        .await
        .ok();
    assert_eq!(
        all,
        json!({"items": [ceph, scratch], "next": null, "total": 2})
    );
}

#[tokio::test]
async fn pages_are_all_pools_each_once() {
    let world = two().await;
    let first = world.native(Who::Admin, "/pools?limit=1&fields=name").await;
    assert_eq!(first.items(), [json!({"name": "ceph"})]);
    let next = first.ok()["next"].as_str().unwrap().to_owned();
    let path = next
        .strip_prefix(&format!("http://{}", world.address))
        .unwrap();
    let second = world.ask("GET", path).by(Who::Admin).send().await;
    assert_eq!(second.items(), [json!({"name": "scratch"})]);
    assert_eq!(second.ok()["next"], json!(null));
    for (query, pointer) in [
        ("host=a", "?host"),
        ("fields=size", "?fields"),
        ("limit=x", "?limit"),
    ] {
        let answer = world.native(Who::Admin, &format!("/pools?{query}")).await;
        assert_eq!(answer.invalid(), [pointer]);
    }
}

#[tokio::test]
async fn who_may_not_see_hosts_finds_none() {
    let world = World::under(json!({"relocation:pools:list": "@"})).await;
    world.host("host-1").await;
    let list = world
        .native(Who::Reader, "/pools?with_total=true")
        .await
        .ok();
    assert_eq!(list, json!({"items": [], "next": null, "total": 0}));
}
