//! Abort and complete by force: checks in order, and intents that are durable.

use godwit_core::effect::Effect;
use godwit_core::migration::Intent;
use godwit_core::status::{MigrationKind, MigrationStatus};
use serde_json::json;

use crate::answers::Answer;
use crate::seed::{Migration, SERVER, Server};
use crate::world::{Who, World};

async fn abort(world: &World, who: Who, minor: u32, id: &str) -> Answer {
    let path = format!("/v2.1/servers/{SERVER}/migrations/{id}");
    world
        .ask("DELETE", &path)
        .by(who)
        .version(minor)
        .send()
        .await
}

async fn force(world: &World, who: Who, minor: u32, id: &str) -> Answer {
    let path = format!("/v2.1/servers/{SERVER}/migrations/{id}/action");
    world
        .post(who, minor, &path, json!({"force_complete": null}))
        .await
}

impl World {
    /// The effects that wait to be performed.
    async fn effects(&self) -> Vec<Effect> {
        let figures = self.store.figures().await.unwrap();
        figures
            .effects
            .into_iter()
            .map(|(effect, ..)| effect)
            .collect()
    }
}

#[tokio::test]
async fn a_running_migration_is_aborted() {
    let world = World::new().await;
    world.moving("running").await;
    let answer = abort(&world, Who::Manager, 24, "1").await;
    answer.accepted();
    let record = world.recorded_migration(1).await;
    assert_eq!(record.migration.intent, Some(Intent::Abort));
    assert_eq!(
        record.migration.status(),
        MigrationStatus::Running,
        "the hypervisor decides"
    );
    assert_eq!(world.effects().await, [Effect::Abort]);
    assert_eq!(world.woken(), 1);
    let uuid = record.migration.uuid;
    let events = world.store.migration_events(uuid, 0).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].name, "abort_requested");
    assert_eq!(events[0].actor, "api");
    assert_eq!(
        events[0].request_id.as_deref(),
        answer.header("x-openstack-request-id")
    );
    abort(&world, Who::Admin, 80, "1").await.accepted();
    assert_eq!(world.effects().await, [Effect::Abort], "once is enough");
}

#[tokio::test]
async fn a_running_migration_is_completed_by_force_however_often() {
    let world = World::new().await;
    world.moving("running").await;
    for _ in 0..2 {
        force(&world, Who::Manager, 22, "1").await.accepted();
        let record = world.recorded_migration(1).await;
        assert_eq!(record.migration.intent, Some(Intent::ForceComplete));
    }
    assert_eq!(world.woken(), 2);
    abort(&world, Who::Manager, 80, "1").await.accepted();
    let record = world.recorded_migration(1).await;
    assert_eq!(
        record.migration.intent,
        Some(Intent::Abort),
        "an abort wins"
    );
}

#[tokio::test]
async fn every_status_has_its_answer_in_every_version() {
    for status in MigrationStatus::ALL {
        let world = World::new().await;
        let status = status.as_str();
        world.moving(status).await;
        let wrong = |what| {
            format!(
                "Migration 1 state of instance {SERVER} is {status}. Cannot {what} while the \
                 migration is in this state."
            )
        };
        let forced = force(&world, Who::Admin, 80, "1").await;
        match status {
            "running" => forced.accepted(),
            _ => assert_eq!(forced.bad_request(), wrong("force complete")),
        }
        let early = abort(&world, Who::Admin, 64, "1").await;
        match status {
            "running" => early.accepted(),
            _ => assert_eq!(early.bad_request(), wrong("abort live migration")),
        }
        let late = abort(&world, Who::Admin, 65, "1").await;
        match status {
            "running" | "queued" | "preparing" => late.accepted(),
            _ => assert_eq!(late.bad_request(), wrong("abort live migration")),
        }
    }
}

#[tokio::test]
async fn other_types_are_refused_as_nothing_drives_them() {
    for kind in MigrationKind::ALL
        .iter()
        .filter(|kind| **kind != MigrationKind::LiveMigration)
    {
        let world = World::new().await;
        world.host("host-1").await;
        world.server(Server {
            task_state: Some("migrating"),
            ..Server::default()
        });
        world.migration(Migration {
            kind: kind.as_str(),
            // No phase of theirs is shown as running.
            imported: true,
            ..Migration::default()
        });
        assert_eq!(force(&world, Who::Admin, 80, "1").await.status, 400);
        assert_eq!(abort(&world, Who::Admin, 80, "1").await.status, 400);
    }
}

#[tokio::test]
async fn versions_that_do_not_have_them() {
    let world = World::new().await;
    world.moving("running").await;
    let gone = "The resource could not be found.";
    assert_eq!(force(&world, Who::Admin, 21, "1").await.not_found(), gone);
    assert_eq!(abort(&world, Who::Admin, 23, "1").await.not_found(), gone);
}

#[tokio::test]
async fn force_complete_takes_null_and_nothing_else() {
    let world = World::new().await;
    world.moving("running").await;
    let path = format!("/v2.1/servers/{SERVER}/migrations/1/action");
    for (value, shown) in [
        (json!({}), "{}. {} is not of type 'null'"),
        (json!(""), ". '' is not of type 'null'"),
        (json!("x"), "x. 'x' is not of type 'null'"),
        (json!([1]), "[1]. [1] is not of type 'null'"),
        (json!(false), "False. False is not of type 'null'"),
    ] {
        let answer = world
            .post(Who::Admin, 80, &path, json!({ "force_complete": value }))
            .await;
        let text = format!("Invalid input for field/attribute force_complete. Value: {shown}");
        assert_eq!(answer.bad_request(), text);
    }
    assert_eq!(world.woken(), 0);
}

#[tokio::test]
async fn the_lock_then_the_state_then_the_migration() {
    let locked_and_stopped = Server {
        locked: true,
        vm_state: "stopped",
        task_state: Some("powering-on"),
        ..Server::default()
    };
    for (server, who, forced, aborted) in [
        (
            locked_and_stopped.clone(),
            Who::Manager,
            (409, format!("Instance {SERVER} is locked")),
            (
                409,
                format!("Instance {SERVER} is in an invalid state for 'abort live migration'"),
            ),
        ),
        (
            locked_and_stopped,
            Who::Admin,
            (
                409,
                format!(
                    "Cannot 'force_complete' instance {SERVER} while it is in vm_state stopped"
                ),
            ),
            (
                409,
                format!(
                    "Cannot 'abort live migration' instance {SERVER} while it is in task_state powering-on"
                ),
            ),
        ),
        (
            Server {
                vm_state: "paused",
                task_state: Some("migrating"),
                ..Server::default()
            },
            Who::Manager,
            (
                409,
                format!("Cannot 'force_complete' instance {SERVER} while it is in vm_state paused"),
            ),
            (
                404,
                format!("Migration 999 not found for instance {SERVER}"),
            ),
        ),
        (
            Server::default(),
            Who::Manager,
            (
                409,
                format!("Instance {SERVER} is in an invalid state for 'force_complete'"),
            ),
            (
                409,
                format!("Instance {SERVER} is in an invalid state for 'abort live migration'"),
            ),
        ),
        (
            Server {
                task_state: Some("rebuilding"),
                ..Server::default()
            },
            Who::Manager,
            (
                409,
                format!(
                    "Cannot 'force_complete' instance {SERVER} while it is in task_state rebuilding"
                ),
            ),
            (
                409,
                format!(
                    "Cannot 'abort live migration' instance {SERVER} while it is in task_state rebuilding"
                ),
            ),
        ),
        (
            Server {
                task_state: Some("migrating"),
                ..Server::default()
            },
            Who::Manager,
            (
                400,
                format!("Migration 999 not found for instance {SERVER}"),
            ),
            (
                404,
                format!("Migration 999 not found for instance {SERVER}"),
            ),
        ),
    ] {
        let world = World::new().await;
        world.server(server);
        let name = |code| match code {
            400 => "badRequest",
            404 => "itemNotFound",
            _ => "conflictingRequest",
        };
        let answer = force(&world, who, 80, "999").await;
        assert_eq!(answer.fault(forced.0, name(forced.0)), forced.1);
        let answer = abort(&world, who, 80, "999").await;
        assert_eq!(answer.fault(aborted.0, name(aborted.0)), aborted.1);
    }
}

#[tokio::test]
async fn a_move_can_be_ended_whatever_its_server_was_reset_to() {
    for state in ["active", "error"] {
        let world = World::new().await;
        world.moving("running").await;
        let reset = json!({"os-resetState": {"state": state}});
        world.act(Who::Admin, 80, reset).await.accepted();
        force(&world, Who::Manager, 22, "1").await.accepted();
        assert_eq!(world.effects().await, [Effect::ForceComplete]);
        abort(&world, Who::Manager, 24, "1").await.accepted();
        let record = world.recorded_migration(1).await;
        assert_eq!(record.migration.intent, Some(Intent::Abort));
        // Which migration is meant, a reset does not say: in Nova's order the states come first.
        let text = format!("Instance {SERVER} is in an invalid state for 'abort live migration'");
        assert_eq!(abort(&world, Who::Manager, 24, "2").await.conflict(), text);
        world.sql("UPDATE servers SET locked_by = 'admin'");
        assert_eq!(abort(&world, Who::Manager, 24, "1").await.conflict(), text);
    }
}

#[tokio::test]
async fn what_nobody_drives_cannot_be_ended_after_a_reset_either() {
    for (imported, status) in [(true, "running"), (false, "completed")] {
        let world = World::new().await;
        world.host("host-1").await;
        world.server(Server::default());
        world.migration(Migration {
            imported,
            status,
            ..Migration::default()
        });
        let text = format!("Instance {SERVER} is in an invalid state for 'force_complete'");
        assert_eq!(force(&world, Who::Admin, 80, "1").await.conflict(), text);
        let text = format!("Instance {SERVER} is in an invalid state for 'abort live migration'");
        assert_eq!(abort(&world, Who::Admin, 80, "1").await.conflict(), text);
    }
}

#[tokio::test]
async fn who_may_not_is_told_which_rule() {
    let world = World::new().await;
    world.moving("running").await;
    for who in [Who::Member, Who::Reader, Who::Nobody] {
        let answer = force(&world, who, 80, "1").await;
        assert_eq!(answer.forbidden(), "servers:migrations:force_complete");
        let answer = abort(&world, who, 80, "1").await;
        assert_eq!(answer.forbidden(), "servers:migrations:delete");
    }
    let record = world.recorded_migration(1).await;
    assert_eq!(record.migration.intent, None);
}
