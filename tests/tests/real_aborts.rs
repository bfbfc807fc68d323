//! An abort has an outcome, and harms nobody.

use std::fs::{self, File};

use anyhow::{Result, ensure};
use godwit_test_support::testbed::{GuestSpec, Load};
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::Scene;
use system_tests::sdk::Refused;

/// A guest whose move goes on until somebody ends it.
fn endless(name: &str) -> GuestSpec {
    GuestSpec {
        load: Load::default().dirtying(24),
        ..GuestSpec::new(name)
    }
}

fn slow() -> Options {
    let agent = json!({"libvirt": {"bandwidth_mib": 6}});
    let conductor = json!({"slots": {"per_source": 1, "per_destination": 1}});
    Options {
        agent,
        conductor,
        ..Options::default()
    }
}

/// The API refuses, because of the status, before 2.65.
fn refused_before_2_65(scene: &mut Scene, server: &str, migration: i64) -> Result<()> {
    let error = scene
        .sdk
        .pinned("2.64")
        .abort(server, migration)
        .unwrap_err();
    scene.sdk.unpinned();
    let refused: &Refused = error
        .downcast_ref()
        .ok_or_else(|| anyhow::anyhow!("{error:#}"))?;
    ensure!(refused.status == Some(400), "{refused}");
    ensure!(
        refused.message.contains("Cannot abort live migration"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn real_abort_while_running_and_while_queued() -> Result<()> {
    let mut scene = Scene::set(&slow())?;
    let first = scene.guest(0, endless("first"))?;
    let second = scene.guest(0, GuestSpec::new("second"))?;
    let (first_id, second_id) = (first.uuid.to_string(), second.uuid.to_string());
    scene.sdk.live_migrate(&first_id, None)?;
    let running = scene.await_status(&first, "running")?;
    scene.sdk.live_migrate(&second_id, None)?;
    let queued = scene.await_status(&second, "queued")?;

    refused_before_2_65(&mut scene, &second_id, queued.id)?;
    scene.sdk.abort(&second_id, queued.id)?;
    scene.await_status(&second, "cancelled")?;
    scene.prove(&second, &[0])?;

    scene.sdk.abort(&first_id, running.id)?;
    scene.await_status(&first, "cancelled")?;
    scene.prove(&first, &[0])?;

    // Nothing is in the way of the next one.
    scene.next_migration_works(&second, 1)?;
    scene.prove(&second, &[0, 1])
}

#[test]
fn real_abort_while_preparing() -> Result<()> {
    let holds = tempfile::tempdir()?;
    let hold = holds.path().join("prepared");
    let agent = json!({"holds": {"prepared": hold}});
    let mut scene = Scene::set(&Options {
        agent,
        ..Options::default()
    })?;
    let guest = scene.guest(0, GuestSpec::new("held"))?;
    let uuid = guest.uuid.to_string();
    File::create(&hold)?;
    scene.sdk.live_migrate(&uuid, None)?;
    let migration = scene.await_status(&guest, "preparing")?;
    refused_before_2_65(&mut scene, &uuid, migration.id)?;
    scene.sdk.abort(&uuid, migration.id)?;
    scene.await_status(&guest, "cancelled")?;
    scene.prove(&guest, &[0])?;
    fs::remove_file(&hold)?;
    scene.next_migration_works(&guest, 1)?;
    scene.prove(&guest, &[0, 1])
}
