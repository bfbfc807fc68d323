//! What is asked for again, and how much of it.

use super::*;

#[tokio::test]
async fn the_same_wish_is_planned_anew() {
    let world = two().await;
    let body = json!({"servers": [SERVER], "fallback": "cold",
        "deadline": "2026-11-20T12:30:00Z"});
    let first = made(&plan(&world, Who::Manager, &body).await);
    let path = format!("/plans/{first}/remake");
    let again = send(&world, Who::HomeAdmin, ("POST", &path), &Value::Null).await;
    let second = made(&again);
    assert_ne!(first, second);
    let made = again.json();
    assert_eq!(
        (&made["type"], &made["state"], &made["actor"]["user"]),
        (&json!("server"), &json!("initializing"), &json!("u-root"))
    );
    let of = async |id: &str| {
        let id: PlanUuid = id.parse().unwrap();
        let found = world
            .store
            .plan_find(id, None)
            .await
            .unwrap()
            .unwrap()
            .record;
        (found.target, found.options)
    };
    assert_eq!(of(&first).await, of(&second).await);
    let odd = send(&world, Who::Manager, ("POST", &path), &json!({"now": true})).await;
    assert_eq!(odd.invalid(), ["#/now"]);
    world.advance(1_800);
    let late = send(&world, Who::Manager, ("POST", &path), &Value::Null).await;
    assert_eq!(late.status, 201, "{}", late.text);
    let (without, told) = (of(&self::made(&late)).await.1, &late.json()["messages"][0]);
    assert_eq!((without.deadline, without.fallback), (None, Fallback::Cold));
    assert_eq!(told["code"], "times-passed");
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("deadline (2026-11-20T12:30:00"), "{text}");
    let nothing = format!("/plans/{NO_SERVER}/remake");
    let nothing = send(&world, Who::Manager, ("POST", &nothing), &Value::Null).await;
    nothing.problem(404, "not-found");
}

#[tokio::test]
async fn a_project_has_so_many_plans_of_so_many_servers() {
    let config = ApiConfig {
        quotas: QuotaConfig {
            open_plans: 2,
            servers_a_plan: 1,
            ..QuotaConfig::default()
        },
        ..ApiConfig::default()
    };
    let world = populate(World::configured(config).await).await;
    let one = json!({"servers": [SERVER]});
    let both = json!({"servers": [SERVER, OTHER]});
    let both = plan(&world, Who::Admin, &both).await;
    both.problem(403, "quota-exceeded");
    let first = made(&plan(&world, Who::Manager, &one).await);
    made(&plan(&world, Who::Manager, &one).await);
    let third = plan(&world, Who::HomeAdmin, &one).await;
    third.problem(403, "quota-exceeded");
    made(&plan(&world, Who::Admin, &one).await);
    // What is on a host counts as what is named.
    let host = plan(&world, Who::Admin, &json!({"host": "host-1"})).await;
    host.problem(403, "quota-exceeded");
    let hosts = json!({"hosts": ["host-1", "host-2"], "max_unavailable": 1});
    let hosts = plan(&world, Who::Admin, &hosts).await;
    hosts.problem(403, "quota-exceeded");
    made(&plan(&world, Who::Admin, &json!({"host": "host-2"})).await);
    world.plan_is_made(&first, moves(&[], &[SERVER])).await;
    made(&plan(&world, Who::Manager, &one).await);
}

#[tokio::test]
async fn the_same_request_again_makes_no_other_plan() {
    let world = two().await;
    let body = json!({"servers": [SERVER]});
    let ask = async |body: &Value| {
        let ask = world.ask("POST", &format!("{ROOT}/plans")).by(Who::Manager);
        ask.header("Idempotency-Key", "k").json(body).send().await
    };
    let (first, again) = (ask(&body).await, ask(&body).await);
    assert_eq!(made(&first), made(&again));
    assert_eq!(first.header("location"), again.header("location"));
    let other = ask(&json!({"servers": [SERVER], "fallback": "cold"})).await;
    other.problem(422, "idempotency-key-reused");
    let all = world.native(Who::Admin, "/plans").await.items();
    assert_eq!(all.len(), 1);
    let server: ServerUuid = SERVER.parse().unwrap();
    let places = world.store.server_places([server]).await.unwrap();
    assert_eq!(places[&server].project, DEMO);
}
