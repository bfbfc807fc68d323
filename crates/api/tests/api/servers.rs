//! `/servers`, `/servers/detail` and one of them.

use godwit_api::nova::microversion::Microversion;
use serde_json::{Value, json};

use crate::seed::Server;
use crate::world::{DEMO, LAB, Who, World};

pub(crate) const PAUSED: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const BROKEN: &str = "33333333-3333-4333-8333-333333333333";
pub(crate) const FOREIGN: &str = "44444444-4444-4444-8444-444444444444";
pub(crate) const GONE: &str = "55555555-5555-4555-8555-555555555555";

pub(crate) async fn fleet() -> World {
    let world = World::new().await;
    world.host("host-1").await;
    world.host("host-2").await;
    world.server(Server {
        task_state: Some("migrating"),
        ..Server::default()
    });
    world.server(Server {
        uuid: PAUSED,
        name: "vm-2",
        vm_state: "paused",
        locked: true,
        host: Some("host-2"),
        age: 10,
        ..Server::default()
    });
    world.server(Server {
        uuid: BROKEN,
        name: "broken",
        vm_state: "error",
        fault: true,
        host: None,
        image: false,
        age: 20,
        ..Server::default()
    });
    world.server(Server {
        uuid: FOREIGN,
        name: "vm-9",
        project: LAB,
        age: 30,
        ..Server::default()
    });
    world.server(Server {
        uuid: GONE,
        name: "gone",
        deleted: true,
        vm_state: "deleted",
        age: 40,
        ..Server::default()
    });
    world
}

#[tokio::test]
async fn every_version_shows_what_it_should() {
    let world = fleet().await;
    let mut seen = Vec::<(String, Value)>::new();
    let address = world.address.to_string();
    for version in Microversion::all() {
        let answer = world
            .get(
                Who::Admin,
                version.minor(),
                &format!("/v2.1/servers/{PAUSED}"),
            )
            .await;
        answer.ok();
        let shown: Value = serde_json::from_str(&answer.text.replace(&address, "H")).unwrap();
        if seen.last().is_none_or(|(_, last)| *last != shown) {
            seen.push((format!("from {version}"), shown));
        }
        let detail = world
            .get(
                Who::Admin,
                version.minor(),
                "/v2.1/servers/detail?all_tenants=1",
            )
            .await
            .ok();
        let mut listed = detail["servers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["id"] == PAUSED)
            .unwrap()
            .clone();
        if let Some(groups) = answer.json()["server"].get("server_groups") {
            listed["server_groups"] = groups.clone();
        }
        assert_eq!(listed, answer.json()["server"], "{version}");
    }
    insta::assert_json_snapshot!(seen);
}

#[tokio::test]
async fn others_see_less() {
    let world = fleet().await;
    let get = async |who, minor| {
        world
            .get(who, minor, &format!("/v2.1/servers/{PAUSED}"))
            .await
            .ok()["server"]
            .clone()
    };
    let reader = get(Who::Reader, 89).await;
    let hidden = |server: &Value, prefix: &str| {
        server
            .as_object()
            .unwrap()
            .keys()
            .all(|name| !name.starts_with(prefix))
    };
    assert!(hidden(&reader, "OS-EXT-SRV-ATTR:") && hidden(&reader, "host_status"));
    assert_eq!(reader["OS-EXT-STS:vm_state"], "paused");
    assert_eq!(reader["flavor"]["extra_specs"], json!({}));
    assert_eq!(
        get(Who::Reader, 90).await["OS-EXT-SRV-ATTR:hostname"],
        "vm-2"
    );
    assert_eq!(get(Who::Admin, 16).await["host_status"], "UP");
    let expected = sha224(&format!("{DEMO}host-2"));
    assert_eq!(reader["hostId"], expected);
}

fn sha224(text: &str) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha224::digest(text.as_bytes()))
}

#[tokio::test]
async fn a_broken_server_says_why_and_a_hostless_one_has_no_host() {
    let world = fleet().await;
    let get = async |who| {
        world
            .get(who, 80, &format!("/v2.1/servers/{BROKEN}"))
            .await
            .ok()["server"]
            .clone()
    };
    let server = get(Who::Admin).await;
    let fault = json!({"code": 500, "created": "2026-11-02T03:04:05Z", "message": "It broke.", "details": "how"});
    assert_eq!(server["fault"], fault);
    assert!(server.get("progress").is_none());
    assert_eq!(server["image"], "");
    assert_eq!(
        (&server["hostId"], &server["host_status"]),
        (&json!(""), &json!(""))
    );
    assert_eq!(server["OS-EXT-SRV-ATTR:host"], Value::Null);
    assert!(get(Who::Reader).await["fault"].get("details").is_none());
}

#[tokio::test]
async fn a_hosts_status_follows_its_service() {
    let world = fleet().await;
    let status = async || world.shown(Who::Admin, 80).await["host_status"].take();
    assert_eq!(status().await, "UP");
    world.advance(61);
    assert_eq!(status().await, "UNKNOWN");
    world.sql("UPDATE services SET disabled = 1 WHERE host = 'host-1'");
    assert_eq!(status().await, "MAINTENANCE");
    world.sql("UPDATE services SET forced_down = 1 WHERE host = 'host-1'");
    assert_eq!(status().await, "DOWN");
    world.sql("UPDATE servers SET host = 'host-9'");
    assert_eq!(status().await, "UNKNOWN");
}
