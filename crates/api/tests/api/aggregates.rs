//! `/os-aggregates`, and the zones that they make of hosts.

use godwit_test_support::postgres::TempPostgres;
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{SERVER, Server};
use crate::world::{Wanted, Who, World};

/// Two hosts, the first with a server.
async fn world() -> World {
    let world = World::new().await;
    world.populate().await;
    world
}

async fn ask(world: &World, method: &str, path: &str, body: Value) -> Answer {
    let path = format!("/v2.1/os-aggregates{path}");
    let ask = world.ask(method, &path).by(Who::Admin).version(81);
    ask.json(&body).send().await
}

async fn make(world: &World, name: &str, zone: Option<&str>) -> Value {
    let body = json!({"aggregate": {"name": name, "availability_zone": zone}});
    ask(world, "POST", "", body).await.ok()["aggregate"].clone()
}

async fn act(world: &World, id: u32, action: &str, value: Value) -> Answer {
    ask(
        world,
        "POST",
        &format!("/{id}/action"),
        json!({ action: value }),
    )
    .await
}

async fn add(world: &World, id: u32, host: &str) -> Answer {
    act(world, id, "add_host", json!({"host": host})).await
}

async fn remove(world: &World, id: u32, host: &str) -> Answer {
    act(world, id, "remove_host", json!({"host": host})).await
}

async fn update(world: &World, id: u32, aggregate: Value) -> Answer {
    ask(
        world,
        "PUT",
        &format!("/{id}"),
        json!({ "aggregate": aggregate }),
    )
    .await
}

/// The zones of both hosts, as their services show them.
async fn zones(world: &World) -> [String; 2] {
    let services = world.get(Who::Admin, 81, "/v2.1/os-services").await.ok();
    let zone = |host: &str| {
        let services = services["services"].as_array().unwrap();
        let service = services.iter().find(|it| it["host"] == host).unwrap();
        service["zone"].as_str().unwrap().to_owned()
    };
    ["host-1", "host-2"].map(zone)
}

async fn zone_of_server(world: &World) -> Value {
    let path = format!("/v2.1/servers/{SERVER}");
    let server = world.get(Who::Reader, 81, &path).await.ok();
    server["server"]["OS-EXT-AZ:availability_zone"].clone()
}

#[tokio::test]
async fn an_aggregate_lives() {
    lives(world().await).await;
}

#[tokio::test]
async fn an_aggregate_lives_on_postgres() {
    let server = TempPostgres::shared().unwrap();
    let world = World::with(Wanted {
        postgres: Some(server.create_database().unwrap()),
        ..Wanted::default()
    })
    .await;
    world.populate().await;
    lives(world).await;
}

async fn lives(world: World) {
    let made = make(&world, "rack", None).await;
    assert_eq!(
        (&made["id"], &made["updated_at"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(made.get("hosts").or(made.get("metadata")), None);
    add(&world, 1, "host-2").await.ok();
    let named = update(&world, 1, json!({"availability_zone": "east"}))
        .await
        .ok();
    assert_eq!(
        named["aggregate"]["metadata"],
        json!({"availability_zone": "east"})
    );
    assert_eq!(zones(&world).await, ["nova", "east"]);

    let said = json!({"metadata": {"ssd": "true", "gone": null, "availability_zone": "west"}});
    let said = act(&world, 1, "set_metadata", said).await.ok();
    assert_eq!(said["aggregate"]["availability_zone"], "west");
    assert_eq!(
        said["aggregate"]["updated_at"],
        "2026-11-20T12:00:00.000000"
    );
    let unsaid = act(
        &world,
        1,
        "set_metadata",
        json!({"metadata": {"ssd": null}}),
    )
    .await;
    assert_eq!(
        unsaid.ok()["aggregate"]["metadata"],
        json!({"availability_zone": "west"})
    );
    assert_eq!(zones(&world).await, ["nova", "west"]);

    let shown = world
        .get(Who::Admin, 40, "/v2.1/os-aggregates/1")
        .await
        .ok();
    let expected = json!({
        "availability_zone": "west", "created_at": "2026-11-20T12:00:00.000000",
        "deleted": false, "deleted_at": null, "hosts": ["host-2"], "id": 1,
        "metadata": {"availability_zone": "west"}, "name": "rack",
        "updated_at": "2026-11-20T12:00:00.000000",
    });
    assert_eq!(shown["aggregate"], expected);
    let listed = world.get(Who::Admin, 41, "/v2.1/os-aggregates").await.ok();
    assert_eq!(listed["aggregates"][0]["uuid"], made["uuid"]);

    remove(&world, 1, "host-2").await.ok();
    assert_eq!(zones(&world).await, ["nova", "nova"]);
    let deleted = ask(&world, "DELETE", "/1", Value::Null).await;
    assert_eq!((deleted.status, &*deleted.text), (200, ""));
    let listed = world.get(Who::Admin, 41, "/v2.1/os-aggregates").await.ok();
    assert_eq!(listed["aggregates"], json!([]));
}

#[tokio::test]
async fn a_host_keeps_its_zone_when_it_registers_again() {
    let world = world().await;
    make(&world, "rack", Some("east")).await;
    add(&world, 1, "host-2").await.ok();
    world.host("host-2").await;
    assert_eq!(zones(&world).await, ["nova", "east"]);
    remove(&world, 1, "host-2").await.ok();
    assert_eq!(zones(&world).await, ["nova", "nova"], "where it registered");
}

#[tokio::test]
async fn no_host_is_in_two_zones() {
    let world = world().await;
    make(&world, "a", Some("east")).await;
    make(&world, "b", Some("west")).await;
    make(&world, "c", None).await;
    make(&world, "d", Some("east")).await;
    for id in [1, 3, 4] {
        add(&world, id, "host-2").await.ok();
    }
    let reason = "One or more hosts already in availability zone(s) ['east', 'east']";
    let text = add(&world, 2, "host-2").await.conflict();
    assert_eq!(
        text,
        format!("Cannot add host to aggregate 2. Reason: {reason}.")
    );
    let west = json!({"availability_zone": "west"});
    let text = update(&world, 3, west.clone()).await.bad_request();
    assert_eq!(
        text,
        format!("Cannot update aggregate 3. Reason: {reason}.")
    );
    let text = act(&world, 3, "set_metadata", json!({ "metadata": west })).await;
    let expected = format!("Cannot update metadata of aggregate 3. Reason: {reason}.");
    assert_eq!(text.bad_request(), expected);
    remove(&world, 1, "host-2").await.ok();
    assert_eq!(
        zones(&world).await[1],
        "east",
        "another aggregate says so, too"
    );
}

#[tokio::test]
async fn no_server_changes_its_zone() {
    let world = world().await;
    make(&world, "a", Some("east")).await;
    make(&world, "b", None).await;
    let text = add(&world, 1, "host-1").await.conflict();
    let would = |verb: &str, from: &str, to: &str| {
        format!(
            "The host cannot be {verb} the aggregate as the availability zone of the host would \
             change from '{from}' to '{to}' but the host already has 1 instance(s)."
        )
    };
    let refused = format!(
        "Cannot add host to aggregate 1. Reason: {}",
        would("added to", "None", "east")
    );
    assert!(text.starts_with(&refused), "{text}");
    add(&world, 2, "host-1").await.ok();
    let text = update(&world, 2, json!({"availability_zone": "west"})).await;
    let reason = "One or more hosts contain instances in this zone";
    let expected = format!("Cannot update aggregate 2. Reason: {reason}.");
    assert_eq!(text.bad_request(), expected);

    world.sql("UPDATE servers SET host = 'host-2'");
    update(&world, 2, json!({"availability_zone": "west"}))
        .await
        .ok();
    world.sql("UPDATE servers SET host = 'host-1', availability_zone = 'west'");
    let text = remove(&world, 2, "host-1").await.conflict();
    let refused = format!(
        "Cannot remove host from aggregate 2. Reason: {}",
        would("removed from", "west", "None")
    );
    assert!(text.starts_with(&refused), "{text}");
    assert_eq!(zones(&world).await, ["west", "nova"]);
    assert_eq!(zone_of_server(&world).await, "west");
    let same = json!({"availability_zone": "west", "name": "renamed"});
    update(&world, 2, same).await.ok();
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_novas_words() {
    let world = world().await;
    make(&world, "a", None).await;
    make(&world, "b", None).await;
    let taken = json!({"aggregate": {"name": "a"}});
    let text = ask(&world, "POST", "", taken).await.conflict();
    assert_eq!(text, "Aggregate a already exists.");
    let text = update(&world, 2, json!({"name": "a "})).await.conflict();
    assert_eq!(text, "Aggregate a already exists.");
    let empty = |name: &str| {
        format!("Reason: Aggregate {name} does not support empty named availability zone.")
    };
    let text = update(&world, 2, json!({"name": "c", "availability_zone": null})).await;
    let expected = format!("Cannot update aggregate 2. {}", empty("c"));
    assert_eq!(text.bad_request(), expected);
    let none = json!({"metadata": {"availability_zone": ""}});
    let text = act(&world, 2, "set_metadata", none).await.bad_request();
    assert_eq!(
        text,
        format!("Cannot update metadata of aggregate 2. {}", empty("b"))
    );

    add(&world, 1, "host-1").await.ok();
    let text = add(&world, 1, "host-1").await.conflict();
    assert_eq!(text, "Aggregate 1 already has host host-1.");
    let text = ask(&world, "DELETE", "/1", Value::Null).await.bad_request();
    let reason = "Host aggregate is not empty";
    assert_eq!(
        text,
        format!("Cannot remove host from aggregate 1. Reason: {reason}.")
    );
    let text = add(&world, 9, "nowhere").await.not_found();
    assert_eq!(text, "Compute host nowhere could not be found.");
    let text = add(&world, 9, "host-1").await.not_found();
    assert_eq!(text, "Aggregate 9 could not be found.");
    for (id, host) in [(9, "host-1"), (1, "host-2"), (1, "nowhere")] {
        let text = remove(&world, id, host).await.not_found();
        assert_eq!(text, format!("Cannot remove host {host} in aggregate {id}"));
    }
    let big = "99999999999999999999";
    let text = ask(&world, "DELETE", &format!("/{big}"), Value::Null).await;
    assert_eq!(
        text.not_found(),
        format!("Aggregate {big} could not be found.")
    );
    let text = ask(&world, "DELETE", "/x", Value::Null).await.bad_request();
    assert_eq!(text, "Invalid input received: id must be an integer");
}

#[tokio::test]
async fn bodies_are_as_strict_as_novas() {
    let world = world().await;
    make(&world, "a", None).await;
    let named =
        |reason| format!("An invalid 'name' value was provided. The name must be: {reason}");
    let plain = named("printable characters. Can not start or end with whitespace.");
    let spaced = named("printable characters with at least one non space character");
    let field = |name: &str, value: &str, detail: &str| {
        format!("Invalid input for field/attribute {name}. Value: {value}. {detail}")
    };
    let unfit = "is not valid under any of the given schemas";
    for (body, expected) in [
        (json!({"name": " a"}), plain),
        (
            json!({"name": ""}),
            field("name", "", "'' should be non-empty"),
        ),
        (
            json!({"name": 1}),
            field("name", "1", "1 is not of type 'string'"),
        ),
        (
            json!({}),
            field("aggregate", "{}", "'name' is a required property"),
        ),
        (
            json!({"name": "b", "availability_zone": "a:b"}),
            field("availability_zone", "a:b", &format!("'a:b' {unfit}")),
        ),
        (
            json!({"name": "b", "x": 1}),
            field(
                "aggregate",
                "{'name': 'b', 'x': 1}",
                "Additional properties are not allowed ('x' was unexpected)",
            ),
        ),
    ] {
        let answer = ask(&world, "POST", "", json!({ "aggregate": body })).await;
        assert_eq!(answer.bad_request(), expected);
    }
    let text = update(&world, 1, json!({})).await.bad_request();
    assert_eq!(text, field("aggregate", "{}", &format!("{{}} {unfit}")));
    let text = update(&world, 1, json!({"name": " "})).await.bad_request();
    assert_eq!(text, spaced);
    let odd = json!({"metadata": {"ä": "b"}});
    let text = act(&world, 1, "set_metadata", odd).await.bad_request();
    let detail = "'ä' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'";
    assert_eq!(text, field("metadata", "{'ä': 'b'}", detail));
    let text = act(&world, 1, "add_host", json!({})).await.bad_request();
    assert_eq!(
        text,
        field("add_host", "{}", "'host' is a required property")
    );
    let text = act(&world, 1, "explode", json!({})).await.bad_request();
    assert_eq!(text, "There is no such action: explode");
}

#[tokio::test]
async fn a_deleted_service_leaves_its_aggregates() {
    let world = world().await;
    make(&world, "a", Some("east")).await;
    add(&world, 1, "host-2").await.ok();
    let id = crate::seed::service_uuid("host-2");
    let path = format!("/v2.1/os-services/{id}");
    let deleted = world.ask("DELETE", &path).by(Who::Admin).version(81);
    assert_eq!(deleted.send().await.status, 204);
    let shown = world
        .get(Who::Admin, 81, "/v2.1/os-aggregates/1")
        .await
        .ok();
    assert_eq!(shown["aggregate"]["hosts"], json!([]));
}

#[tokio::test]
async fn the_zones_of_a_fleet() {
    let world = world().await;
    world.server(Server {
        uuid: "55555555-5555-4555-8555-555555555555",
        host: None,
        ..Server::default()
    });
    world.sql(
        "INSERT INTO services (uuid, binary, host, zone, version, created_at)
         VALUES ('99999999-0000-4000-8000-000000000000', 'nova-conductor', 'c-1', 'internal',
            '0.1.0', '2026-11-01 00:00:00');",
    );
    make(&world, "rack", Some("east")).await;
    add(&world, 1, "host-2").await.ok();
    let list = async |who, path: &str| {
        let path = format!("/v2.1/os-availability-zone{path}");
        world.get(who, 80, &path).await.ok()["availabilityZoneInfo"].clone()
    };
    let short = |name: &str, available: bool| json!({"zoneName": name, "zoneState": {"available": available}, "hosts": null});
    let expected = json!([short("east", true), short("nova", true)]);
    assert_eq!(list(Who::Nobody, "").await, expected);
    let seen = |available: bool| json!({"nova-compute": {"available": available, "active": true, "updated_at": null}});
    let conductor = json!({"c-1": {
        "nova-conductor": {"available": false, "active": true, "updated_at": null},
    }});
    let detail = |name: &str, hosts: Value| json!({"zoneName": name, "zoneState": {"available": true}, "hosts": hosts});
    let expected = json!([
        detail("east", json!({"host-2": seen(true)})),
        detail("internal", conductor),
        detail("nova", json!({"host-1": seen(true)})),
    ]);
    assert_eq!(list(Who::Admin, "/detail").await, expected);

    world.sql("UPDATE services SET disabled = TRUE WHERE host = 'host-2'");
    let expected = json!([short("nova", true), short("east", false)]);
    assert_eq!(list(Who::Reader, "").await, expected);
    let detailed = list(Who::Admin, "/detail").await;
    assert_eq!(detailed[2], short("east", false));
    let refused = world.get(Who::Member, 80, "/v2.1/os-availability-zone/detail");
    assert_eq!(refused.await.forbidden(), "os-availability-zone:detail");
}

#[tokio::test]
async fn no_cluster_comes_to_be_in_two_zones() {
    let world = world().await;
    world.host("host-3").await;
    make(&world, "east", Some("east")).await;
    for host in ["host-2", "host-3"] {
        let path = format!("/relocation/v1/hosts/{host}/topology");
        let ask = world.ask("PUT", &path).by(Who::Admin);
        ask.json(&json!({"cluster": "c1"})).send().await.ok();
    }
    let text = add(&world, 1, "host-3").await.conflict();
    let reason = "Reason: cluster c1 is in zone nova.";
    assert_eq!(text, format!("Cannot add host to aggregate 1. {reason}"));
    // An aggregate without a zone takes one, and they would no longer be in one.
    make(&world, "west", None).await;
    add(&world, 2, "host-3").await.ok();
    let zone = json!({"metadata": {"availability_zone": "west"}});
    let text = act(&world, 2, "set_metadata", zone).await.bad_request();
    let expected = format!("Cannot update metadata of aggregate 2. {reason}");
    assert_eq!(text, expected);
    let text = update(&world, 2, json!({"availability_zone": "west"})).await;
    let expected = format!("Cannot update aggregate 2. {reason}");
    assert_eq!(text.bad_request(), expected);
    let path = "/relocation/v1/scopes?fields=zone,hosts";
    let scopes = world.ask("GET", path).by(Who::Admin).send().await.ok();
    let expected = json!([{"zone": "nova", "hosts": 3}, {"zone": "nova", "hosts": 2}]);
    assert_eq!(scopes["items"], expected);
    // Once both are there they may go together.
    add(&world, 2, "host-2").await.ok();
    let gone = update(&world, 2, json!({"availability_zone": "west"})).await;
    assert_eq!(gone.status, 200);
}
