//! `confirmResize` and `revertResize`: who may, when, and what follows.

use godwit_core::server::{TaskState, VmState};
use godwit_core::status::MigrationStatus;
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{SERVER, Server};
use crate::world::{Who, World};

/// The name of each, and the code of its success.
const BOTH: [(&str, u16); 2] = [("confirmResize", 204), ("revertResize", 202)];

async fn act(world: &World, who: Who, action: &str, body: Value) -> Answer {
    world.act(who, 1, json!({ action: body })).await
}

#[tokio::test]
async fn states_that_do_not_allow_it() {
    let server = |vm_state, task_state| Server {
        vm_state,
        task_state,
        ..Server::default()
    };
    for (action, _) in BOTH {
        let wrong = |what| format!("Cannot '{action}' instance {SERVER} while it is in {what}");
        for (server, text) in [
            (server("active", None), wrong("vm_state active")),
            (server("error", Some("migrating")), wrong("vm_state error")),
            (
                server("resized", Some("resize_reverting")),
                wrong("task_state resize_reverting"),
            ),
            (
                Server {
                    locked: true,
                    ..server("active", None)
                },
                format!("Instance {SERVER} is locked"),
            ),
        ] {
            let world = World::new().await;
            world.host("host-1").await;
            world.server(server.clone());
            for body in [Value::Null, json!({"a": 1}), json!("x"), json!([1])] {
                let answer = act(&world, Who::Member, action, body).await;
                assert_eq!(answer.conflict(), text, "{server:?}");
            }
        }
    }
}

#[tokio::test]
async fn members_may_and_readers_may_not() {
    let world = World::new().await;
    world.moved().await;
    for (action, rule) in [
        ("confirmResize", "servers:confirm_resize"),
        ("revertResize", "servers:revert_resize"),
    ] {
        for who in [Who::Reader, Who::Nobody, Who::SystemAdmin] {
            assert_eq!(
                act(&world, who, action, Value::Null).await.forbidden(),
                rule
            );
        }
        assert_eq!(
            act(&world, Who::Stranger, action, Value::Null).await.status,
            404
        );
    }
    assert_eq!(
        world.recorded_migration(1).await.migration.status(),
        MigrationStatus::Finished
    );
    assert_eq!(world.woken(), 0);
}

#[tokio::test]
async fn what_was_not_moved_cannot_end() {
    for (action, _) in BOTH {
        let world = World::new().await;
        world.host("host-1").await;
        world.server(Server {
            vm_state: "resized",
            ..Server::default()
        });
        let answer = act(&world, Who::Member, action, Value::Null).await;
        assert_eq!(answer.bad_request(), "Instance has not been resized.");
    }
}

#[tokio::test]
async fn only_a_confirmation_needs_the_source() {
    let world = World::new().await;
    world.moved().await;
    world.sql("UPDATE services SET forced_down = 1 WHERE host = 'host-1'");
    let answer = act(&world, Who::Member, "confirmResize", Value::Null).await;
    assert_eq!(answer.conflict(), "Service is unavailable at this time.");
    act(&world, Who::Member, "revertResize", Value::Null)
        .await
        .accepted();
}

#[tokio::test]
async fn each_begins_its_end() {
    for (action, status) in BOTH {
        let world = World::new().await;
        world.moved().await;
        let answer = act(&world, Who::Member, action, Value::Null).await;
        assert_eq!((answer.status, answer.text.as_str()), (status, ""));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(world.woken(), 1);

        let migration = world.recorded_migration(1).await.migration;
        let server = world.recorded(migration.server).await;
        assert_eq!(server.vm_state, VmState::Resized);
        let shown = world.shown(Who::Member, 1).await;
        if action == "confirmResize" {
            assert_eq!(migration.status(), MigrationStatus::Confirming);
            assert_eq!(server.task_state, None);
            assert_eq!(shown["status"], "VERIFY_RESIZE");
        } else {
            assert_eq!(migration.status(), MigrationStatus::Reverting);
            assert_eq!(server.task_state, Some(TaskState::ResizeReverting));
            assert_eq!(shown["status"], "REVERT_RESIZE");
        }

        let shown = world.shown_action(Who::Member, 80, &answer).await;
        assert_eq!(shown["action"], action);
        assert_eq!(shown["user_id"], "u-member");

        let again = act(&world, Who::Member, action, Value::Null).await;
        assert!(matches!(again.status, 400 | 409), "{again:?}");
    }
}
