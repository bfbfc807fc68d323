//! What is done to the power of a server that goes nowhere.
//!
//! Powering off and on are asked of the driver as often as the command comes. A reboot is both,
//! once: the journal remembers which execution of the guest it ends, so one that comes again, or
//! after the agent died in the middle of it, only does what is left of it.

use std::sync::Arc;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::ServerUuid;
use godwit_core::power::PowerAction;
use godwit_core::server::PowerState;
use godwit_rpc::command::{Power, Powered, Side};
use godwit_rpc::refusal::Refusal;
use tokio_util::sync::CancellationToken;

use super::shared::{Shared, refusal};
use super::worker::not_taken;
use crate::driver::{DriverError, PowerOff, PowerOn};
use crate::holds::HoldPoint;
use crate::journal::{PowerStage, Stage};

/// Performs one command that the journal has taken.
pub(super) async fn perform(
    shared: Arc<Shared>,
    power: Power,
    cancel: CancellationToken,
) -> Result<Powered, Refusal> {
    let began = tokio::time::Instant::now();
    let name = power.action.as_str();
    let step = Step {
        shared,
        power,
        cancel,
    };
    let answer = step.perform().await;
    step.shared.performed(name, began, &answer);
    answer
}

struct Step {
    shared: Arc<Shared>,
    power: Power,
    cancel: CancellationToken,
}

impl Step {
    async fn perform(&self) -> Result<Powered, Refusal> {
        let stage = match self.stage() {
            PowerStage::Done { failure } => return self.answer(failure).await,
            stage => stage,
        };
        let acted = match self.moved_away() {
            Some(failure) => Err(DriverError::Failed(failure)),
            None => {
                self.hold(HoldPoint::BeforePower).await?;
                self.interrupted_act(stage).await?
            }
        };
        let failure = match acted {
            Ok(()) => None,
            Err(DriverError::Failed(failure)) => Some(failure),
            Err(error) => return Err(self.refusal(error)),
        };
        self.hold(HoldPoint::Powered).await?;
        self.enter(PowerStage::Done {
            failure: failure.clone(),
        })
        .await?;
        self.answer(failure).await
    }

    fn stage(&self) -> PowerStage {
        let entry = self.shared.journal.power().find(self.power.server);
        let entry = entry.filter(|entry| entry.rank.sequence == self.power.rank.sequence);
        entry.map_or(PowerStage::Known, |entry| entry.stage)
    }

    /// A guest that a move took from here, and that nobody has given back yet, may execute
    /// elsewhere: a command that is late must not start it here as well.
    fn moved_away(&self) -> Option<Failure> {
        if !self.power.action.starts_guest() {
            return None;
        }
        let moved = self.shared.journal.select(|entry| {
            entry.what.server == self.power.server
                && entry.side == Side::Source
                && matches!(entry.stage, Stage::Starting | Stage::Moving)
        });
        let what = &moved.first()?.what;
        Some(Failure::new(
            FailureCode::HypervisorError,
            format!(
                "Migration {} took the server away from {}.",
                what.migration, self.shared.host
            ),
        ))
    }

    /// [`Self::act`], given up after as long as any step may take, and soon when a newer command
    /// makes it pointless.
    async fn interrupted_act(&self, stage: PowerStage) -> Result<Result<(), DriverError>, Refusal> {
        let limit = self.shared.pace.prepare_timeout;
        let acted = self.shared.limited(limit, &self.cancel, self.act(stage));
        acted.await.map_err(|error| self.refusal(error))?
    }

    async fn act(&self, stage: PowerStage) -> Result<Result<(), DriverError>, Refusal> {
        let (driver, server) = (&self.shared.driver, self.power.server);
        match self.power.action {
            PowerAction::Stop => Ok(driver.power_off(server, PowerOff::Clean).await),
            PowerAction::Start => Ok(driver.power_on(server, PowerOn::Resumed).await),
            PowerAction::SoftReboot => self.reboot(stage, PowerOff::Clean, PowerOn::Resumed).await,
            PowerAction::HardReboot => self.reboot(stage, PowerOff::Forced, PowerOn::Afresh).await,
        }
    }

    async fn reboot(
        &self,
        stage: PowerStage,
        off: PowerOff,
        on: PowerOn,
    ) -> Result<Result<(), DriverError>, Refusal> {
        let (driver, server) = (&self.shared.driver, self.power.server);
        if stage != PowerStage::PoweringOn {
            let current = match driver.execution(server).await {
                Ok(current) => current,
                Err(error) => return Ok(Err(error)),
            };
            let ending = match stage {
                PowerStage::PoweringOff { execution } => execution,
                PowerStage::Known | PowerStage::PoweringOn | PowerStage::Done { .. } => {
                    let execution = current;
                    self.enter(PowerStage::PoweringOff { execution }).await?;
                    execution
                }
            };
            // Another execution is the one that was to come.
            if current.is_some()
                && current == ending
                && let Err(error) = driver.power_off(server, off).await
            {
                return Ok(Err(error));
            }
            self.enter(PowerStage::PoweringOn).await?;
            self.hold(HoldPoint::PoweredOff).await?;
        }
        Ok(driver.power_on(server, on).await)
    }

    /// What there is to say once it is over.
    async fn answer(&self, failure: Option<Failure>) -> Result<Powered, Refusal> {
        let server = self.power.server;
        let seen = self.power_state(server).await?;
        if seen.is_none() && failure.is_none() {
            return Err(Refusal::UnknownServer(server));
        }
        Ok(Powered {
            power_state: seen.unwrap_or(PowerState::NoState),
            failure,
        })
    }

    async fn power_state(&self, server: ServerUuid) -> Result<Option<PowerState>, Refusal> {
        let domains = self.shared.ask(self.shared.driver.domains()).await;
        let domains = domains.map_err(|error| self.refusal(error))?;
        let found = domains.into_iter().find(|domain| domain.server == server);
        Ok(found.map(|domain| domain.power_state))
    }

    async fn enter(&self, stage: PowerStage) -> Result<(), Refusal> {
        let subject = (self.power.server, self.power.rank.sequence);
        let journal = self.shared.journal.power();
        let entered = journal.enter(subject, stage, self.shared.now());
        entered.await.map_err(not_taken)
    }

    async fn hold(&self, point: HoldPoint) -> Result<(), Refusal> {
        let passed = self.shared.holds.pass(point, &self.cancel).await;
        passed.map_err(|error| self.refusal(error))
    }

    /// Only a newer command cancels.
    fn refusal(&self, error: DriverError) -> Refusal {
        refusal(error, || {
            let newest = self.shared.journal.power().find(self.power.server);
            let newest = newest.map_or(self.power.rank, |entry| entry.rank);
            Refusal::Stale { newest }
        })
    }
}
