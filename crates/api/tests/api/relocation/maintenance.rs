//! `/hosts/{host}/maintenance`: who holds a host, and how it is left.

use serde_json::{Value, json};

use super::ROOT;
use super::plans::{send, two};
use crate::answers::Answer;
use crate::world::{Who, World};

const PATH: &str = "/hosts/host-1/maintenance";

async fn enter(world: &World, body: &Value) -> Answer {
    send(world, Who::Admin, ("POST", PATH), body).await
}

async fn leave(world: &World, query: &str) -> Answer {
    let path = format!("{PATH}?{query}");
    send(world, Who::Admin, ("DELETE", &path), &Value::Null).await
}

async fn shown(world: &World) -> Value {
    world.native(Who::Admin, PATH).await.ok()
}

#[tokio::test]
async fn a_host_is_held_and_its_run_is_there() {
    let world = two().await;
    let none = json!({"state": "none", "holders": [], "blockers": [], "safe_to_reboot": false,
        "evidence": {"guests_seen": null, "seen_at": null, "placements_in_flight": 0},
        "run": null});
    assert_eq!(shown(&world).await, none);
    let body = json!({"reason": "its fan", "immovable": "skip", "return_home": "now",
        "deadline": "2026-11-20T13:00:00Z", "holder": "hardware"});
    let answer = enter(&world, &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let held = answer.json();
    let run = held["run"].as_str().unwrap();
    let address = format!("http://{}{ROOT}/runs/{run}", world.address);
    assert_eq!(answer.header("location"), Some(address.as_str()));
    assert_eq!(held["state"], "entering");
    let holder = json!({"holder": "hardware", "reason": "its fan", "by": "u-admin",
        "since": "2026-11-20T12:00:00Z", "deadline": "2026-11-20T13:00:00Z",
        "immovable": "skip", "return_home": "now"});
    assert_eq!(held["holders"], json!([holder]));
    let hosts = world
        .native(Who::Admin, "/hosts?fields=name,maintenance")
        .await;
    let state = |host: &str, state: &str| json!({"name": host, "maintenance": {"state": state}});
    assert_eq!(
        hosts.items(),
        [state("host-1", "entering"), state("host-2", "none")]
    );
    let host = world.native(Who::Admin, "/hosts/host-1?fields=name,maintenance");
    assert_eq!(host.await.ok(), state("host-1", "entering"));
    let snapshot = world.native(Who::Admin, "/snapshot").await.ok();
    assert_eq!(snapshot["hosts"][0]["maintenance"]["state"], "entering");
    assert_eq!(shown(&world).await, held);
    let promised = world.native(Who::Admin, &format!("/runs/{run}")).await.ok();
    assert_eq!(
        (
            &promised["state"],
            &promised["type"],
            &promised["operations"]
        ),
        (&json!("pending"), &json!("maintenance"), &json!([]))
    );

    // The same holder changes its entry, another one holds the host as well.
    world.advance(5);
    let again = enter(&world, &json!({"holder": "hardware", "reason": "its disk"}))
        .await
        .json();
    assert_eq!(again["holders"].as_array().unwrap().len(), 1);
    assert_eq!(again["holders"][0]["reason"], "its disk");
    assert_eq!(again["holders"][0]["since"], "2026-11-20T12:00:00Z");
    let both = enter(&world, &Value::Null).await.json();
    assert_eq!(both["holders"][1]["holder"], "u-admin");
}

#[tokio::test]
async fn a_host_is_left_by_those_who_hold_it() {
    let world = two().await;
    leave(&world, "holder=me")
        .await
        .problem(404, "holder-unknown");
    let version = enter(&world, &json!({"holder": "me", "return_home": "now"})).await;
    let version = version.header("etag").unwrap().to_owned();
    enter(&world, &json!({"holder": "you"})).await;
    leave(&world, "holder=him")
        .await
        .problem(404, "holder-unknown");
    leave(&world, "").await.problem(404, "holder-unknown");
    let ask = world.ask("DELETE", &format!("{ROOT}{PATH}?holder=me"));
    let old = ask.by(Who::Admin).header("If-Match", &version).send().await;
    old.problem(412, "precondition-failed");
    let others = leave(&world, "holder=you").await;
    assert_eq!((others.status, others.text.as_str()), (204, ""));
    assert_eq!(shown(&world).await["holders"].as_array().unwrap().len(), 1);
    let home = leave(&world, "holder=me").await;
    assert!(home.status == 202 || home.status == 204, "{home:?}");
    let left = shown(&world).await;
    assert_eq!(left["holders"], json!([]));
    assert!(
        left["state"] == "leaving" || left["state"] == "none",
        "{left}"
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let world = two().await;
    for (body, pointer) in [
        (json!([]), "#"),
        (json!({"why": "x"}), "#/why"),
        (json!({"reason": ""}), "#/reason"),
        (json!({"immovable": "stop"}), "#/immovable"),
        (json!({"return_home": "yes"}), "#/return_home"),
        (json!({"deadline": "2026-11-20T12:00:00Z"}), "#/deadline"),
        (json!({"holder": "x".repeat(256)}), "#/holder"),
    ] {
        assert_eq!(enter(&world, &body).await.invalid(), [pointer], "{body}");
    }
    assert_eq!(
        leave(&world, "return_home=x").await.invalid(),
        ["?return_home"]
    );
    assert_eq!(leave(&world, "why=x").await.invalid(), ["?why"]);
    let nowhere = "/hosts/host-9/maintenance";
    for method in ["GET", "POST", "DELETE"] {
        let answer = send(&world, Who::Admin, (method, nowhere), &Value::Null).await;
        answer.problem(404, "not-found");
        let answer = send(&world, Who::Manager, (method, PATH), &Value::Null).await;
        answer.problem(403, "forbidden");
    }
    assert_eq!(shown(&world).await["state"], "none");
}
