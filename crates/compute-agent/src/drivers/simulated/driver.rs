//! The driver of one simulated host.

use async_trait::async_trait;
use godwit_core::failure::FailureCode;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::StorageMode;
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{
    CheckBoot, CheckDestination, CheckSource, ForceMeans, Movable, MoveKind, Receiver, Side,
};
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cold::DriverState;
use super::fabric::Fabric;
use super::faults::{Fault, Step};
use super::fleet::Power;
use super::world::World;
use crate::checks;
use crate::driver::{Driver, DriverError, Job, JobState, PowerOff, PowerOn};
use crate::holds::{HoldPoint, Holds};
use crate::journal::Outlives;

#[derive(Clone, Debug)]
pub struct Simulated {
    fabric: Fabric,
    host: HostName,
    changes: watch::Receiver<u64>,
    holds: Holds,
}

impl Simulated {
    pub(super) fn new(
        fabric: Fabric,
        host: HostName,
        changes: watch::Receiver<u64>,
        holds: Holds,
    ) -> Self {
        Self {
            fabric,
            host,
            changes,
            holds,
        }
    }

    /// Lets a fault of this step strike, if there is one.
    async fn strike(&self, step: Step, cancel: &CancellationToken) -> Result<(), DriverError> {
        self.powered()?;
        let mut released = self.fabric.releases();
        released.mark_unchanged();
        match self.look(|world| world.faults.take(&self.host, step)) {
            None => Ok(()),
            Some(Fault::Fail(failure)) => Err(DriverError::Failed(failure)),
            Some(Fault::LoseLink) => Err(DriverError::Unavailable("the link is lost".to_owned())),
            Some(Fault::Hang) => tokio::select! {
                () = cancel.cancelled() => Err(DriverError::Cancelled),
                _ = released.changed() => Ok(()),
            },
        }
    }

    async fn strike_uncancelled(&self, step: Step) -> Result<(), DriverError> {
        self.strike(step, &CancellationToken::new()).await
    }

    /// A host without power gives no answer.
    fn powered(&self) -> Result<(), DriverError> {
        match self.look(|world| world.is_powered(&self.host)) {
            true => Ok(()),
            false => Err(DriverError::Unavailable(format!("{} is down", self.host))),
        }
    }

    fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.fabric.look(look)
    }

    fn domain(&self, server: ServerUuid) -> Option<Domain> {
        self.look(|world| world.domain(&self.host, server))
    }

    fn power_here(&self, server: ServerUuid) -> Option<Power> {
        self.look(|world| world.power_here(&self.host, server))
    }

    /// Writes down what the guest does before a cold move stops it.
    async fn save_power(&self, job: &Job) -> Result<(), DriverError> {
        let mut state: DriverState = job.load()?.unwrap_or_default();
        if job.what.kind != MoveKind::Cold || state.was.is_some() {
            return Ok(());
        }
        let server = job.what.server;
        let was = self.power_here(server);
        state.was = Some(was.ok_or(DriverError::UnknownServer(server))?);
        job.save(&state).await
    }

    /// Starts a guest again that a cold move powered off, if that is proven to be safe.
    async fn power_back(&self, job: &Job, resume: bool) -> Result<(), DriverError> {
        let mut state: DriverState = job.load()?.unwrap_or_default();
        let Some(was) = state.was else { return Ok(()) };
        let server = job.what.server;
        let is = self.power_here(server);
        match (is, was) {
            (None, _) => return Err(DriverError::UnknownServer(server)),
            (Some(Power::Off), Power::On | Power::Paused) if resume => {
                self.look(|world| world.power_on(server, was));
            }
            (Some(Power::Off), Power::On | Power::Paused) => {
                return Err(DriverError::hypervisor(format!(
                    "The guest was powered off on {} by its move.",
                    self.host
                )));
            }
            (Some(_), _) => {}
        }
        state.was = None;
        job.save(&state).await
    }

    fn own_facts(&self) -> Result<HostFacts, DriverError> {
        let facts = self.look(|world| world.facts(&self.host));
        facts.ok_or_else(|| DriverError::Unavailable(format!("there is no host {}", self.host)))
    }

    fn sighting(&self, job: &Job) -> Sighting {
        let domain = self.domain(job.what.server);
        domain.map_or(Sighting::Absent, |domain| domain.sighting)
    }
}

#[async_trait]
impl Driver for Simulated {
    fn guests_outlive(&self) -> Outlives {
        Outlives::Process
    }

    async fn facts(&self) -> Result<HostFacts, DriverError> {
        self.powered()?;
        self.own_facts()
    }

    async fn domains(&self) -> Result<Vec<Domain>, DriverError> {
        self.powered()?;
        Ok(self.look(|world| world.domains(&self.host)))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    async fn check_source(&self, check: &CheckSource) -> Result<Movable, DriverError> {
        self.strike_uncancelled(Step::CheckSource).await?;
        let guest = self.domain(check.server);
        let guest = guest.ok_or(DriverError::UnknownServer(check.server))?;
        checks::guest_can_leave(&guest, check.kind)?;
        let storage = checks::storage_mode(&guest, &check.destination, check.block_migration)?;
        Ok(Movable { guest, storage })
    }

    async fn check_destination(&self, check: &CheckDestination) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::CheckDestination).await?;
        let facts = self.own_facts()?;
        checks::hypervisors_match(&check.source, &facts)?;
        let needed = &check.guest.cpu.features;
        if let Some(missing) = needed
            .iter()
            .find(|feature| !facts.cpu.features.contains(feature))
        {
            let reason = format!("The host has no {missing}.");
            return Err(checks::cpu_failure(&reason));
        }
        let server = check.guest.server;
        if self.domain(server).is_some() {
            let reason = format!("{} already has instance {server}.", self.host);
            return Err(checks::pre_check(&reason));
        }
        checks::disks_fit(&check.guest, &facts, check.storage, check.disk_over_commit)
    }

    async fn prepare(
        &self,
        job: &Job,
        guest: &Domain,
        cancel: &CancellationToken,
    ) -> Result<Receiver, DriverError> {
        self.strike(Step::Prepare, cancel).await?;
        let facts = self.own_facts()?;
        let copied = match job.what.storage {
            StorageMode::Shared => 0,
            StorageMode::Copied => checks::bytes_to_copy(guest, &facts, None),
        };
        let free = facts.capacity.disk_free_bytes;
        if copied > free {
            return Err(DriverError::failed(
                FailureCode::DestinationFull,
                format!(
                    "{} has {free} bytes free, and {copied} are needed.",
                    self.host
                ),
            ));
        }
        self.look(|world| world.prepare(&job.what, copied))?;
        Ok(Receiver {
            target: format!("simulated://{}", self.host),
            pools: facts.pools,
        })
    }

    async fn start(
        &self,
        job: &Job,
        _receiver: &Receiver,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        self.strike(Step::Start, cancel).await?;
        self.save_power(job).await?;
        let held = self.holds.is_held(HoldPoint::BeforeHandover).await;
        self.look(|world| {
            world.start(&job.what)?;
            world.hold(job.what.migration, held);
            Ok(())
        })
    }

    async fn progress(&self, job: &Job) -> Result<JobState, DriverError> {
        self.powered()?;
        let held = self.holds.is_held(HoldPoint::BeforeHandover).await;
        Ok(self.look(|world| {
            world.hold(job.what.migration, held);
            world.job(job.what.migration)
        }))
    }

    async fn force_complete(&self, job: &Job) -> Result<ForceMeans, DriverError> {
        self.strike_uncancelled(Step::ForceComplete).await?;
        self.look(|world| world.force(&job.what))
    }

    async fn abort(&self, job: &Job) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::Abort).await?;
        self.look(|world| world.abort(job.what.migration))
    }

    async fn finish(&self, job: &Job, side: Side) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::Finish).await?;
        match (side, self.sighting(job)) {
            (Side::Destination, Sighting::Executing | Sighting::Inactive) => Ok(()),
            (Side::Destination, seen) => Err(DriverError::failed(
                FailureCode::GuestLost,
                format!("The guest is {seen:?} on {}.", self.host),
            )),
            (Side::Source, Sighting::Absent) => {
                self.look(|world| world.forget(job.what.migration));
                Ok(())
            }
            (Side::Source, Sighting::Inactive)
                if job.what.kind == MoveKind::Cold
                    && self.power_here(job.what.server).is_none() =>
            {
                self.look(|world| {
                    world.forget_definition(&self.host, job.what.server);
                    world.forget(job.what.migration);
                });
                Ok(())
            }
            (Side::Source, seen) => Err(DriverError::hypervisor(format!(
                "The guest is still {seen:?} on {}.",
                self.host
            ))),
        }
    }

    async fn roll_back(&self, job: &Job, side: Side, resume: bool) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::RollBack).await?;
        if side == Side::Source && resume && self.sighting(job) == Sighting::HandedOver {
            self.look(|world| world.resume(job.what.server));
        }
        if side == Side::Source && job.what.kind == MoveKind::Cold {
            self.power_back(job, resume).await?;
        }
        match (side, self.sighting(job)) {
            // Absent: its process died, and what was made for it is still there.
            (Side::Destination, Sighting::Incoming | Sighting::Absent) => {
                self.look(|world| world.drop_incoming(&job.what));
                Ok(())
            }
            (Side::Destination, seen) => Err(DriverError::hypervisor(format!(
                "The guest is {seen:?} on {}; it is left alone.",
                self.host
            ))),
            (Side::Source, Sighting::Executing | Sighting::Inactive) => {
                self.look(|world| world.forget(job.what.migration));
                Ok(())
            }
            (Side::Source, seen) => Err(DriverError::hypervisor(format!(
                "The guest is {seen:?} on {}, not as it was.",
                self.host
            ))),
        }
    }

    async fn check_boot(&self, check: &CheckBoot) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::CheckBoot).await?;
        self.look(|world| world.can_boot(&self.host, check.server, &check.definition))
    }

    async fn boot(&self, job: &Job, definition: &str, power_on: bool) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::Boot).await?;
        let what = &job.what;
        self.look(|world| world.can_boot(&self.host, what.server, definition))?;
        let mut state: DriverState = job.load()?.unwrap_or_default();
        state.booted = true;
        job.save(&state).await?;
        self.look(|world| world.boot(what, power_on))
    }

    async fn withdraw(&self, job: &Job, side: Side) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::Withdraw).await?;
        let state: DriverState = job.load()?.unwrap_or_default();
        let booted_here = side == Side::Destination && state.booted;
        self.look(|world| world.withdraw(&self.host, &job.what, booted_here))
    }
    async fn execution(&self, server: ServerUuid) -> Result<Option<i64>, DriverError> {
        self.powered()?;
        self.look(|world| world.execution(&self.host, server))
    }

    async fn power_off(&self, server: ServerUuid, _: PowerOff) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::PowerOff).await?;
        self.look(|world| world.set_off(&self.host, server))
    }

    async fn power_on(&self, server: ServerUuid, _: PowerOn) -> Result<(), DriverError> {
        self.strike_uncancelled(Step::PowerOn).await?;
        self.look(|world| world.set_on(&self.host, server))
    }
}
