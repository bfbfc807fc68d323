//! Real guests move between real hosts, and are seen to.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::testbed::{GuestSpec, Load, Storage};
use godwit_test_support::wait_for_blocking;
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::{DEADLINE, Scene};
use system_tests::sdk::openstack;

#[test]
fn real_guests_move_with_shared_and_with_copied_storage() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let shared = scene.guest(0, GuestSpec::new("shared"))?;
    let local = scene.guest(
        0,
        GuestSpec {
            storage: Storage::Local,
            ..GuestSpec::new("local")
        },
    )?;
    for guest in [&shared, &local] {
        scene.sdk.live_migrate(&guest.uuid.to_string(), None)?;
        let migration = scene.await_status(guest, "completed")?;
        assert_eq!(migration.source_compute.as_deref(), Some("host-1"));
        assert_eq!(migration.dest_compute.as_deref(), Some("host-2"));
        scene.prove(guest, &[0, 1])?;
    }
    let copied = scene.host(0).directory().join("instances/local.qcow2");
    ensure!(!copied.exists(), "the source kept {}", copied.display());
    let chain = scene.host(1).directory().join("instances/local.qcow2");
    let info = std::process::Command::new("qemu-img")
        .args(["info", "-U"])
        .arg(chain)
        .output()?;
    let info = String::from_utf8(info.stdout)?;
    ensure!(
        info.contains("backing file:"),
        "the linked clone became a whole copy:\n{info}"
    );
    scene.next_migration_works(&shared, 0)?;
    scene.prove(&shared, &[0, 1, 0])
}

#[test]
fn real_progress_is_seen_while_it_happens() -> Result<()> {
    let slow = json!({"libvirt": {"bandwidth_mib": 6}});
    let mut scene = Scene::set(&Options {
        agent: slow,
        ..Options::default()
    })?;
    let guest = scene.guest(0, GuestSpec::new("watched"))?;
    let uuid = guest.uuid.to_string();
    scene.sdk.live_migrate(&uuid, None)?;
    scene.await_status(&guest, "running")?;
    let mut seen = Vec::new();
    wait_for_blocking("bytes to move", DEADLINE, || {
        let running = scene.sdk.in_progress(&uuid)?;
        let migration = running.first().context("it is not in progress")?;
        let sample = (
            migration.memory_processed_bytes,
            migration.updated_at.clone(),
        );
        if migration.memory_processed_bytes.is_some() && seen.last() != Some(&sample) {
            let total = migration.memory_total_bytes.context("no total")?;
            let remaining = migration
                .memory_remaining_bytes
                .context("nothing remaining")?;
            ensure!(
                total >= 32 << 20 && remaining <= total,
                "{remaining} of {total}"
            );
            seen.push(sample);
        }
        Ok((seen.len() >= 3).then_some(()))
    })?;
    ensure!(seen.is_sorted(), "bytes and times go forward: {seen:?}");
    let (first, last) = (&seen[0], &seen[seen.len() - 1]);
    ensure!(first.0 < last.0 && first.1 < last.1, "{seen:?}");
    scene.await_status(&guest, "completed")?;
    scene.prove(&guest, &[0, 1])
}

/// A guest that dirties memory faster than its move may send it.
fn busy(name: &str) -> GuestSpec {
    GuestSpec {
        load: Load::default().dirtying(24),
        ..GuestSpec::new(name)
    }
}

#[test]
fn real_guest_that_never_converges_is_forced_by_post_copy() -> Result<()> {
    let slow = json!({"libvirt": {"bandwidth_mib": 8, "permit_post_copy": true}});
    forced(slow, true)
}

#[test]
fn real_guest_that_never_converges_is_forced_by_pausing() -> Result<()> {
    let slow = json!({"libvirt": {"bandwidth_mib": 8, "permit_post_copy": false}});
    forced(slow, false)
}

fn forced(agent: serde_json::Value, by_post_copy: bool) -> Result<()> {
    let mut scene = Scene::set(&Options {
        agent,
        ..Options::default()
    })?;
    let guest = scene.guest(0, busy("busy"))?;
    let uuid = guest.uuid.to_string();
    scene.sdk.live_migrate(&uuid, None)?;
    let migration = scene.await_status(&guest, "running")?;
    // Its memory has been sent once over, and it is still running: it does not converge.
    wait_for_blocking("a second pass", DEADLINE, || {
        let running = scene.sdk.in_progress(&uuid)?;
        let sent = running.first().and_then(|it| it.memory_processed_bytes);
        Ok(sent.is_some_and(|sent| sent > 48 << 20).then_some(()))
    })?;
    scene.sdk.force_complete(&uuid, migration.id)?;
    scene.await_status(&guest, "completed")?;
    let stories = scene.deployment.stories(&uuid)?;
    let names = stories[0].names();
    ensure!(names.contains(&"force_complete_requested"), "{names:?}");
    assert_eq!(
        names.contains(&"post_copy_started"),
        by_post_copy,
        "{names:?}"
    );
    scene.prove(&guest, &[0, 1])
}

#[test]
fn real_openstack_command_line_migrates_and_watches() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("cli"))?;
    let clouds = scene.deployment.clouds();
    let run = |arguments: &[&str]| openstack(&clouds, "admin", arguments);
    let uuid = guest.uuid.to_string();
    run(&["server", "migrate", "--live-migration", "--wait", &uuid])?;
    let shown = run(&["server", "show", &uuid, "-f", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    assert_eq!(shown["OS-EXT-SRV-ATTR:host"], "host-2");
    assert_eq!(shown["status"], "ACTIVE");
    let list = run(&[
        "server",
        "migration",
        "list",
        "--server",
        &uuid,
        "-f",
        "json",
    ])?;
    let list: serde_json::Value = serde_json::from_str(&list)?;
    assert_eq!(list[0]["Status"], "completed");
    scene.prove(&guest, &[0, 1])
}

#[test]
fn real_moves_wait_for_a_slot_and_all_complete() -> Result<()> {
    let slow = json!({"libvirt": {"bandwidth_mib": 16}});
    let one = json!({"slots": {"per_source": 1, "per_destination": 1}});
    let options = Options {
        agent: slow,
        conductor: one,
        ..Options::default()
    };
    let mut scene = Scene::set(&options)?;
    let guests = ["one", "two", "three"].map(|name| scene.guest(0, GuestSpec::new(name)));
    let guests: Vec<_> = guests.into_iter().collect::<Result<_>>()?;
    for guest in &guests {
        scene.sdk.live_migrate(&guest.uuid.to_string(), None)?;
    }
    wait_for_blocking("two to queue behind one", Duration::from_secs(10), || {
        let mut statuses = Vec::new();
        for guest in &guests {
            statuses.push(scene.sdk.newest_migration(&guest.uuid.to_string())?.status);
        }
        let queued = statuses.iter().filter(|status| *status == "queued").count();
        ensure!(queued == 2, "{statuses:?}");
        Ok(Some(()))
    })?;
    for guest in &guests {
        scene.await_status(guest, "completed")?;
        scene.prove(guest, &[0, 1])?;
    }
    Ok(())
}
