//! `/os-hypervisors`: lists, one of them, and the routes that later versions do without.

use godwit_api::nova::microversion::Microversion;
use serde_json::{Value, json};

use crate::seed::{SERVER, Server, hypervisor_uuid};
use crate::world::{Who, World};

async fn fleet() -> World {
    let world = World::new().await;
    for host in ["host-1", "host-2", "host-10"] {
        world.host(host).await;
    }
    world.server(Server {
        task_state: Some("migrating"),
        ..Server::default()
    });
    world.sql(r#"UPDATE hosts SET cpu_info = '{"arch":"x86_64","features":["pge","vmx"]}'"#);
    world
}

async fn get(world: &World, minor: u32, path: &str) -> Value {
    let path = format!("/v2.1/os-hypervisors{path}");
    world.get(Who::Admin, minor, &path).await.ok()
}

async fn names(world: &World, minor: u32, path: &str) -> Vec<String> {
    let list = get(world, minor, path).await;
    let items = list["hypervisors"].as_array().unwrap().iter();
    let name = |it: &Value| it["hypervisor_hostname"].as_str().unwrap().to_owned();
    items.map(name).collect()
}

#[tokio::test]
async fn every_version_shows_what_it_should() {
    let world = fleet().await;
    let mut seen = Vec::<(String, Value)>::new();
    for version in Microversion::all() {
        let minor = version.minor();
        let list = get(&world, minor, "/detail?with_servers=true").await;
        let document = list["hypervisors"][0].clone();
        let plain = get(&world, minor, "").await["hypervisors"][0].clone();
        for (name, value) in plain.as_object().unwrap() {
            assert_eq!(document[name], *value, "{name} in {version}");
        }
        let path = format!(
            "/{}?with_servers=true",
            plain["id"].to_string().trim_matches('"')
        );
        assert_eq!(get(&world, minor, &path).await["hypervisor"], document);
        if seen.last().is_none_or(|(_, last)| *last != document) {
            seen.push((format!("from {version}"), document));
        }
    }
    insta::assert_json_snapshot!(seen);
}

#[tokio::test]
async fn servers_are_shown_to_those_who_ask() {
    let world = fleet().await;
    let list = async |minor, query: &str| get(&world, minor, query).await["hypervisors"].clone();
    let servers = json!([{"name": "instance-1", "uuid": SERVER}]);
    let all = list(53, "?with_servers=1").await;
    assert_eq!(
        (&all[0]["servers"], all[1].get("servers")),
        (&servers, None)
    );
    let all = list(75, "?with_servers=1").await;
    assert_eq!(
        (&all[0]["servers"], &all[1]["servers"]),
        (&servers, &json!([]))
    );
    for query in ["", "?with_servers=false"] {
        assert_eq!(list(75, query).await[0].get("servers"), None);
    }
    let old = list(52, "?with_servers=1").await;
    assert_eq!(old[0].get("servers"), None, "unknown then, and dropped");
    let all = list(52, "/host-1/servers").await;
    assert_eq!(
        (&all[0]["servers"], all[1].get("servers")),
        (&servers, None)
    );
}

#[tokio::test]
async fn pages_and_patterns() {
    let world = fleet().await;
    let [one, two, ten] = ["host-1", "host-2", "host-10"].map(|it| format!("{it}.example.org"));
    for (minor, path, expected) in [
        (1, "", vec![&one, &two, &ten]),
        (32, "?limit=1", vec![&one, &two, &ten]),
        (33, "?limit=1", vec![&one]),
        (33, "?limit=0", vec![]),
        (33, "?limit=1&limit=2", vec![&one, &two]),
        (53, "?hypervisor_hostname_pattern=host-1", vec![&one, &ten]),
        (53, "/detail?hypervisor_hostname_pattern=-10", vec![&ten]),
        (1, "/host-1/search", vec![&one, &ten]),
        (52, "/ost-2/servers", vec![&two]),
    ] {
        let names = names(&world, minor, path).await;
        assert_eq!(names.iter().collect::<Vec<_>>(), expected, "{minor} {path}");
    }
    let marker = hypervisor_uuid("host-1");
    let page = get(&world, 53, "?limit=1").await;
    let href = page["hypervisors_links"][0]["href"].as_str().unwrap();
    let end = format!("/v2.1/os-hypervisors?limit=1&marker={marker}");
    assert!(href.ends_with(&end), "{href}");
    let after = names(&world, 53, &format!("?marker={marker}")).await;
    assert_eq!(after, [two, ten]);
    let page = get(&world, 33, "/detail?limit=2").await;
    let href = page["hypervisors_links"][0]["href"].as_str().unwrap();
    let last = &page["hypervisors"][1]["id"];
    assert!(
        href.ends_with(&format!("/detail?limit=2&marker={last}")),
        "{href}"
    );
    let all = get(&world, 53, "").await;
    assert_eq!(all.get("hypervisors_links"), None);
    let found = get(&world, 53, "?hypervisor_hostname_pattern=host").await;
    assert_eq!(found.get("hypervisors_links"), None);
}

#[tokio::test]
async fn what_is_not_found_or_understood() {
    let world = fleet().await;
    let ask = async |minor, path: &str| {
        let path = format!("/v2.1/os-hypervisors{path}");
        world.get(Who::Admin, minor, &path).await
    };
    let fault = "The server could not comply with the request since it is either malformed or \
                 otherwise incorrect.";
    let uuid = hypervisor_uuid("host-1");
    for (minor, path, text) in [
        (53, "?hypervisor_hostname_pattern=host&limit=1", fault),
        (53, "?hypervisor_hostname_pattern=host&marker=1", fault),
        (
            53,
            "?foo=1",
            "Additional properties are not allowed ('foo' was unexpected)",
        ),
        (
            53,
            "/1?foo=1",
            "Additional properties are not allowed ('foo' was unexpected)",
        ),
        (53, "?marker=x", "marker [x] not found"),
        (33, "?marker=99", "marker [99] not found"),
        (
            53,
            "?limit=1&limit=1",
            "Invalid input for query parameters limit. Value: ['1', '1']. ['1', '1'] is too long",
        ),
        (
            53,
            "?hypervisor_hostname_pattern=a%20b",
            "Invalid input for query parameters hypervisor_hostname_pattern. Value: a b. 'a b' does not match '^[a-zA-Z0-9-._]*$'",
        ),
        (53, "/1", "Invalid uuid 1"),
        (53, "/nope/uptime", "Invalid uuid nope"),
    ] {
        assert_eq!(ask(minor, path).await.bad_request(), text, "{path}");
    }
    for (minor, path, text) in [
        (
            53,
            "?hypervisor_hostname_pattern=zzz",
            "No hypervisor matching 'zzz' could be found.",
        ),
        (
            52,
            "/zzz/search",
            "No hypervisor matching 'zzz' could be found.",
        ),
        (
            52,
            "/zzz/servers",
            "No hypervisor matching 'zzz' could be found.",
        ),
        (1, "/999", "Hypervisor with ID '999' could not be found."),
        (1, "/x", "Hypervisor with ID 'x' could not be found."),
        (
            52,
            &format!("/{uuid}"),
            &format!("Hypervisor with ID '{uuid}' could not be found."),
        ),
        (
            1,
            "/99999999999999999999",
            "Hypervisor with ID '99999999999999999999' could not be found.",
        ),
        (53, "/host/search", "The resource could not be found."),
        (53, "/host/servers", "The resource could not be found."),
        (88, "/statistics", "The resource could not be found."),
        (88, "/1/uptime", "The resource could not be found."),
    ] {
        assert_eq!(ask(minor, path).await.not_found(), text, "{path}");
    }
}

#[tokio::test]
async fn agents_do_not_say_since_when_their_machines_run() {
    let world = fleet().await;
    let path = format!("/v2.1/os-hypervisors/{}/uptime", hypervisor_uuid("host-1"));
    let ask = async || world.get(Who::Admin, 87, &path).await;
    let entry = json!({"hypervisor": {"id": hypervisor_uuid("host-1"), "state": "up",
        "hypervisor_hostname": "host-1.example.org", "status": "enabled", "uptime": ""}});
    assert_eq!(ask().await.ok(), entry);
    world.advance(61);
    let text = "Compute service of host-1 is unavailable at this time.";
    assert_eq!(ask().await.bad_request(), text);
}

#[tokio::test]
async fn the_sum_of_all_hosts() {
    let world = fleet().await;
    let expected = json!({"hypervisor_statistics": {
        "count": 3, "vcpus": 192, "memory_mb": 196_608, "local_gb": 3_000,
        "vcpus_used": 1, "memory_mb_used": 128, "local_gb_used": 1,
        "free_ram_mb": 196_480, "free_disk_gb": 2_999, "disk_available_least": 3_000,
        "current_workload": 1, "running_vms": 1,
    }});
    assert_eq!(get(&world, 87, "/statistics").await, expected);
}

#[tokio::test]
async fn there_are_no_aggregates() {
    let world = fleet().await;
    let ask = async |path: &str| world.get(Who::Admin, 81, &format!("/v2.1{path}")).await;
    assert_eq!(ask("/os-aggregates").await.ok(), json!({"aggregates": []}));
    let one = ask("/os-aggregates/1").await.not_found();
    assert_eq!(one, "Aggregate 1 could not be found.");
    let none = ask("/os-aggregates/x").await.bad_request();
    assert_eq!(none, "Invalid input received: id must be an integer");
}
