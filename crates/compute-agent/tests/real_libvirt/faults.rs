//! Moves during which something breaks.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use godwit_compute_agent::driver::{Driver, DriverError, JobState};
use godwit_core::failure::FailureCode;
use godwit_core::live::Phase;
use godwit_core::migration::BlockMigration;
use godwit_core::recovery::{Sighting, Verdict, Witness, judge};
use godwit_rpc::command::{ForceMeans, MoveKind, Side};
use godwit_rpc::progress::Outcome;
use godwit_test_support::testbed::{GuestSpec, Load, Options, Storage, Testbed};
use godwit_test_support::{wait_for, wait_for_blocking};
use nix::sys::signal::{Signal, kill};

use crate::hosts::{Inside, config};
use crate::scene::{SOON, Scene, Travel};

/// Too busy to converge at the rate that [`crawling`] scenes allow.
fn busy() -> GuestSpec {
    GuestSpec {
        load: Load::default().dirtying(8),
        ..GuestSpec::new("busy")
    }
}

fn crawling(spec: GuestSpec) -> Result<Scene> {
    Scene::new(spec, |config| config.bandwidth_mib = 2)
}

async fn under_way(scene: &Scene) -> Result<Travel> {
    let travel = scene.depart(BlockMigration::Auto).await?;
    scene
        .until(&travel, "bytes to move", |p, _| {
            p.memory.processed > 1 << 20
        })
        .await?;
    Ok(travel)
}

#[tokio::test]
async fn real_killed_destination_fails_the_move() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    let since = Instant::now();
    scene.to().kill_guest("busy")?;
    let failure = scene.failure(&travel).await?;
    println!("after {:?}: {failure}", since.elapsed());
    assert_eq!(failure.code, FailureCode::HypervisorError);
    scene.roll_back(&travel).await?;
    scene.moves_again().await
}

#[tokio::test]
async fn real_killed_destination_fails_a_forced_move_and_the_guest_runs_on() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    scene.source.force_complete(&travel.source_job).await?;
    scene.to().kill_guest("busy")?;
    scene.failure(&travel).await?;
    scene.roll_back(&travel).await
}

#[tokio::test]
async fn real_cut_link_fails_the_move() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    let since = Instant::now();
    scene.to().set_connected(false)?;
    let failure = scene.failure(&travel).await?;
    println!("after {:?}: {failure}", since.elapsed());
    assert_eq!(failure.code, FailureCode::LinkLost);
    scene.to().set_connected(true)?;
    scene.roll_back(&travel).await?;
    scene.moves_again().await
}

#[tokio::test]
async fn real_killed_libvirt_at_the_source_leaves_the_guest_there() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    scene.from().kill_libvirtd()?;
    let away = scene.source.progress(&travel.source_job).await;
    ensure!(matches!(away, Err(DriverError::Unavailable(_))), "{away:?}");
    scene.from().start_libvirtd()?;
    let since = Instant::now();
    let failure = scene.failure(&travel).await?;
    println!("after {:?}: {failure}", since.elapsed());
    assert_eq!(failure.code, FailureCode::Interrupted);
    scene.roll_back(&travel).await?;
    scene.moves_again().await
}

/// The worst moment: the guest stands still because we paused it, and nobody is left who knows.
#[tokio::test]
async fn real_killed_libvirt_of_a_paused_guest_is_judged_by_both_sides() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    scene.source.force_complete(&travel.source_job).await?;
    scene.from().kill_libvirtd()?;
    scene.from().start_libvirtd()?;
    let state = wait_for("libvirt to answer", SOON, async || {
        match scene.source.progress(&travel.source_job).await? {
            JobState::Moving { .. } => bail!("moving"),
            other => Ok(Some(other)),
        }
    });
    let state = state.await?;
    let source = scene.sighted(&scene.source).await?;
    println!("{state:?}, {source:?}");
    match state {
        // libvirt resumed it, and it was seen executing.
        JobState::Ended(ended) => ensure!(matches!(ended.outcome, Outcome::Failed(_))),
        JobState::NoJob => {
            let gone = async || match scene.sighted(&scene.destination).await? {
                Sighting::Absent => Ok(Some(())),
                other => bail!("{other:?}"),
            };
            wait_for("the destination to clean up", SOON, gone).await?;
            let verdict = judge(
                Phase::Running,
                Witness::Says(source),
                Witness::Says(Sighting::Absent),
            );
            assert_eq!(verdict, Verdict::ResumeAtSource);
            let unproven = scene
                .source
                .roll_back(&travel.source_job, Side::Source, false)
                .await;
            ensure!(
                matches!(unproven, Err(DriverError::Unavailable(_))),
                "{unproven:?}"
            );
            scene
                .source
                .roll_back(&travel.source_job, Side::Source, true)
                .await?;
        }
        JobState::Moving { .. } => bail!("not awaited"),
    }
    scene.roll_back(&travel).await
}

/// Kills the source's libvirt while its guest is stopped for the hand-over, with all of it sent
/// and noted to be (before that, libvirt lets the guest go on at the source when it is back).
/// The moment lasts milliseconds, unless the destination's libvirt, which has to say that the
/// guest goes on there, is held. `then` says what becomes of that one.
pub(crate) fn die_at_handover(scene: &Scene, then: impl FnOnce() -> Result<()>) -> Result<()> {
    let (from, to) = (scene.from(), scene.to());
    from.virsh(["migrate-setspeed", scene.guest.name(), "1000"])?;
    kill(to.libvirtd_pid()?, Signal::SIGSTOP)?;
    let notes = format!("/run/libvirt/qemu/{}.xml", scene.guest.name());
    let sent = wait_for_blocking("all of the guest to be sent", SOON, || {
        let status = from.command("cat").arg(&notes).output()?;
        let status = String::from_utf8(status.stdout)?;
        Ok(status.contains("phase='perform3_done'").then_some(()))
    });
    let killed = sent.and_then(|()| from.kill_libvirtd());
    then()?;
    killed
}

/// The guest goes on at its destination, and the source's libvirt died before it heard of it.
#[tokio::test]
async fn real_source_that_missed_the_hand_over_is_cleared() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    let destination = scene.to().libvirtd_pid()?;
    die_at_handover(&scene, || Ok(kill(destination, Signal::SIGCONT)?))?;
    scene.from().start_libvirtd()?;
    let verdict = wait_for("the guest to go on", SOON, async || {
        let state = scene.source.progress(&travel.source_job).await?;
        ensure!(state == JobState::NoJob, "{state:?}");
        let source = scene.sighted(&scene.source).await?;
        let destination = scene.sighted(&scene.destination).await?;
        match judge(
            Phase::Running,
            Witness::Says(source),
            Witness::Says(destination),
        ) {
            Verdict::Wait => bail!("{source:?} {destination:?}"),
            verdict => Ok(Some(verdict)),
        }
    });
    assert_eq!(verdict.await?, Verdict::AtDestination);
    ensure!(
        !scene.from().emulators()?.is_empty(),
        "its remains are there"
    );
    scene.finish(&travel).await
}

#[tokio::test]
async fn real_killed_libvirt_at_the_destination_fails_the_move() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    let since = Instant::now();
    scene.to().kill_libvirtd()?;
    let failure = scene.failure(&travel).await?;
    println!("after {:?}: {failure}", since.elapsed());
    scene.to().start_libvirtd()?;
    wait_for("the destination to be clean", SOON, async || {
        let job = &travel.destination_job;
        Ok(Some(
            scene
                .destination
                .roll_back(job, Side::Destination, false)
                .await?,
        ))
    })
    .await?;
    scene.roll_back(&travel).await?;
    scene.moves_again().await
}

/// The agent's process ends; libvirt carries on, and the next process finds the move.
#[tokio::test]
async fn real_move_goes_on_without_its_agent() -> Result<()> {
    let scene = crawling(busy())?;
    let travel = under_way(&scene).await?;
    let mut own = config(&scene.testbed, scene.from());
    own.bandwidth_mib = 2;
    let next = Inside::new(scene.from(), own, [].into())?;
    let moving = next.progress(&travel.source_job).await?;
    ensure!(matches!(moving, JobState::Moving { .. }), "{moving:?}");
    // A repeated start begins no second move.
    let never = tokio_util::sync::CancellationToken::new();
    next.start(&travel.source_job, &travel.destination, &never)
        .await?;

    next.abort(&travel.source_job).await?;
    let ended = wait_for("the abort", SOON, async || {
        match next.progress(&travel.source_job).await? {
            JobState::Ended(ended) => Ok(Some(ended)),
            other => bail!("{other:?}"),
        }
    });
    assert_eq!(ended.await?.outcome, Outcome::Cancelled);
    next.roll_back(&travel.source_job, Side::Source, false)
        .await?;
    scene.roll_back(&travel).await
}

#[tokio::test]
async fn real_attached_agent_hears_of_the_hand_over() -> Result<()> {
    let scene = crawling(GuestSpec::new("vm"))?;
    let travel = under_way(&scene).await?;
    let next = Inside::new(
        scene.from(),
        config(&scene.testbed, scene.from()),
        [].into(),
    )?;
    let moving = next.progress(&travel.source_job).await?;
    ensure!(matches!(moving, JobState::Moving { .. }), "{moving:?}");
    let ended = wait_for("the end", SOON, async || {
        match next.progress(&travel.source_job).await? {
            JobState::Ended(ended) => Ok(Some(ended)),
            other => bail!("{other:?}"),
        }
    });
    let ended = ended.await?;
    assert_eq!(ended.outcome, Outcome::HandedOver);
    ended.progress.context("the event has the final figures")?;
    scene.finish(&travel).await
}

/// A guest with a disk of its own, and a destination with room for little more than what the
/// disk is a clone of.
fn cramped() -> Result<Scene> {
    let testbed = Testbed::temporary(Options::default())?;
    testbed.hosts()[1].limit_instances(24 << 20)?;
    let spec = GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("vm")
    };
    Scene::on(testbed, spec, |_| (), [].into())
}

/// Leaves no room at the destination.
fn fill(scene: &Scene) -> Result<()> {
    let filler = scene.testbed.instances().join("filler");
    let mut fill = scene.to().command("sh");
    let filled = fill
        .args(["-c", "cat /dev/zero > \"$0\""])
        .arg(filler)
        .output()?;
    let said = String::from_utf8(filled.stderr)?;
    ensure!(said.contains("No space left"), "{said}");
    Ok(())
}

#[tokio::test]
async fn real_full_destination_is_refused() -> Result<()> {
    let scene = cramped()?;
    scene
        .check_with(MoveKind::Live, BlockMigration::Auto, Some(false))
        .await?;
    fill(&scene)?;
    for over_commit in [None, Some(true), Some(false)] {
        match scene
            .check_with(MoveKind::Live, BlockMigration::Auto, over_commit)
            .await
        {
            Err(DriverError::Failed(failure)) => {
                println!("{failure}");
                assert_eq!(failure.code, FailureCode::PreCheck);
                let text = "Disk of instance is too large(available on destination host:0 < need:";
                ensure!(failure.message.contains(text), "{failure}");
            }
            Err(error) => bail!("{error}"),
            Ok(_) => bail!("it fits"),
        }
    }
    scene.unharmed().await
}

#[tokio::test]
async fn real_destination_that_fills_up_fails_the_move() -> Result<()> {
    let scene = cramped()?;
    let travel = scene.check(BlockMigration::Auto).await?;
    scene.prepare(&travel).await?;
    fill(&scene)?;
    scene.start(&travel).await?;
    let failure = scene.failure(&travel).await?;
    println!("{failure}");
    assert_eq!(failure.code, FailureCode::DestinationFull);
    scene.roll_back(&travel).await?;
    let left = scene.to().command("ls").arg(&scene.guest.disk).output()?;
    ensure!(!left.status.success(), "the copy is still there");
    Ok(())
}

async fn in_post_copy() -> Result<(Scene, Travel)> {
    let scene = Scene::new(busy(), |config| {
        config.bandwidth_mib = 2;
        config.permit_post_copy = true;
    })?;
    let travel = under_way(&scene).await?;
    // Post-copy goes as fast as it can, unless the link itself is slow.
    scene.from().shape(Some(2 << 20))?;
    let means = scene.source.force_complete(&travel.source_job).await?;
    assert_eq!(means, ForceMeans::PostCopy);
    let executes = wait_for("the guest to execute there", SOON, async || {
        match scene.sighted(&scene.destination).await? {
            Sighting::Executing => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    executes.await?;
    Ok((scene, travel))
}

/// Nobody touches a guest that is in two parts.
async fn left_alone(scene: &Scene, travel: &Travel) -> Result<()> {
    assert_eq!(scene.sighted(&scene.source).await?, Sighting::HandedOver);
    let there = scene.sighted(&scene.destination).await?;
    assert_eq!(there, Sighting::Executing);
    let buried = scene.source.finish(&travel.source_job, Side::Source).await;
    ensure!(
        matches!(buried, Err(DriverError::Unavailable(_))),
        "{buried:?}"
    );
    let job = &travel.destination_job;
    let back = scene
        .destination
        .roll_back(job, Side::Destination, false)
        .await;
    ensure!(matches!(back, Err(DriverError::Failed(_))), "{back:?}");
    ensure!(
        !scene.from().emulators()?.is_empty(),
        "the source was destroyed"
    );
    ensure!(
        !scene.to().emulators()?.is_empty(),
        "the destination was destroyed"
    );
    Ok(())
}

#[tokio::test]
async fn real_post_copy_outlasts_a_cut_link() -> Result<()> {
    let (scene, travel) = in_post_copy().await?;
    scene.to().set_connected(false)?;
    // libvirt gives up; QEMU does not.
    let given_up = wait_for("libvirt to notice", SOON, async || {
        match scene.source.progress(&travel.source_job).await? {
            JobState::NoJob => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    given_up.await?;
    left_alone(&scene, &travel).await?;
    scene.to().set_connected(true)?;
    let ended = wait_for("the move to end", SOON, async || {
        match scene.source.progress(&travel.source_job).await? {
            JobState::Ended(ended) => Ok(Some(ended)),
            other => bail!("{other:?}"),
        }
    });
    assert_eq!(ended.await?.outcome, Outcome::HandedOver);
    scene.finish(&travel).await
}

#[tokio::test]
async fn real_torn_post_copy_is_left_to_people() -> Result<()> {
    let (scene, travel) = in_post_copy().await?;
    // Not only silence: every connection between the hosts breaks.
    let to = scene.to().address().to_string();
    let mut kill = scene.from().command("ss");
    kill.args(["--kill", "dst", &to]).output()?;
    let torn = wait_for("QEMU to notice", SOON, async || {
        let state = scene.to().virsh(["domstate", "busy", "--reason"])?;
        ensure!(state.contains("post-copy failed"), "{state}");
        match scene.source.progress(&travel.source_job).await? {
            JobState::NoJob => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    torn.await?;
    left_alone(&scene, &travel).await?;
    let source = scene.sighted(&scene.source).await?;
    let destination = scene.sighted(&scene.destination).await?;
    let verdict = judge(
        Phase::PostCopy,
        Witness::Says(source),
        Witness::Says(destination),
    );
    assert_eq!(verdict, Verdict::AtDestination);
    let job = &travel.destination_job;
    scene.destination.finish(job, Side::Destination).await?;
    left_alone(&scene, &travel).await
}

/// Past the point of no return the destination dies: the guest is nowhere, and the source's
/// remains are not mistaken for it.
#[tokio::test]
async fn real_guest_that_dies_in_post_copy_is_lost() -> Result<()> {
    let (scene, travel) = in_post_copy().await?;
    scene.to().kill_guest("busy")?;
    let unknown = wait_for("the driver to give up", SOON, async || {
        match scene.source.progress(&travel.source_job).await? {
            JobState::NoJob => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    unknown.await?;
    let source = scene.sighted(&scene.source).await?;
    let destination = scene.sighted(&scene.destination).await?;
    assert_eq!(
        judge(
            Phase::PostCopy,
            Witness::Says(source),
            Witness::Says(destination),
        ),
        Verdict::Nowhere
    );
    Ok(())
}
