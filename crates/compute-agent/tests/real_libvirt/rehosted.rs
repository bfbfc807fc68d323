//! Guests that are powered off here and on there: cold moves and evacuations.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use godwit_compute_agent::driver::{Driver, DriverError, Job};
use godwit_core::failure::FailureCode;
use godwit_core::ids::MigrationUuid;
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{CheckBoot, Move, MoveKind, Side};
use godwit_rpc::progress::Outcome;
use godwit_test_support::testbed::{GuestSpec, Host, Storage};
use godwit_test_support::wait_for;
use uuid::Uuid;

use crate::hosts::Page;
use crate::scene::{SOON, Scene, Travel};

impl Scene {
    /// Powers the guest off at its source, for good.
    async fn depart_cold(&self) -> Result<Travel> {
        let checked = self.check_with(MoveKind::Cold, BlockMigration::Auto, None);
        let travel = checked.await?;
        self.prepare(&travel).await?;
        self.start(&travel).await?;
        let outcome = self.end(&travel).await?.outcome;
        ensure!(outcome == Outcome::Stopped, "{outcome:?}");
        self.sees(Sighting::Inactive, Sighting::Absent).await?;
        ensure!(self.from().emulators()?.is_empty(), "QEMU still runs");
        Ok(travel)
    }

    async fn sees(&self, source: Sighting, destination: Sighting) -> Result<()> {
        let seen = (
            self.sighted(&self.source).await?,
            self.sighted(&self.destination).await?,
        );
        ensure!(seen == (source, destination), "{seen:?}");
        Ok(())
    }

    async fn boot(&self, travel: &Travel, power_on: bool) -> Result<(), DriverError> {
        let definition = travel.movable.guest.definition.as_deref();
        let definition = definition.expect("what was checked is described");
        self.destination
            .boot(&travel.destination_job, definition, power_on)
            .await
    }

    /// The guest counts on `here`, and never did anywhere else meanwhile.
    fn runs_on(&self, here: &Host) -> Result<()> {
        self.testbed.await_scan(&self.guest, here, SOON)?;
        self.testbed.verify_restarted(&self.guest, here)?;
        Ok(())
    }

    /// An evacuation of the guest, whose definition somebody wrote down in time.
    async fn evacuation(&self) -> Result<(Travel, String)> {
        let described = self.check_with(MoveKind::Cold, BlockMigration::Auto, None);
        let mut travel = described.await?;
        let what = Move {
            migration: MigrationUuid(Uuid::from_u128(0x4321)),
            kind: MoveKind::Evacuation,
            storage: StorageMode::Shared,
            ..travel.source_job.what.clone()
        };
        travel.source_job = Job::new(what.clone(), Arc::new(Page::default()));
        travel.destination_job = Job::new(what, Arc::new(Page::default()));
        let definition = travel.movable.guest.definition.clone();
        let definition = definition.context("a running guest has a definition")?;
        Ok((travel, definition))
    }
}

fn failure<T: std::fmt::Debug>(answer: Result<T, DriverError>) -> Result<FailureCode> {
    match answer {
        Err(DriverError::Failed(failure)) => {
            println!("{failure}");
            Ok(failure.code)
        }
        other => anyhow::bail!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn real_guest_is_cold_moved_and_confirmed() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    let travel = scene.depart_cold().await?;
    scene.boot(&travel, true).await?;
    scene.boot(&travel, true).await?;
    scene.sees(Sighting::Inactive, Sighting::Executing).await?;
    scene.runs_on(scene.to())?;
    let disk = scene.guest.disk.clone();

    scene
        .destination
        .finish(&travel.destination_job, Side::Destination)
        .await?;
    scene
        .source
        .finish(&travel.source_job, Side::Source)
        .await?;
    scene.sees(Sighting::Absent, Sighting::Executing).await?;
    ensure!(scene.from().domains()?.is_empty(), "its definition is left");
    ensure!(disk.exists(), "its shared disk was removed");
    scene.runs_on(scene.to())
}

#[tokio::test]
async fn real_cold_move_is_reverted() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    let travel = scene.depart_cold().await?;
    scene.boot(&travel, true).await?;
    scene.runs_on(scene.to())?;

    let (from, to) = (&scene.source, &scene.destination);
    let undone = from
        .roll_back(&travel.source_job, Side::Source, false)
        .await;
    assert_eq!(failure(undone)?, FailureCode::HypervisorError);
    to.withdraw(&travel.destination_job, Side::Destination)
        .await?;
    scene.sees(Sighting::Inactive, Sighting::Absent).await?;
    ensure!(scene.to().emulators()?.is_empty(), "QEMU still runs");
    ensure!(scene.guest.disk.exists(), "its shared disk was removed");
    to.roll_back(&travel.destination_job, Side::Destination, false)
        .await?;
    from.roll_back(&travel.source_job, Side::Source, true)
        .await?;
    scene.sees(Sighting::Executing, Sighting::Absent).await?;
    scene.runs_on(scene.from())
}

#[tokio::test]
async fn real_guest_that_was_off_stays_off() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    scene.from().virsh(["destroy", scene.guest.name()])?;
    let travel = scene.depart_cold().await?;
    scene.boot(&travel, false).await?;
    scene.sees(Sighting::Inactive, Sighting::Inactive).await?;
    scene
        .destination
        .withdraw(&travel.destination_job, Side::Destination)
        .await?;
    scene
        .source
        .roll_back(&travel.source_job, Side::Source, true)
        .await?;
    scene.sees(Sighting::Inactive, Sighting::Absent).await?;
    for host in [scene.from(), scene.to()] {
        ensure!(host.emulators()?.is_empty(), "somebody started it");
    }
    Ok(())
}

#[tokio::test]
async fn real_guest_of_a_dead_host_is_booted_elsewhere_and_given_up_there() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    let (travel, definition) = scene.evacuation().await?;
    scene.lose_source()?;
    let check = CheckBoot {
        migration: travel.source_job.what.migration,
        server: scene.server(),
        definition,
    };
    scene.destination.check_boot(&check).await?;
    scene.boot(&travel, true).await?;
    scene.runs_on(scene.to())?;

    scene.from().start_libvirtd()?;
    wait_for("the source to answer", SOON, async || {
        Ok(scene.source.domains().await.is_ok().then_some(()))
    })
    .await?;
    scene.sees(Sighting::Inactive, Sighting::Executing).await?;
    for _ in 0..2 {
        scene
            .source
            .withdraw(&travel.source_job, Side::Source)
            .await?;
        scene.sees(Sighting::Absent, Sighting::Executing).await?;
    }
    ensure!(scene.guest.disk.exists(), "its shared disk was removed");
    scene.runs_on(scene.to())
}

/// A host that was only cut off, where the guest never stopped: QEMU's locks keep the second
/// copy from starting. The copy that is stale in the records' view is powered off when told to.
#[tokio::test]
async fn real_running_guest_is_not_booted_a_second_time() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    let (travel, _) = scene.evacuation().await?;
    let code = failure(scene.boot(&travel, true).await)?;
    assert_eq!(code, FailureCode::DisksInUse);
    ensure!(
        scene.to().domains()?.is_empty(),
        "what was defined for nothing is left"
    );
    scene.unharmed().await?;

    scene
        .source
        .withdraw(&travel.source_job, Side::Source)
        .await?;
    scene.sees(Sighting::Absent, Sighting::Absent).await?;
    ensure!(scene.from().emulators()?.is_empty(), "QEMU still runs");
    ensure!(scene.guest.disk.exists(), "its shared disk was removed");
    scene.boot(&travel, true).await?;
    scene.runs_on(scene.to())
}

#[tokio::test]
async fn real_withdrawal_without_proof_is_refused() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    let cold = scene.check_with(MoveKind::Cold, BlockMigration::Auto, None);
    let cold = cold.await?;
    let (from, to) = (&scene.source, &scene.destination);
    failure(from.withdraw(&cold.source_job, Side::Source).await)?;
    scene.unharmed().await?;

    let live = scene.depart(BlockMigration::Auto).await?;
    scene.end(&live).await?;
    scene.finish(&live).await?;
    failure(to.withdraw(&cold.destination_job, Side::Destination).await)?;
    scene.testbed.await_scan(&scene.guest, scene.to(), SOON)?;
    scene
        .testbed
        .verify(&scene.guest, &[scene.from(), scene.to()])?;
    Ok(())
}

/// Local disks: a cold move says what to do instead, and an evacuation cannot be.
#[tokio::test]
async fn real_guest_with_a_local_disk_stays_where_it_is() -> Result<()> {
    let spec = GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("vm")
    };
    let scene = Scene::new(spec, |_| ())?;
    let checked = scene.check_with(MoveKind::Cold, BlockMigration::Auto, None);
    let code = failure(checked.await.map(drop))?;
    assert_eq!(code, FailureCode::NotSharedStorage);
    let described = scene.source.domains().await?;
    let definition = described
        .into_iter()
        .find_map(|domain| domain.definition)
        .context("it is described")?;
    let check = CheckBoot {
        migration: MigrationUuid(Uuid::from_u128(0x4321)),
        server: scene.server(),
        definition,
    };
    let code = failure(scene.destination.check_boot(&check).await)?;
    assert_eq!(code, FailureCode::NotSharedStorage);
    scene.unharmed().await
}
