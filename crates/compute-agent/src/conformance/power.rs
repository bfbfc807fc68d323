//! Guests that are powered off and on where they are.

use godwit_core::ids::ServerUuid;
use godwit_core::recovery::Sighting;
use godwit_rpc::command::Side;
use uuid::Uuid;

use super::scene::{Broken, Case, Scene, ensure};
use super::{Harness, Wish};
use crate::driver::{DriverError, PowerOff, PowerOn};

const ORDINARY: Wish = Wish {
    busy: false,
    local_disk: false,
    post_copy: false,
};

async fn execution(scene: &Scene) -> Result<Option<i64>, Broken> {
    Ok(scene.source().execution(scene.server()).await?)
}

async fn seen(scene: &Scene, wanted: Sighting) -> Case {
    let seen = scene.seen(Side::Source).await?;
    ensure(seen == wanted, &format!("the guest is {wanted:?}"), seen)
}

/// Off and on, each as often as it is asked; each start is another execution.
async fn off_and_on(harness: &dyn Harness, off: PowerOff, on: PowerOn) -> Case {
    let scene = Scene::new(harness, ORDINARY).await?;
    let (driver, server) = (scene.source(), scene.server());
    let first = execution(&scene).await?;
    ensure(first.is_some(), "what executes has a number", first)?;
    driver.power_on(server, on).await?;
    ensure(
        execution(&scene).await? == first,
        "it is started once",
        first,
    )?;
    for _ in 0..2 {
        driver.power_off(server, off).await?;
        seen(&scene, Sighting::Inactive).await?;
        let none = execution(&scene).await?;
        ensure(none.is_none(), "what is off has no number", none)?;
    }
    for _ in 0..2 {
        driver.power_on(server, on).await?;
        seen(&scene, Sighting::Executing).await?;
    }
    let second = execution(&scene).await?;
    ensure(
        second.is_some() && second != first,
        "another execution has another number",
        (first, second),
    )?;
    scene.verify(Side::Source).await
}

/// As its user would.
pub async fn a_guest_is_powered_off_and_on_where_it_is(
    harness: &dyn Harness,
) -> Result<(), Broken> {
    off_and_on(harness, PowerOff::Clean, PowerOn::Resumed).await
}

/// By force, and afresh.
pub async fn a_guest_is_cut_off(harness: &dyn Harness) -> Result<(), Broken> {
    off_and_on(harness, PowerOff::Forced, PowerOn::Afresh).await
}

/// Its move decides what becomes of it.
pub async fn a_guest_that_moves_is_not_powered_off(harness: &dyn Harness) -> Result<(), Broken> {
    let busy = Wish {
        busy: true,
        ..ORDINARY
    };
    let mut scene = Scene::new(harness, busy).await?;
    let trip = scene.get_going().await?;
    let refused = scene
        .source()
        .power_off(scene.server(), PowerOff::Forced)
        .await;
    let right = matches!(refused, Err(DriverError::Failed(_)));
    ensure(right, "a guest that moves is left alone", refused)?;
    scene.source().abort(&trip.leaving).await?;
    scene.end(&trip).await?;
    scene.roll_back(&trip).await
}

/// Nobody makes what is not here.
pub async fn strangers_are_not_powered(harness: &dyn Harness) -> Result<(), Broken> {
    let scene = Scene::new(harness, ORDINARY).await?;
    let (driver, stranger) = (scene.source(), ServerUuid(Uuid::from_u128(0xa11e)));
    for refused in [
        driver.execution(stranger).await.map(drop),
        driver.power_off(stranger, PowerOff::Clean).await,
        driver.power_on(stranger, PowerOn::Resumed).await,
    ] {
        let right = refused == Err(DriverError::UnknownServer(stranger));
        ensure(right, "what is not here is unknown", refused)?;
    }
    scene.unharmed().await
}
