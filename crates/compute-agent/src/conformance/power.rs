//! Guests that are powered off and on where they are.

use godwit_core::ids::ServerUuid;
use godwit_core::recovery::Sighting;
use godwit_rpc::command::Side;
use uuid::Uuid;

use super::Harness;
use super::testbed::{BUSY, Broken, Case, ORDINARY, TestBed, ensure, refused};
use crate::driver::{DriverError, PowerOff, PowerOn};

async fn execution(testbed: &TestBed) -> Result<Option<i64>, Broken> {
    Ok(testbed.source().execution(testbed.server()).await?)
}

async fn seen(testbed: &TestBed, wanted: Sighting) -> Case {
    let seen = testbed.seen(Side::Source).await?;
    ensure(seen == wanted, &format!("the guest is {wanted:?}"), seen)
}

/// Off and on, each as often as it is asked; each start is another execution.
async fn off_and_on(harness: &dyn Harness, off: PowerOff, on: PowerOn) -> Case {
    let testbed = TestBed::new(harness, ORDINARY).await?;
    let (driver, server) = (testbed.source(), testbed.server());
    let first = execution(&testbed).await?;
    ensure(first.is_some(), "what executes has a number", first)?;
    driver.power_on(server, on).await?;
    ensure(
        execution(&testbed).await? == first,
        "it is started once",
        first,
    )?;
    for _ in 0..2 {
        driver.power_off(server, off).await?;
        seen(&testbed, Sighting::Inactive).await?;
        let none = execution(&testbed).await?;
        ensure(none.is_none(), "what is off has no number", none)?;
    }
    for _ in 0..2 {
        driver.power_on(server, on).await?;
        seen(&testbed, Sighting::Executing).await?;
    }
    let second = execution(&testbed).await?;
    ensure(
        second.is_some() && second != first,
        "another execution has another number",
        (first, second),
    )?;
    Ok(testbed.fixture.verify(Side::Source).await?)
}

/// As its user would.
pub async fn a_guest_is_powered_off_and_on_where_it_is(harness: &dyn Harness) -> Case {
    off_and_on(harness, PowerOff::Clean, PowerOn::Resumed).await
}

/// By force, and afresh.
pub async fn a_guest_is_cut_off(harness: &dyn Harness) -> Case {
    off_and_on(harness, PowerOff::Forced, PowerOn::Afresh).await
}

/// Its move decides what becomes of it.
pub async fn a_guest_that_moves_is_not_powered_off(harness: &dyn Harness) -> Case {
    let mut testbed = TestBed::new(harness, BUSY).await?;
    let test_move = testbed.get_going().await?;
    let answer = testbed
        .source()
        .power_off(testbed.server(), PowerOff::Forced)
        .await;
    refused(answer, "a guest that moves is left alone")?;
    testbed.abort(&test_move).await?;
    testbed.end(&test_move).await?;
    testbed.roll_back(&test_move).await
}

/// Nobody makes what is not here.
pub async fn strangers_are_not_powered(harness: &dyn Harness) -> Case {
    let testbed = TestBed::new(harness, ORDINARY).await?;
    let (driver, stranger) = (testbed.source(), ServerUuid(Uuid::from_u128(0xa11e)));
    for refused in [
        driver.execution(stranger).await.map(drop),
        driver.power_off(stranger, PowerOff::Clean).await,
        driver.power_on(stranger, PowerOn::Resumed).await,
    ] {
        let right = refused == Err(DriverError::UnknownServer(stranger));
        ensure(right, "what is not here is unknown", refused)?;
    }
    testbed.unharmed().await
}
