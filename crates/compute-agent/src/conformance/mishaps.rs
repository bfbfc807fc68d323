//! Moves that something happens to. Whatever it is, the guest executes on exactly one host, the
//! driver does not say more than it knows, and afterwards the guest can move.

use godwit_core::recovery::Sighting;
use godwit_rpc::command::Side;
use godwit_rpc::progress::Outcome;

use super::scene::{Broken, Case, Scene, Trip, ensure};
use super::{Harness, Mishap, Wish};
use crate::driver::DriverError;

const BUSY: Wish = Wish {
    busy: true,
    local_disk: false,
    post_copy: false,
};

/// Either the driver saw the move fail, or it says that it cannot tell; then both hosts are
/// seen to agree that the guest never left.
async fn did_not_leave(scene: &Scene, trip: &Trip) -> Case {
    match scene.end(trip).await?.map(|ended| ended.outcome) {
        None | Some(Outcome::Failed(_)) => {
            scene.until_seen(Side::Source, Sighting::Executing).await
        }
        other => ensure(false, "the move fails", other),
    }
}

/// The agent is killed while the move goes on; the one that comes back follows it, or says
/// that it cannot.
pub async fn a_move_outlives_its_agent(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, BUSY).await?;
    let trip = scene.get_going().await?;
    scene.restart_agent().await?;
    scene
        .until(&trip, |progress, _| progress.memory.processed > 0)
        .await?;
    scene.start(&trip).await?;
    scene.source().force_complete(&trip.leaving).await?;
    match scene.end(&trip).await?.map(|ended| ended.outcome) {
        Some(Outcome::HandedOver) | None => {}
        other => ensure(false, "the move is handed over", other)?,
    }
    scene
        .until_seen(Side::Destination, Sighting::Executing)
        .await?;
    scene.finish(&trip).await
}

/// The hypervisors notice, and the guest stays.
pub async fn a_cut_link_fails_a_move(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, BUSY).await?;
    let trip = scene.get_going().await?;
    if !scene.befall(Mishap::CutLink).await? {
        return Ok(());
    }
    did_not_leave(&scene, &trip).await?;
    scene.befall(Mishap::HealLink).await?;
    scene.roll_back(&trip).await?;
    scene.moves_again().await
}

/// What receives the guest dies.
pub async fn a_killed_destination_fails_a_move(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, BUSY).await?;
    let trip = scene.get_going().await?;
    if !scene.befall(Mishap::KillIncoming).await? {
        return Ok(());
    }
    did_not_leave(&scene, &trip).await?;
    scene.roll_back(&trip).await?;
    scene.moves_again().await
}

/// The job is gone with the service that drove it; the guest never noticed.
pub async fn a_restarted_service_tells_no_lies(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, BUSY).await?;
    let trip = scene.get_going().await?;
    if !scene.befall(Mishap::RestartService).await? {
        return Ok(());
    }
    did_not_leave(&scene, &trip).await?;
    scene.roll_back(&trip).await?;
    scene.moves_again().await
}

/// A guest that its move stopped executes nowhere. Only who has proof resumes it.
pub async fn a_stopped_guest_is_resumed_on_proof_only(harness: &dyn Harness) -> Result<(), Broken> {
    let mut scene = Scene::new(harness, BUSY).await?;
    let trip = scene.get_going().await?;
    if !scene.befall(Mishap::RestartServiceAtHandover).await? {
        return Ok(());
    }
    let ended = scene.end(&trip).await?;
    ensure(ended.is_none(), "nobody knows how it ended", ended)?;
    scene.until_seen(Side::Source, Sighting::HandedOver).await?;
    scene
        .destination()
        .roll_back(&trip.arriving, Side::Destination, false)
        .await?;
    let undone = scene
        .source()
        .roll_back(&trip.leaving, Side::Source, false)
        .await;
    let refused = matches!(undone, Err(DriverError::Failed(_)));
    ensure(
        refused,
        "without proof a stopped guest is not resumed",
        undone,
    )?;
    scene
        .source()
        .roll_back(&trip.leaving, Side::Source, true)
        .await?;
    scene.unharmed().await?;
    scene.moves_again().await
}
