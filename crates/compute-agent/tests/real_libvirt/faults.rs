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

use crate::fixture::{MoveTest, PlannedMove, SOON};
use crate::hosts::{Inside, config};

/// Too busy to converge at the rate that [`crawling`] tests allow.
fn busy() -> GuestSpec {
    GuestSpec {
        load: Load::default().dirtying(8),
        ..GuestSpec::new("busy")
    }
}

fn crawling(spec: GuestSpec) -> Result<MoveTest> {
    MoveTest::new(spec, |config| config.bandwidth_mib = 2)
}

async fn under_way(test: &MoveTest) -> Result<PlannedMove> {
    let planned = test.start_move(BlockMigration::Auto).await?;
    test.until(&planned, "bytes to move", |p, _| {
        p.memory.processed > 1 << 20
    })
    .await?;
    Ok(planned)
}

#[tokio::test]
async fn real_killed_destination_fails_the_move() -> Result<()> {
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    let since = Instant::now();
    test.to().kill_guest("busy")?;
    let failure = test.failure(&planned).await?;
    println!("after {:?}: {failure}", since.elapsed());
    assert_eq!(failure.code, FailureCode::HypervisorError);
    test.roll_back(&planned).await?;
    test.moves_again().await
}

#[tokio::test]
async fn real_killed_destination_fails_a_forced_move_and_the_guest_runs_on() -> Result<()> {
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    test.source.force_complete(&planned.source_job).await?;
    test.to().kill_guest("busy")?;
    test.failure(&planned).await?;
    test.roll_back(&planned).await
}

#[tokio::test]
async fn real_cut_link_fails_the_move() -> Result<()> {
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    let since = Instant::now();
    test.to().set_connected(false)?;
    let failure = test.failure(&planned).await?;
    println!("after {:?}: {failure}", since.elapsed());
    assert_eq!(failure.code, FailureCode::LinkLost);
    test.to().set_connected(true)?;
    test.roll_back(&planned).await?;
    test.moves_again().await
}

#[tokio::test]
async fn real_killed_libvirt_at_the_source_leaves_the_guest_there() -> Result<()> {
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    test.from().kill_libvirtd()?;
    let away = test.source.progress(&planned.source_job).await;
    ensure!(matches!(away, Err(DriverError::Unavailable(_))), "{away:?}");
    test.from().start_libvirtd()?;
    let since = Instant::now();
    let failure = test.failure(&planned).await?;
    println!("after {:?}: {failure}", since.elapsed());
    assert_eq!(failure.code, FailureCode::Interrupted);
    test.roll_back(&planned).await?;
    test.moves_again().await
}

/// The worst moment: the guest stands still because we paused it, and nobody is left who knows.
#[tokio::test]
async fn real_killed_libvirt_of_a_paused_guest_is_judged_by_both_sides() -> Result<()> {
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    test.source.force_complete(&planned.source_job).await?;
    test.from().kill_libvirtd()?;
    test.from().start_libvirtd()?;
    let state = wait_for("libvirt to answer", SOON, async || {
        match test.source.progress(&planned.source_job).await? {
            JobState::Moving { .. } => bail!("moving"),
            other => Ok(Some(other)),
        }
    });
    let state = state.await?;
    let source = test.sighted(&test.source).await?;
    println!("{state:?}, {source:?}");
    match state {
        // libvirt resumed it, and it was seen executing.
        JobState::Ended(ended) => ensure!(matches!(ended.outcome, Outcome::Failed(_))),
        JobState::NoJob => {
            let gone = async || match test.sighted(&test.destination).await? {
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
            let unproven = test
                .source
                .roll_back(&planned.source_job, Side::Source, false)
                .await;
            ensure!(
                matches!(unproven, Err(DriverError::Unavailable(_))),
                "{unproven:?}"
            );
            test.source
                .roll_back(&planned.source_job, Side::Source, true)
                .await?;
        }
        JobState::Moving { .. } => bail!("not awaited"),
    }
    test.roll_back(&planned).await
}

/// Kills the source's libvirt while its guest is stopped for the hand-over, with all of it sent
/// and noted to be (before that, libvirt lets the guest go on at the source when it is back).
/// The moment lasts milliseconds, unless the destination's libvirt, which has to say that the
/// guest goes on there, is held. `then` says what becomes of that one.
pub(crate) fn die_at_handover(test: &MoveTest, then: impl FnOnce() -> Result<()>) -> Result<()> {
    let (from, to) = (test.from(), test.to());
    from.virsh(["migrate-setspeed", test.guest.name(), "1000"])?;
    kill(to.libvirtd_pid()?, Signal::SIGSTOP)?;
    let notes = format!("/run/libvirt/qemu/{}.xml", test.guest.name());
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
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    let destination = test.to().libvirtd_pid()?;
    die_at_handover(&test, || Ok(kill(destination, Signal::SIGCONT)?))?;
    test.from().start_libvirtd()?;
    let verdict = wait_for("the guest to go on", SOON, async || {
        let state = test.source.progress(&planned.source_job).await?;
        ensure!(state == JobState::NoJob, "{state:?}");
        let source = test.sighted(&test.source).await?;
        let destination = test.sighted(&test.destination).await?;
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
        !test.from().emulators()?.is_empty(),
        "its remains are there"
    );
    test.finish(&planned).await
}

#[tokio::test]
async fn real_killed_libvirt_at_the_destination_fails_the_move() -> Result<()> {
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    let since = Instant::now();
    test.to().kill_libvirtd()?;
    let failure = test.failure(&planned).await?;
    println!("after {:?}: {failure}", since.elapsed());
    test.to().start_libvirtd()?;
    wait_for("the destination to be clean", SOON, async || {
        let job = &planned.destination_job;
        Ok(Some(
            test.destination
                .roll_back(job, Side::Destination, false)
                .await?,
        ))
    })
    .await?;
    test.roll_back(&planned).await?;
    test.moves_again().await
}

/// The agent's process ends; libvirt carries on, and the next process finds the move.
#[tokio::test]
async fn real_move_goes_on_without_its_agent() -> Result<()> {
    let test = crawling(busy())?;
    let planned = under_way(&test).await?;
    let mut own = config(&test.testbed, test.from());
    own.bandwidth_mib = 2;
    let next = Inside::new(test.from(), own, [].into())?;
    let moving = next.progress(&planned.source_job).await?;
    ensure!(matches!(moving, JobState::Moving { .. }), "{moving:?}");
    // A repeated start begins no second move.
    let never = tokio_util::sync::CancellationToken::new();
    next.start(&planned.source_job, planned.receiver(), &never)
        .await?;

    next.abort(&planned.source_job).await?;
    let ended = wait_for("the abort", SOON, async || {
        match next.progress(&planned.source_job).await? {
            JobState::Ended(ended) => Ok(Some(ended)),
            other => bail!("{other:?}"),
        }
    });
    assert_eq!(ended.await?.outcome, Outcome::Cancelled);
    next.roll_back(&planned.source_job, Side::Source, false)
        .await?;
    test.roll_back(&planned).await
}

#[tokio::test]
async fn real_attached_agent_hears_of_the_hand_over() -> Result<()> {
    let test = crawling(GuestSpec::new("vm"))?;
    let planned = under_way(&test).await?;
    let next = Inside::new(test.from(), config(&test.testbed, test.from()), [].into())?;
    let moving = next.progress(&planned.source_job).await?;
    ensure!(matches!(moving, JobState::Moving { .. }), "{moving:?}");
    let ended = wait_for("the end", SOON, async || {
        match next.progress(&planned.source_job).await? {
            JobState::Ended(ended) => Ok(Some(ended)),
            other => bail!("{other:?}"),
        }
    });
    let ended = ended.await?;
    assert_eq!(ended.outcome, Outcome::HandedOver);
    ended.progress.context("the event has the final figures")?;
    test.finish(&planned).await
}

/// A guest with a disk of its own, and a destination with room for little more than what the
/// disk is a clone of.
fn cramped() -> Result<MoveTest> {
    let testbed = Testbed::temporary(Options::default())?;
    testbed.hosts()[1].limit_instances(24 << 20)?;
    let spec = GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("vm")
    };
    MoveTest::on(testbed, spec, |_| (), [].into())
}

/// Leaves no room at the destination.
fn fill(test: &MoveTest) -> Result<()> {
    let filler = test.testbed.instances().join("filler");
    let mut fill = test.to().command("sh");
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
    let test = cramped()?;
    test.check_with(MoveKind::Live, BlockMigration::Auto, Some(false))
        .await?;
    fill(&test)?;
    for over_commit in [None, Some(true), Some(false)] {
        match test
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
    test.unharmed().await
}

#[tokio::test]
async fn real_destination_that_fills_up_fails_the_move() -> Result<()> {
    let test = cramped()?;
    let planned = test.check(BlockMigration::Auto).await?;
    test.prepare(&planned).await?;
    fill(&test)?;
    test.start(&planned).await?;
    let failure = test.failure(&planned).await?;
    println!("{failure}");
    assert_eq!(failure.code, FailureCode::DestinationFull);
    test.roll_back(&planned).await?;
    let left = test.to().command("ls").arg(&test.guest.disk).output()?;
    ensure!(!left.status.success(), "the copy is still there");
    Ok(())
}

async fn in_post_copy() -> Result<(MoveTest, PlannedMove)> {
    let test = MoveTest::new(busy(), |config| {
        config.bandwidth_mib = 2;
        config.permit_post_copy = true;
    })?;
    let planned = under_way(&test).await?;
    // Post-copy goes as fast as it can, unless the link itself is slow.
    test.from().shape(Some(2 << 20))?;
    let means = test.source.force_complete(&planned.source_job).await?;
    assert_eq!(means, ForceMeans::PostCopy);
    let executes = wait_for("the guest to execute there", SOON, async || {
        match test.sighted(&test.destination).await? {
            Sighting::Executing => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    executes.await?;
    Ok((test, planned))
}

/// Nobody touches a guest that is in two parts.
async fn left_alone(test: &MoveTest, planned: &PlannedMove) -> Result<()> {
    assert_eq!(test.sighted(&test.source).await?, Sighting::HandedOver);
    let there = test.sighted(&test.destination).await?;
    assert_eq!(there, Sighting::Executing);
    let buried = test.source.finish(&planned.source_job, Side::Source).await;
    ensure!(
        matches!(buried, Err(DriverError::Unavailable(_))),
        "{buried:?}"
    );
    let job = &planned.destination_job;
    let back = test
        .destination
        .roll_back(job, Side::Destination, false)
        .await;
    ensure!(matches!(back, Err(DriverError::Failed(_))), "{back:?}");
    ensure!(
        !test.from().emulators()?.is_empty(),
        "the source was destroyed"
    );
    ensure!(
        !test.to().emulators()?.is_empty(),
        "the destination was destroyed"
    );
    Ok(())
}

#[tokio::test]
async fn real_post_copy_outlasts_a_cut_link() -> Result<()> {
    let (test, planned) = in_post_copy().await?;
    test.to().set_connected(false)?;
    // libvirt gives up; QEMU does not.
    let given_up = wait_for("libvirt to notice", SOON, async || {
        match test.source.progress(&planned.source_job).await? {
            JobState::NoJob => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    given_up.await?;
    left_alone(&test, &planned).await?;
    test.to().set_connected(true)?;
    assert_eq!(test.end(&planned).await?.outcome, Outcome::HandedOver);
    test.finish(&planned).await
}

#[tokio::test]
async fn real_torn_post_copy_is_left_to_people() -> Result<()> {
    let (test, planned) = in_post_copy().await?;
    // Not only silence: every connection between the hosts breaks.
    let to = test.to().address().to_string();
    let mut kill = test.from().command("ss");
    kill.args(["--kill", "dst", &to]).output()?;
    let torn = wait_for("QEMU to notice", SOON, async || {
        let state = test.to().virsh(["domstate", "busy", "--reason"])?;
        ensure!(state.contains("post-copy failed"), "{state}");
        match test.source.progress(&planned.source_job).await? {
            JobState::NoJob => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    torn.await?;
    left_alone(&test, &planned).await?;
    let source = test.sighted(&test.source).await?;
    let destination = test.sighted(&test.destination).await?;
    let verdict = judge(
        Phase::PostCopy,
        Witness::Says(source),
        Witness::Says(destination),
    );
    assert_eq!(verdict, Verdict::AtDestination);
    let job = &planned.destination_job;
    test.destination.finish(job, Side::Destination).await?;
    left_alone(&test, &planned).await
}

/// Past the point of no return the destination dies: the guest is nowhere, and the source's
/// remains are not mistaken for it.
#[tokio::test]
async fn real_guest_that_dies_in_post_copy_is_lost() -> Result<()> {
    let (test, planned) = in_post_copy().await?;
    test.to().kill_guest("busy")?;
    let unknown = wait_for("the driver to give up", SOON, async || {
        match test.source.progress(&planned.source_job).await? {
            JobState::NoJob => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    unknown.await?;
    let source = test.sighted(&test.source).await?;
    let destination = test.sighted(&test.destination).await?;
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
