//! `os-migrateLive`: bodies, checks, the transaction that begins it, and the answer that waits.

use std::time::Duration;

use godwit_api::config::ApiConfig;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::{
    BlockMigration, Limits, LiveRequest, Placement, Request, StorageMode,
};
use godwit_core::server::TaskState;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Clock;
use godwit_store::{Actor, CommitNote};
use godwit_test_support::fleet::host;
use godwit_test_support::wait_for;
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{Migration, SERVER, Server};
use crate::world::{DEMO, Who, World};

const BOOLEANS: &str = "[True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', \
    'yes', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no'";

async fn migrate(world: &World, who: Who, minor: u32, wish: Value) -> Answer {
    let action = json!({ "os-migrateLive": wish });
    world.act(who, minor, action).await
}

fn auto() -> Value {
    json!({"host": null, "block_migration": "auto"})
}

#[tokio::test]
async fn bodies_are_refused_in_the_validators_words() {
    let world = World::new().await;
    world.populate().await;
    let long = "a".repeat(256);
    let expected: Vec<(&[u32], Value, String)> = vec![
        (&[1, 24, 25, 30, 80, 104], json!({}), "os-migrateLive. Value: {}. 'block_migration' is a required property".into()),
        (&[1, 104], Value::Null, "os-migrateLive. Value: None. None is not of type 'object'".into()),
        (&[80], json!([]), "os-migrateLive. Value: []. [] is not of type 'object'".into()),
        (&[1, 56], json!({"host": null}), "os-migrateLive. Value: {'host': None}. 'block_migration' is a required property".into()),
        (&[1], json!({"block_migration": true}), "os-migrateLive. Value: {'block_migration': True}. 'disk_over_commit' is a required property".into()),
        (&[80], json!({"block_migration": true}), "os-migrateLive. Value: {'block_migration': True}. 'host' is a required property".into()),
        (&[1, 24], json!({"host": "bad host!", "block_migration": "auto"}), format!("block_migration. Value: auto. 'auto' is not one of {BOOLEANS}]")),
        (&[25, 34, 104], json!({"host": null, "block_migration": "maybe"}), format!("block_migration. Value: maybe. 'maybe' is not one of {BOOLEANS}, 'auto']")),
        (&[80], json!({"host": null, "block_migration": 1}), "block_migration. Value: 1. 1 is not of type 'boolean', 'string'".into()),
        (&[80], json!({"host": null, "block_migration": null}), "block_migration. Value: None. None is not of type 'boolean', 'string'".into()),
        (&[30, 67], json!({"host": null, "block_migration": "auto", "force": "maybe"}), format!("force. Value: maybe. 'maybe' is not one of {BOOLEANS}]")),
        (&[25, 29, 68, 104], json!({"host": "h", "block_migration": "auto", "force": true}), "os-migrateLive. Value: {'host': 'h', 'block_migration': 'auto', 'force': True}. Additional properties are not allowed ('force' was unexpected)".into()),
        (&[30, 80], json!({"host": null, "block_migration": "True", "disk_over_commit": "off"}), "os-migrateLive. Value: {'host': None, 'block_migration': 'True', 'disk_over_commit': 'off'}. Additional properties are not allowed ('disk_over_commit' was unexpected)".into()),
        (&[80], json!({"host": null, "block_migration": "auto", "y": 1, "x": 2}), "os-migrateLive. Value: {'host': None, 'block_migration': 'auto', 'y': 1, 'x': 2}. Additional properties are not allowed ('x', 'y' were unexpected)".into()),
        (&[25, 104], json!({"host": "bad host!", "block_migration": "auto"}), "host. Value: bad host!. 'bad host!' does not match '^[a-zA-Z0-9-._]*$'".into()),
        (&[25, 104], json!({"host": "", "block_migration": "auto"}), "host. Value: . '' should be non-empty".into()),
        (&[25, 104], json!({"host": 5, "block_migration": "auto"}), "host. Value: 5. 5 is not of type 'string', 'null'".into()),
        (&[30, 104], json!({"host": long, "block_migration": "auto"}), format!("host. Value: {long}. '{long}' is too long")),
    ];
    for (versions, wish, text) in expected {
        for minor in versions {
            let answer = migrate(&world, Who::Admin, *minor, wish.clone()).await;
            let text = format!("Invalid input for field/attribute {text}");
            assert_eq!(answer.bad_request(), text, "2.{minor} {wish}");
        }
    }
    assert!(world.unfinished().await.is_none());
}

#[tokio::test]
async fn the_legacy_root_ignores_what_it_does_not_know() {
    let world = World::new().await;
    world.server(Server {
        vm_state: "stopped",
        ..Server::default()
    });
    let wish = json!({"host": null, "block_migration": false, "disk_over_commit": false, "x": 1});
    let body = json!({ "os-migrateLive": wish });
    let answer = world
        .post(
            Who::Admin,
            80,
            &format!("/v2/servers/{SERVER}/action"),
            body,
        )
        .await;
    assert_eq!(answer.status, 409, "valid, but for the state");
}

#[tokio::test]
async fn states_that_do_not_allow_it() {
    let wrong =
        |what: &str| format!("Cannot 'os-migrateLive' instance {SERVER} while it is in {what}");
    for (server, text) in [
        (
            Server {
                vm_state: "stopped",
                ..Server::default()
            },
            wrong("vm_state stopped"),
        ),
        (
            Server {
                vm_state: "error",
                ..Server::default()
            },
            wrong("vm_state error"),
        ),
        (
            Server {
                vm_state: "resized",
                ..Server::default()
            },
            wrong("vm_state resized"),
        ),
        (
            Server {
                vm_state: "building",
                task_state: Some("spawning"),
                ..Server::default()
            },
            wrong("vm_state building"),
        ),
        (
            Server {
                task_state: Some("migrating"),
                ..Server::default()
            },
            wrong("task_state migrating"),
        ),
        (
            Server {
                launched: false,
                ..Server::default()
            },
            format!("Instance {SERVER} is in an invalid state for 'os-migrateLive'"),
        ),
        (
            Server {
                locked: true,
                vm_state: "stopped",
                ..Server::default()
            },
            format!("Instance {SERVER} is locked"),
        ),
    ] {
        let world = World::new().await;
        world.host("host-1").await;
        world.server(server.clone());
        let answer = migrate(&world, Who::Manager, 80, auto()).await;
        assert_eq!(answer.conflict(), text, "{server:?}");
        assert_eq!(world.woken(), 0);
    }
}

#[tokio::test]
async fn what_a_flavor_says_may_forbid_it() {
    for (extra_specs, text) in [
        (
            r#"{"accel:device_profile": "p"}"#,
            "Feature not supported with instances that have accelerators.".to_owned(),
        ),
        (
            r#"{"hw:tpm_version": "2.0"}"#,
            format!(
                "Operation 'live-migration' not supported for vTPM-enabled instance ({SERVER})."
            ),
        ),
        (
            r#"{"hw:mem_encryption": "True"}"#,
            format!(
                "Operation 'live-migration' not supported for SEV-enabled instance ({SERVER})."
            ),
        ),
    ] {
        let world = World::new().await;
        world.host("host-1").await;
        world.server(Server {
            extra_specs,
            locked: true,
            ..Server::default()
        });
        let answer = migrate(&world, Who::Manager, 80, auto()).await;
        assert_eq!(answer.bad_request(), text, "before the lock");
    }
    let world = World::new().await;
    world.host("host-1").await;
    let extra_specs = r#"{"hw:tpm_version": "2.0", "hw:tpm_secret_security": "host"}"#;
    world.server(Server {
        extra_specs,
        ..Server::default()
    });
    migrate(&world, Who::Manager, 80, auto()).await.accepted();
}

#[tokio::test]
async fn the_host_decides_which_rule_is_asked() {
    let world = World::new().await;
    world.populate().await;
    let named = json!({"host": "host-2", "block_migration": "auto"});
    let answer = migrate(&world, Who::Manager, 80, named.clone()).await;
    assert_eq!(answer.forbidden(), "os-migrate-server:migrate_live:host");
    let answer = migrate(&world, Who::Member, 80, auto()).await;
    assert_eq!(answer.forbidden(), "os-migrate-server:migrate_live");
    for who in [Who::SystemAdmin, Who::Nobody] {
        assert_eq!(migrate(&world, who, 80, named.clone()).await.status, 403);
    }
    migrate(&world, Who::Admin, 80, named).await.accepted();
}

#[tokio::test]
async fn force_needs_a_host_and_a_host_must_exist() {
    let world = World::new().await;
    world.populate().await;
    let forced = json!({"host": null, "block_migration": "auto", "force": true});
    let answer = migrate(&world, Who::Admin, 30, forced).await;
    assert_eq!(
        answer.bad_request(),
        "Can't force to a non-provided destination"
    );
    for host in ["nohost", "host-2\n"] {
        let wish = json!({"host": host, "block_migration": "auto"});
        let answer = migrate(&world, Who::Admin, 80, wish).await;
        assert_eq!(
            answer.bad_request(),
            format!("Compute host {host} could not be found.")
        );
    }
    assert!(world.unfinished().await.is_none());
}

#[tokio::test]
async fn a_202_is_durable() {
    let world = World::new().await;
    world.populate().await;
    let wish = json!({"host": "host-2", "block_migration": "no"});
    let answer = migrate(&world, Who::Admin, 80, wish).await;
    answer.accepted();
    let record = world.unfinished().await.unwrap();
    assert_eq!(record.migration.status(), MigrationStatus::Accepted);
    assert_eq!(record.migration.source_compute.as_str(), "host-1");
    let request = LiveRequest {
        host: Some(host(2)),
        block_migration: BlockMigration::No,
        ..LiveRequest::anywhere()
    };
    assert_eq!(record.migration.request, Request::Live(request));
    assert_eq!(record.user_id.as_deref(), Some("u-admin"));
    assert_ne!(
        record.project_id.as_deref(),
        Some(DEMO),
        "the requester's, not the owner's"
    );
    assert_eq!(
        record.request_id.as_deref(),
        answer.header("x-openstack-request-id")
    );
    assert_eq!(record.created_at, world.clock.now());
    let server = world.recorded(record.migration.server).await;
    assert_eq!(server.task_state, Some(TaskState::Migrating));
    assert_eq!(world.woken(), 1);
    assert_eq!(world.shown(Who::Reader, 80).await["status"], "MIGRATING");
    assert_eq!(world.store.check_invariants().await.unwrap(), []);
}

#[tokio::test]
async fn of_two_at_once_one_loses_with_a_409() {
    let world = World::new().await;
    world.populate().await;
    let both = tokio::join!(
        migrate(&world, Who::Manager, 80, auto()),
        migrate(&world, Who::Admin, 80, auto())
    );
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
    assert!(world.unfinished().await.is_some());
}

#[tokio::test]
async fn a_server_whose_old_row_never_ended_is_not_free() {
    let world = World::new().await;
    world.populate().await;
    world.migration(Migration::default());
    let answer = migrate(&world, Who::Manager, 80, auto()).await;
    let text = format!("Instance {SERVER} is in an invalid state for 'os-migrateLive'");
    assert_eq!(answer.conflict(), text);
}

/// Does to the one migration what a conductor would, as soon as it is there.
async fn conduct(world: &World, event: Event) {
    let record = wait_for("the migration", Duration::from_secs(10), async || {
        Ok(world.unfinished().await)
    });
    let uuid = record.await.unwrap().migration.uuid;
    let note = CommitNote::new(Actor::Conductor, world.clock.now());
    world
        .store
        .migration_apply(uuid, event, note)
        .await
        .unwrap();
}

fn placed() -> Event {
    let placement = Placement {
        host: host(2),
        node: "host-2.example.org".to_owned(),
        storage: StorageMode::Shared,
    };
    Event::Placed(placement, Limits::default())
}

fn not_placed(code: FailureCode) -> Event {
    Event::NotPlaced(Failure::new(
        code,
        "No valid host was found. There are not enough hosts available.",
    ))
}

fn old_wish() -> Value {
    json!({"host": null, "block_migration": true, "disk_over_commit": false})
}

#[tokio::test]
async fn below_2_34_the_answer_says_how_the_prechecks_came_out() {
    for (minor, wish) in [(1, old_wish()), (30, auto()), (33, auto())] {
        let world = World::new().await;
        world.populate().await;
        let (answer, ()) = tokio::join!(
            migrate(&world, Who::Admin, minor, wish.clone()),
            conduct(&world, placed())
        );
        answer.accepted();

        for (code, precheck) in [
            (FailureCode::NoValidHost, true),
            (FailureCode::NotSharedStorage, true),
            (FailureCode::TimedOut, false),
        ] {
            let world = World::new().await;
            world.populate().await;
            let (answer, ()) = tokio::join!(
                migrate(&world, Who::Admin, minor, wish.clone()),
                conduct(&world, not_placed(code))
            );
            if precheck {
                assert_eq!(
                    answer.bad_request(),
                    "No valid host was found. There are not enough hosts available."
                );
            } else {
                answer.accepted();
            }
            assert_eq!(world.shown(Who::Admin, 80).await["status"], "ACTIVE");
        }
    }
}

#[tokio::test]
async fn a_guest_that_no_host_has_is_refused_as_any_other_state() {
    let failure = || {
        let text = format!(
            "Instance {SERVER} in power_state pending. Cannot live migrate while the instance is \
             in this state."
        );
        Event::NotPlaced(Failure::new(FailureCode::PowerState, text))
    };
    for minor in [30, 33, 34] {
        let world = World::new().await;
        world.host("host-1").await;
        world.server(Server::default());
        world.sql("UPDATE servers SET power_state = 0");
        let (answer, ()) = tokio::join!(
            migrate(&world, Who::Admin, minor, auto()),
            conduct(&world, failure())
        );
        if minor < 34 {
            let text = format!(
                "Cannot 'os-migrateLive' instance {SERVER} while it is in power_state pending"
            );
            assert_eq!(answer.conflict(), text);
        } else {
            answer.accepted();
        }
        let shown = world.shown(Who::Admin, 80).await;
        assert_eq!(shown["status"], "ACTIVE", "it is not harmed");
        assert_eq!(shown["OS-EXT-STS:task_state"], Value::Null);
        assert_eq!(shown["OS-EXT-STS:power_state"], 0);
        let listed = world.get(Who::Admin, 80, "/v2.1/os-migrations").await.ok();
        assert_eq!(listed["migrations"][0]["status"], "error");
    }
}

#[tokio::test]
async fn the_answer_does_not_wait_for_ever_and_from_2_34_on_not_at_all() {
    let config = ApiConfig {
        precheck_wait: Duration::from_millis(200),
        ..ApiConfig::default()
    };
    for minor in [33, 34] {
        let world = World::configured(config.clone()).await;
        world.populate().await;
        migrate(&world, Who::Admin, minor, auto()).await.accepted();
        let record = world.unfinished().await.unwrap();
        assert_eq!(record.migration.status(), MigrationStatus::Accepted);
    }
}
