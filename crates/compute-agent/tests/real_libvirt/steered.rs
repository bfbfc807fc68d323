//! Moves that are given up, forced or held.

use std::time::Instant;

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

use crate::scene::{SOON, Scene};

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
    let scene = Scene::new(busy(), slow)?;
    let travel = scene.depart(BlockMigration::No).await?;
    let first = scene
        .until(&travel, "bytes to move", |p, _| p.memory.processed > 0)
        .await?;
    assert!(first.memory.total > 32 << 20, "{first:?}");
    scene
        .until(&travel, "more bytes", |p, _| {
            p.memory.processed > first.memory.processed
        })
        .await?;
    assert_eq!(scene.sighted(&scene.source).await?, Sighting::Moving);
    assert_eq!(scene.sighted(&scene.destination).await?, Sighting::Incoming);

    let since = Instant::now();
    scene.source.abort(&travel.source_job).await?;
    let ended = scene.end(&travel).await?;
    println!("cancelled after {:?}: {ended:?}", since.elapsed());
    assert_eq!(ended.outcome, Outcome::Cancelled);
    scene.roll_back(&travel).await?;
    let again = scene.source.abort(&travel.source_job).await;
    assert_eq!(again, Err(DriverError::NoJob));
    Ok(())
}

#[tokio::test]
async fn real_force_by_post_copy_cannot_be_aborted() -> Result<()> {
    let scene = Scene::new(busy(), |config| {
        slow(config);
        config.permit_post_copy = true;
    })?;
    let travel = scene.depart(BlockMigration::Auto).await?;
    scene
        .until(&travel, "the second pass", |progress, _| {
            progress.iteration > 1
        })
        .await?;

    // Post-copy goes as fast as it can, unless the link itself is slow.
    scene.from().shape(Some(4 << 20))?;
    let since = Instant::now();
    let means = scene.source.force_complete(&travel.source_job).await?;
    println!("post-copy after {:?}", since.elapsed());
    assert_eq!(means, ForceMeans::PostCopy);
    let abort = scene.source.abort(&travel.source_job).await;
    assert_eq!(abort, Err(DriverError::TooLate));
    assert_eq!(scene.sighted(&scene.source).await?, Sighting::HandedOver);
    let executes = wait_for("the guest to execute there", SOON, async || {
        match scene.sighted(&scene.destination).await? {
            Sighting::Executing => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    executes.await?;
    scene
        .until(&travel, "post-copy to show", |_, post_copy| post_copy)
        .await?;
    let again = scene.source.force_complete(&travel.source_job).await?;
    assert_eq!(again, ForceMeans::PostCopy);

    let ended = scene.end(&travel).await?;
    println!("handed over after {:?}: {ended:?}", since.elapsed());
    assert_eq!(ended.outcome, Outcome::HandedOver);
    scene.finish(&travel).await
}

/// libvirt takes a guest that is paused before its hosts have spoken for its user's doing, and
/// leaves it paused at the destination.
#[tokio::test]
async fn real_force_waits_until_the_guest_is_on_its_way() -> Result<()> {
    let scene = Scene::new(busy(), slow)?;
    let travel = scene.check(BlockMigration::Auto).await?;
    scene.prepare(&travel).await?;
    let destination = scene.to().libvirtd_pid()?;
    kill(destination, Signal::SIGSTOP)?;
    let force = async {
        scene.start(&travel).await?;
        anyhow::Ok(scene.source.force_complete(&travel.source_job).await?)
    };
    let silence = async {
        let went_on = goes_on(&scene).await;
        kill(destination, Signal::SIGCONT)?;
        went_on
    };
    let (means, went_on) = tokio::join!(force, silence);
    went_on?;
    assert_eq!(means?, ForceMeans::Pause);
    assert_eq!(scene.end(&travel).await?.outcome, Outcome::HandedOver);
    scene.finish(&travel).await
}

/// The guest is on its way by libvirt's word, and nobody pauses it.
async fn goes_on(scene: &Scene) -> Result<()> {
    let leaving = wait_for("the move to begin", SOON, async || {
        let seen = scene.sighted(&scene.source).await?;
        Ok((seen == Sighting::Moving).then_some(()))
    });
    leaving.await?;
    let counter = || {
        let evidence = scene.testbed.evidence(&scene.guest)?;
        anyhow::Ok(evidence.latest().context("no record")?.counter)
    };
    let before = counter()?;
    wait_for("the guest to go on", SOON, async || {
        Ok((counter()? > before + 20).then_some(()))
    })
    .await
}

#[tokio::test]
async fn real_force_by_pausing_resumes_at_the_destination() -> Result<()> {
    let scene = Scene::new(busy(), slow)?;
    let travel = scene.depart(BlockMigration::Auto).await?;
    scene
        .until(&travel, "the second pass", |progress, _| {
            progress.iteration > 1
        })
        .await?;

    let since = Instant::now();
    let means = scene.source.force_complete(&travel.source_job).await?;
    assert_eq!(means, ForceMeans::Pause);
    assert_eq!(scene.sighted(&scene.source).await?, Sighting::HandedOver);
    let again = scene.source.force_complete(&travel.source_job).await;
    ensure!(
        matches!(again, Ok(ForceMeans::Pause) | Err(DriverError::NoJob)),
        "{again:?}"
    );
    let ended = scene.end(&travel).await?;
    println!("handed over after {:?}: {ended:?}", since.elapsed());
    assert_eq!(ended.outcome, Outcome::HandedOver);
    let downtime = ended
        .progress
        .context("figures")?
        .downtime
        .context("downtime")?;
    println!("downtime {downtime:?}");
    scene.finish(&travel).await
}

#[tokio::test]
async fn real_pause_is_lifted_when_the_forced_move_is_aborted() -> Result<()> {
    let scene = Scene::new(busy(), |config| config.bandwidth_mib = 1)?;
    let travel = scene.depart(BlockMigration::Auto).await?;
    scene
        .until(&travel, "bytes to move", |p, _| p.memory.processed > 0)
        .await?;
    scene.source.force_complete(&travel.source_job).await?;
    scene.source.abort(&travel.source_job).await?;
    assert_eq!(scene.end(&travel).await?.outcome, Outcome::Cancelled);
    scene.roll_back(&travel).await
}

#[tokio::test]
async fn real_move_is_held_before_its_handover() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("hold");
    std::fs::write(&file, "")?;
    let holds = [(HoldPoint::BeforeHandover, file.clone())].into();
    // The default guest converges in a second, when it may.
    let spec = GuestSpec::new("vm");
    let scene = Scene::with(Options::default(), spec, |_| (), holds)?;
    let travel = scene.depart(BlockMigration::Auto).await?;
    let held = scene
        .until(&travel, "all of it sent once", |p, _| p.iteration > 1)
        .await?;
    println!("{held:?}");
    std::fs::remove_file(&file)?;
    let since = Instant::now();
    assert_eq!(scene.end(&travel).await?.outcome, Outcome::HandedOver);
    println!("released, and handed over after {:?}", since.elapsed());
    scene.finish(&travel).await
}

#[tokio::test]
async fn real_guest_that_its_user_paused_moves_and_stays_paused() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    scene.from().virsh(["suspend", "vm"])?;
    let travel = scene.depart(BlockMigration::Auto).await?;
    assert_eq!(scene.end(&travel).await?.outcome, Outcome::HandedOver);
    assert_eq!(scene.to().domain_state("vm")?.as_deref(), Some("paused"));
    assert_eq!(
        scene.sighted(&scene.destination).await?,
        Sighting::Executing
    );
    scene.to().virsh(["resume", "vm"])?;
    scene.finish(&travel).await
}
