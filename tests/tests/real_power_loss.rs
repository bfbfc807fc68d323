//! A host loses its power in the middle of moves off it and towards it, at any moment. Its
//! operator says so, its servers are evacuated, and it returns: every guest runs once, where the
//! record says, and nothing is left over.

use std::time::Duration;

use anyhow::{Result, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec, Load};
use godwit_test_support::wait_for_blocking;
use rand::RngExt;
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::{DEADLINE, Scene};
use system_tests::sdk::Refused;

/// The last version in which an evacuated server that ran is started again.
const STARTED: &str = "2.94";

/// What a move carries in about as long as it lasts; one that carries less has ended by then.
const MOST_BYTES: i64 = 64 << 20;

/// Where the record has a guest.
fn recorded(scene: &mut Scene, guest: &Guest) -> Result<usize> {
    let server = scene.sdk.server(&guest.uuid.to_string())?;
    let host = server.compute_host.unwrap_or_default();
    let number = host.strip_prefix("host-").unwrap_or_default();
    Ok(number.parse::<usize>()? - 1)
}

/// Evacuates a guest if the dead host still has it, once it is known where it is.
fn rescue(scene: &mut Scene, guest: &Guest, dead: usize) -> Result<()> {
    let uuid = guest.uuid.to_string();
    wait_for_blocking("the guest to be on a living host", DEADLINE, || {
        let server = scene.sdk.server(&uuid)?;
        let home = recorded(scene, guest)?;
        if home != dead && server.task_state.is_none() {
            ensure!(server.status == "ACTIVE", "it is {}", server.status);
            return Ok(Some(()));
        }
        if server.task_state.is_none() {
            match scene.sdk.evacuate(&uuid, STARTED) {
                Ok(()) => {}
                // It turned out to be elsewhere, or its destination is asked just now.
                Err(error) => drop(error.downcast::<Refused>()?),
            }
        }
        Ok(None)
    })
}

/// Until the first move has carried so many bytes, or has ended.
fn carried(scene: &mut Scene, guest: &Guest, bytes: i64) -> Result<()> {
    let uuid = guest.uuid.to_string();
    wait_for_blocking("the move to get so far", DEADLINE, || {
        let moved = scene.sdk.in_progress(&uuid)?;
        let so_far = moved.first().and_then(|it| it.memory_processed_bytes);
        let ended = scene.sdk.server(&uuid)?.task_state.is_none();
        Ok((ended || so_far.is_some_and(|so_far| so_far >= bytes)).then_some(()))
    })
}

fn round(scene: &mut Scene, guests: &[Guest], dead: usize, after: i64) -> Result<()> {
    for guest in guests {
        let home = recorded(scene, guest)?;
        // Off the host that will die, and towards it.
        let to = if home == dead { (dead + 1) % 3 } else { dead };
        let to = scene.host(to).name();
        scene.sdk.live_migrate(&guest.uuid.to_string(), Some(&to))?;
    }
    carried(scene, &guests[0], after)?;
    scene.lose_host(dead)?;
    scene.declare_dead(dead, true)?;
    for guest in guests {
        rescue(scene, guest, dead)?;
    }
    for guest in guests {
        let home = recorded(scene, guest)?;
        scene.counts_on(guest, home)?;
    }
    scene.host_returns(dead)?;
    wait_for_blocking("the host to be clean", DEADLINE, || {
        for guest in guests {
            let home = recorded(scene, guest)?;
            ensure!(home != dead, "{} is recorded there", guest.name());
            let state = scene.host(dead).domain_state(guest.name())?;
            ensure!(state.is_none(), "it has {} {state:?}", guest.name());
        }
        Ok(Some(()))
    })?;
    wait_for_blocking("the service to be forced up", DEADLINE, || {
        scene.declare_dead(dead, false)?;
        Ok(Some(()))
    })?;
    for guest in guests {
        let home = recorded(scene, guest)?;
        scene.prove_restarted(guest, home)?;
    }
    Ok(())
}

#[test]
fn real_power_loss_in_the_middle_of_moves() -> Result<()> {
    let mut scene = Scene::set(&Options {
        hosts: 3,
        agent: json!({"libvirt": {"bandwidth_mib": 16}}),
        conductor: json!({"slots": {"per_source": 0, "per_destination": 0}}),
        ..Options::default()
    })?;
    let busy = |name: &str| GuestSpec {
        load: Load::default().dirtying(4),
        ..GuestSpec::new(name)
    };
    let mut guests = Vec::new();
    for (host, name) in [(0, "first"), (0, "second"), (1, "third")] {
        guests.push(scene.guest(host, busy(name))?);
    }
    for dead in [0, 1] {
        let after = rand::rng().random_range(0..MOST_BYTES);
        println!("host {dead} loses its power after {after} bytes");
        round(&mut scene, &guests, dead, after)?;
    }
    Ok(())
}

/// The kernel would go on for two minutes to reach a host that swallows every packet.
#[test]
fn real_libvirt_gives_up_connecting_to_a_host_that_is_declared_dead() -> Result<()> {
    const WITHIN: Duration = Duration::from_secs(60);
    let holds = tempfile::tempdir()?;
    let hold = holds.path().join("before-start");
    let mut scene = Scene::set(&Options {
        agent: json!({"holds": {"before-start": hold}}),
        ..Options::default()
    })?;
    let guest = scene.guest(0, GuestSpec::new("stuck"))?;
    std::fs::write(&hold, "")?;
    scene.sdk.live_migrate(&guest.uuid.to_string(), None)?;
    scene.await_status(&guest, "running")?;
    scene.host(1).set_connected(false)?;
    std::fs::remove_file(&hold)?;
    wait_for_blocking("libvirt to connect", DEADLINE, || {
        let mut sockets = scene.host(0).command("ss");
        let connecting = sockets
            .args(["--no-header", "--numeric", "--tcp", "state", "syn-sent"])
            .output()?;
        Ok((!connecting.stdout.is_empty()).then_some(()))
    })?;
    scene.declare_dead(1, true)?;
    let ended = scene.await_status_within(&guest, "failed", WITHIN);
    scene.host(1).set_connected(true)?;
    ended?;
    scene.await_server(&guest, "ACTIVE", 0)?;
    wait_for_blocking("what was prepared to be cleared", DEADLINE, || {
        let there = scene.host(1).domain_state(guest.name())?;
        Ok(there.is_none().then_some(()))
    })?;
    scene.declare_dead(1, false)?;
    scene.prove(&guest, &[0])
}
