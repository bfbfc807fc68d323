//! `/hosts`: what a host is and has, and who finds any.

use godwit_core::host::link::{Link, LinkRole};
use godwit_core::time::Clock as _;
use godwit_test_support::fleet::store::registration;
use serde_json::{Value, json};

use crate::seed::{Server, service_uuid};
use crate::world::{ADMIN, Who, World};

/// Five hosts, of which the first has a server and the second expects one.
async fn five() -> World {
    let world = World::new().await;
    world.moving("running").await;
    world.sql(
        "INSERT INTO claims (migration_id, host, vcpus, memory_mb, disk_gb, created_at)
            SELECT id, 'host-2', 3, 1024, 7, created_at FROM migrations",
    );
    for name in ["host-3", "host-4", "host-5"] {
        world.host(name).await;
    }
    world
}

async fn shown(world: &World, name: &str) -> Value {
    world
        .native(Who::Admin, &format!("/hosts/{name}"))
        .await
        .ok()
}

fn names(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_host_says_what_it_has_and_what_is_free() {
    let world = five().await;
    world.sql(
        "UPDATE hosts SET cpu_info = '{\"model\": \"EPYC\", \"features\": [\"svm\"]}'
            WHERE name = 'host-2'",
    );
    let expected = json!({
        "name": "host-2", "zone": "nova", "pod": null, "cluster": null,
        "hypervisors": [{"type": "QEMU", "version": "8.0.0"}],
        "cpu": {"arch": "x86_64", "model": "EPYC", "features": ["svm"]},
        "capacity": {"vcpus": 64, "memory_mib": 65_536, "disk_gib": 1_000},
        "allocation_ratios": {"vcpus": 4.0, "memory": 1.0, "disk": 1.0},
        "free": {"vcpus": 253, "memory_mib": 64_512, "disk_gib": 993},
        "pools": ["nfs-1"], "links": [],
        "agent": {"state": "up", "since": "2026-11-20T12:00:00Z",
            "seen_at": "2026-11-20T12:00:00Z", "version": "0.1.0"},
        "allocation": {"state": "enabled", "effective": "enabled", "because": [], "reason": null,
            "by": null, "since": null},
        "maintenance": {"state": "none"}, "fence": null,
    });
    assert_eq!(shown(&world, "host-2").await, expected);
    let free = shown(&world, "host-1").await["free"].clone();
    assert_eq!(
        free,
        json!({"vcpus": 255, "memory_mib": 65_408, "disk_gib": 999})
    );
    let some = world
        .native(Who::Admin, "/hosts/host-2?fields=zone,name")
        .await;
    assert_eq!(some.ok(), json!({"name": "host-2", "zone": "nova"}));
}

#[tokio::test]
async fn a_host_shows_the_networks_that_its_agent_reports() {
    let world = World::new().await;
    let mut registration = registration("host-1", world.clock.now());
    registration.facts.links = vec![
        Link {
            name: "eth0".to_owned(),
            role: LinkRole::Management,
            bytes_per_second: None,
            stream_bytes_per_second: None,
        },
        Link {
            name: "eth1".to_owned(),
            role: LinkRole::Migration,
            bytes_per_second: Some(3_125_000_000),
            stream_bytes_per_second: Some(1_250_000_000),
        },
    ];
    world
        .store
        .host_register(registration.clone())
        .await
        .unwrap();
    let links = json!([
        {"name": "eth0", "role": "management", "bytes_per_second": null,
            "stream_bytes_per_second": null},
        {"name": "eth1", "role": "migration", "bytes_per_second": 3_125_000_000_i64,
            "stream_bytes_per_second": 1_250_000_000_i64},
    ]);
    assert_eq!(shown(&world, "host-1").await["links"], links);
    // Its operator has taken one away.
    registration.facts.links.truncate(1);
    world.store.host_register(registration).await.unwrap();
    let links = shown(&world, "host-1").await["links"].clone();
    assert_eq!(links.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_operators_say_of_a_host_is_seen_with_its_time() {
    let world = five().await;
    world.advance(30);
    let path = format!("/v2.1/os-services/{}", service_uuid("host-2"));
    for body in [
        json!({"status": "disabled", "disabled_reason": "its fan"}),
        json!({"forced_down": true}),
    ] {
        let asked = world
            .ask("PUT", &path)
            .by(Who::Admin)
            .version(53)
            .json(&body);
        assert_eq!(asked.send().await.status, 200);
    }
    let host = shown(&world, "host-2").await;
    let by = host["fence"]["by"].clone();
    assert_eq!(
        (&by["user"], &by["project"]),
        (&json!("u-admin"), &json!(ADMIN))
    );
    let said = &host["allocation"];
    assert_eq!(
        (&said["by"]["user"], &said["since"]),
        (&by["user"], &host["fence"]["at"])
    );
    let because = json!([{"scope": "host", "name": "host-2", "reason": "its fan",
        "by": said["by"], "since": "2026-11-20T12:00:30Z"}]);
    assert_eq!(host["allocation"]["because"], because);
    assert_eq!(host["allocation"]["effective"], "disabled");
    assert_eq!(host["allocation"]["reason"], "its fan");
    let fence = json!({"kind": "operator", "at": "2026-11-20T12:00:30Z",
        "evidence": {"host": "host-2", "forced_down": true,
            "last_heard_at": "2026-11-20T12:00:00Z"}, "by": by, "reason": null});
    assert_eq!(host["fence"], fence);
    assert_eq!(host["agent"]["state"], "down");
    assert_eq!(host["agent"]["since"], "2026-11-20T12:00:30Z");
}

#[tokio::test]
async fn a_silent_agent_is_down_since_it_was_silent_for_too_long() {
    let world = five().await;
    world.advance(60);
    assert_eq!(shown(&world, "host-3").await["agent"]["state"], "up");
    world.advance(30);
    let agent = shown(&world, "host-3").await["agent"].clone();
    assert_eq!(
        (&agent["state"], &agent["since"]),
        (&json!("down"), &json!("2026-11-20T12:01:00Z"))
    );
}

#[tokio::test]
async fn pages_are_all_hosts_each_once() {
    let world = five().await;
    let base = format!("http://{}", world.address);
    for limit in [1, 2, 4, 5, 6] {
        let mut path = format!(
            "{}/hosts?limit={limit}&fields=name&with_total=true",
            super::ROOT
        );
        let mut all = Vec::new();
        loop {
            let page = world.ask("GET", &path).by(Who::Admin).send().await;
            assert_eq!(page.ok()["total"], 5);
            let items = page.items();
            assert!(items.len() <= limit);
            all.extend(items);
            match page.ok()["next"].as_str() {
                Some(next) => path = next.strip_prefix(&base).unwrap().to_owned(),
                None => break,
            }
        }
        let expected = ["host-1", "host-2", "host-3", "host-4", "host-5"];
        assert_eq!(names(&all), expected, "{limit}");
    }
}

#[tokio::test]
async fn bad_queries_are_refused() {
    let world = five().await;
    for (query, pointer) in [
        ("zone=nova", "?zone"),
        ("limit=0", "?limit"),
        ("fields=name,colour", "?fields"),
        ("marker=host-1", "?marker"),
        ("marker=-1", "?marker"),
    ] {
        let answer = world.native(Who::Admin, &format!("/hosts?{query}")).await;
        assert_eq!(answer.invalid(), [pointer], "{query}");
    }
    for name in ["host-9", "no%20host", "1"] {
        let answer = world.native(Who::Admin, &format!("/hosts/{name}")).await;
        answer.problem(404, "not-found");
    }
}

#[tokio::test]
async fn who_may_not_see_hosts_finds_none() {
    let rules = json!({
        "relocation:hosts:list": "@", "relocation:hosts:show": "@",
    });
    let world = World::under(rules).await;
    world.host("host-1").await;
    world.server(Server::default());
    let list = world
        .native(Who::Member, "/hosts?with_total=true")
        .await
        .ok();
    assert_eq!(list, json!({"items": [], "next": null, "total": 0}));
    let answer = world.native(Who::Member, "/hosts/host-1").await;
    answer.problem(404, "not-found");
    assert!(!answer.text.contains("host-1"));
}
