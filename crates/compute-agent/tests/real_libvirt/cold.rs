//! Guests that are powered off here and on there: cold moves and evacuations.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use godwit_compute_agent::driver::{Driver, DriverError, Job};
use godwit_core::failure::FailureCode;
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{CheckBoot, Move, MoveKind, Side};
use godwit_rpc::progress::Outcome;
use godwit_test_support::fleet::migration;
use godwit_test_support::testbed::{GuestSpec, Host, Storage};
use godwit_test_support::wait_for;

use crate::fixture::{MoveTest, PlannedMove, SOON};
use crate::hosts::Page;

impl MoveTest {
    /// Powers the guest off at its source, for good.
    async fn start_cold_move(&self) -> Result<PlannedMove> {
        let checked = self.check_with(MoveKind::Cold, BlockMigration::Auto, None);
        let planned = checked.await?;
        self.prepare(&planned).await?;
        self.start(&planned).await?;
        let outcome = self.end(&planned).await?.outcome;
        ensure!(outcome == Outcome::Stopped, "{outcome:?}");
        self.sees(Sighting::Inactive, Sighting::Absent).await?;
        ensure!(self.from().emulators()?.is_empty(), "QEMU still runs");
        Ok(planned)
    }

    async fn sees(&self, source: Sighting, destination: Sighting) -> Result<()> {
        let seen = (
            self.sighted(&self.source).await?,
            self.sighted(&self.destination).await?,
        );
        ensure!(seen == (source, destination), "{seen:?}");
        Ok(())
    }

    async fn boot(&self, planned: &PlannedMove, power_on: bool) -> Result<(), DriverError> {
        let definition = planned.movable.guest.definition.as_deref();
        let definition = definition.expect("what was checked is described");
        self.destination
            .boot(&planned.destination_job, definition, power_on)
            .await
    }

    /// The guest counts on `here`, and never did anywhere else meanwhile.
    fn runs_on(&self, here: &Host) -> Result<()> {
        self.testbed.await_scan(&self.guest, here, SOON)?;
        self.testbed.verify_restarted(&self.guest, here)?;
        Ok(())
    }

    /// An evacuation of the guest, whose definition somebody wrote down in time.
    async fn evacuation(&self) -> Result<(PlannedMove, String)> {
        let described = self.check_with(MoveKind::Cold, BlockMigration::Auto, None);
        let mut planned = described.await?;
        let what = Move {
            migration: migration(2),
            kind: MoveKind::Evacuation,
            storage: StorageMode::Shared,
            ..planned.source_job.what.clone()
        };
        planned.source_job = Job::new(what.clone(), Arc::new(Page::default()));
        planned.destination_job = Job::new(what, Arc::new(Page::default()));
        let definition = planned.movable.guest.definition.clone();
        let definition = definition.context("a running guest has a definition")?;
        Ok((planned, definition))
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
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let planned = test.start_cold_move().await?;
    test.boot(&planned, true).await?;
    test.boot(&planned, true).await?;
    test.sees(Sighting::Inactive, Sighting::Executing).await?;
    test.runs_on(test.to())?;
    let disk = test.guest.disk.clone();

    test.finish_both(&planned).await?;
    test.sees(Sighting::Absent, Sighting::Executing).await?;
    ensure!(test.from().domains()?.is_empty(), "its definition is left");
    ensure!(disk.exists(), "its shared disk was removed");
    test.runs_on(test.to())
}

#[tokio::test]
async fn real_cold_move_is_reverted() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let planned = test.start_cold_move().await?;
    test.boot(&planned, true).await?;
    test.runs_on(test.to())?;

    let (from, to) = (&test.source, &test.destination);
    let undone = from
        .roll_back(&planned.source_job, Side::Source, false)
        .await;
    assert_eq!(failure(undone)?, FailureCode::HypervisorError);
    to.withdraw(&planned.destination_job, Side::Destination)
        .await?;
    test.sees(Sighting::Inactive, Sighting::Absent).await?;
    ensure!(test.to().emulators()?.is_empty(), "QEMU still runs");
    ensure!(test.guest.disk.exists(), "its shared disk was removed");
    to.roll_back(&planned.destination_job, Side::Destination, false)
        .await?;
    from.roll_back(&planned.source_job, Side::Source, true)
        .await?;
    test.sees(Sighting::Executing, Sighting::Absent).await?;
    test.runs_on(test.from())
}

#[tokio::test]
async fn real_guest_that_was_off_stays_off() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    test.from().virsh(["destroy", test.guest.name()])?;
    let planned = test.start_cold_move().await?;
    test.boot(&planned, false).await?;
    test.sees(Sighting::Inactive, Sighting::Inactive).await?;
    test.destination
        .withdraw(&planned.destination_job, Side::Destination)
        .await?;
    test.source
        .roll_back(&planned.source_job, Side::Source, true)
        .await?;
    test.sees(Sighting::Inactive, Sighting::Absent).await?;
    for host in [test.from(), test.to()] {
        ensure!(host.emulators()?.is_empty(), "somebody started it");
    }
    Ok(())
}

#[tokio::test]
async fn real_guest_of_a_dead_host_is_booted_elsewhere_and_given_up_there() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let (planned, definition) = test.evacuation().await?;
    test.lose_source()?;
    let check = CheckBoot {
        migration: planned.source_job.what.migration,
        server: test.server(),
        definition,
    };
    test.destination.check_boot(&check).await?;
    test.boot(&planned, true).await?;
    test.runs_on(test.to())?;

    test.from().start_libvirtd()?;
    wait_for("the source to answer", SOON, async || {
        Ok(test.source.domains().await.is_ok().then_some(()))
    })
    .await?;
    test.sees(Sighting::Inactive, Sighting::Executing).await?;
    for _ in 0..2 {
        test.source
            .withdraw(&planned.source_job, Side::Source)
            .await?;
        test.sees(Sighting::Absent, Sighting::Executing).await?;
    }
    ensure!(test.guest.disk.exists(), "its shared disk was removed");
    test.runs_on(test.to())
}

/// A host that was only cut off, where the guest never stopped: QEMU's locks keep the second
/// copy from starting. The copy that is stale in the records' view is powered off when told to.
#[tokio::test]
async fn real_running_guest_is_not_booted_a_second_time() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let (planned, _) = test.evacuation().await?;
    let code = failure(test.boot(&planned, true).await)?;
    assert_eq!(code, FailureCode::DisksInUse);
    ensure!(
        test.to().domains()?.is_empty(),
        "what was defined for nothing is left"
    );
    test.unharmed().await?;

    test.source
        .withdraw(&planned.source_job, Side::Source)
        .await?;
    test.sees(Sighting::Absent, Sighting::Absent).await?;
    ensure!(test.from().emulators()?.is_empty(), "QEMU still runs");
    ensure!(test.guest.disk.exists(), "its shared disk was removed");
    test.boot(&planned, true).await?;
    test.runs_on(test.to())
}

#[tokio::test]
async fn real_withdrawal_without_proof_is_refused() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let cold = test.check_with(MoveKind::Cold, BlockMigration::Auto, None);
    let cold = cold.await?;
    let (from, to) = (&test.source, &test.destination);
    failure(from.withdraw(&cold.source_job, Side::Source).await)?;
    test.unharmed().await?;

    let live = test.start_move(BlockMigration::Auto).await?;
    test.end(&live).await?;
    test.finish(&live).await?;
    failure(to.withdraw(&cold.destination_job, Side::Destination).await)?;
    test.testbed.await_scan(&test.guest, test.to(), SOON)?;
    test.testbed
        .verify(&test.guest, &[test.from(), test.to()])?;
    Ok(())
}

/// Local disks: a cold move says what to do instead, and an evacuation cannot be.
#[tokio::test]
async fn real_guest_with_a_local_disk_stays_where_it_is() -> Result<()> {
    let spec = GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("vm")
    };
    let test = MoveTest::new(spec, |_| ())?;
    let checked = test.check_with(MoveKind::Cold, BlockMigration::Auto, None);
    let code = failure(checked.await.map(drop))?;
    assert_eq!(code, FailureCode::NotSharedStorage);
    let described = test.source.domains().await?;
    let definition = described
        .into_iter()
        .find_map(|domain| domain.definition)
        .context("it is described")?;
    let check = CheckBoot {
        migration: migration(2),
        server: test.server(),
        definition,
    };
    let code = failure(test.destination.check_boot(&check).await)?;
    assert_eq!(code, FailureCode::NotSharedStorage);
    test.unharmed().await
}
