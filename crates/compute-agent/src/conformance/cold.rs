//! Guests that are powered off here and on there: cold moves and evacuations.

use godwit_core::migration::StorageMode;
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{MoveKind, Side};
use godwit_rpc::progress::Outcome;

use super::scene::{Broken, Case, Scene, Trip, ensure};
use super::{Harness, Mishap, Wish};
use crate::driver::DriverError;

const ORDINARY: Wish = Wish {
    busy: false,
    local_disk: false,
    post_copy: false,
};

fn refused<T: std::fmt::Debug>(answer: Result<T, DriverError>, promise: &str) -> Case {
    let right = matches!(&answer, Err(DriverError::Failed(_)));
    ensure(right, promise, answer)
}

async fn sees(scene: &Scene, source: Sighting, destination: Sighting) -> Case {
    let seen = (
        scene.seen(Side::Source).await?,
        scene.seen(Side::Destination).await?,
    );
    let wanted = (source, destination);
    ensure(
        seen == wanted,
        &format!("the guest is seen {wanted:?}"),
        seen,
    )
}

/// Off at the source, and all there to be started at the destination.
async fn powered_off(harness: &dyn Harness) -> Result<(Scene, Trip), Broken> {
    let mut scene = Scene::new(harness, ORDINARY).await?;
    let trip = scene.depart_cold().await?;
    ensure(
        trip.storage() == StorageMode::Shared,
        "all disks are shared",
        trip.storage(),
    )?;
    scene.ends_as(&trip, &Outcome::Stopped).await?;
    let seen = scene.seen(Side::Source).await?;
    ensure(seen == Sighting::Inactive, "the guest is off", seen)?;
    Ok((scene, trip))
}

/// Off, on, confirmed; each step may come again.
pub async fn a_cold_move_powers_off_here_and_on_there(harness: &dyn Harness) -> Result<(), Broken> {
    let (scene, trip) = powered_off(harness).await?;
    scene.start(&trip).await?;
    scene.ends_as(&trip, &Outcome::Stopped).await?;
    for _ in 0..2 {
        scene.boot(&trip, true).await?;
        sees(&scene, Sighting::Inactive, Sighting::Executing).await?;
    }
    scene.finish(&trip).await
}

/// Booted at the destination, then given up there; the source starts it again, on proof only.
pub async fn a_cold_move_is_undone(harness: &dyn Harness) -> Result<(), Broken> {
    let (mut scene, trip) = powered_off(harness).await?;
    scene.boot(&trip, true).await?;
    let undone = scene
        .destination()
        .roll_back(&trip.arriving, Side::Destination, false)
        .await;
    refused(undone, "what was booted is not rolled back")?;
    for _ in 0..2 {
        let destination = scene.destination();
        destination
            .withdraw(&trip.arriving, Side::Destination)
            .await?;
        sees(&scene, Sighting::Inactive, Sighting::Absent).await?;
    }
    back_at_the_source(&scene, &trip).await?;
    scene.moves_again().await
}

/// The source starts what it powered off, when it is told that this is safe.
async fn back_at_the_source(scene: &Scene, trip: &Trip) -> Case {
    let source = scene.source();
    let unproven = source.roll_back(&trip.leaving, Side::Source, false).await;
    refused(unproven, "nothing is started without proof")?;
    for _ in 0..2 {
        source.roll_back(&trip.leaving, Side::Source, true).await?;
    }
    scene.unharmed().await
}

/// The agent dies while the guest powers off.
pub async fn a_cold_move_outlives_its_agent(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, ORDINARY).await?;
    let trip = scene.depart_cold().await?;
    scene.restart_agent().await?;
    scene.ends_as(&trip, &Outcome::Stopped).await?;
    scene.boot(&trip, true).await?;
    scene.finish(&trip).await
}

/// Nothing was booted: the destination has nothing, and the source starts the guest again.
pub async fn a_guest_that_cannot_be_booted_goes_on_at_its_source(
    harness: &dyn Harness,
) -> Result<(), Broken> {
    let (scene, mut trip) = powered_off(harness).await?;
    trip.guest.definition = Some("this describes no guest".to_owned());
    refused(scene.boot(&trip, true).await, "nonsense is not booted")?;
    let destination = scene.destination();
    destination
        .withdraw(&trip.arriving, Side::Destination)
        .await?;
    destination
        .roll_back(&trip.arriving, Side::Destination, false)
        .await?;
    sees(&scene, Sighting::Inactive, Sighting::Absent).await?;
    back_at_the_source(&scene, &trip).await
}

/// There and back again, it is never started.
pub async fn a_guest_that_is_off_stays_off(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, ORDINARY).await?;
    scene.power_off_guest().await?;
    scene.until_seen(Side::Source, Sighting::Inactive).await?;
    let there = scene.depart_cold().await?;
    scene.ends_as(&there, &Outcome::Stopped).await?;
    scene.boot(&there, false).await?;
    sees(&scene, Sighting::Inactive, Sighting::Inactive).await?;
    scene
        .destination()
        .withdraw(&there.arriving, Side::Destination)
        .await?;
    scene
        .source()
        .roll_back(&there.leaving, Side::Source, true)
        .await?;
    sees(&scene, Sighting::Inactive, Sighting::Absent).await?;

    let again = scene.depart_cold().await?;
    scene.ends_as(&again, &Outcome::Stopped).await?;
    scene.boot(&again, false).await?;
    scene
        .destination()
        .finish(&again.arriving, Side::Destination)
        .await?;
    scene.source().finish(&again.leaving, Side::Source).await?;
    sees(&scene, Sighting::Absent, Sighting::Inactive).await
}

/// Its disks are locked where it executes.
pub async fn a_guest_is_never_booted_while_it_executes(
    harness: &dyn Harness,
) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, ORDINARY).await?;
    let trip = Scene::evacuation(&scene.plan_kind(MoveKind::Cold).await?);
    refused(scene.boot(&trip, true).await, "a guest executes once")?;
    scene.unharmed().await
}

/// What executes is withdrawn only by the migration that booted it, or from a host that was
/// evacuated.
pub async fn nothing_is_withdrawn_without_proof(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, ORDINARY).await?;
    let trip = scene.plan_kind(MoveKind::Cold).await?;
    let source = scene.source();
    let withdrawn = source.withdraw(&trip.leaving, Side::Source).await;
    refused(withdrawn, "a cold move's source is not withdrawn")?;
    scene.unharmed().await?;

    let arrival = scene.depart().await?;
    scene.ends_as(&arrival, &Outcome::HandedOver).await?;
    scene.finish(&arrival).await?;
    let destination = scene.destination();
    let withdrawn = destination
        .withdraw(&trip.arriving, Side::Destination)
        .await;
    refused(withdrawn, "what came otherwise is not withdrawn")?;
    scene.verify(Side::Destination).await
}

/// The source dies; the guest is started elsewhere from what was known of it, and the source
/// gives up what it still has when it is back.
pub async fn a_guest_is_evacuated_and_its_source_gives_it_up(
    harness: &dyn Harness,
) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, ORDINARY).await?;
    let trip = Scene::evacuation(&scene.plan_kind(MoveKind::Cold).await?);
    if !scene.befall(Mishap::LosePower).await? {
        return Ok(());
    }
    scene.check_boot(&trip).await?;
    scene.boot(&trip, true).await?;
    scene
        .until_seen(Side::Destination, Sighting::Executing)
        .await?;
    scene.befall(Mishap::ReturnPower).await?;
    scene.restart_agent().await?;
    sees(&scene, Sighting::Inactive, Sighting::Executing).await?;
    for _ in 0..2 {
        scene.source().withdraw(&trip.leaving, Side::Source).await?;
        sees(&scene, Sighting::Absent, Sighting::Executing).await?;
    }
    scene.verify(Side::Destination).await
}
