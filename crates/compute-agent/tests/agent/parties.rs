//! Two hosts with an agent each, and a conductor that only listens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use godwit_compute_agent::agent::{Agent, Parts};
use godwit_compute_agent::config::Pace;
use godwit_compute_agent::drivers::simulated::{Fabric, Fleet, GuestSpec, HostSpec};
use godwit_compute_agent::holds::{HoldPoint, Holds};
use godwit_compute_agent::metrics::Metrics;
use godwit_core::ids::MigrationUuid;
use godwit_core::migration::BlockMigration;
use godwit_core::recovery::Sighting;
use godwit_core::time::{Clock, Timestamp};
use godwit_rpc::Deadlines;
use godwit_rpc::agent::AgentClient;
use godwit_rpc::command::{CheckSource, Command, MoveKind, Prepare, RollBack, Start};
use godwit_rpc::conductor::{Conductor, ConductorServer};
use godwit_rpc::domain::Domain;
use godwit_rpc::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::progress::{Ended, WatchEvent};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_rpc::transport::{Address, LocalNetwork, Transport, serve};
use godwit_rpc::version::Speaks;
use godwit_test_support::fleet::rpc::{owner, receiver};
use godwit_test_support::wait_for;
use prometheus::Registry;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

pub(crate) use godwit_test_support::fleet::rpc::command;
pub(crate) use godwit_test_support::fleet::{MIB, MIGRATION, SERVER, at, host};

pub(crate) const SOON: Duration = Duration::from_secs(600);

/// Tokio's clock, as a calendar.
struct Calendar(tokio::time::Instant);

impl Clock for Calendar {
    fn now(&self) -> Timestamp {
        at(0).plus(self.0.elapsed())
    }
}

/// What a conductor heard, and how it answers.
#[derive(Default)]
pub(crate) struct Ear {
    pub(crate) registrations: Vec<Registration>,
    pub(crate) heartbeats: Vec<Heartbeat>,
    pub(crate) reports: Vec<Report>,
    pub(crate) unfinished: Vec<MigrationUuid>,
    pub(crate) completed: Vec<MigrationUuid>,
    /// Answers nobody.
    pub(crate) deaf: bool,
    /// Knows nobody; until somebody registers.
    pub(crate) forgetful: bool,
    pub(crate) knows_no_migration: bool,
}

#[derive(Default)]
pub(crate) struct Listening(Mutex<Ear>);

impl Listening {
    pub(crate) fn ear(&self) -> MutexGuard<'_, Ear> {
        self.0.lock().unwrap()
    }

    fn listen(&self) -> Result<MutexGuard<'_, Ear>, Refusal> {
        let ear = self.ear();
        if ear.deaf {
            return Err(Refusal::Unavailable("not now".to_owned()));
        }
        Ok(ear)
    }
}

#[async_trait]
impl Conductor for Listening {
    async fn register(
        &self,
        _: &PeerIdentity,
        registration: Registration,
    ) -> Result<Registered, Refusal> {
        let mut ear = self.listen()?;
        ear.forgetful = false;
        ear.registrations.push(registration);
        Ok(Registered {
            unfinished: ear.unfinished.clone(),
            completed: ear.completed.clone(),
            heartbeat_interval: Duration::from_secs(2),
        })
    }

    async fn heartbeat(&self, _: &PeerIdentity, heartbeat: Heartbeat) -> Result<Heard, Refusal> {
        let mut ear = self.listen()?;
        ear.heartbeats.push(heartbeat);
        Ok(Heard {
            registered: !ear.forgetful,
        })
    }

    async fn report(&self, _: &PeerIdentity, report: Report) -> Result<(), Refusal> {
        let mut ear = self.listen()?;
        if ear.knows_no_migration {
            return Err(Refusal::UnknownMigration(report.migration));
        }
        ear.reports.push(report);
        Ok(())
    }
}

pub(crate) fn conductor_identity(number: u32) -> PeerIdentity {
    PeerIdentity::new(Role::Conductor, format!("conductor-{number}"))
}

/// Two hosts with a link of 100 MiB/s, host-1 with a guest of 1 GiB.
pub(crate) struct World {
    pub(crate) fabric: Fabric,
    pub(crate) conductor: Arc<Listening>,
    pub(crate) pace: Pace,
    /// What kind of move the guest makes.
    pub(crate) kind: MoveKind,
    pub(crate) registry: Registry,
    network: LocalNetwork,
    directory: TempDir,
    metrics: OnceLock<Metrics>,
    clock: Arc<Calendar>,
    agents: BTreeMap<u32, JoinHandle<()>>,
    boots: u128,
    _conductor: DropGuard,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Fleet)) -> Self {
        let mut world = Self::without_agents(change).await;
        for number in [1, 2] {
            world.start_agent(number).await;
        }
        world
    }

    pub(crate) async fn without_agents(change: impl FnOnce(&mut Fleet)) -> Self {
        let hosts = [1, 2].map(|number| HostSpec {
            link_bytes_per_second: 100 * MIB,
            ..HostSpec::new(host(number))
        });
        let mut fleet = Fleet {
            hosts: hosts.to_vec(),
            guests: vec![GuestSpec::new(SERVER, "vm", owner(), host(1))],
            pools: Vec::new(),
        };
        change(&mut fleet);
        let network = LocalNetwork::new();
        let conductor = Arc::new(Listening::default());
        conductor.ear().unfinished = vec![MIGRATION];
        let _conductor = serve_conductor(&network, 1, &conductor).await;
        Self {
            fabric: Fabric::new(fleet, 1.0),
            conductor,
            pace: Pace::default(),
            kind: MoveKind::Live,
            registry: Registry::new(),
            network,
            directory: tempfile::tempdir().unwrap(),
            metrics: OnceLock::new(),
            clock: Arc::new(Calendar(tokio::time::Instant::now())),
            agents: BTreeMap::new(),
            boots: 0,
            _conductor,
        }
    }

    pub(crate) fn network(&self) -> &LocalNetwork {
        &self.network
    }

    pub(crate) fn journal(&self, number: u32) -> PathBuf {
        self.directory.path().join(host(number).as_str())
    }

    pub(crate) fn hold_file(&self, number: u32, point: HoldPoint) -> PathBuf {
        self.directory.path().join(format!("{number}-{point:?}"))
    }

    pub(crate) fn hold(&self, number: u32, point: HoldPoint) {
        std::fs::write(self.hold_file(number, point), "").unwrap();
    }

    pub(crate) fn release(&self, number: u32, point: HoldPoint) {
        std::fs::remove_file(self.hold_file(number, point)).unwrap();
    }

    pub(crate) fn parts(&mut self, number: u32) -> Parts {
        use HoldPoint as H;
        let points = [
            H::BeforePrepare,
            H::Prepared,
            H::BeforeStart,
            H::Started,
            H::BeforeHandover,
            H::BeforePower,
            H::PoweredOff,
            H::Powered,
        ];
        let holds = Holds::new(
            points
                .map(|point| (point, self.hold_file(number, point)))
                .into(),
        );
        let identity = PeerIdentity::new(Role::Agent, host(number).as_str());
        let metrics = self
            .metrics
            .get_or_init(|| Metrics::register(&self.registry).unwrap());
        self.boots += 1;
        Parts {
            host: host(number),
            driver: Arc::new(self.fabric.driver(&host(number), holds.clone()).unwrap()),
            transport: Transport::Local(self.network.clone(), identity),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            conductors: [1, 2]
                .map(|n| Address::Local(conductor_identity(n)))
                .to_vec(),
            journal: self.journal(number),
            pace: self.pace.clone(),
            holds,
            clock: self.clock.clone(),
            boot_id: Uuid::from_u128(self.boots),
            metrics: metrics.clone(),
            speaks: Speaks::default(),
        }
    }

    pub(crate) async fn start_agent(&mut self, number: u32) {
        let agent = Agent::open(self.parts(number)).await.unwrap();
        let running = tokio::spawn(async move {
            agent.run(CancellationToken::new()).await.unwrap();
        });
        self.agents.insert(number, running);
    }

    /// As by kill -9: nothing of it gets another chance to run.
    pub(crate) async fn kill_agent(&mut self, number: u32) {
        let running = self.agents.remove(&number).unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        // Its tasks notice before anything else happens.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn agent(&self, number: u32) -> AgentClient {
        self.agent_as(number, conductor_identity(1))
    }

    pub(crate) fn agent_as(&self, number: u32, identity: PeerIdentity) -> AgentClient {
        AgentClient::new(
            &Transport::Local(self.network.clone(), identity),
            &host(number),
            Address::Local(PeerIdentity::new(Role::Agent, host(number).as_str())),
            Deadlines::default(),
            Speaks::default(),
        )
    }

    fn command(&self, sequence: i64, epoch: i64) -> Command {
        let mut command = command(sequence, epoch);
        command.what.kind = self.kind;
        command
    }

    /// The guest, as its source describes it.
    pub(crate) async fn guest(&self) -> Domain {
        let check = CheckSource {
            migration: MIGRATION,
            server: SERVER,
            kind: self.kind,
            block_migration: BlockMigration::Auto,
            destination: self.agent(2).facts().await.unwrap(),
        };
        self.agent(1).check_source(check).await.unwrap().guest
    }

    pub(crate) async fn prepare(&self, sequence: i64) -> Result<(), CallError> {
        let command = self.command(sequence, 1);
        let guest = self.guest().await;
        self.agent(2)
            .prepare(Prepare { command, guest })
            .await
            .map(drop)
    }

    pub(crate) async fn start(&self, sequence: i64, epoch: i64) -> Result<(), CallError> {
        let command = self.command(sequence, epoch);
        // A simulated source knows its destination.
        let receiver = receiver();
        let start = Start { command, receiver };
        self.agent(1).start(start).await
    }

    pub(crate) async fn roll_back(&self, number: u32, sequence: i64) -> Result<(), CallError> {
        let roll_back = RollBack {
            command: self.command(sequence, 1),
            resume: false,
        };
        self.agent(number).roll_back(roll_back).await
    }

    /// Prepares as number 2 and starts as number 3.
    pub(crate) async fn start_move(&self) {
        self.prepare(2).await.unwrap();
        self.start(3, 1).await.unwrap();
    }

    /// All that a watcher hears, to the end.
    pub(crate) async fn watch(&self) -> anyhow::Result<Vec<WatchEvent>> {
        let mut events = self.agent(1).watch(MIGRATION, SERVER).await?;
        let mut heard = vec![];
        let hearing = async {
            while let Some(event) = events.next().await? {
                heard.push(event);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(SOON, hearing)
            .await
            .context("the move does not end")??;
        Ok(heard)
    }

    pub(crate) async fn ended(&self) -> Ended {
        match self.watch().await.unwrap().pop() {
            Some(WatchEvent::Ended(ended)) => ended,
            other => panic!("the last word is {other:?}"),
        }
    }

    pub(crate) async fn reported(&self) -> Report {
        let report = wait_for("a report", SOON, async || {
            Ok(self.conductor.ear().reports.first().cloned())
        });
        report.await.unwrap()
    }

    pub(crate) async fn registered(&self, times: usize) {
        let registered = wait_for("registrations", SOON, async || {
            match self.conductor.ear().registrations.len() {
                enough if enough >= times => Ok(Some(())),
                some => bail!("{some} of {times}"),
            }
        });
        registered.await.unwrap();
    }

    /// What a host says of the guest, asked through its agent.
    pub(crate) async fn seen(&self, number: u32) -> Sighting {
        let inventory = self.agent(number).inventory().await.unwrap();
        let mut domains = inventory.domains.into_iter();
        let guest = domains.find(|domain| domain.server == SERVER);
        guest.map_or(Sighting::Absent, |guest| guest.sighting)
    }
}

pub(crate) async fn serve_conductor(
    network: &LocalNetwork,
    number: u32,
    conductor: &Arc<Listening>,
) -> DropGuard {
    let transport = Transport::Local(network.clone(), conductor_identity(number));
    let listener = transport
        .listen(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await;
    let service = ConductorServer::service(conductor.clone(), Speaks::default());
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener.unwrap(), service, stop.clone()));
    stop.drop_guard()
}

/// A guest whose move never converges by itself.
pub(crate) fn busy(fleet: &mut Fleet) {
    fleet.guests[0].dirty_bytes_per_second = 500 * MIB;
    fleet.guests[0].working_set_bytes = 512 * MIB;
}

#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Refusal {
    match answer {
        Err(CallError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
