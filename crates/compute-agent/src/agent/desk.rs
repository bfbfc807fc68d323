//! The service that conductors call.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_rpc::agent::Agent;
use godwit_rpc::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, ForceMeans, Movable, Power, Powered,
    Prepare, RollBack, Start, Withdraw,
};
use godwit_rpc::facts::{HostFacts, Inventory};
use godwit_rpc::progress::WatchEvent;
use godwit_rpc::refusal::Refusal;

use super::follower;
use super::shared::Shared;
use super::worker::{Answer, Order, order, power};
use crate::driver::DriverError;

pub(super) struct Desk {
    shared: Arc<Shared>,
}

impl Desk {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let shared = shared.clone();
        Self { shared }
    }

    async fn order(&self, it: Order) -> Answer {
        let what = &it.command().what;
        let Some(side) = what.side_of(&self.shared.host) else {
            let host = &self.shared.host;
            return Err(Refusal::Forbidden(format!(
                "{host} is neither source nor destination of migration {}",
                what.migration
            )));
        };
        order(&self.shared, it, side).await
    }

    async fn ask<T>(
        &self,
        inquiry: impl Future<Output = Result<T, DriverError>>,
    ) -> Result<T, Refusal> {
        let limit = self.shared.pace.step_timeout;
        let late = |_| Refusal::Unavailable(format!("the hypervisor is silent for {limit:?}"));
        let asked = tokio::time::timeout(limit, inquiry).await.map_err(late)?;
        asked.map_err(|error| match error {
            DriverError::Failed(failure) => Refusal::Failed(failure),
            DriverError::NoJob => Refusal::NoJob,
            DriverError::TooLate => Refusal::TooLate,
            DriverError::UnknownServer(server) => Refusal::UnknownServer(server),
            DriverError::Unavailable(reason) => Refusal::Unavailable(reason),
            DriverError::Cancelled => Refusal::Unavailable("cancelled".to_owned()),
        })
    }
}

#[async_trait]
impl Agent for Desk {
    async fn facts(&self) -> Result<HostFacts, Refusal> {
        self.ask(self.shared.driver.facts()).await
    }

    async fn inventory(&self) -> Result<Inventory, Refusal> {
        self.ask(self.shared.inventory()).await
    }

    async fn check_source(&self, check: CheckSource) -> Result<Movable, Refusal> {
        self.ask(self.shared.driver.check_source(&check)).await
    }

    async fn check_destination(&self, check: CheckDestination) -> Result<(), Refusal> {
        self.ask(self.shared.driver.check_destination(&check)).await
    }

    async fn prepare(&self, prepare: Prepare) -> Result<(), Refusal> {
        self.order(Order::Prepare(prepare)).await.map(drop)
    }

    async fn start(&self, start: Start) -> Result<(), Refusal> {
        self.order(Order::Start(start)).await.map(drop)
    }

    async fn watch(
        &self,
        migration: MigrationUuid,
        _: ServerUuid,
    ) -> Result<BoxStream<'static, WatchEvent>, Refusal> {
        Ok(follower::watch(&self.shared, migration))
    }

    async fn abort(&self, command: Command) -> Result<(), Refusal> {
        self.order(Order::Abort(command)).await.map(drop)
    }

    async fn force_complete(&self, command: Command) -> Result<ForceMeans, Refusal> {
        let means = self.order(Order::ForceComplete(command)).await?;
        means.ok_or(Refusal::NoJob)
    }

    async fn finish(&self, command: Command) -> Result<(), Refusal> {
        self.order(Order::Finish(command)).await.map(drop)
    }

    async fn roll_back(&self, roll_back: RollBack) -> Result<(), Refusal> {
        self.order(Order::RollBack(roll_back)).await.map(drop)
    }

    async fn check_boot(&self, check: CheckBoot) -> Result<(), Refusal> {
        self.ask(self.shared.driver.check_boot(&check)).await
    }

    async fn boot(&self, boot: Boot) -> Result<(), Refusal> {
        self.order(Order::Boot(boot)).await.map(drop)
    }

    async fn withdraw(&self, withdraw: Withdraw) -> Result<(), Refusal> {
        self.order(Order::Withdraw(withdraw)).await.map(drop)
    }

    async fn power(&self, command: Power) -> Result<Powered, Refusal> {
        power(&self.shared, command).await
    }
}
