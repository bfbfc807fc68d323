//! Guests that are stopped, started and rebooted where they are.

use anyhow::{Result, ensure};
use godwit_compute_agent::driver::{Driver, PowerOff, PowerOn};
use godwit_core::recovery::Sighting;
use godwit_test_support::testbed::GuestSpec;

use crate::scene::{SOON, Scene};

impl Scene {
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
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    let mut executions = vec![scene.execution().await?];
    // A stop and a start, and a soft reboot; then a hard one.
    for (off, on) in [
        (PowerOff::Clean, PowerOn::Resumed),
        (PowerOff::Clean, PowerOn::Resumed),
        (PowerOff::Forced, PowerOn::Afresh),
    ] {
        scene.power_off(off).await?;
        ensure!(scene.execution().await?.is_none());
        scene.power_on(on).await?;
        executions.push(scene.execution().await?);
    }
    executions.sort_unstable();
    executions.dedup();
    ensure!(executions.len() == 4, "{executions:?}");
    Ok(())
}

#[tokio::test]
async fn real_guest_that_was_saved_is_resumed_by_a_start_only() -> Result<()> {
    let scene = Scene::new(GuestSpec::new("vm"), |_| ())?;
    let name = scene.guest.name().to_owned();
    scene.from().virsh(["managedsave", &name])?;
    ensure!(scene.sighted(&scene.source).await? == Sighting::Inactive);
    scene
        .source
        .power_on(scene.server(), PowerOn::Resumed)
        .await?;
    let report = scene.testbed.await_scan(&scene.guest, scene.from(), SOON)?;
    ensure!(report.boot == 1, "it was not resumed: {report:?}");

    scene.from().virsh(["managedsave", &name])?;
    scene.power_on(PowerOn::Afresh).await
}
