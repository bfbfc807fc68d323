//! `migrate`: bodies, checks in their order, and what begins.

use godwit_core::migration::{ColdRequest, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::server::{TaskState, VmState};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_test_support::fleet::host;
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{Migration, SERVER, Server};
use crate::world::{Who, World};

async fn migrate(world: &World, who: Who, minor: u32, wish: Value) -> Answer {
    world.act(who, minor, json!({ "migrate": wish })).await
}

#[tokio::test]
async fn bodies_are_looked_at_since_they_can_name_a_host() {
    let world = World::new().await;
    world.host("host-1").await;
    world.server(Server {
        vm_state: "building",
        ..Server::default()
    });
    for (wish, text) in [
        (
            json!([]),
            "migrate. Value: []. [] is not of type 'object', 'null'",
        ),
        (
            json!("x"),
            "migrate. Value: x. 'x' is not of type 'object', 'null'",
        ),
        (
            json!({"hostx": "h"}),
            "migrate. Value: {'hostx': 'h'}. Additional properties are not allowed ('hostx' was unexpected)",
        ),
        (
            json!({"host": 5}),
            "host. Value: 5. 5 is not of type 'string', 'null'",
        ),
        (json!({"host": ""}), "host. Value: . '' should be non-empty"),
        (
            json!({"host": "a b"}),
            "host. Value: a b. 'a b' does not match '^[a-zA-Z0-9-._]*$'",
        ),
    ] {
        for minor in [56, 104] {
            let answer = migrate(&world, Who::Admin, minor, wish.clone()).await;
            assert_eq!(
                answer.bad_request(),
                format!("Invalid input for field/attribute {text}")
            );
        }
        for minor in [1, 55] {
            let answer = migrate(&world, Who::Admin, minor, wish.clone()).await;
            assert_eq!(answer.status, 409, "2.{minor} {wish}");
        }
    }
}

#[tokio::test]
async fn the_host_decides_which_rule_is_asked() {
    let world = World::new().await;
    world.populate().await;
    let named = json!({"host": "host-2"});
    let answer = migrate(&world, Who::Manager, 56, named.clone()).await;
    assert_eq!(answer.forbidden(), "os-migrate-server:migrate:host");
    for (minor, wish) in [
        (80, json!({"host": null})),
        (80, json!({})),
        (55, named.clone()),
    ] {
        let answer = migrate(&world, Who::Member, minor, wish).await;
        assert_eq!(answer.forbidden(), "os-migrate-server:migrate");
    }
    migrate(&world, Who::Manager, 55, named).await.accepted();
    let record = world.unfinished().await.unwrap();
    assert_eq!(record.migration.request.host(), None, "nobody looked at it");
}

#[tokio::test]
async fn states_that_do_not_allow_it() {
    let wrong = |what: &str| format!("Cannot 'migrate' instance {SERVER} while it is in {what}");
    let server = |vm_state| Server {
        vm_state,
        ..Server::default()
    };
    for (server, text) in [
        (server("error"), wrong("vm_state error")),
        (server("paused"), wrong("vm_state paused")),
        (server("resized"), wrong("vm_state resized")),
        (
            Server {
                task_state: Some("migrating"),
                ..server("stopped")
            },
            wrong("task_state migrating"),
        ),
        (
            Server {
                launched: false,
                ..server("active")
            },
            format!("Instance {SERVER} is in an invalid state for 'migrate'"),
        ),
        (
            Server {
                locked: true,
                ..server("error")
            },
            format!("Instance {SERVER} is locked"),
        ),
        (
            Server {
                host: None,
                ..server("active")
            },
            format!("Instance {SERVER} is not ready"),
        ),
        (
            Server {
                host: Some("host-9"),
                ..server("active")
            },
            "Service is unavailable at this time.".to_owned(),
        ),
    ] {
        let world = World::new().await;
        world.host("host-1").await;
        world.server(server.clone());
        let answer = migrate(&world, Who::Manager, 80, Value::Null).await;
        assert_eq!(answer.conflict(), text, "{server:?}");
        assert_eq!(world.woken(), 0);
        assert!(world.unfinished().await.is_none());
    }
}

#[tokio::test]
async fn the_source_has_to_live_before_anybody_looks_at_the_destination() {
    let world = World::new().await;
    world.populate().await;
    let to = async |host: &str| migrate(&world, Who::Admin, 80, json!({ "host": host })).await;
    let same = "Cannot migrate to the host where the server exists.";
    assert_eq!(to("host-1").await.bad_request(), same);
    let unknown = "Compute host nohost could not be found.";
    assert_eq!(to("nohost").await.bad_request(), unknown);

    world.sql("UPDATE services SET forced_down = 1 WHERE host = 'host-1'");
    for host in ["host-1", "nohost", "host-2"] {
        let down = "Service is unavailable at this time.";
        assert_eq!(to(host).await.conflict(), down);
    }
    assert!(world.unfinished().await.is_none());
}

#[tokio::test]
async fn accelerators_cannot_come_along() {
    let world = World::new().await;
    world.host("host-1").await;
    world.server(Server {
        extra_specs: r#"{"accel:device_profile": "p"}"#,
        locked: true,
        ..Server::default()
    });
    let answer = migrate(&world, Who::Manager, 80, Value::Null).await;
    let text = "Feature not supported with instances that have accelerators.";
    assert_eq!(answer.bad_request(), text, "before the lock");
}

#[tokio::test]
async fn a_202_is_durable() {
    for (vm_state, was) in [("active", VmState::Active), ("stopped", VmState::Stopped)] {
        let world = World::new().await;
        world.host("host-1").await;
        world.host("host-2").await;
        world.server(Server {
            vm_state,
            ..Server::default()
        });
        let answer = migrate(&world, Who::Admin, 80, json!({"host": "host-2"})).await;
        answer.accepted();
        assert_eq!(world.woken(), 1);
        let record = world.unfinished().await.unwrap();
        let migration = &record.migration;
        assert_eq!(migration.kind, MigrationKind::Migration);
        assert_eq!(migration.status(), MigrationStatus::PreMigrating);
        let host = Some(host(2));
        assert_eq!(
            migration.request,
            Request::Cold(ColdRequest {
                host,
                was,
                affinity: Affinity::Strict
            })
        );
        assert_eq!(record.user_id.as_deref(), Some("u-admin"));
        let request = answer.header("x-openstack-request-id");
        assert_eq!(record.request_id.as_deref(), request);

        let server = world.recorded(migration.server).await;
        assert_eq!(server.task_state, Some(TaskState::ResizePrep));
        let shown = world.shown(Who::Reader, 80).await;
        assert_eq!(shown["status"], "RESIZE");
        assert_eq!(shown["progress"], 0);

        let action = world.shown_action(Who::Admin, 84, &answer).await;
        assert_eq!(action["action"], "migrate");
        assert_eq!(action["message"], Value::Null);
        assert_eq!(world.store.check_invariants().await.unwrap(), []);
    }
}

#[tokio::test]
async fn of_two_at_once_one_loses_with_a_409() {
    let world = World::new().await;
    world.populate().await;
    let both = tokio::join!(
        migrate(&world, Who::Manager, 80, Value::Null),
        migrate(&world, Who::Admin, 80, Value::Null)
    );
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
}

#[tokio::test]
async fn a_move_under_way_is_in_the_way() {
    let world = World::new().await;
    world.populate().await;
    world.migration(Migration::default());
    let answer = migrate(&world, Who::Manager, 80, Value::Null).await;
    let text = format!("Instance {SERVER} is in an invalid state for 'migrate'");
    assert_eq!(answer.conflict(), text);
}
