//! Guests that are powered off here and on there: cold moves and evacuations.

use godwit_core::migration::StorageMode;
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{MoveKind, Side};
use godwit_rpc::progress::Outcome;

use super::testbed::{Broken, Case, ORDINARY, TestBed, TestMove, refused, same};
use super::{Harness, HostFault};

/// Off at the source, and all there to be started at the destination.
async fn powered_off(harness: &dyn Harness) -> Result<(TestBed, TestMove), Broken> {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = testbed.start_cold_move().await?;
    same(
        test_move.storage(),
        StorageMode::Shared,
        "all disks are shared",
    )?;
    testbed.ends_as(&test_move, &Outcome::Stopped).await?;
    let seen = testbed.seen(Side::Source).await?;
    same(seen, Sighting::Inactive, "the guest is off")?;
    Ok((testbed, test_move))
}

/// Off, on, confirmed; each step may come again.
pub async fn a_cold_move_powers_off_here_and_on_there(harness: &dyn Harness) -> Case {
    let (testbed, test_move) = powered_off(harness).await?;
    testbed.start(&test_move).await?;
    testbed.ends_as(&test_move, &Outcome::Stopped).await?;
    for _ in 0..2 {
        testbed.boot(&test_move, true).await?;
        testbed
            .sees(Sighting::Inactive, Sighting::Executing)
            .await?;
    }
    testbed.finish(&test_move).await
}

/// Booted at the destination, then given up there; the source starts it again, on proof only.
pub async fn a_cold_move_is_undone(harness: &dyn Harness) -> Case {
    let (mut testbed, test_move) = powered_off(harness).await?;
    testbed.boot(&test_move, true).await?;
    let undone = testbed
        .roll_back_on(Side::Destination, &test_move, false)
        .await;
    refused(undone, "what was booted is not rolled back")?;
    for _ in 0..2 {
        testbed.withdraw_from(Side::Destination, &test_move).await?;
        testbed.sees(Sighting::Inactive, Sighting::Absent).await?;
    }
    back_at_the_source(&testbed, &test_move).await?;
    testbed.moves_again().await
}

/// The source starts what it powered off, when it is told that this is safe.
async fn back_at_the_source(testbed: &TestBed, test_move: &TestMove) -> Case {
    let unproven = testbed.roll_back_on(Side::Source, test_move, false).await;
    refused(unproven, "nothing is started without proof")?;
    // Whoever follows the move meanwhile does not power the guest off again.
    let source = testbed.source();
    for _ in 0..2 {
        let followed = async {
            loop {
                drop(source.progress(&test_move.at_source).await);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = followed => {}
            undone = testbed.roll_back_on(Side::Source, test_move, true) => undone?,
        }
        testbed.end(test_move).await?;
        testbed.unharmed().await?;
    }
    Ok(())
}

/// The agent dies while the guest powers off.
pub async fn a_cold_move_outlives_its_agent(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = testbed.start_cold_move().await?;
    testbed.fixture.restart_agent().await?;
    testbed.ends_as(&test_move, &Outcome::Stopped).await?;
    testbed.boot(&test_move, true).await?;
    testbed.finish(&test_move).await
}

/// Nothing was booted: the destination has nothing, and the source starts the guest again.
pub async fn a_guest_that_cannot_be_booted_goes_on_at_its_source(harness: &dyn Harness) -> Case {
    let (testbed, mut test_move) = powered_off(harness).await?;
    test_move.guest.definition = Some("this describes no guest".to_owned());
    refused(
        testbed.boot(&test_move, true).await,
        "nonsense is not booted",
    )?;
    testbed.withdraw_from(Side::Destination, &test_move).await?;
    testbed
        .roll_back_on(Side::Destination, &test_move, false)
        .await?;
    testbed.sees(Sighting::Inactive, Sighting::Absent).await?;
    back_at_the_source(&testbed, &test_move).await
}

/// There and back again, it is never started.
pub async fn a_guest_that_is_off_stays_off(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    testbed.fixture.power_off_guest().await?;
    testbed.until_seen(Side::Source, Sighting::Inactive).await?;
    let there = testbed.start_cold_move().await?;
    testbed.ends_as(&there, &Outcome::Stopped).await?;
    testbed.boot(&there, false).await?;
    testbed.sees(Sighting::Inactive, Sighting::Inactive).await?;
    testbed.withdraw_from(Side::Destination, &there).await?;
    testbed.roll_back_on(Side::Source, &there, true).await?;
    testbed.sees(Sighting::Inactive, Sighting::Absent).await?;

    let again = testbed.start_cold_move().await?;
    testbed.ends_as(&again, &Outcome::Stopped).await?;
    testbed.boot(&again, false).await?;
    testbed.finish_on(Side::Destination, &again).await?;
    testbed.finish_on(Side::Source, &again).await?;
    testbed.sees(Sighting::Absent, Sighting::Inactive).await
}

/// Its disks are locked where it executes.
pub async fn a_guest_is_never_booted_while_it_executes(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = TestBed::evacuation(&testbed.plan_kind(MoveKind::Cold).await?);
    refused(
        testbed.boot(&test_move, true).await,
        "a guest executes once",
    )?;
    testbed.unharmed().await
}

/// What executes is withdrawn only by the migration that booted it, or from a host that was
/// evacuated.
pub async fn nothing_is_withdrawn_without_proof(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = testbed.plan_kind(MoveKind::Cold).await?;
    let withdrawn = testbed.withdraw_from(Side::Source, &test_move).await;
    refused(withdrawn, "a cold move's source is not withdrawn")?;
    testbed.unharmed().await?;

    let arrival = testbed.start_move().await?;
    testbed.ends_as(&arrival, &Outcome::HandedOver).await?;
    testbed.finish(&arrival).await?;
    let withdrawn = testbed.withdraw_from(Side::Destination, &test_move).await;
    refused(withdrawn, "what came otherwise is not withdrawn")?;
    Ok(testbed.fixture.verify(Side::Destination).await?)
}

/// The source dies; the guest is started elsewhere from what was known of it, and the source
/// gives up what it still has when it is back.
pub async fn a_guest_is_evacuated_and_its_source_gives_it_up(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, ORDINARY).await?;
    let test_move = TestBed::evacuation(&testbed.plan_kind(MoveKind::Cold).await?);
    if !testbed.inject(HostFault::LosePower).await? {
        return Ok(());
    }
    testbed.check_boot(&test_move).await?;
    testbed.boot(&test_move, true).await?;
    testbed
        .until_seen(Side::Destination, Sighting::Executing)
        .await?;
    testbed.inject(HostFault::ReturnPower).await?;
    testbed.fixture.restart_agent().await?;
    testbed
        .sees(Sighting::Inactive, Sighting::Executing)
        .await?;
    for _ in 0..2 {
        testbed.withdraw_from(Side::Source, &test_move).await?;
        testbed.sees(Sighting::Absent, Sighting::Executing).await?;
    }
    Ok(testbed.fixture.verify(Side::Destination).await?)
}
