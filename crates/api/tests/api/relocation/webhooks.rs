//! `/webhooks`: who may have some, and what they are told, whatever receivers do.

use std::time::Duration;

use godwit_api::config::{ApiConfig, QuotaConfig, WebhookConfig};
use godwit_api::relocation::webhooks::Secret;
use godwit_api::relocation::webhooks::deliver::Deliverer;
use godwit_core::time::Clock;
use godwit_test_support::receiver::{Absent, Receiver};
use godwit_test_support::wait_for;
use serde_json::{Value, json};

use super::ROOT;
use super::events::story_in;
use crate::answers::Answer;
use crate::world::{DEMO, Who, World};

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn config() -> ApiConfig {
    ApiConfig {
        webhooks: WebhookConfig {
            allowed_networks: vec!["127.0.0.0/8".to_owned()],
            ..WebhookConfig::default()
        },
        quotas: QuotaConfig {
            webhooks: 2,
            ..QuotaConfig::default()
        },
        ..ApiConfig::default()
    }
}

async fn post(world: &World, who: Who, path: &str, body: &Value) -> Answer {
    let ask = world.ask("POST", &format!("{ROOT}{path}"));
    ask.by(who).json(body).send().await
}

pub(super) async fn create(world: &World, who: Who, url: &str) -> Answer {
    let body = json!({"url": url, "types": ["migration.*"]});
    post(world, who, "/webhooks", &body).await
}

/// The document of a 201 or another success.
#[track_caller]
pub(super) fn made(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    answer.json()
}

/// A world in which webhooks are called, and four things have happened.
async fn calling() -> (World, [String; 2]) {
    let (world, uuids) = story_in(World::configured(config()).await).await;
    let deliverer = Deliverer::new(world.state.clone()).unwrap().unwrap();
    tokio::spawn(deliverer.run(std::future::pending()));
    (world, uuids)
}

async fn deliveries(world: &World, hook: &Value) -> Vec<Value> {
    let id = hook["id"].as_str().unwrap();
    let path = format!("/webhooks/{id}/deliveries");
    world.native(Who::Manager, &path).await.items()
}

/// The newest delivery, once it stands like that.
async fn stands(world: &World, hook: &Value, state: &str, attempts: i64) -> Value {
    wait_for("a delivery", PATIENCE, async || {
        let all = deliveries(world, hook).await;
        let found = all.into_iter().next();
        Ok(found.filter(|it| it["state"] == state && it["attempts"] == attempts))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_secret_is_shown_once_and_never_written_down() {
    let world = World::configured(config()).await;
    let answer = create(&world, Who::Manager, "https://127.0.0.1/hook?a=1").await;
    let hook = made(&answer, 201);
    let (id, secret) = (
        hook["id"].as_str().unwrap(),
        hook["secret"].as_str().unwrap(),
    );
    assert!(Secret::read(secret).is_some());
    let address = format!("http://{}{ROOT}/webhooks/{id}", world.address);
    assert_eq!(answer.header("location"), Some(address.as_str()));
    let shown = world
        .native(Who::Reader, &format!("/webhooks/{id}"))
        .await
        .ok();
    let request = answer.header("x-openstack-request-id").unwrap();
    let actor = json!({"user": "u-manager", "project": DEMO, "request_id": request});
    let expected = json!({"id": id, "url": "https://127.0.0.1/hook?a=1", "types": ["migration.*"],
        "project": DEMO, "actor": actor, "created_at": "2026-11-20T12:00:00Z"});
    assert_eq!(shown, expected);
    let listed = world.native(Who::Reader, "/webhooks?with_total=true").await;
    assert_eq!(
        (listed.items(), &listed.ok()["total"]),
        (vec![shown], &json!(1))
    );
    let row = world
        .store
        .webhook_find(id.parse().unwrap(), None)
        .await
        .unwrap()
        .unwrap();
    assert!(!row.secret.contains(secret) && !row.secret.contains("whsec"));

    let delete = async || {
        let ask = world.ask("DELETE", &format!("{ROOT}/webhooks/{id}"));
        ask.by(Who::Manager).send().await
    };
    let deleted = delete().await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    delete().await.problem(404, "not-found");
}

#[tokio::test]
async fn only_the_version_that_was_read_is_deleted() {
    let world = World::configured(config()).await;
    let answer = create(&world, Who::Manager, "https://127.0.0.1/").await;
    let hook = made(&answer, 201);
    let path = format!("/webhooks/{}", hook["id"].as_str().unwrap());
    let read = world.native(Who::Reader, &path).await;
    let version = read.header("etag").unwrap().to_owned();
    assert_eq!(answer.header("etag"), Some(version.as_str()));
    let delete = async |if_match: &str| {
        let ask = world.ask("DELETE", &format!("{ROOT}{path}"));
        ask.by(Who::Manager)
            .header("If-Match", if_match)
            .send()
            .await
    };
    let other = delete("\"7\"").await;
    other.problem(412, "precondition-failed");
    delete("7").await.problem(400, "invalid-input");
    assert_eq!(world.native(Who::Reader, &path).await.status, 200);
    assert_eq!(delete(&format!("\"7\", {version}")).await.status, 204);
    delete("*").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_same_request_again_makes_no_other_and_shows_no_secret() {
    let world = World::configured(config()).await;
    let body = json!({"url": "https://127.0.0.1/", "types": ["run.*"]});
    let send = async || {
        let ask = world
            .ask("POST", &format!("{ROOT}/webhooks"))
            .by(Who::Manager);
        ask.header("Idempotency-Key", "k").json(&body).send().await
    };
    let (first, again) = (made(&send().await, 201), made(&send().await, 201));
    assert_eq!(first["id"], again["id"]);
    assert!(first["secret"].is_string() && again.get("secret").is_none());
    assert_eq!(world.store.webhook_count(None).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_not_public_is_not_called() {
    let world = World::configured(config()).await;
    for url in [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00::1]/",
        "http://[::ffff:192.168.0.1]/",
        "http://0/",
    ] {
        let answer = create(&world, Who::Manager, url).await;
        assert_eq!(answer.invalid(), ["#/url"], "{url}");
    }
    let world = World::new().await;
    for url in ["http://127.0.0.1:1/", "http://localhost:1/"] {
        let answer = create(&world, Who::Manager, url).await;
        assert_eq!(answer.invalid(), ["#/url"], "{url}");
    }
}

#[tokio::test]
async fn webhooks_are_of_a_project_which_has_so_many() {
    let world = World::configured(config()).await;
    let url = "https://127.0.0.1/";
    let hook = made(&create(&world, Who::Manager, url).await, 201);
    create(&world, Who::Reader, url)
        .await
        .problem(403, "forbidden");
    create(&world, Who::Member, url)
        .await
        .problem(403, "forbidden");
    made(&create(&world, Who::Manager, url).await, 201);
    let third = create(&world, Who::HomeAdmin, url).await;
    third.problem(403, "quota-exceeded");
    made(&create(&world, Who::Stranger, url).await, 201);
    let path = format!("/webhooks/{}", hook["id"].as_str().unwrap());
    for path in [path.clone(), format!("{path}/deliveries")] {
        world
            .native(Who::Stranger, &path)
            .await
            .problem(404, "not-found");
        assert_eq!(world.native(Who::Admin, &path).await.status, 200);
    }
    let all = world
        .native(Who::Admin, "/webhooks?limit=2&with_total=true")
        .await
        .ok();
    assert_eq!(
        (all["items"].as_array().unwrap().len(), &all["total"]),
        (2, &json!(3))
    );
    let base = format!("http://{}{ROOT}", world.address);
    let next = all["next"].as_str().unwrap().strip_prefix(&base).unwrap();
    assert_eq!(world.native(Who::Admin, next).await.items().len(), 1);
    assert_eq!(
        world.native(Who::Stranger, "/webhooks").await.items().len(),
        1
    );
}

#[tokio::test]
async fn a_call_is_the_event_as_its_maker_sees_it_and_signed() {
    let (world, [first, second]) = calling().await;
    let receiver = Receiver::start().unwrap();
    let hook = made(&create(&world, Who::Manager, &receiver.url()).await, 201);
    world.happens(&second).await;
    world.happens(&first).await;
    let called = receiver.called(1).await.unwrap().remove(0);
    let listed = world.native(Who::Manager, "/events?after=4").await.items();
    assert_eq!(listed.len(), 1, "the other one is another project's");
    let body: Value = serde_json::from_str(&called.body).unwrap();
    assert_eq!(body, listed[0]);
    let header = |name: &str| called.headers[name].as_str();
    assert_eq!(header("webhook-id"), "evt_6");
    let timestamp = header("webhook-timestamp").parse().unwrap();
    let secret = Secret::read(hook["secret"].as_str().unwrap()).unwrap();
    let expected = secret.sign("evt_6", timestamp, &called.body);
    assert_eq!(header("webhook-signature"), expected);
    assert_eq!(header("content-type"), "application/json");
    let delivered = stands(&world, &hook, "delivered", 1).await;
    assert_eq!(
        (&delivered["status"], &delivered["position"]),
        (&json!(204), &json!("6"))
    );
    assert_eq!(
        deliveries(&world, &hook).await.len(),
        1,
        "nothing of before"
    );
}

/// Nobody looked for so long that it has expired.
#[tokio::test]
async fn what_was_missed_is_said_once() {
    let (world, [first, _]) = story_in(World::configured(config()).await).await;
    let receiver = Receiver::start().unwrap();
    let hook = made(&create(&world, Who::Manager, &receiver.url()).await, 201);
    for _ in 0..3 {
        world.happens(&first).await;
    }
    world.native(Who::Admin, "/events").await.ok();
    let expired = world.store.events_expire(world.clock.now(), 9).await;
    assert_eq!(expired.unwrap(), 6);
    let deliverer = Deliverer::new(world.state.clone()).unwrap().unwrap();
    tokio::spawn(deliverer.run(std::future::pending()));
    let called = receiver.called(1).await.unwrap().remove(0);
    let body: Value = serde_json::from_str(&called.body).unwrap();
    assert_eq!(
        (&body["type"], &body["position"]),
        (&json!("reset"), &json!("7"))
    );
    stands(&world, &hook, "delivered", 1).await;
    world.happens(&first).await;
    receiver.called(2).await.unwrap();
    assert_eq!(deliveries(&world, &hook).await.len(), 2);
}

#[tokio::test]
async fn what_does_not_arrive_is_tried_again_for_a_day() {
    let (world, [first, _]) = calling().await;
    let receiver = Receiver::start().unwrap();
    let hook = made(&create(&world, Who::Manager, &receiver.url()).await, 201);
    receiver.answers("302 Elsewhere\r\nlocation: http://169.254.169.254/");
    world.happens(&first).await;
    let pending = stands(&world, &hook, "pending", 1).await;
    wait_for("the answer", PATIENCE, async || {
        let all = deliveries(&world, &hook).await;
        Ok((all[0]["status"] == 302).then_some(()))
    })
    .await
    .unwrap();
    receiver.answers("500 Broken");
    world.advance(60);
    wait_for("another answer", PATIENCE, async || {
        let all = deliveries(&world, &hook).await;
        Ok((all[0]["status"] == 500 && all[0]["attempts"] == 2).then_some(()))
    })
    .await
    .unwrap();
    // Its tokens have ended as well.
    world.advance(86_400);
    let dead = wait_for("the end", PATIENCE, async || {
        let uuid = hook["id"].as_str().unwrap().parse().unwrap();
        let row = world.store.webhook_find(uuid, None).await?.unwrap();
        let all = world.store.webhook_deliveries(row.id, None, 9).await?;
        let dead = all.into_iter().next().unwrap();
        Ok((dead.ended_at.is_some()).then_some(dead))
    });
    let dead = dead.await.unwrap();
    assert_eq!((dead.attempts, dead.status), (3, Some(500)));
    assert_eq!(pending["id"], json!(dead.uuid));
    let calls = receiver.called(3).await.unwrap();
    assert_eq!(calls.len(), 3);
    let ids: Vec<_> = calls.iter().map(|it| &it.headers["webhook-id"]).collect();
    assert!(ids.iter().all(|id| *id == "evt_5"), "{ids:?}");
    let times: Vec<_> = calls
        .iter()
        .map(|it| &it.headers["webhook-timestamp"])
        .collect();
    assert!(times[0] != times[1] && times[1] != times[2], "{times:?}");
}

#[tokio::test]
async fn a_delivery_is_sent_once_more_when_somebody_wants_that() {
    let (world, [first, _]) = calling().await;
    let receiver = Receiver::start().unwrap();
    let hook = made(&create(&world, Who::Manager, &receiver.url()).await, 201);
    world.happens(&first).await;
    let delivered = stands(&world, &hook, "delivered", 1).await;
    let (hook_id, id) = (
        hook["id"].as_str().unwrap(),
        delivered["id"].as_str().unwrap(),
    );
    let path = format!("/webhooks/{hook_id}/deliveries/{id}/redeliver");
    let odd = post(&world, Who::Manager, &path, &json!({"now": true})).await;
    assert_eq!(odd.invalid(), ["#/now"]);
    post(&world, Who::Reader, &path, &Value::Null)
        .await
        .problem(403, "forbidden");
    post(&world, Who::Stranger, &path, &Value::Null)
        .await
        .problem(404, "not-found");
    let again = made(&post(&world, Who::Manager, &path, &json!({})).await, 202);
    assert_eq!(
        (&again["id"], &again["state"]),
        (&delivered["id"], &json!("pending"))
    );
    let calls = receiver.called(2).await.unwrap();
    assert_eq!(
        calls[0].headers["webhook-id"],
        calls[1].headers["webhook-id"]
    );
    assert_eq!(calls[0].body, calls[1].body);
    stands(&world, &hook, "delivered", 2).await;
    let nothing = format!("/webhooks/{hook_id}/deliveries/{hook_id}/redeliver");
    post(&world, Who::Manager, &nothing, &Value::Null)
        .await
        .problem(404, "not-found");
}

/// A refusal made nothing, so its key is not kept: the same request again is refused the same.
#[tokio::test]
async fn what_was_refused_is_refused_again_whatever_its_key() {
    let world = World::configured(config()).await;
    let hook = made(
        &create(&world, Who::Manager, "http://127.0.0.1/1").await,
        201,
    );
    let id = hook["id"].as_str().unwrap();
    let nothing = format!("{ROOT}/webhooks/{id}/deliveries/{id}/redeliver");
    for round in 0..2 {
        let ask = world.ask("POST", &nothing).by(Who::Manager);
        let answer = ask.header("Idempotency-Key", "k").send().await;
        assert_eq!(answer.status, 404, "{round}: {answer:?}");
    }
    made(
        &create(&world, Who::Manager, "http://127.0.0.1/2").await,
        201,
    );
    for round in 0..2 {
        let body = json!({"url": "http://127.0.0.1/3", "types": ["run.*"]});
        let ask = world
            .ask("POST", &format!("{ROOT}/webhooks"))
            .by(Who::Manager);
        let ask = ask.header("Idempotency-Key", "k").json(&body);
        let answer = ask.send().await;
        assert_eq!(
            answer.json()["code"],
            "quota-exceeded",
            "{round}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn one_that_is_down_keeps_no_other_waiting() {
    let (world, [first, _]) = calling().await;
    let gone = Absent::new().unwrap();
    let broken = create(&world, Who::Manager, &gone.url().unwrap()).await;
    let broken = made(&broken, 201);
    let receiver = Receiver::start().unwrap();
    made(&create(&world, Who::Manager, &receiver.url()).await, 201);
    for _ in 0..20 {
        world.happens(&first).await;
    }
    let calls = receiver.called(20).await.unwrap();
    let ids: Vec<_> = calls
        .iter()
        .map(|it| it.headers["webhook-id"].clone())
        .collect();
    let expected: Vec<_> = (5..25).map(|position| format!("evt_{position}")).collect();
    assert_eq!(ids, expected, "each once, in their order");
    let waiting = wait_for("all others", PATIENCE, async || {
        let waiting = deliveries(&world, &broken).await;
        Ok((waiting.len() == 20).then_some(waiting))
    });
    let waiting = waiting.await.unwrap();
    assert!(waiting.iter().all(|it| it["state"] == "pending"));
}
