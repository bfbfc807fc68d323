//! `os-resetState`: an operator's word about a server, and no more than that.

use godwit_core::status::MigrationStatus;
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::Server;
use crate::world::{Who, World};

async fn reset(world: &World, who: Who, wish: Value) -> Answer {
    world.act(who, 1, json!({"os-resetState": wish})).await
}

#[tokio::test]
async fn there_are_two_states_to_choose_from() {
    let world = World::new().await;
    world.populate().await;
    for (wish, text) in [
        (
            json!({"state": "foo"}),
            "state. Value: foo. 'foo' is not one of ['active', 'error']",
        ),
        (
            json!({"state": null}),
            "state. Value: None. None is not of type 'string'",
        ),
        (
            json!({}),
            "os-resetState. Value: {}. 'state' is a required property",
        ),
        (
            json!(null),
            "os-resetState. Value: None. None is not of type 'object'",
        ),
        (
            json!({"state": "error", "x": 1}),
            "os-resetState. Value: {'state': 'error', 'x': 1}. Additional properties are not allowed ('x' was unexpected)",
        ),
    ] {
        let answer = reset(&world, Who::Admin, wish).await;
        assert_eq!(
            answer.bad_request(),
            format!("Invalid input for field/attribute {text}")
        );
    }
    for who in [Who::Manager, Who::Member, Who::SystemAdmin] {
        let answer = reset(&world, who, json!({"state": "error"})).await;
        assert_eq!(answer.forbidden(), "os-admin-actions:reset_state");
    }
}

#[tokio::test]
async fn whatever_the_state_was_it_is_another_and_no_task() {
    let world = World::new().await;
    world.host("host-1").await;
    world.server(Server {
        vm_state: "building",
        task_state: Some("spawning"),
        locked: true,
        launched: false,
        ..Server::default()
    });
    for (state, status) in [
        ("error", "ERROR"),
        ("active", "ACTIVE"),
        ("active", "ACTIVE"),
    ] {
        reset(&world, Who::Admin, json!({ "state": state }))
            .await
            .accepted();
        let server = world.shown(Who::Admin, 80).await;
        assert_eq!(server["status"], status);
        assert_eq!(server["OS-EXT-STS:vm_state"], state);
        assert_eq!(server["OS-EXT-STS:task_state"], Value::Null);
        assert_eq!(server["locked"], true);
    }
}

#[tokio::test]
async fn what_is_under_way_goes_on() {
    let world = World::new().await;
    world.moving("running").await;
    let answer = reset(&world, Who::Admin, json!({"state": "active"})).await;
    answer.accepted();
    let record = world.recorded_migration(1).await;
    assert_eq!(record.migration.status(), MigrationStatus::Running);
    assert_eq!(record.migration.generation, 1);

    let action = world.shown_action(Who::Admin, 80, &answer).await;
    assert_eq!(action["action"], "resetState");
    assert_eq!(action["events"], json!([]));
}
