//! Guests that are stopped, started and rebooted where they are.

use anyhow::{Result, ensure};
use godwit_compute_agent::driver::{Driver, PowerOff, PowerOn};
use godwit_core::recovery::Sighting;
use godwit_test_support::testbed::GuestSpec;

use crate::fixture::{MoveTest, SOON};

impl MoveTest {
    async fn power_off(&self, how: PowerOff) -> Result<()> {
        self.source.power_off(self.server(), how).await?;
        ensure!(self.sighted(&self.source).await? == Sighting::Inactive);
        ensure!(self.from().emulators()?.is_empty(), "QEMU still runs");
        Ok(())
    }

    /// It counts again, in another boot than before, and on nobody else.
    async fn power_on(&self, how: PowerOn) -> Result<()> {
        self.source.power_on(self.server(), how).await?;
        ensure!(self.sighted(&self.source).await? == Sighting::Executing);
        ensure!(self.from().emulators()?.len() == 1);
        self.testbed.await_scan(&self.guest, self.from(), SOON)?;
        self.testbed.verify_restarted(&self.guest, self.from())?;
        Ok(())
    }

    async fn execution(&self) -> Result<Option<i64>> {
        Ok(self.source.execution(self.server()).await?)
    }
}

#[tokio::test]
async fn real_guest_is_stopped_started_and_rebooted() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let mut executions = vec![test.execution().await?];
    // A stop and a start, and a soft reboot; then a hard one.
    for (off, on) in [
        (PowerOff::Clean, PowerOn::Resumed),
        (PowerOff::Clean, PowerOn::Resumed),
        (PowerOff::Forced, PowerOn::Afresh),
    ] {
        test.power_off(off).await?;
        ensure!(test.execution().await?.is_none());
        test.power_on(on).await?;
        executions.push(test.execution().await?);
    }
    executions.sort_unstable();
    executions.dedup();
    ensure!(executions.len() == 4, "{executions:?}");
    Ok(())
}

#[tokio::test]
async fn real_guest_that_was_saved_is_resumed_by_a_start_only() -> Result<()> {
    let test = MoveTest::new(GuestSpec::new("vm"), |_| ())?;
    let name = test.guest.name().to_owned();
    test.from().virsh(["managedsave", &name])?;
    ensure!(test.sighted(&test.source).await? == Sighting::Inactive);
    test.source
        .power_on(test.server(), PowerOn::Resumed)
        .await?;
    let report = test.testbed.await_scan(&test.guest, test.from(), SOON)?;
    ensure!(report.boot == 1, "it was not resumed: {report:?}");

    test.from().virsh(["managedsave", &name])?;
    test.power_on(PowerOn::Afresh).await
}
