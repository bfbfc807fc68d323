//! `evacuate`: bodies of every version, checks in their order, passwords, and what begins.

use godwit_api::config::ApiConfig;
use godwit_core::migration::{EvacuationRequest, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::server::{TaskState, VmState};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_test_support::fleet::named;
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{SERVER, Server};
use crate::world::{Who, World};

async fn evacuate(world: &World, who: Who, minor: u32, wish: Value) -> Answer {
    world.act(who, minor, json!({ "evacuate": wish })).await
}

/// A server whose host is dead.
async fn abandoned(server: Server) -> World {
    let world = World::new().await;
    world.abandoned(server).await;
    world
}

/// 200 without a body.
#[track_caller]
fn granted(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (200, ""),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn bodies_are_refused_in_the_validators_words() {
    let world = abandoned(Server {
        vm_state: "building",
        ..Server::default()
    })
    .await;
    let unexpected = |wish: &str, name: &str| {
        format!(
            "evacuate. Value: {wish}. Additional properties are not allowed ('{name}' was unexpected)"
        )
    };
    for (versions, wish, text) in [
        (
            &[1, 13][..],
            json!({"host": "nohost"}),
            "evacuate. Value: {'host': 'nohost'}. 'onSharedStorage' is a required property"
                .to_owned(),
        ),
        (
            &[1, 13],
            json!({"force": true}),
            "evacuate. Value: {'force': True}. 'onSharedStorage' is a required property".to_owned(),
        ),
        (
            &[1],
            json!({"onSharedStorage": true, "x": 1}),
            unexpected("{'onSharedStorage': True, 'x': 1}", "x"),
        ),
        (
            &[14, 28, 67, 104],
            json!({"onSharedStorage": "False"}),
            unexpected("{'onSharedStorage': 'False'}", "onSharedStorage"),
        ),
        (
            &[14, 28, 68, 104],
            json!({"force": true}),
            unexpected("{'force': True}", "force"),
        ),
        (
            &[14, 67, 95],
            json!({"host": null}),
            "host. Value: None. None is not of type 'string'".to_owned(),
        ),
        (
            &[104],
            json!({"host": "a b"}),
            "host. Value: a b. 'a b' does not match '^[a-zA-Z0-9-._]*$'".to_owned(),
        ),
        (
            &[104],
            json!({"adminPass": 1}),
            "adminPass. Value: 1. 1 is not of type 'string'".to_owned(),
        ),
        (
            &[1, 104],
            Value::Null,
            "evacuate. Value: None. None is not of type 'object'".to_owned(),
        ),
    ] {
        for minor in versions {
            let answer = evacuate(&world, Who::Admin, *minor, wish.clone()).await;
            let text = format!("Invalid input for field/attribute {text}");
            assert_eq!(answer.bad_request(), text, "2.{minor} {wish}");
        }
    }
    let password = json!({"adminPass": "x".repeat(300)});
    assert_eq!(
        evacuate(&world, Who::Admin, 28, password).await.status,
        409,
        "valid"
    );
}

#[tokio::test]
async fn checks_in_their_order() {
    let world = World::new().await;
    world.host("host-1").await;
    world.server(Server {
        vm_state: "paused",
        extra_specs: r#"{"hw:tpm_version": "2.0", "hw:tpm_secret_security": "host"}"#,
        ..Server::default()
    });
    let ask = async |minor, wish| evacuate(&world, Who::Admin, minor, wish).await;
    assert_eq!(
        evacuate(&world, Who::Manager, 29, json!({"force": true}))
            .await
            .forbidden(),
        "os-evacuate"
    );
    let answer = ask(29, json!({"force": true})).await;
    assert_eq!(
        answer.bad_request(),
        "Can't force to a non-provided destination"
    );
    let answer = ask(
        1,
        json!({"onSharedStorage": true, "adminPass": "x", "host": "no"}),
    )
    .await;
    assert_eq!(
        answer.bad_request(),
        "admin password can't be changed on existing disk"
    );
    for host in ["nohost", "host-1\n"] {
        let answer = ask(95, json!({ "host": host })).await;
        assert_eq!(
            answer.not_found(),
            format!("Compute host {host} not found.")
        );
    }
    let answer = ask(95, json!({"host": "host-1"})).await;
    assert_eq!(
        answer.bad_request(),
        "The target host can't be the same one."
    );
    let answer = ask(95, json!({})).await;
    let text = format!("Operation 'evacuate' not supported for vTPM-enabled instance ({SERVER}).");
    assert_eq!(answer.bad_request(), text);
    world.sql("UPDATE flavors SET extra_specs = '{}'");
    let answer = ask(95, json!({})).await;
    let text = format!("Cannot 'evacuate' instance {SERVER} while it is in vm_state paused");
    assert_eq!(answer.conflict(), text);
    world.sql("UPDATE servers SET vm_state = 'active'");
    let answer = ask(95, json!({})).await;
    assert_eq!(
        answer.bad_request(),
        "Compute service of host-1 is still in use."
    );
    assert_eq!(world.woken(), 0);
    world.advance(61);
    granted(&ask(95, json!({})).await);
}

#[tokio::test]
async fn a_server_without_a_host_is_nowhere_to_be_evacuated_from() {
    let world = World::new().await;
    world.server(Server {
        host: None,
        ..Server::default()
    });
    let answer = evacuate(&world, Who::Admin, 80, json!({})).await;
    assert_eq!(
        answer.bad_request(),
        "The target host can't be the same one."
    );
}

#[tokio::test]
async fn below_2_14_there_is_a_password() {
    let old = async |config: ApiConfig, wish: Value| {
        let world = World::configured(config).await;
        world.abandoned(Server::default()).await;
        evacuate(&world, Who::Admin, 13, wish).await
    };
    let told = async |wish| old(ApiConfig::default(), wish).await.ok();
    let made = told(json!({"onSharedStorage": false})).await;
    let password = made["adminPass"].as_str().unwrap();
    assert!(password.len() == 12 && password.bytes().all(|it| it.is_ascii_alphanumeric()));
    let given = told(json!({"onSharedStorage": "no", "adminPass": "x"})).await;
    assert_eq!(given, json!({"adminPass": "x"}));
    let kept = told(json!({"onSharedStorage": true})).await;
    assert_eq!(kept, json!({"adminPass": null}));
    let silent = ApiConfig {
        enable_instance_password: false,
        ..ApiConfig::default()
    };
    granted(&old(silent, json!({"onSharedStorage": false})).await);
}

#[tokio::test]
async fn what_is_wanted_follows_from_body_and_version() {
    for (minor, wish, host, forced, end_stopped) in [
        (14, json!({}), None, false, false),
        (28, json!({"host": "host-2"}), Some("host-2"), true, false),
        (29, json!({"host": "host-2"}), Some("host-2"), false, false),
        (
            67,
            json!({"host": "host-2", "force": true}),
            Some("host-2"),
            true,
            false,
        ),
        (94, json!({"host": "host-2"}), Some("host-2"), false, false),
        (95, json!({}), None, false, true),
    ] {
        let world = abandoned(Server::default()).await;
        granted(&evacuate(&world, Who::Admin, minor, wish).await);
        let request = EvacuationRequest {
            host: host.map(named),
            forced,
            was: VmState::Active,
            end_stopped,
            affinity: Affinity::Strict,
        };
        let record = world.unfinished().await.unwrap();
        assert_eq!(record.migration.request, Request::Evacuation(request));
    }
}

#[tokio::test]
async fn a_200_is_durable_and_no_lock_keeps_it_from_happening() {
    for vm_state in ["active", "stopped", "error"] {
        let world = abandoned(Server {
            vm_state,
            locked: true,
            ..Server::default()
        })
        .await;
        let answer = evacuate(&world, Who::Admin, 80, json!({})).await;
        granted(&answer);
        assert_eq!(world.woken(), 1);
        let record = world.unfinished().await.unwrap();
        assert_eq!(record.migration.kind, MigrationKind::Evacuation);
        assert_eq!(record.migration.status(), MigrationStatus::Accepted);
        assert_eq!(record.migration.source_compute.as_str(), "host-1");
        let server = world.recorded(record.migration.server).await;
        assert_eq!(server.task_state, Some(TaskState::Rebuilding));
        assert_eq!(world.shown(Who::Reader, 80).await["status"], "REBUILD");
        let shown = world.shown_action(Who::Admin, 80, &answer).await;
        assert_eq!(shown["action"], "evacuate");
        assert_eq!(world.store.check_invariants().await.unwrap(), []);
    }
}

#[tokio::test]
async fn it_takes_over_from_whatever_moved_the_server() {
    let world = World::new().await;
    world.moving("preparing").await;
    world.sql("UPDATE services SET forced_down = 1 WHERE host = 'host-1'");
    granted(&evacuate(&world, Who::Admin, 80, json!({})).await);
    let old = world.recorded_migration(1).await;
    assert_eq!(old.migration.status(), MigrationStatus::Error);
    assert!(old.migration.failure.is_some(), "it says why");
    let new = world.unfinished().await.unwrap();
    assert_eq!(new.migration.kind, MigrationKind::Evacuation);
}

/// Where the guest of a live migration is when its source dies, its destination has to say first.
#[tokio::test]
async fn a_live_migration_under_way_is_settled_first() {
    let ends = |status: &str| {
        format!(
            "UPDATE migrations SET status = '{status}', ended_at = created_at, deadline = NULL;
             UPDATE servers SET task_state = NULL;"
        )
    };
    let stays = ends("failed");
    let goes = format!("{} UPDATE servers SET host = 'host-2';", ends("completed"));
    for (settled, code) in [(stays, 200), (goes, 400)] {
        let world = World::new().await;
        world.moving("running").await;
        world.sql("UPDATE services SET forced_down = 1 WHERE host = 'host-1'");
        let settling = async { world.sql(&settled) };
        let (answer, ()) = tokio::join!(evacuate(&world, Who::Admin, 80, json!({})), settling);
        assert_eq!(answer.status, code, "{answer:?}");
    }
}
