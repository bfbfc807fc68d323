//! `/os-services`: list, change, delete.

use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{Migration, SERVER, service_uuid};
use crate::world::{Who, World};

async fn put(world: &World, minor: u32, id: &str, body: Value) -> Answer {
    let path = format!("/v2.1/os-services/{id}");
    let ask = world.ask("PUT", &path).by(Who::Admin).version(minor);
    ask.json(&body).send().await
}

async fn delete(world: &World, minor: u32, id: &str) -> Answer {
    let path = format!("/v2.1/os-services/{id}");
    let ask = world.ask("DELETE", &path).by(Who::Admin).version(minor);
    ask.send().await
}

async fn list(world: &World, minor: u32, query: &str) -> Vec<Value> {
    let path = format!("/v2.1/os-services{query}");
    let answer = world.get(Who::Admin, minor, &path).await.ok();
    answer["services"].as_array().unwrap().clone()
}

async fn fleet() -> World {
    let world = World::new().await;
    world.populate().await;
    world.sql(
        "INSERT INTO services (uuid, binary, host, zone, version, created_at)
         VALUES ('99999999-0000-4000-8000-000000000000', 'nova-conductor', 'c-1', 'internal',
            '0.1.0', '2026-11-01 00:00:00');",
    );
    world
}

const CONDUCTOR: &str = "99999999-0000-4000-8000-000000000000";

#[tokio::test]
async fn each_version_has_its_fields_and_ids() {
    let world = fleet().await;
    let first = async |minor| list(&world, minor, "").await.remove(0);
    let number = first(1).await;
    let expected = json!({
        "binary": "nova-compute", "host": "host-1", "id": number["id"], "zone": "nova",
        "status": "enabled", "state": "up", "updated_at": null, "disabled_reason": null,
    });
    assert_eq!(number, expected);
    assert!(number["id"].is_i64());
    assert_eq!(first(10).await.get("forced_down"), None);
    assert_eq!(first(11).await["forced_down"], false);
    assert!(first(52).await["id"].is_i64());
    let uuid = service_uuid("host-1").to_string();
    assert_eq!(first(53).await["id"], uuid);
    world.advance(61);
    assert_eq!(first(53).await["state"], "down");
    let conductor = list(&world, 53, "?binary=nova-conductor").await.remove(0);
    assert_eq!(conductor["zone"], "internal");
    assert_eq!(conductor["state"], "down", "it was never heard of");
}

#[tokio::test]
async fn filters_are_exact_and_the_last_one_counts() {
    let world = fleet().await;
    for (query, expected) in [
        ("", 3),
        ("?host=host-1", 1),
        ("?host=host", 0),
        ("?host=", 3),
        ("?host=x&host=host-2", 1),
        ("?binary=nova-compute", 2),
        ("?binary=nova-compute&host=c-1", 0),
        ("?host=%00", 0),
    ] {
        assert_eq!(list(&world, 80, query).await.len(), expected, "{query}");
    }
    assert_eq!(list(&world, 74, "?foo=1").await.len(), 3);
    let strict = world.get(Who::Admin, 75, "/v2.1/os-services?foo=1").await;
    let text = "Additional properties are not allowed ('foo' was unexpected)";
    assert_eq!(strict.bad_request(), text);
}

#[tokio::test]
async fn a_service_becomes_what_the_body_says() {
    let world = fleet().await;
    let id = service_uuid("host-1").to_string();
    let change = async |body| put(&world, 53, &id, body).await.ok()["service"].clone();
    let disabled = change(json!({"status": "disabled", "disabled_reason": "memory"})).await;
    assert_eq!(disabled["status"], "disabled");
    assert_eq!(disabled["disabled_reason"], "memory");
    assert_eq!(disabled["id"], id);
    let again = change(json!({"status": "disabled"})).await;
    assert_eq!(again["disabled_reason"], Value::Null);
    for word in [json!(true), json!("true"), json!("ON")] {
        let down = change(json!({"forced_down": word})).await;
        assert_eq!(
            (&down["forced_down"], &down["state"]),
            (&json!(true), &json!("down"))
        );
        assert_eq!(down["status"], "disabled", "stays as it is");
    }
    let both = change(json!({"status": "enabled", "forced_down": false})).await;
    assert_eq!(
        (&both["status"], &both["state"]),
        (&json!("enabled"), &json!("up"))
    );
    assert_eq!(list(&world, 53, "?host=host-1").await, [both]);
    let undashed = put(
        &world,
        53,
        &id.replace('-', ""),
        json!({"status": "enabled"}),
    )
    .await;
    assert_eq!(undashed.ok()["service"]["id"], id);
}

#[tokio::test]
async fn what_a_body_may_not_say() {
    let world = fleet().await;
    let id = service_uuid("host-1").to_string();
    for (body, text) in [
        (
            json!({}),
            "No updates were requested. Fields 'status' or 'forced_down' should be specified.",
        ),
        (
            json!({"disabled_reason": "x"}),
            "No updates were requested. Fields 'status' or 'forced_down' should be specified.",
        ),
        (
            json!({"status": "enabled", "disabled_reason": "x"}),
            "Specifying 'disabled_reason' with status 'enabled' is invalid.",
        ),
        (
            json!({"status": "foo"}),
            "Invalid input for field/attribute status. Value: foo. 'foo' is not one of ['enabled', 'disabled']",
        ),
        (
            json!({"disabled_reason": ""}),
            "Invalid input for field/attribute disabled_reason. Value: . '' should be non-empty",
        ),
        (
            json!({"disabled_reason": "a\0"}),
            "Invalid input for field/attribute disabled_reason. Value: a\0. 'a\\x00' does not match '^[^\\x00]*$'",
        ),
        (
            json!({"x": 1}),
            "Additional properties are not allowed ('x' was unexpected)",
        ),
        (
            json!({"host": "h", "binary": "b"}),
            "Additional properties are not allowed ('binary', 'host' were unexpected)",
        ),
        (json!([]), "[] is not of type 'object'"),
    ] {
        assert_eq!(put(&world, 53, &id, body).await.bad_request(), text);
    }
    let path = format!("/v2.1/os-services/{id}");
    let ask = || world.ask("PUT", &path).by(Who::Admin).version(53);
    assert_eq!(
        ask().send().await.bad_request(),
        "None is not of type 'object'"
    );
    assert_eq!(
        ask().body("{").send().await.bad_request(),
        "Malformed request body"
    );
    let huge = " ".repeat(200_000);
    assert_eq!(ask().body(huge).send().await.status, 413);
    let status = json!({"status": "enabled"});
    let bad = put(&world, 53, "4", status.clone()).await;
    assert_eq!(bad.bad_request(), "Invalid uuid 4");
    let conductor = put(&world, 53, CONDUCTOR, status.clone()).await;
    assert_eq!(
        conductor.bad_request(),
        "Updating a nova-conductor service is not supported. Only nova-compute services can be \
         updated."
    );
    let gone = put(&world, 53, SERVER, status).await;
    assert_eq!(
        gone.not_found(),
        format!("Service {SERVER} could not be found.")
    );
}

#[tokio::test]
async fn the_verbs_of_old() {
    let world = fleet().await;
    let body = json!({"host": "host-1", "binary": "nova-compute"});
    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    let service = json!({"host": "host-1", "binary": "nova-compute", "status": "disabled"});
    let disabled = put(
        &world,
        1,
        "disable",
        with("disabled_reason", json!("not this")),
    )
    .await;
    assert_eq!(disabled.ok(), json!({"service": service}));
    let reason = with("disabled_reason", json!("rr"));
    let disabled = put(&world, 52, "disable-log-reason", reason).await.ok();
    assert_eq!(disabled["service"]["disabled_reason"], "rr");
    let down = put(&world, 11, "force-down", with("forced_down", json!("true"))).await;
    let service = json!({"host": "host-1", "binary": "nova-compute", "forced_down": true});
    assert_eq!(down.ok(), json!({"service": service}));
    let enabled = put(&world, 1, "enable", body.clone()).await.ok();
    assert_eq!(enabled["service"]["status"], "enabled");
    let now = list(&world, 11, "?host=host-1").await.remove(0);
    assert_eq!(
        (&now["status"], &now["forced_down"]),
        (&json!("enabled"), &json!(true))
    );

    for (minor, verb, body, text) in [
        (
            1,
            "disable-log-reason",
            body.clone(),
            "Missing disabled reason field",
        ),
        (11, "force-down", body.clone(), "Missing forced_down field"),
        (
            1,
            "enable",
            json!({"host": "host-1"}),
            "'binary' is a required property",
        ),
        (
            1,
            "force-down",
            with("forced_down", json!(true)),
            "Additional properties are not allowed ('forced_down' was unexpected)",
        ),
        (
            1,
            "enable",
            with("binary", json!("x")),
            "Updating a x service is not supported. Only nova-compute services can be updated.",
        ),
    ] {
        assert_eq!(put(&world, minor, verb, body).await.bad_request(), text);
    }
    for (minor, verb, body, text) in [
        (1, "foo", body.clone(), "Unknown action"),
        (10, "force-down", body.clone(), "Unknown action"),
        (
            1,
            "enable",
            with("host", json!("hostx")),
            "Host 'hostx' is not mapped to any cell",
        ),
    ] {
        assert_eq!(put(&world, minor, verb, body).await.not_found(), text);
    }
}

#[tokio::test]
async fn a_host_with_leftovers_does_not_rise() {
    let world = fleet().await;
    world.sql("UPDATE services SET forced_down = 1 WHERE host = 'host-1'");
    world.migration(Migration {
        kind: "evacuation",
        status: "done",
        ..Migration::default()
    });
    let id = service_uuid("host-1").to_string();
    let refused = put(&world, 53, &id, json!({"forced_down": false})).await;
    let text = refused.bad_request();
    assert!(
        text.starts_with("Unable to force up host host-1 as `done` evacuation"),
        "{text}"
    );
    let body = json!({"host": "host-1", "binary": "nova-compute", "forced_down": false});
    let refused = put(&world, 52, "force-down", body).await;
    assert_eq!(refused.bad_request(), text);
    assert_eq!(
        list(&world, 53, "?host=host-1").await[0]["forced_down"],
        true
    );
    world.sql("UPDATE services SET forced_down = FALSE");
    let unchanged = put(&world, 53, &id, json!({"forced_down": false})).await;
    assert_eq!(unchanged.bad_request(), text);
    world.sql("UPDATE migrations SET status = 'completed'");
    let risen = put(&world, 53, &id, json!({"forced_down": false}))
        .await
        .ok();
    assert_eq!(risen["service"]["forced_down"], false);
}

#[tokio::test]
async fn only_what_nothing_needs_is_deleted() {
    let world = fleet().await;
    let id = |host| service_uuid(host).to_string();
    let text = delete(&world, 53, &id("host-1")).await.conflict();
    assert!(
        text.starts_with("Unable to delete compute service that is hosting"),
        "{text}"
    );
    world.migration(Migration {
        source: "host-1",
        destination: Some("host-2"),
        ..Migration::default()
    });
    let text = delete(&world, 53, &id("host-2")).await.conflict();
    assert!(
        text.starts_with("Unable to delete compute service that has in-progress"),
        "{text}"
    );
    world.sql("UPDATE migrations SET status = 'completed', ended_at = created_at");
    let deleted = delete(&world, 53, &id("host-2")).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    let gone = delete(&world, 53, &id("host-2")).await.not_found();
    assert_eq!(gone, format!("Service {} not found.", id("host-2")));
    let hosts = world.get(Who::Admin, 80, "/v2.1/os-hypervisors").await.ok();
    assert_eq!(hosts["hypervisors"].as_array().unwrap().len(), 1);
    assert_eq!(
        delete(&world, 53, "1").await.bad_request(),
        "Invalid uuid 1"
    );
    let text = "Invalid input received: id must be an integer";
    assert_eq!(delete(&world, 52, "x").await.bad_request(), text);
    assert_eq!(
        delete(&world, 52, "999").await.not_found(),
        "Service 999 not found."
    );
    let number = list(&world, 52, "?host=c-1").await[0]["id"].to_string();
    assert_eq!(delete(&world, 52, &number).await.status, 204);
    assert_eq!(list(&world, 53, "").await.len(), 1);
}
