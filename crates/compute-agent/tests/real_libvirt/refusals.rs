//! Moves that are refused before anything begins, each with its reason.

use anyhow::{Context, Result, bail, ensure};
use godwit_compute_agent::driver::{Driver, DriverError};
use godwit_compute_agent::drivers::libvirt::{LibvirtConfig, LockManager, SourceDisks};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::BlockMigration;
use godwit_rpc::command::CheckDestination;
use godwit_rpc::progress::Outcome;
use godwit_test_support::testbed::{GuestSpec, Host, Options, Storage};

use crate::fixture::MoveTest;
use crate::hosts::{Inside, config};

fn local() -> GuestSpec {
    GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("vm")
    }
}

async fn refusal(test: &MoveTest) -> Result<Failure> {
    match test.check(BlockMigration::Auto).await {
        Err(DriverError::Failed(failure)) => {
            println!("{failure}");
            Ok(failure)
        }
        Err(error) => bail!("{error}"),
        Ok(_) => bail!("it was not refused"),
    }
}

fn shell(host: &Host, script: &str, path: &str) -> Result<()> {
    let done = host.command("sh").args(["-c", script, path]).output()?;
    ensure!(done.status.success(), "{done:?}");
    Ok(())
}

/// A linked clone needs the very file it is a clone of.
#[tokio::test]
async fn real_clone_of_something_else_is_refused() -> Result<()> {
    let test = MoveTest::new(local(), |_| ())?;
    let base = test.testbed.instances().join("_base/vm.img");
    let base = base.to_str().context("ASCII")?;
    // One byte, at a place that nobody samples by chance: the beginning.
    shell(
        test.to(),
        "printf x | dd of=\"$0\" conv=notrunc status=none",
        base,
    )?;
    let failure = refusal(&test).await?;
    assert_eq!(failure.code, FailureCode::PreCheck);
    ensure!(
        failure.message.contains("another file of that name"),
        "{failure}"
    );

    shell(test.to(), "rm \"$0\"", base)?;
    let failure = refusal(&test).await?;
    ensure!(failure.message.contains("_base/vm.img"), "{failure}");
    test.unharmed().await
}

/// What lies where the copy would go is nobody's to overwrite: it may be the disk itself, on
/// storage that nobody said is shared.
#[tokio::test]
async fn real_file_in_the_way_is_not_overwritten() -> Result<()> {
    let test = MoveTest::new(local(), |_| ())?;
    let disk = test.guest.disk.to_str().context("ASCII")?;
    shell(test.to(), "echo precious > \"$0\"", disk)?;
    let failure = refusal(&test).await?;
    assert_eq!(failure.code, FailureCode::PreCheck);
    ensure!(failure.message.contains("shared_storage"), "{failure}");
    shell(test.to(), "grep -q precious \"$0\" && rm \"$0\"", disk)?;

    // And between the pre-check and the preparation.
    let planned = test.check(BlockMigration::Auto).await?;
    shell(test.to(), "echo precious > \"$0\"", disk)?;
    match test.prepare(&planned).await {
        Err(DriverError::Failed(failure)) => {
            assert_eq!(failure.code, FailureCode::PrepareFailed, "{failure}");
        }
        other => bail!("{other:?}"),
    }
    test.roll_back(&planned).await?;
    shell(test.to(), "grep -q precious \"$0\"", disk)
}

/// A host that does not see the shared directory cannot pretend that it does.
#[tokio::test]
async fn real_unmounted_storage_is_not_shared() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let shared = test.testbed.shared();
    shell(
        test.to(),
        "mount -t tmpfs tmpfs \"$0\"",
        shared.to_str().context("ASCII")?,
    )?;
    let failure = refusal(&test).await?;
    // Its disk would have to be copied, and the journal, which others share, cannot be.
    assert_eq!(failure.code, FailureCode::PreCheck);
    ensure!(failure.message.contains("shareable"), "{failure}");
    test.unharmed().await
}

#[tokio::test]
async fn real_processor_that_the_host_lacks_is_refused() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let planned = test.check(BlockMigration::Auto).await?;
    let mut check = CheckDestination {
        migration: planned.source_job.what.migration,
        guest: planned.movable.guest.clone(),
        source: test.source.facts().await?,
        storage: planned.storage(),
        disk_over_commit: None,
    };
    let definition = check
        .guest
        .cpu
        .definition
        .as_mut()
        .context("it is described")?;
    ensure!(definition.contains("qemu64"), "{definition}");
    *definition = definition.replace("qemu64", "SapphireRapids");
    match test.destination.check_destination(&check).await {
        Err(DriverError::Failed(failure)) => {
            println!("{failure}");
            assert_eq!(failure.code, FailureCode::CpuIncompatible);
            ensure!(
                failure.message.starts_with("Unacceptable CPU info: "),
                "{failure}"
            );
        }
        other => bail!("{other:?}"),
    }
    test.unharmed().await
}

/// With leases on its disks, a guest moves all the same; and an agent that is told to rely on
/// leases does not start where libvirt takes none.
#[tokio::test]
async fn real_lock_manager_is_verified_and_used() -> Result<()> {
    let leases = |config: &mut LibvirtConfig| config.lock_manager = LockManager::Lockd;
    let options = Options {
        lock_manager: true,
        ..Options::default()
    };
    let test = MoveTest::with(options, GuestSpec::new("vm"), leases, [].into())?;
    test.moves_again().await?;
    drop(test);

    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let mut config = config(&test.testbed, test.from());
    leases(&mut config);
    let refused = Inside::new(test.from(), config, [].into());
    let Err(error) = refused else {
        bail!("it started");
    };
    ensure!(
        error.to_string().contains("lock_manager is \"lockd\""),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn real_source_disks_are_kept_on_request() -> Result<()> {
    let test = MoveTest::new(local(), |config| config.source_disks = SourceDisks::Rename)?;
    let planned = test.start_move(BlockMigration::Yes).await?;
    assert_eq!(test.end(&planned).await?.outcome, Outcome::HandedOver);
    test.finish(&planned).await?;
    let disk = test.guest.disk.to_str().context("ASCII")?;
    let kept = format!("{disk}.moved-{}", planned.source_job.what.migration);
    shell(test.from(), "test -s \"$0\"", &kept)?;
    shell(test.from(), "test ! -e \"$0\"", disk)
}
