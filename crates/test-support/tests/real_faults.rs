//! The testbed's ways to break things, each seen to break what it should and nothing else; and
//! the guest's ways to notice.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use godwit_test_support::oracle::{self, Violation};
use godwit_test_support::testbed::{
    Copied, Guest, GuestSpec, Host, Load, Migration, Options, Storage, Testbed,
};
use godwit_test_support::wait_for_blocking;

const DEADLINE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// Slow enough that a guest of the default size moves for seconds.
const CAPPED: Migration = Migration {
    copied: None,
    post_copy: false,
    bandwidth: Some(8),
};

fn start(testbed: &Testbed, spec: GuestSpec) -> Result<Guest> {
    let source = &testbed.hosts()[0];
    let guest = testbed.create_guest(source, spec)?;
    testbed.await_line(&guest, source, DEADLINE, |_| true)?;
    Ok(guest)
}

fn pair(testbed: &Testbed) -> (&Host, &Host) {
    (&testbed.hosts()[0], &testbed.hosts()[1])
}

/// Begins a migration and waits until its guest waits at the destination.
fn begin(source: &Host, to: &Host, guest: &Guest, how: Migration) -> Result<std::process::Child> {
    let mut command = source.migrate_command(guest.name(), to, how);
    let child = command.stderr(std::process::Stdio::null()).spawn()?;
    wait_for_blocking("QEMU at the destination", DEADLINE, || {
        Ok((!to.emulators()?.is_empty()).then_some(()))
    })?;
    Ok(child)
}

/// A failed migration leaves the guest on its source, unharmed, and nothing at the destination.
fn assert_unharmed(testbed: &Testbed, guest: &Guest) -> Result<()> {
    let (source, destination) = pair(testbed);
    testbed.await_scan(guest, source, DEADLINE)?;
    testbed.verify(guest, &[source])?;
    wait_for_blocking("the destination to be clean", DEADLINE, || {
        ensure!(
            destination.domains()?.is_empty(),
            "{:?}",
            destination.domains()?
        );
        ensure!(destination.emulators()?.is_empty(), "its QEMU is there");
        Ok(Some(()))
    })
}

#[test]
fn real_partition_fails_a_migration_and_heals() -> Result<()> {
    let testbed = Testbed::temporary(Options::default())?;
    let (source, destination) = pair(&testbed);
    let guest = start(&testbed, GuestSpec::new("vm"))?;

    let mut migration = begin(source, destination, &guest, CAPPED)?;
    let since = Instant::now();
    destination.set_connected(false)?;
    assert!(!migration.wait()?.success());
    assert!(
        since.elapsed() < Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    destination.set_connected(true)?;
    assert_unharmed(&testbed, &guest)?;

    source.set_reaches(destination, false)?;
    source
        .migrate("vm", destination, Migration::default())
        .unwrap_err();
    source.set_reaches(destination, true)?;
    source.migrate("vm", destination, Migration::default())?;
    testbed.await_scan(&guest, destination, DEADLINE)?;
    testbed.verify(&guest, &[source, destination])?;
    Ok(())
}

#[test]
fn real_killed_daemons_leave_guests_alone() -> Result<()> {
    let testbed = Testbed::temporary(Options::default())?;
    let (source, destination) = pair(&testbed);
    let guest = start(&testbed, GuestSpec::new("vm"))?;

    // The destination's QEMU: the migration fails.
    let mut migration = begin(source, destination, &guest, CAPPED)?;
    destination.kill_guest("vm")?;
    assert!(!migration.wait()?.success());
    assert_unharmed(&testbed, &guest)?;

    // The source's libvirtd: the guest runs on, and the next migration works.
    let mut migration = begin(source, destination, &guest, CAPPED)?;
    source.kill_libvirtd()?;
    assert!(!migration.wait()?.success());
    source.start_libvirtd()?;
    assert_unharmed(&testbed, &guest)?;
    source.migrate("vm", destination, Migration::default())?;
    testbed.await_scan(&guest, destination, DEADLINE)?;
    testbed.verify(&guest, &[source, destination])?;
    Ok(())
}

#[test]
fn real_post_copy_and_lock_manager() -> Result<()> {
    let options = Options {
        lock_manager: true,
        ..Options::default()
    };
    let testbed = Testbed::temporary(options)?;
    let (source, destination) = pair(&testbed);
    let load = Load::default().dirtying(16);
    let guest = start(
        &testbed,
        GuestSpec {
            load,
            ..GuestSpec::new("busy")
        },
    )?;

    // Twice as fast as its link: it would never converge.
    let how = Migration {
        post_copy: true,
        ..CAPPED
    };
    let mut migration = begin(source, destination, &guest, how)?;
    wait_for_blocking("the switch to post-copy", DEADLINE, || {
        source.virsh(["migrate-postcopy", "busy"]).map(Some)
    })?;
    assert!(migration.wait()?.success());
    testbed.await_scan(&guest, destination, DEADLINE)?;
    testbed.verify(&guest, &[source, destination])?;

    // The lock manager: a second copy on the same disk cannot start.
    let xml = destination.virsh(["dumpxml", "--security-info", "busy"])?;
    define(&testbed, source, &xml)?;
    let refused = source.virsh(["start", "busy"]).unwrap_err().to_string();
    assert!(refused.contains("lock"), "{refused}");
    Ok(())
}

#[test]
fn real_full_disk_fails_a_copy() -> Result<()> {
    let testbed = Testbed::temporary(Options::default())?;
    let (source, destination) = pair(&testbed);
    destination.limit_instances(2 * MIB)?;
    let load = Load {
        data_blocks: 2048,
        blocks_per_tick: 16,
        ..Load::default()
    };
    let spec = GuestSpec {
        storage: Storage::Local,
        load,
        ..GuestSpec::new("vm")
    };
    let guest = start(&testbed, spec)?;
    testbed.await_line(&guest, source, DEADLINE, |line| line.counter > 60)?;

    testbed.make_copy_target(&guest, destination, Copied::Incremental)?;
    let how = Migration {
        copied: Some(Copied::Incremental),
        ..Migration::default()
    };
    source.migrate("vm", destination, how).unwrap_err();
    assert_unharmed(&testbed, &guest)
}

#[test]
fn real_shaped_link_is_slow() -> Result<()> {
    let testbed = Testbed::temporary(Options::default())?;
    let (source, destination) = pair(&testbed);
    let load = Load::default().dirtying(0);
    let guest = start(
        &testbed,
        GuestSpec {
            load,
            ..GuestSpec::new("vm")
        },
    )?;

    source.shape(Some(8 * MIB))?;
    let since = Instant::now();
    source.migrate("vm", destination, Migration::default())?;
    // 32 MiB of memory at 8 MiB/s.
    assert!(
        since.elapsed() >= Duration::from_millis(3500),
        "{:?}",
        since.elapsed()
    );
    source.shape(None)?;
    testbed.await_scan(&guest, destination, DEADLINE)?;
    testbed.verify(&guest, &[source, destination])?;
    Ok(())
}

/// A copy of the guest, with a boot disk of its own but the same journal.
#[test]
fn real_guest_notices_a_second_copy() -> Result<()> {
    let testbed = Testbed::temporary(Options::default())?;
    let (source, destination) = pair(&testbed);
    let guest = start(&testbed, GuestSpec::new("vm"))?;

    let copy = guest.disk.with_extension("copy");
    std::fs::copy(&guest.disk, &copy)?;
    let xml = source.virsh(["dumpxml", "--inactive", "vm"])?;
    let xml = xml.replace(&*guest.disk.to_string_lossy(), &copy.to_string_lossy());
    define(&testbed, destination, &xml)?;
    destination.virsh(["start", "vm"])?;

    wait_for_blocking("one of the two to notice", DEADLINE, || {
        let violations = violations(&testbed, &guest)?;
        let noticed = violations
            .iter()
            .any(|v| matches!(v, Violation::Conflict { .. }));
        ensure!(noticed, "{violations:?}");
        Ok(Some(()))
    })
}

#[test]
fn real_guest_notices_wrong_memory_and_disk() -> Result<()> {
    let testbed = Testbed::temporary(Options::default())?;
    let source = &testbed.hosts()[0];
    let guest = start(&testbed, GuestSpec::new("vm"))?;
    let written = |blocks| move |line: &oracle::Report| line.counter > blocks;
    testbed.await_line(&guest, source, DEADLINE, written(64))?;
    testbed.verify(&guest, &[source])?;

    // One word of one page, 10 MiB into its memory.
    overwrite_memory(source, &guest, 10 << 20)?;
    let now = testbed.await_scan(&guest, source, DEADLINE)?;
    let wrong = now.wrong;
    assert!(wrong > 0, "{now:?}");

    // One sector in each block of data, 1 MiB into its disk: whichever is verified next.
    let disk = File::options().write(true).open(&guest.disk)?;
    for block in 0..64 {
        disk.write_all_at(&[0x5a; 512], MIB + block * 4096 + 512)?;
    }
    testbed.await_line(&guest, source, DEADLINE, |line| line.wrong > wrong + 8)?;
    let found = violations(&testbed, &guest)?;
    assert!(
        matches!(found[..], [Violation::Wrong { .. }, ..]),
        "{found:?}"
    );
    Ok(())
}

fn violations(testbed: &Testbed, guest: &Guest) -> Result<Vec<Violation>> {
    let verdict = testbed.verify(guest, &[&testbed.hosts()[0]]);
    let error = verdict.err().context("nothing was noticed")?;
    Ok(error.downcast::<oracle::Violations>()?.0)
}

fn define(testbed: &Testbed, host: &Host, xml: &str) -> Result<()> {
    let path = testbed.directory().join("guests/other.xml");
    std::fs::write(&path, xml)?;
    host.virsh(["define", &path.to_string_lossy()]).map(drop)
}

/// Zeroes four bytes of a guest's memory behind its back, by way of QEMU's debugger port.
fn overwrite_memory(host: &Host, guest: &Guest, address: u32) -> Result<()> {
    let listen = format!("gdbserver tcp:{}:1234", host.address());
    host.virsh(["qemu-monitor-command", "--hmp", guest.name(), &listen])?;
    let mut debugger = TcpStream::connect((host.address(), 1234))?;
    debugger.set_read_timeout(Some(Duration::from_secs(10)))?;
    for packet in [format!("M{address:x},4:00000000"), "D".into()] {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        debugger.write_all(format!("${packet}#{sum:02x}").as_bytes())?;
        let mut answer = [0; 7];
        debugger.read_exact(&mut answer)?;
        ensure!(
            &answer == b"+$OK#9a",
            "{}",
            String::from_utf8_lossy(&answer)
        );
        debugger.write_all(b"+")?;
    }
    Ok(())
}
