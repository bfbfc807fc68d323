//! Hosts die, their guests go on elsewhere from shared storage, and what a host has left of them
//! goes when it returns. At no time does anybody else write to their disks.

use anyhow::{Result, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec, Storage};
use godwit_test_support::wait_for_blocking;
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::{DEADLINE, Scene};
use system_tests::sdk::Refused;

/// The last version in which a server that ran is started again.
const STARTED: &str = "2.94";
/// And the first in which it is left off.
const STOPPED: &str = "2.95";

/// Host 1 loses its power, and its operator says so.
fn lose(scene: &Scene) -> Result<()> {
    scene.lose_host(0)?;
    scene.declare_dead(0, true)
}

fn evacuate(scene: &mut Scene, guest: &Guest, microversion: &str) -> Result<()> {
    scene.sdk.evacuate(&guest.uuid.to_string(), microversion)
}

/// Asks until the host counts as down; before, the request is refused and nothing happens.
fn evacuate_when_down(scene: &mut Scene, guest: &Guest, microversion: &str) -> Result<()> {
    wait_for_blocking("the host to count as down", DEADLINE, || {
        match evacuate(scene, guest, microversion) {
            Ok(()) => Ok(Some(())),
            Err(error) => {
                let refused: Refused = error.downcast()?;
                in_use(&refused)?;
                Ok(None)
            }
        }
    })
}

fn in_use(refused: &Refused) -> Result<()> {
    ensure!(refused.status == Some(400), "{refused}");
    let text = "Compute service of host-1 is still in use.";
    ensure!(refused.message.contains(text), "{refused}");
    Ok(())
}

#[test]
fn real_guest_of_a_dead_host_goes_on_elsewhere() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("orphan"))?;
    let refused = scene.sdk.evacuate(&guest.uuid.to_string(), STARTED);
    in_use(&refused.unwrap_err().downcast()?)?;
    scene.prove(&guest, &[0])?;

    lose(&scene)?;
    evacuate(&mut scene, &guest, STARTED)?;
    let migration = scene.await_status(&guest, "done")?;
    assert_eq!(migration.source_compute.as_deref(), Some("host-1"));
    assert_eq!(migration.dest_compute.as_deref(), Some("host-2"));
    scene.await_server(&guest, "ACTIVE", 1)?;
    scene.counts_on(&guest, 1)?;

    scene.host_returns(0)?;
    scene.await_status(&guest, "completed")?;
    scene.prove_restarted(&guest, 1)?;
    ensure!(guest.disk.exists(), "its disk is gone");
    scene.declare_dead(0, false)?;
    scene.next_migration_works(&guest, 0)?;
    scene.prove_restarted(&guest, 0)
}

#[test]
fn real_evacuated_guest_is_left_off_where_the_version_says_so() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("quiet"))?;
    lose(&scene)?;
    evacuate(&mut scene, &guest, STOPPED)?;
    scene.await_status(&guest, "done")?;
    scene.await_server(&guest, "SHUTOFF", 1)?;
    scene.runs_nowhere(&guest)?;
    scene.host_returns(0)?;
    scene.await_status(&guest, "completed")?;
    scene.prove_off(&guest, 1)
}

/// A host behind a cut link goes on executing its guests, and this one's disk has no lock: nothing
/// but patience keeps it from running twice.
#[test]
fn real_guest_of_a_silent_host_is_not_run_a_second_time() -> Result<()> {
    let mut scene = Scene::set(&Options {
        hosts: 3,
        ..Options::default()
    })?;
    let unlocked = GuestSpec {
        unlocked: true,
        ..GuestSpec::new("alive")
    };
    let guest = scene.guest(0, unlocked)?;
    scene.host(0).set_connected(false)?;
    evacuate_when_down(&mut scene, &guest, STARTED)?;
    let uuid = guest.uuid.to_string();
    wait_for_blocking("the evacuation to wait", DEADLINE, || {
        let stories = scene.deployment.stories(&uuid)?;
        let waits = stories[0].names().contains(&"source_silent");
        Ok(waits.then_some(()))
    })?;
    let migration = scene.sdk.newest_migration(&uuid)?;
    assert_eq!(migration.status, "accepted");
    for other in [1, 2] {
        let there = scene.host(other).domain_state(guest.name())?;
        ensure!(there.is_none(), "host {other} has it {there:?}");
    }
    scene.host(0).set_connected(true)?;
    scene.await_status(&guest, "error")?;
    scene.prove(&guest, &[0])
}

/// Its operator was wrong: the guest runs on. The lock on its disk keeps the second copy from
/// starting, and that proves that nothing happened to the server.
#[test]
fn real_guest_that_only_seemed_to_be_dead_is_as_it_was() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let guest = scene.guest(0, GuestSpec::new("cut-off"))?;
    scene.deployment.agents()[0].kill9()?;
    scene.declare_dead(0, true)?;
    evacuate(&mut scene, &guest, STARTED)?;
    scene.await_status(&guest, "failed")?;
    scene.await_server(&guest, "ACTIVE", 0)?;
    let there = scene.host(1).domain_state(guest.name())?;
    ensure!(there.is_none(), "the destination has it {there:?}");
    let home = scene.host(0);
    let testbed = scene.deployment.testbed();
    testbed.await_scan(&guest, home, DEADLINE)?;
    testbed.verify(&guest, &[home])?;

    scene.host(0).kill_guest(guest.name())?;
    evacuate(&mut scene, &guest, STARTED)?;
    scene.await_status(&guest, "done")?;
    scene.await_server(&guest, "ACTIVE", 1)?;
    scene.counts_on(&guest, 1)?;
    scene.deployment.agents()[0].start()?;
    scene.await_status(&guest, "completed")?;
    scene.prove_restarted(&guest, 1)
}

#[test]
fn real_evacuation_goes_on_when_its_conductor_or_its_destination_dies() -> Result<()> {
    let holds = tempfile::tempdir()?;
    let hold = holds.path().join("before-boot");
    let mut scene = Scene::set(&Options {
        agent: json!({"holds": {"before-boot": hold}}),
        ..Options::default()
    })?;
    let guest = scene.guest(0, GuestSpec::new("orphan"))?;
    lose(&scene)?;
    std::fs::write(&hold, "")?;
    evacuate(&mut scene, &guest, STARTED)?;
    scene.await_status(&guest, "pre-migrating")?;
    for role in [
        &scene.deployment.conductors()[0],
        &scene.deployment.agents()[1],
    ] {
        role.kill9()?;
        role.start()?;
    }
    std::fs::remove_file(&hold)?;
    scene.await_status(&guest, "done")?;
    scene.counts_on(&guest, 1)?;
    scene.host_returns(0)?;
    scene.await_status(&guest, "completed")?;
    scene.prove_restarted(&guest, 1)
}

#[test]
fn real_guest_whose_disk_died_with_its_host_is_not_rebuilt() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let local = GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("local")
    };
    let guest = scene.guest(0, local)?;
    lose(&scene)?;
    evacuate(&mut scene, &guest, STARTED)?;
    scene.await_status(&guest, "error")?;
    scene.await_server(&guest, "ERROR", 0)?;
    let stories = scene.deployment.stories(&guest.uuid.to_string())?;
    let told = stories[0].tell();
    ensure!(told.contains("of its disks are on host-1 alone"), "{told}");
    ensure!(
        scene.host(1).domain_state(guest.name())?.is_none(),
        "host-2 made something of it"
    );
    Ok(())
}
