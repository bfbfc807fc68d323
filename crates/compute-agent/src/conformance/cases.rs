//! Moves, and what may be asked of them.

use godwit_core::failure::FailureCode;
use godwit_core::ids::ServerUuid;
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::command::{CheckDestination, ForceMeans, Side};
use godwit_rpc::progress::Outcome;
use uuid::Uuid;

use super::testbed::{BUSY, Case, ORDINARY, TestBed, ensure, refused, same};
use super::{Harness, Setup};
use crate::driver::{DriverError, JobState};

const LOCAL: Setup = Setup {
    local_disk: true,
    ..ORDINARY
};

fn failed_as<T: std::fmt::Debug>(answer: Result<T, DriverError>, code: FailureCode) -> Case {
    let right = matches!(&answer, Err(DriverError::Failed(failure)) if failure.code == code);
    ensure(right, &format!("this fails as {code}"), answer)
}

/// Both hosts describe themselves; the guest is on one of them, with all that it needs.
pub async fn a_guest_is_seen_where_it_is(harness: &dyn Harness) -> Case {
    let testbed = TestBed::new(harness, ORDINARY).await?;
    let (from, to) = (
        testbed.facts(Side::Source).await?,
        testbed.facts(Side::Destination).await?,
    );
    ensure(from.host != to.host, "two hosts have two names", &from.host)?;
    for facts in [&from, &to] {
        let capacity = facts.capacity;
        let room = capacity.vcpus > 0 && capacity.memory_bytes > 0;
        ensure(room, "a host has room", capacity)?;
        let free = capacity.disk_free_bytes <= capacity.disk_bytes;
        ensure(free, "no more is free than there is", capacity)?;
    }
    testbed.unharmed().await?;
    let Some(guest) = testbed.domain(Side::Source).await? else {
        return ensure(false, "the guest is described", ());
    };
    same(guest.power_state, PowerState::Running, "it executes")?;
    ensure(
        guest.vcpus > 0 && guest.memory_bytes > 0,
        "it has a size",
        &guest,
    )?;
    let disks = &guest.disks;
    let sized = !disks.is_empty() && disks.iter().all(|disk| disk.virtual_bytes > 0);
    ensure(sized, "its disks have sizes", disks)
}

/// Shared storage: prepare, start, progress, hand-over, finish; then another move of the same
/// guest cannot begin here.
pub async fn a_guest_moves(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = testbed.start_move().await?;
    same(
        test_move.storage(),
        StorageMode::Shared,
        "all disks are shared",
    )?;
    let ended = testbed.ends_as(&test_move, &Outcome::HandedOver).await?;
    let Some(progress) = ended.progress else {
        return ensure(false, "the source tells the final figures", ended);
    };
    ensure(progress.memory.total > 0, "memory has a size", progress)?;
    ensure(progress.disk.is_none(), "no disk is copied", progress.disk)?;
    testbed
        .until_seen(Side::Destination, Sighting::Executing)
        .await?;
    testbed.finish(&test_move).await?;
    let gone = testbed.start(&test_move).await;
    ensure(
        gone.is_err(),
        "a guest that is gone is not moved again",
        gone,
    )
}

/// Copied storage: the disk's bytes are counted, and what held it at the source is free again.
pub async fn a_guest_moves_with_its_disks(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, LOCAL).await?;
    let test_move = testbed.start_move().await?;
    same(test_move.storage(), StorageMode::Copied, "a disk is local")?;
    let ended = testbed.ends_as(&test_move, &Outcome::HandedOver).await?;
    let disk = ended.progress.and_then(|progress| progress.disk);
    let counted = disk.is_some_and(|disk| disk.total > 0 && disk.processed > 0);
    ensure(counted, "the disk's bytes are counted", ended)?;
    testbed.finish(&test_move).await
}

/// A guest that its user paused is paused at its destination.
pub async fn a_paused_guest_moves_and_stays_paused(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    testbed.fixture.pause_guest().await?;
    let test_move = testbed.start_move().await?;
    testbed.ends_as(&test_move, &Outcome::HandedOver).await?;
    testbed.finish_on(Side::Destination, &test_move).await?;
    testbed.finish_on(Side::Source, &test_move).await?;
    let guest = testbed.domain(Side::Destination).await?;
    let seen = guest.map(|guest| (guest.sighting, guest.power_state));
    let paused = seen == Some((Sighting::Executing, PowerState::Paused));
    ensure(paused, "it is there, and paused", seen)
}

/// `auto` finds out; `yes` and `no` are refused where they cannot be.
pub async fn storage_is_decided_by_where_disks_lie(harness: &dyn Harness) -> Case {
    for (setup, auto, impossible, code) in [
        (
            ORDINARY,
            StorageMode::Shared,
            BlockMigration::Yes,
            FailureCode::NotLocalStorage,
        ),
        (
            LOCAL,
            StorageMode::Copied,
            BlockMigration::No,
            FailureCode::NotSharedStorage,
        ),
    ] {
        let testbed = TestBed::new(harness, setup).await?;
        let movable = testbed.check(BlockMigration::Auto).await?;
        same(movable.storage, auto, "auto finds out")?;
        let check = testbed.source_check(impossible).await?;
        failed_as(testbed.source().check_source(&check).await, code)?;
        testbed.unharmed().await?;
    }
    Ok(())
}

/// Another kind of hypervisor, an older one, too large disks, a domain that is there already.
pub async fn what_does_not_fit_is_refused(harness: &dyn Harness) -> Case {
    let testbed = TestBed::new(harness, LOCAL).await?;
    let movable = testbed.check(BlockMigration::Auto).await?;
    let good = CheckDestination {
        migration: testbed.source_check(BlockMigration::Auto).await?.migration,
        guest: movable.guest,
        source: testbed.facts(Side::Source).await?,
        storage: movable.storage,
        disk_over_commit: None,
    };
    let destination = testbed.destination();
    let refuses = async |change: fn(&mut CheckDestination), code| {
        let mut check = good.clone();
        change(&mut check);
        failed_as(destination.check_destination(&check).await, code)
    };
    let other = |check: &mut CheckDestination| check.source.hypervisor_type = "other".to_owned();
    refuses(other, FailureCode::HypervisorType).await?;
    let newer = |check: &mut CheckDestination| check.source.hypervisor_version = u32::MAX;
    refuses(newer, FailureCode::HypervisorTooOld).await?;
    let large = |check: &mut CheckDestination| {
        let writable = check.guest.disks.iter_mut().filter(|disk| !disk.read_only);
        writable.for_each(|disk| disk.allocated_bytes = 1 << 60);
    };
    refuses(large, FailureCode::PreCheck).await?;
    let here_already = testbed.source().check_destination(&good).await;
    failed_as(here_already, FailureCode::PreCheck)?;
    destination.check_destination(&good).await?;
    testbed.unharmed().await
}

/// A guest that this host does not have.
pub async fn strangers_are_refused(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let stranger = ServerUuid(Uuid::from_u128(0xdead));
    let mut check = testbed.source_check(BlockMigration::Auto).await?;
    check.server = stranger;
    let unknown = Err(DriverError::UnknownServer(stranger));
    let answer = testbed.source().check_source(&check).await.map(drop);
    same(answer, unknown, "a stranger cannot be moved")?;
    let mut test_move = testbed.plan().await?;
    test_move.at_source.what.server = stranger;
    let answer = testbed.start(&test_move).await;
    ensure(answer.is_err(), "a stranger is not started", answer)?;
    testbed.unharmed().await
}

/// Prepare, again, undone, again; and what was never prepared can be rolled back.
pub async fn a_preparation_can_be_repeated_and_undone(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, LOCAL).await?;
    let test_move = testbed.plan().await?;
    testbed.roll_back(&test_move).await?;
    let before = testbed.facts(Side::Destination).await?.capacity;
    let test_move = testbed.plan().await?;
    testbed.prepare(&test_move).await?;
    testbed.prepare(&test_move).await?;
    testbed.roll_back(&test_move).await?;
    let after = testbed.facts(Side::Destination).await?.capacity;
    // Other things happen on a real host's file system; a whole disk is not among them.
    let lost = before.disk_free_bytes.saturating_sub(after.disk_free_bytes);
    let disk = test_move
        .guest
        .disks
        .iter()
        .map(|disk| disk.allocated_bytes)
        .max();
    ensure(
        lost < disk.unwrap_or(1).max(1),
        "the room is free again",
        (before, after),
    )?;
    testbed.moves_again().await
}

/// The same start twice is one move.
pub async fn a_start_never_begins_a_second_move(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, BUSY).await?;
    let test_move = testbed.get_going().await?;
    testbed.start(&test_move).await?;
    let state = testbed.source().progress(&test_move.at_source).await?;
    ensure(
        matches!(state, JobState::Moving { .. }),
        "the move goes on",
        &state,
    )?;
    testbed.abort(&test_move).await?;
    testbed.ends_as(&test_move, &Outcome::Cancelled).await?;
    testbed.roll_back(&test_move).await
}

/// Cancelled, the guest executes on, nothing is left, and it can move later.
pub async fn an_abort_leaves_the_guest_as_it_was(harness: &dyn Harness) -> Case {
    for local_disk in [false, true] {
        let mut testbed = TestBed::new(harness, Setup { local_disk, ..BUSY }).await?;
        let test_move = testbed.get_going().await?;
        let seen = testbed.seen(Side::Source).await?;
        same(seen, Sighting::Moving, "the guest is seen moving")?;
        testbed.abort(&test_move).await?;
        testbed.ends_as(&test_move, &Outcome::Cancelled).await?;
        let again = testbed.abort(&test_move).await;
        same(
            again,
            Err(DriverError::NoJob),
            "there is nothing left to abort",
        )?;
        testbed.roll_back(&test_move).await?;
        testbed.moves_again().await?;
    }
    Ok(())
}

/// Past the switch there is no way back, and the guest arrives.
pub async fn a_busy_guest_is_forced_by_post_copy(harness: &dyn Harness) -> Case {
    let setup = Setup {
        post_copy: true,
        ..BUSY
    };
    let mut testbed = TestBed::new(harness, setup).await?;
    let test_move = testbed.get_going().await?;
    let means = testbed.force(&test_move).await?;
    same(means, ForceMeans::PostCopy, "post-copy is permitted")?;
    let late = testbed.abort(&test_move).await;
    let refused = matches!(late, Err(DriverError::TooLate | DriverError::NoJob));
    ensure(refused, "past the switch there is no abort", late)?;
    testbed.ends_as(&test_move, &Outcome::HandedOver).await?;
    testbed.finish(&test_move).await
}

/// Without post-copy the guest stands still until it is there, and executes then.
pub async fn a_busy_guest_is_forced_by_pausing(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, BUSY).await?;
    let test_move = testbed.get_going().await?;
    let means = testbed.force(&test_move).await?;
    same(means, ForceMeans::Pause, "post-copy is not permitted")?;
    testbed.ends_as(&test_move, &Outcome::HandedOver).await?;
    testbed.finish(&test_move).await?;
    let there = testbed.domain(Side::Destination).await?;
    let power = there.map(|guest| guest.power_state);
    same(
        power,
        Some(PowerState::Running),
        "the pause was ours, and is over",
    )
}

/// Before a move, and after it.
pub async fn without_a_move_there_is_nothing_to_steer(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = testbed.plan().await?;
    let source = testbed.source();
    let state = source.progress(&test_move.at_source).await?;
    same(state, JobState::NoJob, "nothing moves")?;
    let forced = source.force_complete(&test_move.at_source).await;
    same(forced, Err(DriverError::NoJob), "there is nothing to force")?;
    let aborted = source.abort(&test_move.at_source).await;
    same(
        aborted,
        Err(DriverError::NoJob),
        "there is nothing to abort",
    )?;
    testbed.unharmed().await
}

/// Commands at the wrong time, on either side, never destroy an executing guest.
pub async fn clean_up_spares_what_executes(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = testbed.plan().await?;
    let finished = testbed.finish_on(Side::Source, &test_move).await;
    refused(
        finished,
        "a source where the guest executes is not finished",
    )?;
    let finished = testbed.finish_on(Side::Destination, &test_move).await;
    ensure(
        finished.is_err(),
        "a destination without the guest is not finished",
        finished,
    )?;
    testbed.unharmed().await?;

    testbed.prepare(&test_move).await?;
    testbed.start(&test_move).await?;
    testbed.ends_as(&test_move, &Outcome::HandedOver).await?;
    let undone = testbed
        .roll_back_on(Side::Destination, &test_move, false)
        .await;
    refused(
        undone,
        "a destination where the guest executes is not rolled back",
    )?;
    let undone = testbed.roll_back_on(Side::Source, &test_move, true).await;
    ensure(
        undone.is_err(),
        "a source without the guest is not rolled back",
        undone,
    )?;
    testbed.finish(&test_move).await
}
