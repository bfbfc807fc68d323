//! A conductor and an agent that note who called, behind any transport.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::power::PowerAction;
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;
use godwit_rpc::Deadlines;
use godwit_rpc::agent::{Agent, AgentClient, AgentServer};
use godwit_rpc::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, ForceMeans, Movable, Power, Powered,
    Prepare, Receiver, RollBack, Start, Withdraw,
};
use godwit_rpc::conductor::{Conductor, ConductorServer};
use godwit_rpc::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use godwit_rpc::facts::{HostFacts, Inventory};
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::progress::{Ended, Outcome, Progress, WatchEvent};
use godwit_rpc::refusal::Refusal;
use godwit_rpc::transport::{Address, LocalNetwork, Tls, TlsFiles, Transport, serve};
use godwit_rpc::version::Speaks;
use godwit_test_support::ca::{self, Certificate, TestCa};
use godwit_test_support::fleet;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

pub(crate) use godwit_test_support::fleet::host;

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(LOOPBACK, 0);

pub(crate) fn conductor_identity() -> PeerIdentity {
    PeerIdentity::new(Role::Conductor, "conductor-1")
}

pub(crate) fn agent_identity() -> PeerIdentity {
    PeerIdentity::new(Role::Agent, "host-1")
}

pub(crate) fn facts() -> HostFacts {
    fleet::rpc::facts(&host(1))
}

pub(crate) fn command() -> Command {
    Command {
        request_id: Some("req-1".to_owned()),
        ..fleet::rpc::command(3, 1)
    }
}

pub(crate) fn power() -> Power {
    Power {
        request_id: Some("req-2".to_owned()),
        ..fleet::rpc::power(PowerAction::HardReboot, 5, 2)
    }
}

/// An agent whose answers depend on nothing but the question.
#[derive(Default)]
pub(crate) struct TestAgent {
    pub(crate) finished: Mutex<Vec<Command>>,
    pub(crate) booted: Mutex<Vec<Boot>>,
    pub(crate) powered: Mutex<Vec<Power>>,
}

#[async_trait]
impl Agent for TestAgent {
    async fn facts(&self) -> Result<HostFacts, Refusal> {
        Ok(facts())
    }

    async fn inventory(&self) -> Result<Inventory, Refusal> {
        // More than a message may hold.
        let mut facts = facts();
        facts.node = "x".repeat(20 << 20);
        Ok(Inventory {
            facts,
            domains: vec![],
            observed_at: Timestamp::from_micros(0).unwrap(),
        })
    }

    async fn check_source(&self, check: CheckSource) -> Result<Movable, Refusal> {
        Err(Refusal::UnknownServer(check.server))
    }

    async fn check_destination(&self, _: CheckDestination) -> Result<(), Refusal> {
        Ok(())
    }

    async fn prepare(&self, _: Prepare) -> Result<Receiver, Refusal> {
        std::future::pending().await
    }

    async fn start(&self, start: Start) -> Result<(), Refusal> {
        Err(Refusal::Stale {
            newest: start.command.rank,
        })
    }

    async fn watch(
        &self,
        _: MigrationUuid,
        server: ServerUuid,
    ) -> Result<BoxStream<'static, WatchEvent>, Refusal> {
        if server.0.is_nil() {
            return Ok(stream::pending().boxed());
        }
        Ok(stream::iter([
            WatchEvent::Progress(Progress::default()),
            WatchEvent::PostCopyStarted,
            WatchEvent::Ended(Ended {
                outcome: Outcome::HandedOver,
                progress: None,
            }),
        ])
        .boxed())
    }

    async fn abort(&self, _: Command) -> Result<(), Refusal> {
        Err(Refusal::TooLate)
    }

    async fn force_complete(&self, _: Command) -> Result<ForceMeans, Refusal> {
        Ok(ForceMeans::PostCopy)
    }

    async fn finish(&self, command: Command) -> Result<(), Refusal> {
        self.finished.lock().unwrap().push(command);
        Ok(())
    }

    async fn roll_back(&self, _: RollBack) -> Result<(), Refusal> {
        Ok(())
    }

    async fn check_boot(&self, _: CheckBoot) -> Result<(), Refusal> {
        Ok(())
    }

    async fn boot(&self, boot: Boot) -> Result<(), Refusal> {
        self.booted.lock().unwrap().push(boot);
        Ok(())
    }

    async fn withdraw(&self, _: Withdraw) -> Result<(), Refusal> {
        Err(Refusal::NoJob)
    }

    async fn power(&self, power: Power) -> Result<Powered, Refusal> {
        self.powered.lock().unwrap().push(power);
        Ok(Powered {
            power_state: PowerState::Shutdown,
            failure: Some(Failure::new(FailureCode::BootFailed, "No.")),
        })
    }
}

/// A conductor that notes who spoke.
#[derive(Default)]
pub(crate) struct TestConductor {
    pub(crate) heard: Mutex<Vec<PeerIdentity>>,
}

#[async_trait]
impl Conductor for TestConductor {
    async fn register(&self, peer: &PeerIdentity, _: Registration) -> Result<Registered, Refusal> {
        self.heard.lock().unwrap().push(peer.clone());
        Ok(Registered {
            unfinished: vec![],
            completed: vec![],
            heartbeat_interval: Duration::from_secs(1),
        })
    }

    async fn heartbeat(&self, peer: &PeerIdentity, _: Heartbeat) -> Result<Heard, Refusal> {
        self.heard.lock().unwrap().push(peer.clone());
        Ok(Heard { registered: true })
    }

    async fn report(&self, _: &PeerIdentity, report: Report) -> Result<(), Refusal> {
        Err(Refusal::UnknownMigration(report.migration))
    }
}

pub(crate) fn heartbeat(number: u32) -> Heartbeat {
    Heartbeat {
        host: host(number),
        boot_id: Uuid::from_u128(7),
        inventory: None,
    }
}

/// Something that serves until it is dropped.
pub(crate) struct Serving {
    pub(crate) address: Address,
    _stop: DropGuard,
}

async fn serving(transport: &Transport, service: godwit_rpc::transport::Service) -> Serving {
    let listener = transport.listen(ANY_PORT).await.unwrap();
    let address = listener.address(None).unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, service, stop.clone()));
    Serving {
        address,
        _stop: stop.drop_guard(),
    }
}

pub(crate) async fn serve_agent(
    transport: &Transport,
    agent: Arc<TestAgent>,
    speaks: Speaks,
) -> Serving {
    serving(transport, AgentServer::service(agent, speaks)).await
}

pub(crate) async fn serve_conductor(
    transport: &Transport,
    conductor: Arc<TestConductor>,
    speaks: Speaks,
) -> Serving {
    serving(transport, ConductorServer::service(conductor, speaks)).await
}

pub(crate) fn local(network: &LocalNetwork, identity: PeerIdentity) -> Transport {
    Transport::Local(network.clone(), identity)
}

pub(crate) fn quick() -> Deadlines {
    Deadlines {
        brief: Duration::from_secs(5),
        inquiry: Duration::from_secs(5),
        command: Duration::from_secs(5),
        work: Duration::from_millis(200),
        silence: Duration::from_millis(200),
    }
}

pub(crate) fn agent_client(transport: &Transport, at: &Serving) -> AgentClient {
    AgentClient::new(
        transport,
        &host(1),
        at.address.clone(),
        quick(),
        Speaks::default(),
    )
}

/// The files of one party.
pub(crate) fn tls_files(
    directory: &Path,
    name: &str,
    ca: &TestCa,
    certificate: &Certificate,
) -> TlsFiles {
    let own = directory.join(name);
    std::fs::create_dir_all(&own).unwrap();
    let files = certificate.write(&own, name).unwrap();
    TlsFiles {
        ca: ca.write(&own).unwrap(),
        cert: files.cert,
        key: files.key,
    }
}

pub(crate) fn tls(directory: &Path, ca: &TestCa, role: ca::Role, name: &str) -> Transport {
    let certificate = ca.issue(role, name, &[LOOPBACK]).unwrap();
    let files = tls_files(directory, name, ca, &certificate);
    Transport::Tls(Tls::load(&files).unwrap())
}
