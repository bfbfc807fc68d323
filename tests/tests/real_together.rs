//! Several of everything: hosts, conductors, and locks on disks.

use anyhow::Result;
use godwit_test_support::testbed::{GuestSpec, Load};
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::{RECOVERY, Scene};

/// libvirt's lock manager keeps a second QEMU off a disk whatever Godwit believes; with it, and
/// among three hosts, a guest goes where it is sent.
#[test]
fn real_guest_moves_among_three_hosts_with_locked_disks() -> Result<()> {
    let options = Options {
        hosts: 3,
        lock_manager: true,
        ..Options::default()
    };
    let mut scene = Scene::set(&options)?;
    let guest = scene.guest(0, GuestSpec::new("locked"))?;
    scene.next_migration_works(&guest, 2)?;
    scene.prove(&guest, &[0, 2])?;
    scene.next_migration_works(&guest, 1)?;
    scene.prove(&guest, &[0, 2, 1])
}

/// A conductor that is killed need not come back: the other one takes its work over.
#[test]
fn real_second_conductor_takes_over() -> Result<()> {
    let options = Options {
        conductors: 2,
        agent: json!({"libvirt": {"bandwidth_mib": 6, "permit_post_copy": false}}),
        ..Options::default()
    };
    let mut scene = Scene::set(&options)?;
    let busy = GuestSpec {
        load: Load::default().dirtying(16),
        ..GuestSpec::new("handed")
    };
    let guest = scene.guest(0, busy)?;
    let uuid = guest.uuid.to_string();
    scene.sdk.live_migrate(&uuid, None)?;
    let migration = scene.await_status(&guest, "running")?;
    for conductor in &scene.deployment.conductors()[..1] {
        conductor.kill9()?;
    }
    scene.sdk.force_complete(&uuid, migration.id)?;
    scene.await_status_within(&guest, "completed", RECOVERY)?;
    scene.prove(&guest, &[0, 1])
}
