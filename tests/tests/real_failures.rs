//! Whatever goes wrong at the destination or on the way, the server stays on its source, and the
//! record says why.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec, Load, Storage};
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::Scene;
use system_tests::sdk::Refused;

fn slow() -> Options {
    Options {
        agent: json!({"libvirt": {"bandwidth_mib": 6}}),
        ..Options::default()
    }
}

fn endless(name: &str) -> GuestSpec {
    GuestSpec {
        load: Load::default().dirtying(24),
        ..GuestSpec::new(name)
    }
}

/// The newest record of a guest gives a reason, in its row and in its log.
fn reason(scene: &Scene, guest: &Guest) -> Result<String> {
    let stories = scene.deployment.stories(&guest.uuid.to_string())?;
    let newest = stories.first().context("no record")?;
    let failure = newest.record.migration.failure.as_ref();
    let failure = failure.with_context(|| format!("no reason:\n{}", newest.tell()))?;
    let logged = newest
        .events
        .iter()
        .any(|event| event.detail.to_string().contains(failure.code.as_str()));
    ensure!(logged, "the log does not say why:\n{}", newest.tell());
    Ok(failure.code.as_str().to_owned())
}

/// The SDK waits for the pre-checks, as Nova lets it below 2.34, and hears of their failure.
fn refused(scene: &mut Scene, guest: &Guest, host: Option<&str>) -> Result<Refused> {
    let error = scene
        .sdk
        .live_migrate(&guest.uuid.to_string(), host)
        .unwrap_err();
    let refused: Refused = error.downcast()?;
    ensure!(refused.status == Some(400), "{refused}");
    Ok(refused)
}

#[test]
fn real_destination_that_refuses_is_no_destination() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("wanted"))?;
    // The destination has a domain of that name already.
    let xml = scene.host(0).virsh(["dumpxml", "wanted"])?;
    let taken = xml.replace(
        &guest.uuid.to_string(),
        "00000000-1111-4222-8333-444444444444",
    );
    let file = scene.deployment.directory().join("taken.xml");
    std::fs::write(&file, taken)?;
    scene.host(1).virsh(["define", &file.to_string_lossy()])?;
    refused(&mut scene, &guest, Some("host-2"))?;
    assert_eq!(scene.await_status(&guest, "error")?.status, "error");
    ensure!(!reason(&scene, &guest)?.is_empty());
    scene.host(1).virsh(["undefine", "wanted"])?;
    std::fs::remove_file(file)?;
    scene.next_migration_works(&guest, 1)?;
    scene.prove(&guest, &[0, 1])
}

#[test]
fn real_destination_that_is_full_is_no_destination() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let local = GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("large")
    };
    let guest = scene.guest(0, local)?;
    scene.host(1).limit_instances(64 << 10)?;
    refused(&mut scene, &guest, None)?;
    scene.await_status(&guest, "error")?;
    ensure!(!reason(&scene, &guest)?.is_empty());
    scene.prove(&guest, &[0])
}

#[test]
fn real_killed_destination_and_cut_link_fail_the_move() -> Result<()> {
    let mut scene = Scene::set(&slow())?;
    let guest = scene.guest(0, endless("unlucky"))?;
    let uuid = guest.uuid.to_string();

    scene.sdk.live_migrate(&uuid, None)?;
    scene.await_status(&guest, "running")?;
    godwit_test_support::wait_for_blocking(
        "the destination's QEMU",
        Duration::from_secs(20),
        || scene.host(1).kill_guest("unlucky").map(Some),
    )?;
    scene.await_status(&guest, "failed")?;
    ensure!(!reason(&scene, &guest)?.is_empty());
    scene.prove(&guest, &[0])?;

    scene.sdk.live_migrate(&uuid, None)?;
    scene.await_status(&guest, "running")?;
    scene.host(0).set_reaches(scene.host(1), false)?;
    // If the hosts have not spoken yet, libvirt knocks for as long as the kernel does: two minutes.
    scene.await_status_within(&guest, "failed", Duration::from_secs(240))?;
    ensure!(!reason(&scene, &guest)?.is_empty());
    scene.host(0).set_reaches(scene.host(1), true)?;
    scene.prove(&guest, &[0])
}

#[test]
fn real_fleet_without_another_host_has_no_destination() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("alone"))?;
    let refusal = refused(&mut scene, &guest, Some("host-1"))?;
    ensure!(
        refusal.message.contains("No valid host was found"),
        "{refusal}"
    );
    scene.await_status(&guest, "error")?;
    assert_eq!(reason(&scene, &guest)?, "no-valid-host");
    scene.prove(&guest, &[0])
}
