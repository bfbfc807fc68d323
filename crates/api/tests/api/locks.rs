//! `lock` and `unlock`: bodies, holders of both kinds, and what is written down of it.

use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{SERVER, Server};
use crate::world::{DEMO, NOW, Who, World};

async fn act(world: &World, who: Who, minor: u32, body: Value) -> Answer {
    world.act(who, minor, body).await
}

async fn lock(world: &World, who: Who) {
    act(world, who, 80, json!({"lock": null})).await.accepted();
}

async fn unlock(world: &World, who: Who) -> Answer {
    act(world, who, 80, json!({"unlock": null})).await
}

/// Is it locked, and why?
async fn shown(world: &World) -> (Value, Value) {
    let server = world.shown(Who::Reader, 80).await;
    let field = |name| server[name].clone();
    (field("locked"), field("locked_reason"))
}

/// What was done to the server, the newest first.
async fn actions(world: &World) -> Vec<String> {
    let path = format!("/v2.1/servers/{SERVER}/os-instance-actions");
    let list = world.get(Who::Reader, 80, &path).await.ok();
    let items = list["instanceActions"].as_array().unwrap().iter();
    items
        .map(|item| item["action"].as_str().unwrap().to_owned())
        .collect()
}

async fn a_server() -> World {
    let world = World::new().await;
    world.populate().await;
    world
}

#[tokio::test]
async fn a_reason_has_a_form_since_it_is_kept() {
    let world = a_server().await;
    let long = "a".repeat(256);
    for (body, text) in [
        (
            json!({"locked_reason": ""}),
            "locked_reason. Value: . '' should be non-empty".to_owned(),
        ),
        (
            json!({"locked_reason": null}),
            "locked_reason. Value: None. None is not of type 'string'".to_owned(),
        ),
        (
            json!({"locked_reason": long}),
            format!("locked_reason. Value: {long}. '{long}' is too long"),
        ),
        (
            json!({"locked_reason": "a\0"}),
            "locked_reason. Value: a\0. 'a\\x00' does not match '^[^\\x00]*$'".to_owned(),
        ),
        (
            json!({"x": 1}),
            "lock. Value: {'x': 1}. Additional properties are not allowed ('x' was unexpected)"
                .to_owned(),
        ),
        (
            json!("x"),
            "lock. Value: x. 'x' is not of type 'object', 'null'".to_owned(),
        ),
    ] {
        for minor in [73, 104] {
            let answer = act(&world, Who::Member, minor, json!({"lock": body})).await;
            let text = format!("Invalid input for field/attribute {text}");
            assert_eq!(answer.bad_request(), text);
        }
        let answer = act(&world, Who::Member, 72, json!({"lock": body})).await;
        answer.accepted();
        assert_eq!(
            shown(&world).await,
            (json!(true), Value::Null),
            "it is not looked at"
        );
        unlock(&world, Who::Member).await.accepted();
    }
    let reason = json!({"lock": {"locked_reason": "why"}});
    act(&world, Who::Member, 73, reason).await.accepted();
    assert_eq!(shown(&world).await, (json!(true), json!("why")));
    let junk = json!({"unlock": {"x": [1]}});
    act(&world, Who::Member, 104, junk).await.accepted();
    assert_eq!(shown(&world).await, (json!(false), Value::Null));
}

#[tokio::test]
async fn owners_do_not_lock_twice_but_others_do() {
    let world = a_server().await;
    let because = |why: &str| json!({"lock": {"locked_reason": why}});
    act(&world, Who::Member, 73, because("mine"))
        .await
        .accepted();
    act(&world, Who::Manager, 73, because("no"))
        .await
        .accepted();
    assert_eq!(shown(&world).await, (json!(true), json!("mine")));
    assert_eq!(actions(&world).await, ["lock"]);

    lock(&world, Who::Admin).await;
    assert_eq!(
        shown(&world).await,
        (json!(true), json!("mine")),
        "no reason was given"
    );
    assert_eq!(actions(&world).await, ["lock", "lock"]);
    act(&world, Who::Admin, 73, because("theirs"))
        .await
        .accepted();
    assert_eq!(shown(&world).await, (json!(true), json!("theirs")));

    lock(&world, Who::Member).await;
    let answer = unlock(&world, Who::Member).await;
    assert_eq!(answer.forbidden(), "os-lock-server:unlock:unlock_override");
    unlock(&world, Who::Admin).await.accepted();
    assert_eq!(actions(&world).await, ["unlock", "lock", "lock", "lock"]);
}

#[tokio::test]
async fn whoever_is_of_the_project_is_an_owner() {
    let world = a_server().await;
    lock(&world, Who::Member).await;
    unlock(&world, Who::Admin).await.accepted();
    // An administrator of the server's own project locks it as its owners do.
    lock(&world, Who::HomeAdmin).await;
    unlock(&world, Who::Member).await.accepted();
    unlock(&world, Who::Member).await.accepted();
    assert_eq!(shown(&world).await.0, json!(false));
}

#[tokio::test]
async fn readers_and_strangers_lock_nothing() {
    let world = a_server().await;
    for (body, rule) in [
        (json!({"lock": null}), "os-lock-server:lock"),
        (json!({"unlock": null}), "os-lock-server:unlock"),
    ] {
        assert_eq!(
            act(&world, Who::Reader, 80, body.clone()).await.forbidden(),
            rule
        );
        assert_eq!(
            act(&world, Who::SystemAdmin, 80, body.clone())
                .await
                .forbidden(),
            rule
        );
        let stranger = act(&world, Who::Stranger, 80, body).await;
        assert_eq!(
            stranger.not_found(),
            format!("Instance {SERVER} could not be found.")
        );
    }
    assert_eq!(actions(&world).await, [""; 0]);
}

#[tokio::test]
async fn in_any_state_and_only_locking_may_look_at_the_user() {
    let rule = json!("user_id:u-owner and user_id:%(user_id)s");
    let rules = json!({"os_compute_api:os-lock-server:lock": rule,
        "os_compute_api:os-lock-server:unlock": rule});
    let world = World::under(rules).await;
    world.host("host-1").await;
    world.server(Server {
        vm_state: "error",
        task_state: Some("migrating"),
        launched: false,
        ..Server::default()
    });
    let claims = json!({"sub": "u-owner", "project_id": DEMO, "roles": [], "exp": NOW + 3_600});
    let token = world.key.sign(&claims).unwrap();
    let act = async |body: Value| {
        let ask = world.ask("POST", &format!("/v2.1/servers/{SERVER}/action"));
        ask.header("X-Auth-Token", &token).json(&body).send().await
    };
    act(json!({"lock": null})).await.accepted();
    let answer = act(json!({"unlock": null})).await;
    assert_eq!(
        answer.forbidden(),
        "os-lock-server:unlock",
        "its target has no user"
    );
}

#[tokio::test]
async fn each_is_an_action_with_one_event() {
    let world = a_server().await;
    for (name, event) in [("lock", "api_lock"), ("unlock", "api_unlock")] {
        let answer = act(&world, Who::Member, 80, json!({name: null})).await;
        let request = answer.header("x-openstack-request-id").unwrap();
        let path = format!("/v2.1/servers/{SERVER}/os-instance-actions/{request}");
        let action = world.get(Who::Admin, 84, &path).await.ok();
        let action = &action["instanceAction"];
        assert_eq!(action["action"], name);
        assert_eq!(
            (&action["user_id"], &action["project_id"]),
            (&json!("u-member"), &json!(DEMO))
        );
        let events = action["events"].as_array().unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(
            (&events[0]["event"], &events[0]["result"]),
            (&json!(event), &json!("Success"))
        );
    }
}
