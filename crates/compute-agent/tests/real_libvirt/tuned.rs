//! Moves that are given up, forced or held.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use godwit_compute_agent::driver::{Driver, DriverError};
use godwit_compute_agent::drivers::libvirt::LibvirtConfig;
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::migration::BlockMigration;
use godwit_core::recovery::Sighting;
use godwit_rpc::command::ForceMeans;
use godwit_rpc::progress::Outcome;
use godwit_test_support::testbed::{GuestSpec, Load, Options};
use godwit_test_support::wait_for;
use nix::sys::signal::{Signal, kill};

use crate::fixture::{MoveTest, SOON};

/// How long the destination does not answer. Nobody gives it up that soon.
const HELD: Duration = Duration::from_secs(1);

/// Dirties memory faster than the moves below may send it: never converges by itself.
fn busy() -> GuestSpec {
    GuestSpec {
        load: Load::default().dirtying(8),
        ..GuestSpec::new("busy")
    }
}

fn slow(config: &mut LibvirtConfig) {
    config.bandwidth_mib = 5;
}

#[tokio::test]
async fn real_abort_leaves_the_guest_at_its_source() -> Result<()> {
    let test = MoveTest::new(busy(), slow)?;
    let planned = test.start_move(BlockMigration::No).await?;
    let first = test
        .until(&planned, "bytes to move", |p, _| p.memory.processed > 0)
        .await?;
    assert!(first.memory.total > 32 << 20, "{first:?}");
    test.until(&planned, "more bytes", |p, _| {
        p.memory.processed > first.memory.processed
    })
    .await?;
    assert_eq!(test.sighted(&test.source).await?, Sighting::Moving);
    assert_eq!(test.sighted(&test.destination).await?, Sighting::Incoming);

    let since = Instant::now();
    test.source.abort(&planned.source_job).await?;
    let ended = test.end(&planned).await?;
    println!("cancelled after {:?}: {ended:?}", since.elapsed());
    assert_eq!(ended.outcome, Outcome::Cancelled);
    test.roll_back(&planned).await?;
    let again = test.source.abort(&planned.source_job).await;
    assert_eq!(again, Err(DriverError::NoJob));
    Ok(())
}

/// While libvirt still talks to the destination, a guest that somebody pauses counts as paused by
/// its user, and stays so over there. So forcing waits until the guest is being sent.
#[tokio::test]
async fn real_force_that_comes_early_leaves_no_guest_paused() -> Result<()> {
    let test = MoveTest::new(busy(), slow)?;
    let planned = test.check(BlockMigration::No).await?;
    test.prepare(&planned).await?;
    let destination = test.to().libvirtd_pid()?;
    kill(destination, Signal::SIGSTOP)?;
    let forced = async {
        test.start(&planned).await?;
        let mut forced = test.source.force_complete(&planned.source_job);
        let early = tokio::time::timeout(HELD, &mut forced).await;
        kill(destination, Signal::SIGCONT)?;
        ensure!(early.is_err(), "forced before it began: {early:?}");
        anyhow::Ok(forced.await?)
    };
    let forced = forced.await;
    // Whatever happened: a destination that stands still cannot be taken down.
    kill(destination, Signal::SIGCONT)?;
    assert_eq!(forced?, ForceMeans::Pause);
    let ended = test.end(&planned).await?;
    assert_eq!(ended.outcome, Outcome::HandedOver);
    test.finish(&planned).await
}

#[tokio::test]
async fn real_force_by_post_copy_cannot_be_aborted() -> Result<()> {
    let test = MoveTest::new(busy(), |config| {
        slow(config);
        config.permit_post_copy = true;
    })?;
    let planned = test.start_move(BlockMigration::Auto).await?;
    test.until(&planned, "the second pass", |progress, _| {
        progress.iteration > 1
    })
    .await?;

    // Post-copy goes as fast as it can, unless the link itself is slow.
    test.from().shape(Some(4 << 20))?;
    let since = Instant::now();
    let means = test.source.force_complete(&planned.source_job).await?;
    println!("post-copy after {:?}", since.elapsed());
    assert_eq!(means, ForceMeans::PostCopy);
    let abort = test.source.abort(&planned.source_job).await;
    assert_eq!(abort, Err(DriverError::TooLate));
    assert_eq!(test.sighted(&test.source).await?, Sighting::HandedOver);
    let executes = wait_for("the guest to execute there", SOON, async || {
        match test.sighted(&test.destination).await? {
            Sighting::Executing => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    executes.await?;
    test.until(&planned, "post-copy to show", |_, post_copy| post_copy)
        .await?;
    let again = test.source.force_complete(&planned.source_job).await?;
    assert_eq!(again, ForceMeans::PostCopy);

    let ended = test.end(&planned).await?;
    println!("handed over after {:?}: {ended:?}", since.elapsed());
    assert_eq!(ended.outcome, Outcome::HandedOver);
    test.finish(&planned).await
}

#[tokio::test]
async fn real_force_by_pausing_resumes_at_the_destination() -> Result<()> {
    let test = MoveTest::new(busy(), slow)?;
    let planned = test.start_move(BlockMigration::Auto).await?;
    test.until(&planned, "the second pass", |progress, _| {
        progress.iteration > 1
    })
    .await?;

    let since = Instant::now();
    let means = test.source.force_complete(&planned.source_job).await?;
    assert_eq!(means, ForceMeans::Pause);
    assert_eq!(test.sighted(&test.source).await?, Sighting::HandedOver);
    let again = test.source.force_complete(&planned.source_job).await;
    ensure!(
        matches!(again, Ok(ForceMeans::Pause) | Err(DriverError::NoJob)),
        "{again:?}"
    );
    let ended = test.end(&planned).await?;
    println!("handed over after {:?}: {ended:?}", since.elapsed());
    assert_eq!(ended.outcome, Outcome::HandedOver);
    let downtime = ended
        .progress
        .context("figures")?
        .downtime
        .context("downtime")?;
    println!("downtime {downtime:?}");
    test.finish(&planned).await
}

#[tokio::test]
async fn real_pause_is_lifted_when_the_forced_move_is_aborted() -> Result<()> {
    let test = MoveTest::new(busy(), |config| config.bandwidth_mib = 1)?;
    let planned = test.start_move(BlockMigration::Auto).await?;
    test.until(&planned, "bytes to move", |p, _| p.memory.processed > 0)
        .await?;
    test.source.force_complete(&planned.source_job).await?;
    test.source.abort(&planned.source_job).await?;
    assert_eq!(test.end(&planned).await?.outcome, Outcome::Cancelled);
    test.roll_back(&planned).await
}

#[tokio::test]
async fn real_move_is_held_before_its_handover() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("hold");
    std::fs::write(&file, "")?;
    let holds = [(HoldPoint::BeforeHandover, file.clone())].into();
    // The default guest converges in a second, when it may.
    let spec = GuestSpec::new("vm");
    let test = MoveTest::with(Options::default(), spec, |_| (), holds)?;
    let planned = test.start_move(BlockMigration::Auto).await?;
    let held = test
        .until(&planned, "all of it sent once", |p, _| p.iteration > 1)
        .await?;
    println!("{held:?}");
    std::fs::remove_file(&file)?;
    let since = Instant::now();
    assert_eq!(test.end(&planned).await?.outcome, Outcome::HandedOver);
    println!("released, and handed over after {:?}", since.elapsed());
    test.finish(&planned).await
}

#[tokio::test]
async fn real_guest_that_its_user_paused_moves_and_stays_paused() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    test.from().virsh(["suspend", "vm"])?;
    let planned = test.start_move(BlockMigration::Auto).await?;
    assert_eq!(test.end(&planned).await?.outcome, Outcome::HandedOver);
    assert_eq!(test.to().domain_state("vm")?.as_deref(), Some("paused"));
    assert_eq!(test.sighted(&test.destination).await?, Sighting::Executing);
    test.to().virsh(["resume", "vm"])?;
    test.finish(&planned).await
}
