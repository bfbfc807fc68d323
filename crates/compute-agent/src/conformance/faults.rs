//! Moves that something happens to. Whatever it is, the guest executes on exactly one host, the
//! driver does not say more than it knows, and afterwards the guest can move.

use godwit_core::recovery::Sighting;
use godwit_rpc::command::Side;
use godwit_rpc::progress::Outcome;

use super::testbed::{BUSY, Case, TestBed, ensure, refused};
use super::{Harness, HostFault};

/// This happens to a move, which fails, and the guest can move later. Either the driver saw the
/// move fail, or it says that it cannot tell; then both hosts are seen to agree that the guest
/// never left.
async fn fails_a_move(harness: &dyn Harness, fault: HostFault) -> Case {
    let mut testbed = TestBed::new(harness, BUSY).await?;
    let test_move = testbed.get_going().await?;
    if !testbed.inject(fault).await? {
        return Ok(());
    }
    match testbed.end(&test_move).await?.map(|ended| ended.outcome) {
        None | Some(Outcome::Failed(_)) => {}
        other => ensure(false, "the move fails", other)?,
    }
    testbed
        .until_seen(Side::Source, Sighting::Executing)
        .await?;
    if fault == HostFault::CutLink {
        testbed.inject(HostFault::HealLink).await?;
    }
    testbed.roll_back(&test_move).await?;
    testbed.moves_again().await
}

/// The agent is killed while the move goes on; the one that comes back follows it, or says
/// that it cannot.
pub async fn a_move_outlives_its_agent(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, BUSY).await?;
    let test_move = testbed.get_going().await?;
    testbed.fixture.restart_agent().await?;
    testbed
        .until(&test_move, |progress, _| progress.memory.processed > 0)
        .await?;
    testbed.start(&test_move).await?;
    testbed.force(&test_move).await?;
    match testbed.end(&test_move).await?.map(|ended| ended.outcome) {
        Some(Outcome::HandedOver) | None => {}
        other => ensure(false, "the move is handed over", other)?,
    }
    testbed
        .until_seen(Side::Destination, Sighting::Executing)
        .await?;
    testbed.finish(&test_move).await
}

/// The hypervisors notice, and the guest stays.
pub async fn a_cut_link_fails_a_move(harness: &dyn Harness) -> Case {
    fails_a_move(harness, HostFault::CutLink).await
}

/// What receives the guest dies.
pub async fn a_killed_destination_fails_a_move(harness: &dyn Harness) -> Case {
    fails_a_move(harness, HostFault::KillIncoming).await
}

/// The job is gone with the service that drove it; the guest never noticed.
pub async fn a_restarted_service_tells_no_lies(harness: &dyn Harness) -> Case {
    fails_a_move(harness, HostFault::RestartService).await
}

/// A guest that its move stopped executes nowhere. Only who has proof resumes it.
pub async fn a_stopped_guest_is_resumed_on_proof_only(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, BUSY).await?;
    let test_move = testbed.get_going().await?;
    if !testbed.inject(HostFault::RestartServiceAtHandover).await? {
        return Ok(());
    }
    let ended = testbed.end(&test_move).await?;
    ensure(ended.is_none(), "nobody knows how it ended", ended)?;
    testbed
        .until_seen(Side::Source, Sighting::HandedOver)
        .await?;
    testbed
        .roll_back_on(Side::Destination, &test_move, false)
        .await?;
    let undone = testbed.roll_back_on(Side::Source, &test_move, false).await;
    refused(undone, "without proof a stopped guest is not resumed")?;
    testbed.roll_back_on(Side::Source, &test_move, true).await?;
    testbed.unharmed().await?;
    testbed.moves_again().await
}
