//! A whole installation: a database, conductors, agents, simulated hosts and guests.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{bail, ensure};
use godwit_compute_agent::agent::{Agent, Parts as AgentParts};
use godwit_compute_agent::config::Pace;
use godwit_compute_agent::drivers::simulated::Fabric;
use godwit_compute_agent::holds::{HoldPoint, Holds};
use godwit_compute_agent::metrics::Metrics;
use godwit_conductor::{Conductor, Config, Parts, Wake};
use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest};
use godwit_core::plan::options::Affinity;
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Clock;
use godwit_rpc::agent::AgentPool;
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::transport::{Address, LocalNetwork, Transport, serve};
use godwit_rpc::version::Speaks;
use godwit_store::{
    Actor, BeginError, CommitNote, MigrationRecord, NewMigration, Server, ServiceChange, StepError,
    Store, StoreOptions,
};
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::{fleet, wait_for};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) use godwit_test_support::clock::SystemClock;
pub(crate) use godwit_test_support::fleet::store::asked;
pub(crate) use godwit_test_support::fleet::{GIB, MIB, anywhere, host, server};

pub(crate) use crate::made::Made;
use crate::process::{Process, listen, listen_again};

/// Nothing here takes that long on an idle machine; others may be testing too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const NO_VALID_HOST: &str =
    "No valid host was found. There are not enough hosts available.";

/// Runs each case on both databases.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($made:ident: Made $(,)?) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$meta])*
            async fn case($made: crate::made::Made) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                case(crate::made::Made::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                case(crate::made::Made::postgres().await).await;
            }
        }
    )+};
}

/// Uuids that never repeat within a test process.
pub(crate) fn new_uuid() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Uuid::from_u128(0x6077_0000_0000_4000_8000_0000_0000_0000 | u128::from(number))
}

pub(crate) fn to(destination: usize) -> LiveRequest {
    LiveRequest {
        host: Some(host(destination)),
        ..anywhere()
    }
}

pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) fabric: Fabric,
    pub(crate) config: Config,
    /// The metrics of conductor 1 as it was started last.
    pub(crate) registry: prometheus::Registry,
    pub(crate) network: LocalNetwork,
    pub(crate) conductors: BTreeMap<usize, Process>,
    pub(crate) agents: BTreeMap<HostName, Process>,
    pub(crate) pace: Pace,
    /// What agents speak of another release.
    pub(crate) speaks: BTreeMap<HostName, Speaks>,
    pub(crate) url: String,
    pub(crate) directory: TempDir,
    pub(crate) _postgres: Option<Arc<TempPostgres>>,
}

/// Processes first, so that nobody writes to a database that is going away.
impl Drop for Cluster {
    fn drop(&mut self) {
        self.conductors.clear();
        self.agents.clear();
    }
}

impl Cluster {
    pub(crate) fn start_conductor(&mut self, number: usize) {
        let url = self.url.clone();
        let config = self.config.clone();
        let network = self.network.clone();
        let registry = prometheus::Registry::new();
        if number == 1 {
            self.registry = registry.clone();
        }
        let process = Process::start(move |stop| async move {
            let store = Store::open(&url, StoreOptions::default()).await.unwrap();
            let name = format!("conductor-{number}");
            let identity = PeerIdentity::new(Role::Conductor, name.clone());
            let transport = Transport::Local(network, identity);
            let agents = AgentPool::new(transport.clone(), config.calls);
            let parts = Parts {
                name: HostName::new(name).unwrap(),
                store,
                agents: Arc::new(agents),
                clock: Arc::new(SystemClock),
                jitter: Arc::new(rand::random::<f64>),
                ids: Arc::new(new_uuid),
                config,
                wake: Wake::default(),
            };
            let conductor = Conductor::new(parts, &registry).unwrap();
            let listener = listen(&transport).await;
            let service = conductor.service();
            let (ran, served) =
                tokio::join!(conductor.run(stop.clone()), serve(listener, service, stop));
            ran.unwrap();
            served.unwrap();
        });
        self.conductors.insert(number, process);
    }

    pub(crate) fn start_agent(&mut self, name: &HostName) {
        let journal = self.directory.path().join(name.as_str());
        let holds = HOLD_POINTS.map(|point| (point, self.hold_file(name, point)));
        let holds = Holds::new(holds.into());
        let driver = self.fabric.driver(name, holds.clone()).unwrap();
        let identity = PeerIdentity::new(Role::Agent, name.as_str());
        let transport = Transport::Local(self.network.clone(), identity);
        let conductors = (1..=3)
            .map(|number| {
                let name = format!("conductor-{number}");
                Address::Local(PeerIdentity::new(Role::Conductor, name))
            })
            .collect();
        let speaks = self.speaks.get(name).cloned().unwrap_or_default();
        let (name, pace) = (name.clone(), self.pace.clone());
        let host = name.clone();
        let process = Process::start(move |stop| async move {
            listen_again(&transport).await;
            let parts = AgentParts {
                host,
                driver: Arc::new(driver),
                transport,
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                advertise: None,
                conductors,
                journal,
                pace,
                holds,
                clock: Arc::new(SystemClock),
                boot_id: new_uuid(),
                metrics: Metrics::register(&prometheus::Registry::new()).unwrap(),
                speaks,
            };
            let agent = Agent::open(parts).await.unwrap();
            agent.run(stop).await.unwrap();
        });
        self.agents.insert(name, process);
    }

    /// A command of this migration has come to that host.
    pub(crate) async fn journals(&self, name: &HostName, migration: MigrationUuid) {
        let journal = self.directory.path().join(name.as_str());
        let page = journal.join(format!("{migration}.json"));
        wait_for("the agent to write it down", PATIENCE, async || {
            Ok(page.exists().then_some(()))
        })
        .await
        .unwrap();
    }

    pub(crate) fn kill_conductor(&mut self, number: usize) {
        self.conductors.remove(&number).unwrap().kill();
    }

    pub(crate) fn kill_agent(&mut self, name: &HostName) {
        self.agents.remove(name).unwrap().kill();
    }

    /// The agents are registered, this run of them, and every guest is a server.
    pub(crate) async fn all_are_up(&self) {
        wait_for("every guest to be known", PATIENCE, async || {
            for name in self.fabric.hosts() {
                let Some(known) = self.store.host_find(&name).await? else {
                    bail!("{name} has not registered");
                };
                let now = SystemClock.now();
                let up = known.service.is_up(now, self.config.service_down_time);
                ensure!(up, "{name} is down");
            }
            let found = self.servers().await?;
            ensure!(found.iter().all(|server| server.host.is_some()));
            Ok(Some(()))
        })
        .await
        .unwrap();
    }

    async fn servers(&self) -> anyhow::Result<Vec<Server>> {
        let mut found = Vec::new();
        for number in 1.. {
            if self.fabric.whereabouts(server(number)).is_none() {
                break;
            }
            match self.store.server_find(server(number)).await? {
                Some(server) => found.push(server),
                None => bail!("server {number} is not known"),
            }
        }
        Ok(found)
    }

    /// What the API does with a live-migration request.
    pub(crate) async fn begin(
        &self,
        number: usize,
        request: LiveRequest,
    ) -> Result<MigrationUuid, BeginError<()>> {
        let new = self.new_migration(number, request);
        let uuid = new.uuid;
        self.store
            .server_begin_live_migration(new, |_| Ok(()))
            .await?;
        Ok(uuid)
    }

    pub(crate) fn new_migration<R>(&self, number: usize, request: R) -> NewMigration<R> {
        NewMigration {
            uuid: MigrationUuid(new_uuid()),
            limits: self.config.time_limits.of(0, &[]),
            ..fleet::store::new_migration(number, request, SystemClock.now())
        }
    }

    /// What the API does with a cold migration.
    pub(crate) async fn begin_cold(&self, number: usize) -> Result<MigrationUuid, BeginError<()>> {
        let request = ColdRequest {
            host: None,
            was: VmState::Active,
            affinity: Affinity::Strict,
        };
        let new = self.new_migration(number, request);
        let uuid = new.uuid;
        self.store.cold_migration_begin(new, |_| Ok(())).await?;
        Ok(uuid)
    }

    /// What the API does with an evacuation, but for its checks.
    pub(crate) async fn evacuate(
        &self,
        number: usize,
        end_stopped: bool,
    ) -> Result<MigrationUuid, BeginError<()>> {
        let request = EvacuationRequest {
            host: None,
            forced: false,
            was: VmState::Active,
            end_stopped,
            affinity: Affinity::Strict,
        };
        let new = self.new_migration(number, request);
        let uuid = new.uuid;
        self.store.evacuation_begin(new, |_| Ok(())).await?;
        Ok(uuid)
    }

    /// The same, once a migration under way has found out where it led.
    pub(crate) async fn evacuate_when_free(&self, number: usize) -> MigrationUuid {
        wait_for("the server to be free", PATIENCE, async || {
            match self.evacuate(number, false).await {
                Ok(uuid) => Ok(Some(uuid)),
                Err(BeginError::NotFree) => Ok(None),
                Err(error) => bail!("{error}"),
            }
        })
        .await
        .unwrap()
    }

    /// An operator resets a server's state.
    pub(crate) async fn reset_to_active(&self, number: usize) {
        let note = asked("req-reset", SystemClock.now());
        let reset = self
            .store
            .server_reset_state(server(number), VmState::Active, note);
        assert!(reset.await.unwrap());
    }

    /// A host loses its power: its agent, and everything on it.
    pub(crate) fn die(&mut self, number: usize) {
        self.kill_agent(&host(number));
        self.fabric.power(&host(number), false);
    }

    /// It is there again.
    pub(crate) fn come_back(&mut self, number: usize) {
        self.fabric.power(&host(number), true);
        self.start_agent(&host(number));
    }

    /// An operator says that a host is dead, or takes that back.
    pub(crate) async fn declare_dead(&self, number: usize, dead: bool) {
        let known = self.store.host_find(&host(number)).await.unwrap().unwrap();
        let change = ServiceChange {
            status: None,
            forced_down: Some(dead),
            note: asked("req-dead", SystemClock.now()),
        };
        let fine = |_: &_, _: &_| Ok::<_, ()>(());
        let uuid = known.service.uuid;
        self.store.service_update(uuid, change, fine).await.unwrap();
    }

    /// The kinds of all discrepancies that are open.
    pub(crate) async fn open_discrepancies(&self) -> Vec<DiscrepancyKind> {
        let open = self.store.discrepancy_list_open().await.unwrap();
        open.into_iter().map(|it| it.subject.kind).collect()
    }

    /// Until no discrepancy is open any more.
    pub(crate) async fn settles(&self) {
        wait_for("every discrepancy to be closed", PATIENCE, async || {
            let open = self.open_discrepancies().await;
            ensure!(open.is_empty(), "{open:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
    }

    /// What the API does with an abort or a force-complete, but for its checks.
    pub(crate) async fn ask(&self, migration: MigrationUuid, event: Event) -> bool {
        let note = CommitNote::new(Actor::Api, SystemClock.now());
        match self.store.migration_apply(migration, event, note).await {
            Ok(_) => true,
            Err(StepError::Rejected(_)) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) async fn record(&self, migration: MigrationUuid) -> MigrationRecord {
        let found = self.store.migration_find(migration).await;
        found.unwrap().unwrap()
    }

    pub(crate) async fn server(&self, number: usize) -> Server {
        let found = self.store.server_find(server(number)).await;
        found.unwrap().unwrap()
    }

    pub(crate) async fn reaches(
        &self,
        migration: MigrationUuid,
        wanted: MigrationStatus,
    ) -> MigrationRecord {
        let what = format!("the migration to be {wanted}");
        wait_for(&what, PATIENCE, async || {
            let record = self.record(migration).await;
            let seen = &record.migration;
            ensure!(
                seen.status() == wanted,
                "it is {} {:?} {:?}",
                seen.status(),
                seen.phase.settling(),
                seen.failure
            );
            Ok(Some(record))
        })
        .await
        .unwrap()
    }

    pub(crate) async fn ends(&self, migration: MigrationUuid) -> MigrationRecord {
        let ended = wait_for("the migration to end", PATIENCE, async || {
            let record = self.record(migration).await;
            let seen = &record.migration;
            ensure!(seen.status().is_terminal(), "it is {seen:?}");
            Ok(Some(record))
        });
        match ended.await {
            Ok(record) => record,
            Err(error) => panic!("{error:?}\n{:#?}", self.log(migration).await),
        }
    }

    /// The names in a migration's event log.
    pub(crate) async fn log(&self, migration: MigrationUuid) -> Vec<String> {
        let events = self.store.migration_events(migration, 0).await.unwrap();
        let line = |event: &godwit_store::MigrationEvent| match &event.detail {
            serde_json::Value::Null => event.name.clone(),
            detail => format!("{} {detail}", event.name),
        };
        events.iter().map(line).collect()
    }

    /// Everything is as it should be when nothing moves: no promise is broken, every guest
    /// executes on exactly the host that is recorded, nothing is left over, no discrepancy is open.
    pub(crate) async fn is_sound(&self) {
        wait_for("everything to be sound", PATIENCE, async || {
            let violations = self.store.check_invariants().await?;
            ensure!(violations.is_empty(), "{violations:?}");
            for server in self.servers().await? {
                let here = self.fabric.whereabouts(server.uuid);
                ensure!(server.host == here, "{} is at {here:?}", server.uuid);
                ensure!(server.task_state.is_none(), "{server:?}");
                ensure!(server.vm_state != VmState::Error, "{server:?}");
                self.is_undisturbed(server.uuid).await?;
            }
            let open = self.store.discrepancy_list_open().await?;
            ensure!(open.is_empty(), "{open:?}");
            let figures = self.store.figures().await?;
            ensure!(figures.effects.is_empty(), "{figures:?}");
            ensure!(figures.runs.is_empty(), "{figures:?}");
            ensure!(self.store.slot_list().await?.is_empty(), "slots are taken");
            ensure!(self.store.claim_list().await?.is_empty(), "claims are held");
            Ok(Some(()))
        })
        .await
        .unwrap();
    }

    fn hold_file(&self, name: &HostName, point: HoldPoint) -> PathBuf {
        self.directory.path().join(format!("{name}-{point:?}"))
    }

    /// Holds a moment open on one host.
    pub(crate) fn hold(&self, name: &HostName, point: HoldPoint) {
        std::fs::write(self.hold_file(name, point), "").unwrap();
    }

    /// Lets it go on.
    pub(crate) fn release(&self, name: &HostName, point: HoldPoint) {
        std::fs::remove_file(self.hold_file(name, point)).unwrap();
    }
}

pub(crate) const HOLD_POINTS: [HoldPoint; 13] = [
    HoldPoint::BeforeBoot,
    HoldPoint::Booted,
    HoldPoint::BeforeWithdraw,
    HoldPoint::BeforePrepare,
    HoldPoint::Prepared,
    HoldPoint::BeforeStart,
    HoldPoint::Started,
    HoldPoint::BeforeHandover,
    HoldPoint::BeforeFinish,
    HoldPoint::BeforeRollback,
    HoldPoint::BeforePower,
    HoldPoint::PoweredOff,
    HoldPoint::Powered,
];

/// For changes whose caller does not care what was said before.
pub(crate) fn any_version<T>(_: &T) -> Result<(), ()> {
    Ok(())
}
