//! `/hosts/{host}/maintenance`: who holds a host, and how it is left.

use serde_json::{Value, json};

use super::ROOT;
use super::plans::{send, two};
use crate::answers::Answer;
use crate::seed::SERVER;
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
        "evidence": {"guests_seen": null, "seen_at": null, "age_seconds": null,
            "placements_in_flight": 0},
        "run": null, "percent": null, "eta_seconds": null, "messages": []});
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

/// What the hypervisor says meanwhile is no change that somebody else made.
#[tokio::test]
async fn a_host_is_left_by_the_version_that_was_read_whatever_was_seen_since() {
    let world = two().await;
    let held = enter(&world, &json!({"holder": "me"})).await;
    let version = held.header("etag").unwrap().to_owned();
    world.sql("UPDATE maintenances SET generation = generation + 1");
    let ask = world.ask("DELETE", &format!("{ROOT}{PATH}?holder=me"));
    let left = ask.by(Who::Admin).header("If-Match", &version).send().await;
    assert!(left.status == 202 || left.status == 204, "{left:?}");
}

/// The operator's switch of a host is one thing, and who holds it another.
#[tokio::test]
async fn a_held_host_is_disabled_wherever_it_is_shown_and_enabling_changes_its_switch_alone() {
    let world = two().await;
    let service = async || {
        let path = "/v2.1/os-services?host=host-1";
        let list = world.get(Who::Admin, 53, path).await.ok();
        let it = &list["services"][0];
        (
            it["status"].clone(),
            it["disabled_reason"].clone(),
            it["id"].clone(),
        )
    };
    let allocation = async || {
        let host = world
            .native(Who::Admin, "/hosts/host-1?fields=allocation")
            .await;
        host.ok()["allocation"].clone()
    };
    let (enabled, none, id) = service().await;
    assert_eq!((enabled, none), (json!("enabled"), Value::Null));
    enter(&world, &json!({"holder": "me", "reason": "its fan"})).await;
    let held = (json!("disabled"), json!("its fan"), id.clone());
    assert_eq!(service().await, held);
    let shown = allocation().await;
    assert_eq!(
        (&shown["state"], &shown["effective"]),
        (&json!("enabled"), &json!("disabled"))
    );
    let because = &shown["because"][0];
    assert_eq!(
        (&because["scope"], &because["name"], &because["reason"]),
        (&json!("maintenance"), &json!("host-1"), &json!("its fan"))
    );
    assert_eq!(because["since"], "2026-11-20T12:00:00Z");
    let hypervisors = world
        .get(Who::Admin, 53, "/v2.1/os-hypervisors/detail")
        .await
        .ok();
    let one = &hypervisors["hypervisors"][0];
    assert_eq!(
        (&one["status"], &one["state"]),
        (&json!("disabled"), &json!("up"))
    );
    assert_eq!(one["service"]["disabled_reason"], "its fan");
    let zones = world
        .get(Who::Admin, 80, "/v2.1/os-availability-zone/detail")
        .await
        .ok();
    let hosts = zones["availabilityZoneInfo"][0]["hosts"]
        .as_object()
        .unwrap();
    assert!(!hosts.contains_key("host-1") && hosts.contains_key("host-2"));
    let server = world
        .get(Who::Admin, 80, &format!("/v2.1/servers/{SERVER}"))
        .await
        .ok();
    assert_eq!(server["server"]["host_status"], "MAINTENANCE");

    let path = format!("/v2.1/os-services/{}", id.as_str().unwrap());
    let put = async |body: Value| {
        let ask = world.ask("PUT", &path).by(Who::Admin).version(53);
        ask.json(&body).send().await.ok()["service"].clone()
    };
    let off = put(json!({"status": "disabled", "disabled_reason": "its switch"})).await;
    assert_eq!(off["disabled_reason"], "its switch");
    assert_eq!(allocation().await["because"].as_array().unwrap().len(), 2);
    let on = put(json!({"status": "enabled"})).await;
    assert_eq!(
        (&on["status"], &on["disabled_reason"]),
        (&json!("disabled"), &json!("its fan"))
    );
    assert_eq!(allocation().await["state"], "enabled");
    leave(&world, "holder=me&return_home=never").await;
    assert_eq!(service().await.0, "enabled", "its switch is what it was");
}

#[tokio::test]
async fn nothing_goes_to_a_held_host_and_a_fix_releases_it() {
    let world = two().await;
    let held = json!({"holder": "the night shift", "reason": "its fan"});
    send(
        &world,
        Who::Admin,
        ("POST", "/hosts/host-2/maintenance"),
        &held,
    )
    .await;
    let path = format!("/servers/{SERVER}/candidates");
    let items = world.native(Who::Admin, &path).await.items();
    let host = items.iter().find(|it| it["host"] == "host-2").unwrap();
    let reasons = host["reasons"].as_array().unwrap();
    let reason = reasons
        .iter()
        .find(|it| it["code"] == "maintenance")
        .unwrap();
    let evidence = json!({"host": "host-2", "holders": ["the night shift"]});
    assert_eq!(reason["evidence"], evidence);
    let request = &reason["fix"]["changes"][0]["request"];
    assert_eq!(request["method"], "DELETE");
    let ask = world.ask("DELETE", request["path"].as_str().unwrap());
    let released = ask.by(Who::Admin).send().await;
    assert!(
        released.status == 202 || released.status == 204,
        "{released:?}"
    );
    let items = world.native(Who::Admin, &path).await.items();
    let host = items.iter().find(|it| it["host"] == "host-2").unwrap();
    let codes = host["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["code"]);
    assert!(
        codes.into_iter().all(|code| code != "maintenance"),
        "{host}"
    );
}

/// Of host 1, whose hypervisor was seen to execute nothing twice, at last at 12:00:02.
fn is_safe(world: &World) {
    world.sql(
        r#"UPDATE maintenances SET state = 'in_maintenance', work = NULL, evidence =
           '{"placements_in_flight": 0, "counts_after": "2026-11-20T12:00:00Z", "inventories": [
             {"began_at": "2026-11-20T12:00:01Z", "executing": []},
             {"began_at": "2026-11-20T12:00:02Z", "executing": []}]}';
           UPDATE servers SET vm_state = 'stopped'"#,
    );
}

/// Nobody may be asking it any more.
#[tokio::test]
async fn a_host_is_safe_as_long_as_what_it_said_is_fresh() {
    let world = two().await;
    enter(&world, &Value::Null).await;
    is_safe(&world);
    for (seconds, age, safe) in [
        (12, 10, true),
        (20, 30, true),
        (1, 31, false),
        (600, 631, false),
    ] {
        world.advance(seconds);
        let it = shown(&world).await;
        assert_eq!(it["safe_to_reboot"], safe, "{it}");
        assert_eq!(it["evidence"]["age_seconds"], age);
        assert_eq!(it["evidence"]["seen_at"], "2026-11-20T12:00:02Z");
        assert_eq!(it["state"], "in_maintenance");
    }
    let start = json!({"os-start": null});
    let refused = world.act(Who::Member, 1, start).await;
    assert_eq!(refused.status, 409, "whoever was told so may be at it");
}

/// The usual end of a drain.
#[tokio::test]
async fn a_held_host_whose_service_was_deleted_can_be_released() {
    let world = two().await;
    enter(&world, &json!({"holder": "me"})).await;
    world.sql("DELETE FROM hosts WHERE name = 'host-1'");
    assert_eq!(shown(&world).await["holders"][0]["holder"], "me");
    enter(&world, &json!({"holder": "you"}))
        .await
        .problem(404, "not-found");
    leave(&world, "holder=you")
        .await
        .problem(404, "holder-unknown");
    let answer = send(&world, Who::Manager, ("DELETE", PATH), &Value::Null).await;
    answer.problem(403, "forbidden");
    let left = leave(&world, "holder=me&return_home=never").await;
    assert!(left.status == 202 || left.status == 204, "{left:?}");
    world.sql("UPDATE maintenances SET state = 'none', work = NULL");
    let answer = send(&world, Who::Admin, ("GET", PATH), &Value::Null).await;
    answer.problem(404, "not-found");
}

/// A server that was shut down for the maintenance, and could not be started again.
#[tokio::test]
async fn what_was_not_started_again_is_shown_when_the_host_is_left() {
    let world = two().await;
    enter(&world, &Value::Null).await;
    world.sql(&format!(
        r#"UPDATE maintenances SET state = 'leaving', holders = '[]', work = NULL,
           retry_at = '2026-11-20 12:01:00', servers_left = '{{"{SERVER}": "shut_down"}}',
           reasons = '{{"{SERVER}": [{{"code": "refused", "text": "It did not start.",
             "evidence": {{}}, "fix": null}}]}}'"#
    ));
    let it = shown(&world).await;
    assert_eq!(
        (&it["state"], &it["run"]),
        (&json!("leaving"), &Value::Null)
    );
    let blockers = it["blockers"].as_array().unwrap();
    assert_eq!(
        (blockers.len(), &blockers[0]["server"]),
        (1, &json!(SERVER))
    );
    assert_eq!(blockers[0]["reasons"][0]["text"], "It did not start.");
}

/// Whoever was told that the host may be switched off is not surprised.
#[tokio::test]
async fn nothing_is_started_on_a_host_that_is_safe_to_reboot() {
    let world = two().await;
    enter(&world, &Value::Null).await;
    is_safe(&world);
    assert_eq!(shown(&world).await["safe_to_reboot"], true);
    let start = json!({"os-start": null});
    let refused = world.act(Who::Member, 1, start.clone()).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let text = format!("Cannot 'start' instance {SERVER} while its host is in maintenance");
    assert_eq!(refused.json()["conflictingRequest"]["message"], text);
    leave(&world, "return_home=never").await;
    assert_eq!(world.act(Who::Member, 1, start).await.status, 202);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let world = two().await;
    for (body, pointer) in [
        (json!({"holder": "run:mine"}), "#/holder"),
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

/// `GET` of where an answer leads.
async fn there(world: &World, answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{answer:?}");
    let root = format!("http://{}{ROOT}", world.address);
    let address = answer.header("location").unwrap();
    let path = address.strip_prefix(&root).unwrap();
    world.native(Who::Admin, path).await.ok()
}

/// A run is asked for when its turn comes, and then it is there.
#[tokio::test]
async fn whatever_an_answer_names_is_there() {
    let world = two().await;
    let first = enter(&world, &json!({"holder": "me", "return_home": "now"})).await;
    let run = there(&world, &first).await;
    assert_eq!(
        (&run["id"], &run["type"]),
        (&first.json()["run"], &json!("maintenance"))
    );
    // It is cancelled for one that does as is wanted now, which follows.
    let again = enter(&world, &json!({"holder": "me", "immovable": "skip"})).await;
    assert_eq!(there(&world, &again).await, again.json());
    assert_eq!(again.json()["run"], Value::Null);
    let home = leave(&world, "holder=me&return_home=now").await;
    assert_eq!(there(&world, &home).await, home.json());
    assert_eq!(home.json()["state"], "leaving");
}

#[tokio::test]
async fn a_host_is_as_far_as_the_run_at_work() {
    let world = two().await;
    let progress = async || {
        let it = shown(&world).await;
        (
            it["percent"].clone(),
            it["eta_seconds"].clone(),
            it["messages"].clone(),
        )
    };
    let held = enter(&world, &json!({"holder": "me"})).await.json();
    let nothing = (json!(0), Value::Null, json!([]));
    assert_eq!(progress().await, nothing);
    assert_eq!(
        (&held["percent"], &held["messages"]),
        (&json!(0), &json!([]))
    );
    let eta = json!({"low": 1.0, "mid": 2.0, "high": 4.0});
    let told = json!([{"code": "told", "text": "It is slow.", "at": "2026-11-20T12:00:00Z"}]);
    world.sql(&format!(
        "UPDATE runs SET percent = 40, eta = '{eta}', messages = '{told}'"
    ));
    assert_eq!(progress().await, (json!(40), eta, told.clone()));
    // Another run begins with nothing, and the host has come as far as it has.
    enter(&world, &json!({"holder": "me", "immovable": "skip"})).await;
    assert_eq!(progress().await, (json!(40), Value::Null, told));
    leave(&world, "holder=me&return_home=now").await;
    let it = shown(&world).await;
    assert_eq!(
        (&it["state"], &it["percent"]),
        (&json!("leaving"), &json!(0))
    );
}

#[tokio::test]
async fn of_many_who_have_read_one_version_one_changes_it() {
    let world = two().await;
    let read = world.native(Who::Admin, PATH).await;
    let version = read.header("etag").unwrap().to_owned();
    let send = async |holder: &str| {
        let ask = world.ask("POST", &format!("{ROOT}{PATH}")).by(Who::Admin);
        let ask = ask.header("If-Match", &version);
        ask.json(&json!({"holder": holder})).send().await.status
    };
    let all = (0..8).map(|it| {
        let send = &send;
        async move { send(&format!("holder-{it}")).await }
    });
    let mut codes = futures::future::join_all(all).await;
    codes.sort_unstable();
    assert_eq!(codes, [202, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(shown(&world).await["holders"].as_array().unwrap().len(), 1);
}

/// It looks as before, and somebody has held the host since.
#[tokio::test]
async fn a_version_is_not_that_of_a_host_that_was_held_and_left_since() {
    let world = two().await;
    let read = world.native(Who::Admin, PATH).await;
    let version = read.header("etag").unwrap().to_owned();
    enter(&world, &json!({"holder": "me"})).await;
    leave(&world, "holder=me&return_home=never").await;
    assert_eq!(shown(&world).await["holders"], json!([]));
    let ask = |key: &str| {
        let ask = world.ask("POST", &format!("{ROOT}{PATH}")).by(Who::Admin);
        ask.header("Idempotency-Key", key)
    };
    let late = ask("k").header("If-Match", &version).send().await;
    late.problem(412, "precondition-failed");
    // What was refused did nothing, and may be asked for again.
    assert_eq!(ask("k").send().await.status, 202);
}

/// A host that is drained and then taken out of service is still held, by whom it says.
#[tokio::test]
async fn a_host_that_is_gone_is_released_all_the_same() {
    let world = two().await;
    let path = "/hosts/host-2/maintenance";
    let call =
        async |method, path: &str| send(&world, Who::Admin, (method, path), &Value::Null).await;
    assert_eq!(call("POST", path).await.status, 202);
    let services = world
        .get(Who::Admin, 53, "/v2.1/os-services?host=host-2")
        .await
        .ok();
    let id = services["services"][0]["id"].as_str().unwrap();
    let service = format!("/v2.1/os-services/{id}");
    let gone = world
        .ask("DELETE", &service)
        .by(Who::Admin)
        .version(53)
        .send()
        .await;
    assert_eq!(gone.status, 204, "{gone:?}");
    call("GET", "/hosts/host-2").await.problem(404, "not-found");
    assert_eq!(call("GET", path).await.ok()["state"], "entering");
    call("POST", path).await.problem(404, "not-found");
    let left = call("DELETE", path).await;
    assert!(left.status == 202 || left.status == 204, "{left:?}");
}
