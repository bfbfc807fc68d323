//! An agent that says what a test tells it to: for testimony that no simulated hypervisor gives
//! on purpose, as after a crash of a daemon in the middle of a hand-over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::StorageMode;
use godwit_core::power::PowerAction;
use godwit_core::recovery::Sighting;
use godwit_core::time::Clock;
use godwit_rpc::agent::{Agent, AgentServer};
use godwit_rpc::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, ForceMeans, Movable, Power, Powered,
    Prepare, Receiver, RollBack, Start, Withdraw,
};
use godwit_rpc::facts::{HostFacts, Inventory};
use godwit_rpc::progress::WatchEvent;
use godwit_rpc::refusal::Refusal;
use godwit_rpc::transport::{Service, Transport, serve};
use godwit_rpc::version::Speaks;
use godwit_test_support::clock::SystemClock;
use godwit_test_support::fleet::rpc::{domain, facts, receiver};

use crate::process::Process;

/// What a puppet says and heard.
#[derive(Default)]
pub(crate) struct Script {
    /// What it sees of each guest; nothing: it is absent.
    pub(crate) sees: BTreeMap<ServerUuid, Sighting>,
    /// What a follower of any move hears before the stream is cut.
    pub(crate) tells: Vec<WatchEvent>,
    /// Commands that it answers with this.
    pub(crate) refuses: BTreeMap<&'static str, Refusal>,
    /// Commands that it took, in order.
    pub(crate) heard: Vec<&'static str>,
}

#[derive(Clone)]
pub(crate) struct Puppet {
    pub(crate) host: HostName,
    script: Arc<Mutex<Script>>,
}

impl Puppet {
    pub(crate) fn new(host: HostName) -> Self {
        let script = Arc::default();
        Self { host, script }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Lets it be called.
    pub(crate) fn serve(&self, transport: Transport) -> Process {
        let agent = Arc::new(self.clone());
        Process::start(move |stop| async move {
            let listener = crate::process::listen(&transport).await;
            let service: Service = AgentServer::service(agent, Speaks::default());
            serve(listener, service, stop).await.unwrap();
        })
    }

    pub(crate) fn inventory_now(&self) -> Inventory {
        let script = self.script();
        let domains = script.sees.iter().map(|(uuid, seen)| domain(*uuid, *seen));
        Inventory {
            facts: facts(&self.host),
            domains: domains.collect(),
            observed_at: SystemClock.now(),
        }
    }

    fn command(&self, name: &'static str) -> Result<(), Refusal> {
        let mut script = self.script();
        script.heard.push(name);
        script.refuses.get(name).cloned().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Agent for Puppet {
    async fn facts(&self) -> Result<HostFacts, Refusal> {
        Ok(facts(&self.host))
    }

    async fn inventory(&self) -> Result<Inventory, Refusal> {
        Ok(self.inventory_now())
    }

    async fn check_source(&self, check: CheckSource) -> Result<Movable, Refusal> {
        Ok(Movable {
            guest: domain(check.server, Sighting::Executing),
            storage: StorageMode::Shared,
        })
    }

    async fn check_destination(&self, _: CheckDestination) -> Result<(), Refusal> {
        Ok(())
    }

    async fn prepare(&self, _: Prepare) -> Result<Receiver, Refusal> {
        self.command("prepare").map(|()| receiver())
    }

    async fn start(&self, _: Start) -> Result<(), Refusal> {
        self.command("start")
    }

    async fn watch(
        &self,
        _: MigrationUuid,
        _: ServerUuid,
    ) -> Result<BoxStream<'static, WatchEvent>, Refusal> {
        Ok(stream::iter(self.script().tells.clone()).boxed())
    }

    async fn abort(&self, _: Command) -> Result<(), Refusal> {
        self.command("abort")
    }

    async fn force_complete(&self, _: Command) -> Result<ForceMeans, Refusal> {
        self.command("force_complete").map(|()| ForceMeans::Pause)
    }

    async fn finish(&self, _: Command) -> Result<(), Refusal> {
        self.command("finish")
    }

    async fn check_boot(&self, _: CheckBoot) -> Result<(), Refusal> {
        Ok(())
    }

    async fn boot(&self, boot: Boot) -> Result<(), Refusal> {
        self.command("boot")?;
        let server = boot.command.what.server;
        let seen = if boot.power_on {
            Sighting::Executing
        } else {
            Sighting::Inactive
        };
        self.script().sees.insert(server, seen);
        Ok(())
    }

    async fn withdraw(&self, withdraw: Withdraw) -> Result<(), Refusal> {
        self.command("withdraw")?;
        self.script().sees.remove(&withdraw.command.what.server);
        Ok(())
    }

    async fn power(&self, power: Power) -> Result<Powered, Refusal> {
        self.command(power.action.as_str())?;
        let seen = match power.action {
            PowerAction::Stop => Sighting::Inactive,
            PowerAction::Start | PowerAction::SoftReboot | PowerAction::HardReboot => {
                Sighting::Executing
            }
        };
        self.script().sees.insert(power.server, seen);
        Ok(Powered {
            power_state: domain(power.server, seen).power_state,
            failure: None,
        })
    }

    async fn roll_back(&self, roll_back: RollBack) -> Result<(), Refusal> {
        let server = roll_back.command.what.server;
        let here = self.script().sees.get(&server).copied();
        if roll_back.resume {
            self.command("resume")?;
            if here == Some(Sighting::HandedOver) {
                self.script().sees.insert(server, Sighting::Executing);
            }
            return Ok(());
        }
        self.command("roll_back")?;
        let is_source = roll_back.command.what.source == self.host;
        match (is_source, here) {
            (true, Some(Sighting::Executing | Sighting::Inactive)) => Ok(()),
            (false, None | Some(Sighting::Inactive)) => Ok(()),
            (false, Some(Sighting::Incoming)) => {
                self.script().sees.remove(&server);
                Ok(())
            }
            (true, _) | (false, Some(_)) => Err(Refusal::Failed(Failure::new(
                FailureCode::HypervisorError,
                "The guest is not as it was.",
            ))),
        }
    }
}
