//! Guests are powered off on one host and go on on another, until somebody confirms that or
//! wants them back.

use std::path::Path;

use anyhow::{Result, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec};
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::{DEADLINE, RECOVERY, Scene, Victim};
use system_tests::sdk::{Refused, openstack};

/// The guest waits to be confirmed on `there`: it runs there alone, and the way back is kept.
fn awaits_confirmation(scene: &mut Scene, guest: &Guest, here: usize, there: usize) -> Result<()> {
    scene.await_status(guest, "finished")?;
    scene.await_server(guest, "VERIFY_RESIZE", there)?;
    let kept = scene.host(here).domain_state(guest.name())?;
    ensure!(
        kept.as_deref() == Some("shut off"),
        "its source has {kept:?}"
    );
    scene.counts_on(guest, there)
}

#[test]
fn real_guest_is_moved_cold_and_confirmed() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("moved"))?;
    let uuid = guest.uuid.to_string();
    let early = scene.sdk.confirm(&uuid).unwrap_err();
    let early: Refused = early.downcast()?;
    ensure!(early.status == Some(409), "{early}");

    scene.sdk.migrate(&uuid, Some("host-2"))?;
    awaits_confirmation(&mut scene, &guest, 0, 1)?;
    scene.sdk.confirm(&uuid)?;
    let migration = scene.await_status(&guest, "confirmed")?;
    assert_eq!(migration.source_compute.as_deref(), Some("host-1"));
    assert_eq!(migration.dest_compute.as_deref(), Some("host-2"));
    scene.prove_restarted(&guest, 1)?;
    ensure!(guest.disk.exists(), "its disk is gone");

    // Nothing is in the way of the next ones, of either kind.
    scene.next_migration_works(&guest, 0)?;
    scene.sdk.migrate(&uuid, None)?;
    awaits_confirmation(&mut scene, &guest, 0, 1)?;
    scene.sdk.confirm(&uuid)?;
    scene.await_status(&guest, "confirmed")?;
    scene.prove_restarted(&guest, 1)
}

#[test]
fn real_cold_move_is_taken_back() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("returned"))?;
    let uuid = guest.uuid.to_string();
    scene.sdk.migrate(&uuid, None)?;
    awaits_confirmation(&mut scene, &guest, 0, 1)?;
    scene.sdk.revert(&uuid)?;
    scene.await_status(&guest, "reverted")?;
    scene.prove_restarted(&guest, 0)?;
    ensure!(guest.disk.exists(), "its disk is gone");
    scene.next_migration_works(&guest, 1)?;
    scene.prove_restarted(&guest, 1)
}

#[test]
fn real_openstack_command_line_migrates_and_confirms_and_reverts() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("cli"))?;
    let uuid = guest.uuid.to_string();
    let clouds = scene.deployment.clouds();
    let run = |arguments: &[&str]| openstack(&clouds, "admin", arguments);
    let status = || -> Result<serde_json::Value> {
        let shown = run(&["server", "show", &uuid, "-f", "json"])?;
        Ok(serde_json::from_str::<serde_json::Value>(&shown)?["status"].clone())
    };

    run(&["server", "migrate", "--wait", &uuid])?;
    assert_eq!(status()?, "VERIFY_RESIZE");
    run(&["server", "migration", "revert", &uuid])?;
    scene.await_status(&guest, "reverted")?;
    scene.prove_restarted(&guest, 0)?;

    let to = ["--os-compute-api-version", "2.56", "server", "migrate"];
    run(&[&to[..], &["--host", "host-2", "--wait", &uuid]].concat())?;
    run(&["server", "migration", "confirm", &uuid])?;
    scene.await_status(&guest, "confirmed")?;
    assert_eq!(status()?, "ACTIVE");
    scene.prove_restarted(&guest, 1)
}

#[test]
fn real_guest_that_is_off_is_moved_and_started_nowhere() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("off"))?;
    let uuid = guest.uuid.to_string();
    scene.host(0).virsh(["destroy", guest.name()])?;
    scene.await_server(&guest, "SHUTOFF", 0)?;

    scene.sdk.migrate(&uuid, None)?;
    scene.await_status(&guest, "finished")?;
    scene.await_server(&guest, "VERIFY_RESIZE", 1)?;
    scene.runs_nowhere(&guest)?;
    scene.sdk.revert(&uuid)?;
    scene.await_status(&guest, "reverted")?;
    scene.prove_off(&guest, 0)?;

    scene.sdk.migrate(&uuid, None)?;
    scene.await_status(&guest, "finished")?;
    scene.sdk.confirm(&uuid)?;
    scene.await_status(&guest, "confirmed")?;
    scene.prove_off(&guest, 1)?;
    // Its user starts it there: all that it needs came along.
    scene.host(1).virsh(["start", guest.name()])?;
    scene.prove_restarted(&guest, 1)
}

#[test]
fn real_time_confirms_a_cold_move() -> Result<()> {
    let mut scene = Scene::set(&Options {
        conductor: json!({"time_limits": {"confirm": 2.0}}),
        ..Options::default()
    })?;
    let guest = scene.guest(0, GuestSpec::new("patient"))?;
    scene.sdk.migrate(&guest.uuid.to_string(), None)?;
    scene.await_status(&guest, "confirmed")?;
    scene.prove_restarted(&guest, 1)
}

#[test]
fn real_guest_whose_destination_cannot_start_it_runs_on_its_source() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("homesick"))?;
    let uuid = guest.uuid.to_string();
    // What libvirt needs for any guest is not there while the move is under way.
    let emulator = scene.host(1).directory().join("lib/qemu");
    let away = emulator.with_extension("away");
    std::fs::rename(&emulator, &away)?;
    std::fs::write(&emulator, "no directory")?;
    scene.sdk.migrate(&uuid, None)?;
    scene.await_status(&guest, "error")?;
    scene.prove_restarted(&guest, 0)?;
    std::fs::remove_file(&emulator)?;
    std::fs::rename(&away, &emulator)?;
    scene.sdk.migrate(&uuid, None)?;
    awaits_confirmation(&mut scene, &guest, 0, 1)?;
    scene.sdk.confirm(&uuid)?;
    scene.await_status(&guest, "confirmed")?;
    scene.prove_restarted(&guest, 1)
}

/// Kills each in turn in this status; `hold` keeps the move there meanwhile.
fn crash_each(in_status: &str, agent: serde_json::Value, hold: Option<&Path>) -> Result<()> {
    let mut scene = Scene::set(&Options {
        agent,
        ..Options::default()
    })?;
    let guest = scene.guest(0, GuestSpec::new("survivor"))?;
    let uuid = guest.uuid.to_string();
    let mut here = 0;
    for victim in Victim::ALL.into_iter().filter(|it| *it != Victim::Api) {
        eprintln!("--- {victim:?} in {in_status}");
        if let Some(hold) = hold {
            std::fs::write(hold, "")?;
        }
        scene.sdk.migrate(&uuid, None)?;
        scene.await_status(&guest, in_status)?;
        victim.kill_and_restart(&scene, here)?;
        if let Some(hold) = hold {
            std::fs::remove_file(hold)?;
        }
        let ended = scene.await_status_within(&guest, "finished", RECOVERY.max(DEADLINE));
        if let Err(error) = ended {
            return Err(error.context(format!("{victim:?} was killed in {in_status}")));
        }
        awaits_confirmation(&mut scene, &guest, here, 1 - here)?;
        scene.sdk.confirm(&uuid)?;
        scene.await_status(&guest, "confirmed")?;
        here = 1 - here;
        scene.prove_restarted(&guest, here)?;
    }
    Ok(())
}

#[test]
fn real_crash_of_every_process_while_the_source_stops_the_guest() -> Result<()> {
    // It does not listen, so this is how long it is being stopped.
    let slow = json!({"libvirt": {"power_off_seconds": 5}});
    crash_each("migrating", slow, None)
}

#[test]
fn real_crash_of_every_process_before_the_destination_starts_the_guest() -> Result<()> {
    let holds = tempfile::tempdir()?;
    let hold = holds.path().join("before-boot");
    let held = json!({"holds": {"before-boot": hold}});
    crash_each("post-migrating", held, Some(&hold))
}

#[test]
fn real_crash_of_the_destination_agent_while_it_gives_the_guest_up() -> Result<()> {
    let holds = tempfile::tempdir()?;
    let hold = holds.path().join("before-withdraw");
    let held = json!({"holds": {"before-withdraw": hold}});
    let mut scene = Scene::set(&Options {
        agent: held,
        ..Options::default()
    })?;
    let guest = scene.guest(0, GuestSpec::new("returned"))?;
    let uuid = guest.uuid.to_string();
    scene.sdk.migrate(&uuid, None)?;
    awaits_confirmation(&mut scene, &guest, 0, 1)?;
    std::fs::write(&hold, "")?;
    scene.sdk.revert(&uuid)?;
    scene.await_status(&guest, "reverting")?;
    for victim in [Victim::DestinationAgent, Victim::Conductor] {
        victim.kill_and_restart(&scene, 0)?;
    }
    std::fs::remove_file(&hold)?;
    scene.await_status(&guest, "reverted")?;
    scene.prove_restarted(&guest, 0)
}
