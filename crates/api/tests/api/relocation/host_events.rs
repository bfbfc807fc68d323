//! What happens to hosts, and discrepancies: told to those who may see hosts, and to nobody else.

use godwit_core::time::Clock;
use serde_json::{Value, json};

use super::ROOT;
use crate::answers::Answer;
use crate::seed::{SERVER, Server, service_uuid};
use crate::world::{DEMO, LAB, Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// Changes a host's service.
async fn change(world: &World, host: &str, body: Value) {
    let path = format!("/v2.1/os-services/{}", service_uuid(host));
    let ask = world.ask("PUT", &path).by(Who::Admin).version(53);
    ask.json(&body).send().await.ok();
}

pub(super) async fn disable(world: &World, host: &str, reason: &str) {
    let body = json!({"status": "disabled", "disabled_reason": reason});
    change(world, host, body).await;
}

/// A discrepancy of each server, and what was told of it.
pub(super) fn opened(world: &World) {
    world.sql(
        "INSERT INTO discrepancies (kind, subject, server_uuid, host, detail, opened_at)
            SELECT 'seen_nowhere', uuid, uuid, 'host-1', 'host-1 has no ' || name, created_at
            FROM servers;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, to_status, actor,
                owner_project_id, detail)
            SELECT 'discrepancy', d.id, 1, d.opened_at, 'opened', '', 'conductor', s.project_id,
                json_object('kind', d.kind, 'server', d.server_uuid, 'migration', NULL,
                            'host', d.host, 'text', d.detail)
            FROM discrepancies AS d JOIN servers AS s ON s.uuid = d.server_uuid
            ORDER BY d.id;",
    );
}

/// Two servers of two projects on `host-1`, which registers, and is disabled and forced down at once.
/// Each server has a discrepancy.
async fn story(world: World) -> World {
    world.told_host("host-1").await;
    world.server(Server::default());
    world.server(Server {
        uuid: OTHER,
        name: "vm-lab",
        project: LAB,
        ..Server::default()
    });
    let body = json!({"status": "disabled", "disabled_reason": "fire", "forced_down": true});
    change(&world, "host-1", body).await;
    opened(&world);
    world
}

fn types(answer: &Answer) -> Vec<String> {
    let items = answer.items();
    let kind = |it: &Value| it["type"].as_str().unwrap().to_owned();
    items.iter().map(kind).collect()
}

const ALL: [&str; 5] = [
    "host.registered",
    "host.forced_down",
    "host.disabled",
    "discrepancy.opened",
    "discrepancy.opened",
];

#[tokio::test]
async fn who_sees_hosts_is_told_what_happens_to_them_and_who_did_it() {
    let world = story(World::new().await).await;
    let answer = world.native(Who::Admin, "/events").await;
    assert_eq!(types(&answer), ALL);
    let items = answer.items();
    let (registered, disabled) = (&items[0], &items[2]);
    assert_eq!(registered["id"], "host:host-1/1");
    assert_eq!(registered["data"]["actor"]["service"], "agent");
    assert_eq!(registered["data"]["actor"]["host"], "host-1");
    assert_eq!(disabled["subject"], "host/host-1");
    let data = &disabled["data"];
    assert_eq!(
        (&data["host"], &data["sequence"]),
        (&json!("host-1"), &json!(3))
    );
    assert_eq!(
        (&data["actor"]["service"], &data["actor"]["user"]),
        (&json!("api"), &json!("u-admin"))
    );
    let request = data["actor"]["request_id"].as_str().unwrap();
    assert!(request.starts_with("req-"));
    assert_eq!(data["detail"]["reason"], "fire");
    let service = &data["detail"]["service"];
    assert_eq!(
        (&service["disabled"], &service["forced_down"]),
        (&json!(true), &json!(true))
    );
    let odd = &items[3];
    assert_eq!(odd["data"]["project"], DEMO);
    assert_eq!(odd["data"]["detail"]["server"], SERVER);
    for (query, expected) in [
        ("types=host.*", &ALL[..3]),
        ("types=host.disabled,discrepancy.*", &ALL[2..]),
        ("types=migration.*", &[]),
        ("subject=host/host-1", &ALL[..3]),
        ("subject=host/host-2", &[]),
        ("subject=discrepancy/1", &ALL[3..4]),
        ("subject=host/host-1&after=2", &ALL[2..3]),
    ] {
        let answer = world.native(Who::Admin, &format!("/events?{query}")).await;
        assert_eq!(types(&answer), expected, "{query}");
        assert_eq!(answer.ok()["last_position"], "5", "{query}");
    }
}

#[tokio::test]
async fn who_does_not_see_hosts_is_told_nothing_of_them() {
    let world = story(World::new().await).await;
    for who in [Who::Manager, Who::Reader, Who::Stranger] {
        for query in ["", "?types=host.*,discrepancy.*", "?subject=host/host-1"] {
            let answer = world.native(who, &format!("/events{query}")).await;
            assert_eq!(types(&answer), [""; 0], "{who:?} {query}");
            assert_eq!(answer.ok()["last_position"], "5");
        }
        let snapshot = world.native(who, "/snapshot").await.ok();
        assert_eq!(snapshot["discrepancies"], json!([]), "{who:?}");
    }
}

#[tokio::test]
async fn a_project_that_sees_hosts_is_told_of_them_and_of_its_own_servers() {
    let world = World::under(json!({"relocation:hosts:see": "role:manager"})).await;
    let world = story(world).await;
    let answer = world.native(Who::Manager, "/events").await;
    assert_eq!(types(&answer), ALL[..4]);
    assert_eq!(answer.items()[3]["data"]["detail"]["server"], SERVER);
    for secret in [LAB, OTHER, "vm-lab", "u-admin"] {
        assert!(!answer.text.contains(secret), "{secret}");
    }
    let snapshot = world.native(Who::Manager, "/snapshot").await;
    let found = snapshot.ok()["discrepancies"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(
        (&found[0]["server"], &found[0]["host"]),
        (&json!(SERVER), &json!("host-1"))
    );
}

#[tokio::test]
async fn the_snapshot_is_as_the_events_before_it_say() {
    let world = story(World::new().await).await;
    let heard = world.clock.now();
    world.advance(61);
    let alive_since = world.clock.now().minus(std::time::Duration::from_secs(1));
    let told = world.store.hosts_tell_silence(Some(alive_since), heard);
    assert_eq!(told.await.unwrap(), 1);
    let snapshot = world.native(Who::Admin, "/snapshot").await.ok();
    assert_eq!(snapshot["position"], "6");
    let host = &snapshot["hosts"][0];
    assert_eq!(host["agent"]["state"], "down");
    let said = &host["allocation"];
    assert_eq!(
        (&said["state"], &said["reason"]),
        (&json!("disabled"), &json!("fire"))
    );
    assert_eq!(host["fence"]["kind"], "operator");
    assert_eq!(snapshot["discrepancies"].as_array().unwrap().len(), 2);
    let silent = world.native(Who::Admin, "/events?after=5").await;
    assert_eq!(types(&silent), ["host.down"]);
    assert_eq!(silent.items()[0]["data"]["actor"]["service"], "conductor");
}

#[tokio::test]
async fn a_stream_tells_of_hosts_whom_it_may() {
    let world = story(World::new().await).await;
    let mut all = world.listen(Who::Admin, "?after=0", None).await;
    for _ in ALL {
        all.next().await.unwrap();
    }
    assert!(all.heard.contains("host.forced_down"));
}

#[tokio::test]
async fn only_the_fields_that_are_wanted_are_shown() {
    let world = story(World::new().await).await;
    let answer = world
        .native(Who::Admin, "/events?fields=position,type&limit=1")
        .await;
    let first = json!({"type": "host.registered", "position": "1"});
    assert_eq!(answer.items(), [first]);
    let next = answer.ok()["next"].as_str().unwrap().to_owned();
    assert!(next.contains("fields=position%2Ctype"), "{next}");
    for bad in [
        "fields=odd",
        "fields=type,type",
        "fields=",
        "with_total=true",
    ] {
        let answer = world.native(Who::Admin, &format!("/events?{bad}")).await;
        answer.problem(400, "invalid-input");
    }
    let stream = world.ask("GET", &format!("{ROOT}/events?fields=type"));
    let stream = stream.by(Who::Admin).header("Accept", "text/event-stream");
    stream.send().await.problem(400, "invalid-input");
}

#[tokio::test]
async fn what_is_there_twice_is_refused() {
    let world = World::new().await;
    let twice = world
        .native(Who::Admin, "/events?types=host.*,host.*")
        .await;
    twice.problem(400, "invalid-input");
    let path = format!("{ROOT}/webhooks");
    let make = async |body: &str| {
        let ask = world.ask("POST", &path).by(Who::Manager);
        let ask = ask.header("content-type", "application/json");
        ask.body(body).send().await
    };
    let types = r#"{"url": "https://1.1.1.1/", "types": ["host.*", "run.*", "host.*"]}"#;
    let member = r#"{"url": "https://1.1.1.1/", "types": ["host.*"], "types": ["run.*"]}"#;
    for (body, pointer) in [(types, "#/types"), (member, "#")] {
        let problem = make(body).await.problem(400, "invalid-input");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_scope_is_told_of_it_and_of_its_hosts() {
    let world = World::new().await;
    world.host("host-1").await;
    world.host("host-2").await;
    let put = async |path: &str, body: Value| {
        let ask = world.ask("PUT", &format!("{ROOT}{path}")).by(Who::Admin);
        ask.json(&body).send().await.ok()
    };
    let place = json!({"pod": "p1", "cluster": "c1"});
    put("/hosts/host-1/topology", place).await;
    let off = json!({"state": "disabled", "reason": "power"});
    put("/scopes/pod/p1/allocation", off).await;
    let let_be = json!({"managed": false, "reason": "upgrade"});
    put("/scopes/cluster/c1/management", let_be).await;

    let told = world.native(Who::Admin, "/events").await;
    super::openapi::conforms(&told, "EventList");
    let items = told.items();
    let about: Vec<_> = items
        .iter()
        .map(|it| {
            (
                it["type"].as_str().unwrap(),
                it["subject"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("host.topology_changed", "host/host-1"),
        ("host.scope_disabled", "pod/p1"),
        ("host.disabled", "host/host-1"),
        ("host.scope_unmanaged", "cluster/c1"),
        ("host.unmanaged", "host/host-1"),
    ];
    assert_eq!(about, expected);
    let moved = &items[0]["data"];
    let nowhere = json!({"zone": "nova", "pod": null, "cluster": null});
    let somewhere = json!({"zone": "nova", "pod": "p1", "cluster": "c1"});
    assert_eq!(
        (&moved["detail"]["from"], &moved["detail"]["to"]),
        (&nowhere, &somewhere)
    );
    assert_eq!(moved["actor"]["user"], "u-admin");
    let data = &items[1]["data"];
    assert_eq!(
        (&data["scope"], &data["name"]),
        (&json!("pod"), &json!("p1"))
    );
    assert_eq!(
        (&data["actor"]["user"], &data["actor"]["service"]),
        (&json!("u-admin"), &json!("api"))
    );
    let of_pod = world.native(Who::Admin, "/events?subject=pod/p1").await;
    assert_eq!(of_pod.items(), items[1..2]);
    let hidden = world.native(Who::Reader, "/events").await;
    assert_eq!(hidden.items(), [] as [Value; 0]);
}
