//! `POST /hosts/{host}/fence`: hosts that are declared dead, and what Nova's API says of them.

use serde_json::{Value, json};

use super::ROOT;
use crate::answers::Answer;
use crate::seed::{SERVER, Server, service_uuid};
use crate::world::{ADMIN, Who, World};

/// Two hosts, of which the first has a server, and both have been silent for a minute and a half.
async fn silent() -> World {
    let world = World::new().await;
    for name in ["host-1", "host-2"] {
        world.host(name).await;
    }
    world.server(Server::default());
    world.advance(90);
    world
}

async fn fence(world: &World, host: &str, body: &Value) -> Answer {
    let ask = world.ask("POST", &format!("{ROOT}/hosts/{host}/fence"));
    ask.by(Who::Admin).json(body).send().await
}

async fn force(world: &World, host: &str, down: bool) {
    let path = format!("/v2.1/os-services/{}", service_uuid(host));
    let ask = world.ask("PUT", &path).by(Who::Admin).version(53);
    let body = json!({"forced_down": down});
    assert_eq!(
        ask.json(&body).send().await.ok()["service"]["forced_down"],
        down
    );
}

async fn shown(world: &World, host: &str) -> Value {
    let path = format!("/hosts/{host}?fields=fence,agent");
    world.native(Who::Admin, &path).await.ok()
}

async fn forced_down(world: &World, host: &str) -> Value {
    let path = format!("/v2.1/os-services?host={host}");
    let services = world.get(Who::Admin, 53, &path).await.ok();
    services["services"][0]["forced_down"].clone()
}

async fn events(world: &World) -> Vec<Value> {
    world.native(Who::Admin, "/events").await.items()
}

fn cut() -> Value {
    json!({"kind": "operator", "reason": "its power was cut"})
}

#[tokio::test]
async fn a_silent_host_is_dead_by_its_operators_word() {
    let world = silent().await;
    let woken = world.woken();
    let answer = fence(&world, "host-1", &cut()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    super::openapi::conforms(&answer, "FenceProof");
    let location = answer.header("location").unwrap();
    assert!(
        location.ends_with("/relocation/v1/hosts/host-1"),
        "{location}"
    );
    assert!(world.woken() > woken);
    let request = answer.header("x-openstack-request-id").unwrap();
    let by = json!({"user": "u-admin", "project": ADMIN, "request_id": request});
    let expected = json!({
        "kind": "operator", "at": "2026-11-20T12:01:30Z",
        "evidence": {"host": "host-1", "forced_down": true,
            "last_heard_at": "2026-11-20T12:00:00Z"},
        "by": by, "reason": "its power was cut",
    });
    assert_eq!(answer.json(), expected);
    let host = shown(&world, "host-1").await;
    assert_eq!(
        (&host["fence"], &host["agent"]["state"]),
        (&expected, &json!("down"))
    );
    assert_eq!(forced_down(&world, "host-1").await, true);
    assert_eq!(shown(&world, "host-2").await["fence"], Value::Null);

    let told = events(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let data = &told[0]["data"];
    assert_eq!(told[0]["type"], "host.forced_down");
    assert_eq!(data["detail"]["reason"], "its power was cut");
    assert_eq!(data["detail"]["service"]["forced_down"], true);
    let actor = &data["actor"];
    assert_eq!(
        (&actor["user"], &actor["request_id"]),
        (&by["user"], &by["request_id"])
    );

    let path = format!("/v2.1/servers/{SERVER}/action");
    let evacuate = json!({"evacuate": {}});
    let evacuated = world.post(Who::Admin, 80, &path, evacuate).await;
    assert_eq!(evacuated.status, 200, "{evacuated:?}");
}

#[tokio::test]
async fn what_one_api_says_of_the_dead_the_other_shows() {
    let world = silent().await;
    force(&world, "host-1", true).await;
    let fenced = shown(&world, "host-1").await["fence"].clone();
    assert_eq!(
        (&fenced["kind"], &fenced["reason"]),
        (&json!("operator"), &Value::Null)
    );
    // Somebody says how it is known; it has been dead since before.
    world.advance(10);
    for _ in 0..2 {
        let answer = fence(&world, "host-1", &cut()).await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.json()["at"], fenced["at"]);
        assert_eq!(answer.json()["reason"], "its power was cut");
    }
    force(&world, "host-1", false).await;
    assert_eq!(shown(&world, "host-1").await["fence"], Value::Null);
    let told: Vec<Value> = events(&world)
        .await
        .iter()
        .map(|it| it["type"].clone())
        .collect();
    assert_eq!(
        told,
        ["host.forced_down", "host.forced_down", "host.forced_up"]
    );
    let answer = fence(&world, "host-1", &cut()).await;
    assert_eq!(
        (answer.status, &answer.json()["at"]),
        (202, &json!("2026-11-20T12:01:40Z"))
    );
}

#[tokio::test]
async fn a_host_that_is_heard_is_alive_and_nobody_pretends_to_switch_one_off() {
    let world = silent().await;
    world.host("host-3").await;
    let before = world.native(Who::Admin, "/hosts").await.ok();
    let alive = fence(&world, "host-3", &cut()).await;
    let problem = alive.problem(409, "wrong-state");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("host-3") && detail.contains("2026-11-20T12:01:30."),
        "{detail}"
    );
    let power = json!({"kind": "power", "reason": "it hangs"});
    for host in ["host-1", "host-3"] {
        let refused = fence(&world, host, &power).await;
        refused.problem(409, "fencing-not-configured");
    }
    for (body, pointers) in [
        (json!(null), vec!["#"]),
        (json!({}), vec!["#/kind", "#/reason"]),
        (json!({"kind": "silence", "reason": "x"}), vec!["#/kind"]),
        (json!({"kind": "operator", "reason": " "}), vec!["#/reason"]),
        (
            json!({"kind": "operator", "reason": "x", "force": true}),
            vec!["#/force"],
        ),
    ] {
        let refused = fence(&world, "host-1", &body).await;
        assert_eq!(refused.invalid(), pointers, "{body}");
    }
    for host in ["host-9", "no%20host"] {
        fence(&world, host, &cut()).await.problem(404, "not-found");
    }
    assert_eq!(world.native(Who::Admin, "/hosts").await.ok(), before);
    assert_eq!(events(&world).await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_same_request_is_answered_as_it_was() {
    let world = silent().await;
    let ask = async || {
        let ask = world.ask("POST", &format!("{ROOT}/hosts/host-1/fence"));
        let ask = ask.by(Who::Admin).header("Idempotency-Key", "k-1");
        ask.json(&cut()).send().await
    };
    let first = ask().await;
    assert_eq!(first.status, 202);
    force(&world, "host-1", false).await;
    let again = ask().await;
    assert_eq!((again.status, again.json()), (202, first.json()));
    assert_eq!(
        shown(&world, "host-1").await["fence"],
        Value::Null,
        "it is done once"
    );
}

#[tokio::test]
async fn who_does_not_see_hosts_declares_none_dead() {
    let world = World::under(json!({"relocation:hosts:fence": "@"})).await;
    world.host("host-1").await;
    world.advance(90);
    let ask = world.ask("POST", &format!("{ROOT}/hosts/host-1/fence"));
    let answer = ask.by(Who::Manager).json(&cut()).send().await;
    answer.problem(404, "not-found");
    assert_eq!(forced_down(&world, "host-1").await, false);
}
