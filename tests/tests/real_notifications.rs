//! OpenStack's versioned notifications, on a real RabbitMQ, heard by the unmodified oslo.messaging:
//! all arrive, those of a server in their order, whatever dies meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::rabbitmq::RabbitMq;
use godwit_test_support::wait_for_blocking;
use serde_json::{Value, json};
use system_tests::notifications::{Listener, Notification};
use system_tests::sdk::{Refused, Sdk};
use system_tests::simulated::Simulated;

const MOVE: Duration = Duration::from_secs(60);

/// A lease of who died ends, an attempt in vain is not the last one.
const TOLD: Duration = Duration::from_secs(90);

const MOVED: &[&str] = &[
    "instance.live_migration_pre.start",
    "instance.live_migration_pre.end",
    "instance.live_migration_post.start",
    "instance.live_migration_post_dest.start",
    "instance.live_migration_post_dest.end",
    "instance.live_migration_post.end",
];

const CONFIRMED: &[&str] = &[
    "instance.resize_prep.start",
    "instance.resize_prep.end",
    "instance.resize.start",
    "instance.resize.end",
    "instance.resize_finish.start",
    "instance.resize_finish.end",
    "instance.resize_confirm.start",
    "instance.resize_confirm.end",
];

const ABORTED: &[&str] = &[
    "instance.live_migration_pre.start",
    "instance.live_migration_pre.end",
    "instance.live_migration_abort.start",
    "instance.live_migration_abort.end",
    "instance.live_migration_rollback.start",
    "instance.live_migration_rollback_dest.start",
    "instance.live_migration_rollback_dest.end",
    "instance.live_migration_rollback.end",
];

struct Scene {
    broker: RabbitMq,
    listener: Listener,
    deployment: Simulated,
    sdk: Sdk,
}

impl Scene {
    fn set() -> Result<Self> {
        let broker = RabbitMq::start()?;
        let listener = Listener::start(&broker)?;
        let deployment = Simulated::up(&json!({
            "notifications": {
                "url": broker.url(),
                "password_file": broker.password_file()?,
                "durable": true,
                "timeout": 2,
                "retries": {"first": 0.2, "longest": 1},
            },
        }))?;
        let sdk = deployment.sdk("admin")?;
        Ok(Self {
            broker,
            listener,
            deployment,
            sdk,
        })
    }

    fn move_away(&mut self, server: &str) -> Result<()> {
        self.sdk.live_migrate(server, None)?;
        self.sdk
            .await_migration(server, "completed", MOVE)
            .map(drop)
    }

    /// Waits until exactly this has arrived of a server, each at the place of its first arrival.
    fn heard(&self, server: &str, expected: &[&str]) -> Result<Vec<Notification>> {
        let heard = wait_for_blocking("the notifications", TOLD, || {
            let heard = first_arrivals(self.listener.heard()?, server);
            let types: Vec<&str> = heard.iter().map(|it| it.event_type.as_str()).collect();
            ensure!(types == expected, "{types:?}");
            Ok(Some(heard))
        });
        heard.with_context(|| self.listener.log())
    }
}

/// What is about a server, without what has arrived before.
fn first_arrivals(heard: Vec<Notification>, server: &str) -> Vec<Notification> {
    let mut before = BTreeSet::new();
    heard
        .into_iter()
        .filter(|it| it.server() == Some(server))
        .filter(|it| before.insert(it.metadata["message_id"].to_string()))
        .collect()
}

fn data<'a>(notification: &'a Notification, key: &str) -> &'a Value {
    &notification.payload["nova_object.data"][key]
}

#[test]
fn real_notifications_arrive_in_order_though_broker_and_conductor_are_killed() -> Result<()> {
    let mut scene = Scene::set()?;
    let (live, cold) = (
        scene.sdk.server_named("vm-1")?,
        scene.sdk.server_named("vm-2")?,
    );
    let (busy, meanwhile) = (
        scene.sdk.server_named("vm-busy")?,
        scene.sdk.server_named("vm-3")?,
    );
    let last = scene.sdk.server_named("vm-4")?;

    let home = scene.sdk.server(&live)?.compute_host;
    scene.move_away(&live)?;
    let heard = scene.heard(&live, MOVED)?;
    let moved_to = scene.sdk.server(&live)?.compute_host;
    assert_ne!(home, moved_to);
    let there = format!("nova-compute:{}", moved_to.clone().unwrap_or_default());
    assert_eq!(heard[0].publisher_id, there);
    assert_eq!(data(&heard[0], "host"), &json!(home));
    assert_eq!(data(&heard[0], "task_state"), "migrating");
    assert_eq!(data(&heard[4], "host"), &json!(moved_to));
    assert_eq!(data(&heard[4], "task_state"), &Value::Null);
    assert!(heard.iter().all(|it| it.priority == "info"));

    scene.sdk.migrate(&cold, None)?;
    scene.sdk.await_migration(&cold, "finished", MOVE)?;
    scene.sdk.confirm(&cold)?;
    scene.sdk.await_migration(&cold, "confirmed", MOVE)?;
    scene.heard(&cold, CONFIRMED)?;

    // Nobody waits for a broker that is gone, and nothing is lost.
    scene.sdk.live_migrate(&busy, None)?;
    let migration = scene.sdk.await_migration(&busy, "running", MOVE)?;
    scene.heard(&busy, &ABORTED[..2])?;
    scene.broker.kill();
    scene.sdk.abort(&busy, migration)?;
    scene.sdk.await_migration(&busy, "cancelled", MOVE)?;
    scene.move_away(&meanwhile)?;
    scene.heard(&busy, &ABORTED[..2])?;
    scene.broker.resume()?;
    scene.heard(&busy, ABORTED)?;
    scene.heard(&meanwhile, MOVED)?;

    // Another conductor goes on where the one that told events was.
    scene.deployment.conductors[0].kill9()?;
    scene.move_away(&last)?;
    scene.heard(&last, MOVED)?;
    scene.deployment.conductors[0].start()?;
    scene.deployment.conductors[1].kill9()?;
    scene.move_away(&last)?;
    scene.heard(&last, &[MOVED, MOVED].concat())?;
    Ok(())
}

#[test]
fn real_notifications_of_a_move_without_a_host_are_errors() -> Result<()> {
    let mut scene = Scene::set()?;
    let server = scene.sdk.server_named("vm-5")?;
    let here = scene.sdk.server(&server)?.compute_host;
    for host in ["host-1", "host-2", "host-3"] {
        if Some(host) != here.as_deref() {
            scene.sdk.set_enabled(host, false)?;
        }
    }
    let refused: Refused = scene
        .sdk
        .live_migrate(&server, None)
        .unwrap_err()
        .downcast()?;
    ensure!(refused.status == Some(400), "{refused}");
    scene.sdk.await_migration(&server, "error", MOVE)?;
    let heard = scene.heard(&server, &["compute_task.migrate_server.error"])?;
    assert_eq!(heard[0].priority, "error");
    assert!(heard[0].publisher_id.starts_with("nova-conductor:"));
    let reason = &data(&heard[0], "reason")["nova_object.data"]["exception"];
    assert_eq!(reason, "no-valid-host");
    Ok(())
}
