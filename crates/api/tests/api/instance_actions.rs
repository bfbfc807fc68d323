//! What was done to a server: what each version and each role sees of it, in pages.

use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{NO_SERVER, SERVER, Server};
use crate::world::{ADMIN, DEMO, Who, World};

const ACTIONS: &str = "/v2.1/servers/24f55ce2-268d-5091-9bd6-17514ba6c04d/os-instance-actions";

async fn list(world: &World, who: Who, minor: u32, query: &str) -> Answer {
    world.get(who, minor, &format!("{ACTIONS}{query}")).await
}

async fn show(world: &World, who: Who, minor: u32, request: &str) -> Answer {
    world.get(who, minor, &format!("{ACTIONS}/{request}")).await
}

/// A server to which three things were done.
async fn a_history() -> World {
    let world = World::new().await;
    world.populate().await;
    world.history();
    world
}

fn requests(list: &Value) -> Vec<&str> {
    let items = list["instanceActions"].as_array().unwrap().iter();
    items
        .map(|item| item["request_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_newest_stands_first() {
    let world = a_history().await;
    let expected = json!({
        "action": "live-migration",
        "instance_uuid": SERVER,
        "request_id": "req-2",
        "user_id": "u-admin",
        "project_id": ADMIN,
        "start_time": "2026-11-02T00:00:02.000000",
        "message": "Error",
    });
    for minor in [1, 57] {
        let all = list(&world, Who::Reader, minor, "").await.ok();
        assert_eq!(requests(&all), ["req-3", "req-2", "req-1"]);
        assert_eq!(all["instanceActions"][1], expected);
        assert_eq!(all.as_object().unwrap().len(), 1);
    }
    let mut expected = expected;
    expected["updated_at"] = "2026-11-02T00:01:02.000000".into();
    let all = list(&world, Who::Reader, 58, "").await.ok();
    assert_eq!(all["instanceActions"][1], expected);
    assert_eq!(all["instanceActions"][0]["updated_at"], Value::Null);
}

#[tokio::test]
async fn in_pages_since_2_58() {
    let world = a_history().await;
    let first = list(&world, Who::Reader, 58, "?limit=2").await.ok();
    assert_eq!(requests(&first), ["req-3", "req-2"]);
    let expected = format!("http://{}{ACTIONS}?limit=2&marker=req-2", world.address);
    assert_eq!(first["links"], json!([{"rel": "next", "href": expected}]));
    let rest = list(&world, Who::Reader, 58, "?limit=2&marker=req-2")
        .await
        .ok();
    assert_eq!(requests(&rest), ["req-1"]);
    assert_eq!(rest.get("links"), None);
    let none = list(&world, Who::Reader, 104, "?limit=0").await.ok();
    assert_eq!(none, json!({"instanceActions": []}));
    let all = list(&world, Who::Reader, 57, "?limit=1&marker=x&foo=1")
        .await
        .ok();
    assert_eq!(requests(&all).len(), 3, "nobody looks at the query yet");
}

#[tokio::test]
async fn by_the_time_of_their_last_change() {
    let world = a_history().await;
    for (minor, query, expected) in [
        (58, "?changes-since=2026-11-02T00:01:02Z", &["req-2"][..]),
        (
            58,
            "?changes-since=2026-11-02T00:00:00Z",
            &["req-2", "req-1"],
        ),
        (66, "?changes-before=2026-11-02T00:01:01Z", &["req-1"]),
        (
            66,
            "?changes-since=2026-11-02&changes-before=2026-11-03",
            &["req-2", "req-1"],
        ),
    ] {
        let found = list(&world, Who::Reader, minor, query).await.ok();
        assert_eq!(requests(&found), expected, "{query}");
    }
}

#[tokio::test]
async fn queries_that_make_no_sense() {
    let world = a_history().await;
    for (minor, query, text) in [
        (
            58,
            "?foo=1",
            "Additional properties are not allowed ('foo' was unexpected)",
        ),
        (
            65,
            "?changes-before=2026-11-02",
            "Additional properties are not allowed ('changes-before' was unexpected)",
        ),
        (
            58,
            "?limit=-1",
            "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'",
        ),
        (
            58,
            "?limit=1&limit=2",
            "Invalid input for query parameters limit. Value: ['1', '2']. ['1', '2'] is too long",
        ),
        (
            58,
            "?changes-since=foo",
            "Invalid input for query parameters changes-since. Value: foo. 'foo' is not a 'date-time'",
        ),
        (58, "?marker=req-9", "Marker None could not be found."),
        (58, "?marker=%00", "Marker None could not be found."),
        (
            66,
            "?changes-since=2026-11-03&changes-before=2026-11-02",
            "The value of changes-since must be less than or equal to changes-before.",
        ),
    ] {
        let answer = list(&world, Who::Reader, minor, query).await;
        assert_eq!(answer.bad_request(), text, "{query}");
    }
    assert_eq!(
        show(&world, Who::Reader, 101, "req-1?foo=1").await.status,
        200
    );
    let strict = show(&world, Who::Reader, 102, "req-1?foo=1")
        .await
        .bad_request();
    assert_eq!(
        strict,
        "Additional properties are not allowed ('foo' was unexpected)"
    );
}

/// The first event of the failed action, as somebody sees it.
async fn event(world: &World, who: Who, minor: u32) -> Option<Value> {
    let action = show(world, who, minor, "req-2").await.ok();
    action["instanceAction"].get("events").map(|events| {
        let names: Vec<_> = events
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["event"])
            .collect();
        assert_eq!(
            names,
            ["compute_live_migration", "conductor_live_migrate_instance"]
        );
        events[0].clone()
    })
}

#[tokio::test]
async fn events_are_for_administrators_first_and_then_for_everybody() {
    let world = a_history().await;
    let host_id = {
        use sha2::{Digest, Sha224};
        hex::encode(Sha224::digest(format!("{ADMIN}host-1")))
    };
    for minor in [1, 50, 51, 61, 62, 83, 84, 104] {
        let mut expected = json!({
            "event": "compute_live_migration",
            "start_time": "2026-11-02T00:00:03.000000",
            "finish_time": "2026-11-02T00:01:02.000000",
            "result": "Error",
            "traceback": "  File …",
        });
        if minor >= 62 {
            expected["host"] = "host-1".into();
            expected["hostId"] = host_id.as_str().into();
        }
        if minor >= 84 {
            expected["details"] = "It broke.".into();
        }
        assert_eq!(
            event(&world, Who::Admin, minor).await,
            Some(expected.clone()),
            "2.{minor}"
        );

        let members = expected.as_object_mut().unwrap();
        for hidden in ["traceback", "host", "details"] {
            members.remove(hidden);
        }
        let expected = Some(expected).filter(|_| minor >= 51);
        assert_eq!(
            event(&world, Who::Reader, minor).await,
            expected,
            "2.{minor}"
        );
    }
}

#[tokio::test]
async fn what_is_under_way_has_no_end() {
    let world = a_history().await;
    let action = show(&world, Who::Admin, 84, "req-3").await.ok();
    let expected = json!([{
        "event": "cold_migrate",
        "start_time": "2026-11-02T00:00:03.000000",
        "finish_time": null,
        "result": null,
        "traceback": null,
        "host": null,
        "hostId": "",
        "details": null,
    }]);
    assert_eq!(action["instanceAction"]["events"], expected);
}

#[tokio::test]
async fn who_may_see_any_of_it() {
    let world = a_history().await;
    for path in [ACTIONS.to_owned(), format!("{ACTIONS}/req-1")] {
        for who in [Who::Admin, Who::Manager, Who::Member, Who::Reader] {
            assert_eq!(world.get(who, 80, &path).await.status, 200);
        }
        let stranger = world.get(Who::Stranger, 80, &path).await;
        assert_eq!(
            stranger.not_found(),
            format!("Instance {SERVER} could not be found.")
        );
        for who in [Who::Nobody, Who::SystemAdmin, Who::SystemReader] {
            let rule = world.get(who, 80, &path).await.forbidden();
            assert!(matches!(
                &*rule,
                "os-instance-actions:list" | "os-instance-actions:show"
            ));
        }
    }
    let unknown = show(&world, Who::Reader, 1, "req-x").await;
    assert_eq!(unknown.not_found(), "Action req-x not found");
    let foreign = format!("/v2.1/servers/{NO_SERVER}/os-instance-actions?foo=1");
    let nowhere = world.get(Who::Admin, 57, &foreign).await;
    assert_eq!(
        nowhere.not_found(),
        format!("Instance {NO_SERVER} could not be found.")
    );
}

#[tokio::test]
async fn of_deleted_servers_since_2_21() {
    let world = World::new().await;
    world.host("host-1").await;
    world.server(Server {
        deleted: true,
        ..Server::default()
    });
    world.history();
    for who in [Who::Admin, Who::Reader] {
        for path in [ACTIONS.to_owned(), format!("{ACTIONS}/req-1")] {
            let gone = world.get(who, 20, &path).await;
            assert_eq!(
                gone.not_found(),
                format!("Instance {SERVER} could not be found.")
            );
            assert_eq!(world.get(who, 21, &path).await.status, 200);
        }
    }
    assert_eq!(list(&world, Who::Stranger, 80, "").await.status, 404);
}

#[tokio::test]
async fn an_abort_is_an_action_of_its_own() {
    let world = World::new().await;
    world.moving("running").await;
    for (method, path, body, name) in [
        (
            "POST",
            "migrations/1/action",
            Some(json!({"force_complete": null})),
            "live_migration_force_complete",
        ),
        ("DELETE", "migrations/1", None, "live_migration_cancel"),
    ] {
        let path = format!("/v2.1/servers/{SERVER}/{path}");
        let ask = world.ask(method, &path).by(Who::Manager).version(80);
        let answer = match body {
            Some(body) => ask.json(&body).send().await,
            None => ask.send().await,
        };
        answer.accepted();
        let request = answer.header("x-openstack-request-id").unwrap();
        let action = &show(&world, Who::Reader, 80, request).await.ok()["instanceAction"];
        assert_eq!(action["action"], name);
        assert_eq!(action["user_id"], "u-manager");
        assert_eq!(action["project_id"], DEMO);
    }
}
