//! The service that conductors call.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_rpc::agent::Agent;
use godwit_rpc::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, ForceMeans, Movable, Power, Powered,
    Prepare, Receiver, RollBack, Start, Withdraw,
};
use godwit_rpc::facts::{HostFacts, Inventory};
use godwit_rpc::progress::WatchEvent;
use godwit_rpc::refusal::Refusal;

use super::follower;
use super::shared::{Shared, refusal};
use super::worker::{AgentCommand, Answer, MoveCommand, Reply, submit};
use crate::driver::DriverError;

pub(super) struct AgentService {
    shared: Arc<Shared>,
}

impl AgentService {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let shared = shared.clone();
        Self { shared }
    }

    async fn submit(&self, command: MoveCommand) -> Answer {
        let what = &command.command().what;
        let Some(side) = what.side_of(&self.shared.host) else {
            let host = &self.shared.host;
            return Err(Refusal::Forbidden(format!(
                "{host} is neither source nor destination of migration {}",
                what.migration
            )));
        };
        submit(&self.shared, AgentCommand::Move(Box::new(command), side)).await
    }

    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, DriverError>>,
    ) -> Result<T, Refusal> {
        let cancelled = || Refusal::Unavailable("cancelled".to_owned());
        let asked = self.shared.ask(question).await;
        asked.map_err(|error| refusal(error, cancelled))
    }
}

#[async_trait]
impl Agent for AgentService {
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

    async fn prepare(&self, prepare: Prepare) -> Result<Receiver, Refusal> {
        match self.submit(MoveCommand::Prepare(Box::new(prepare))).await? {
            Reply::Prepared(receiver) => Ok(receiver),
            Reply::Done | Reply::Forced(_) | Reply::Powered(_) => Err(Refusal::NoJob),
        }
    }

    async fn start(&self, start: Start) -> Result<(), Refusal> {
        self.submit(MoveCommand::Start(start)).await.map(drop)
    }

    async fn watch(
        &self,
        migration: MigrationUuid,
        _: ServerUuid,
    ) -> Result<BoxStream<'static, WatchEvent>, Refusal> {
        Ok(follower::watch(&self.shared, migration))
    }

    async fn abort(&self, command: Command) -> Result<(), Refusal> {
        self.submit(MoveCommand::Abort(command)).await.map(drop)
    }

    async fn force_complete(&self, command: Command) -> Result<ForceMeans, Refusal> {
        match self.submit(MoveCommand::ForceComplete(command)).await? {
            Reply::Forced(means) => Ok(means),
            Reply::Done | Reply::Prepared(_) | Reply::Powered(_) => Err(Refusal::NoJob),
        }
    }

    async fn finish(&self, command: Command) -> Result<(), Refusal> {
        self.submit(MoveCommand::Finish(command)).await.map(drop)
    }

    async fn roll_back(&self, roll_back: RollBack) -> Result<(), Refusal> {
        self.submit(MoveCommand::RollBack(roll_back))
            .await
            .map(drop)
    }

    async fn check_boot(&self, check: CheckBoot) -> Result<(), Refusal> {
        self.ask(self.shared.driver.check_boot(&check)).await
    }

    async fn boot(&self, boot: Boot) -> Result<(), Refusal> {
        self.submit(MoveCommand::Boot(boot)).await.map(drop)
    }

    async fn withdraw(&self, withdraw: Withdraw) -> Result<(), Refusal> {
        self.submit(MoveCommand::Withdraw(withdraw)).await.map(drop)
    }

    async fn power(&self, command: Power) -> Result<Powered, Refusal> {
        match submit(&self.shared, AgentCommand::Power(command)).await? {
            Reply::Powered(powered) => Ok(powered),
            Reply::Done | Reply::Prepared(_) | Reply::Forced(_) => Err(Refusal::NoJob),
        }
    }
}
