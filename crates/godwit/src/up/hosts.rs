//! An agent for each simulated host, in this process, and a plug that operators can pull.
//!
//! A host without power ([`fence`](super::fence) tells when) executes nothing, and its agent has
//! ended. When it has power again, the guests that it still has do what they did before, and its
//! agent registers. That is what an evacuation needs, and what it leaves to clean up.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use godwit_compute_agent::drivers::simulated::Power;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::status::MigrationKind;
use godwit_store::{Store, StoreError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::fence::{Declared, Fence, REPAIR};
use crate::simulated::agents::Agents;
use crate::supervisor::Supervisor;

/// How long all hosts together may take to become known.
const ENROL_WITHIN: Duration = Duration::from_secs(60);

/// How often to look whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often to look whether somebody forced a service down or up.
const FENCE_EVERY: Duration = Duration::from_millis(200);

/// The hosts, and which run of its agent each had at first.
#[derive(Debug)]
pub(super) struct Hosts(HashMap<HostName, Uuid>);

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    agent: JoinHandle<Result<()>>,
}

/// What guests did when their host lost its power.
type Before = Vec<(ServerUuid, Power)>;

/// All hosts, while they are served.
struct Served {
    agents: Agents,
    store: Store,
    /// How long a repair takes.
    repair: Duration,
    fences: HashMap<HostName, Fence>,
    running: HashMap<HostName, Running>,
    dark: HashMap<HostName, Before>,
}

/// Starts the agents, and follows what operators say of their hosts. `speed` is how fast
/// simulated time passes.
pub(super) async fn serve(
    supervisor: &mut Supervisor,
    agents: Agents,
    store: &Store,
    speed: f64,
) -> Result<Hosts> {
    let mut served = Served {
        agents,
        store: store.clone(),
        repair: REPAIR.div_f64(speed),
        fences: HashMap::new(),
        running: HashMap::new(),
        dark: HashMap::new(),
    };
    let mut first = HashMap::new();
    for host in served.agents.fabric.hosts() {
        let boot_id = served.start(&host).await?;
        first.insert(host, boot_id);
    }
    let stop = supervisor.stop();
    supervisor.spawn("the simulated hosts", served.run(stop));
    Ok(Hosts(first))
}

impl Hosts {
    /// Waits until every agent has registered in this run and its servers are known, so that
    /// whoever is told `ready` finds them.
    pub(super) async fn are_known_to(&self, store: &Store) -> Result<()> {
        let known = async {
            loop {
                let known = store.agents_known().await?;
                if self
                    .0
                    .iter()
                    .all(|(host, run)| known.get(host) == Some(run))
                {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(ENROL_WITHIN, known)
            .await
            .context("the simulated hosts did not register in time")?
    }
}

impl Served {
    async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let mut looks = tokio::time::interval(FENCE_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => self.look().await?,
            }
        }
        for running in self.running.values() {
            running.stop.cancel();
        }
        for (host, running) in std::mem::take(&mut self.running) {
            end(&host, running).await?;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        if let Some(host) = self.running.iter().find(|(_, it)| it.agent.is_finished()) {
            bail!("the agent of {} ended by itself", host.0);
        }
        match self.declared().await {
            Ok(declared) => {
                for (host, declared) in declared {
                    self.follow(&host, declared).await?;
                }
            }
            Err(error) => warn!(%error, "cannot see which hosts are fenced"),
        }
        Ok(())
    }

    async fn declared(&self) -> Result<Vec<(HostName, Declared)>, StoreError> {
        let mut all = Vec::new();
        let dead = self.store.hosts_declared_dead().await?;
        let others = self.agents.fabric.hosts().into_iter();
        let others = others.filter(|host| !dead.contains(host));
        all.extend(others.map(|host| (host, Declared::default())));
        for host in dead {
            let unfinished = self.store.migrations_unfinished_on(&host).await?;
            let mut unfinished = unfinished.iter().map(|record| &record.migration);
            let declared = Declared {
                forced_down: true,
                evacuating: unfinished.any(|migration| {
                    migration.kind == MigrationKind::Evacuation && migration.source_compute == host
                }),
                evacuated: !self.store.evacuations_done_from(&host).await?.is_empty(),
            };
            all.push((host, declared));
        }
        Ok(all)
    }

    async fn follow(&mut self, host: &HostName, declared: Declared) -> Result<()> {
        let was = self.fences.get(host).copied().unwrap_or(Fence::START);
        let is = was.next(declared, Instant::now(), self.repair);
        self.fences.insert(host.clone(), is);
        match (was, is) {
            (Fence::Powered { .. }, Fence::Dark { .. }) => self.power_off(host).await,
            (Fence::Dark { .. }, Fence::Powered { .. }) => self.power_on(host).await,
            (Fence::Powered { .. }, Fence::Powered { .. })
            | (Fence::Dark { .. }, Fence::Dark { .. }) => Ok(()),
        }
    }

    async fn power_off(&mut self, host: &HostName) -> Result<()> {
        let Some(running) = self.running.remove(host) else {
            return Ok(());
        };
        info!(%host, "forced down: the simulated host has no power");
        let fabric = &self.agents.fabric;
        self.dark.insert(host.clone(), fabric.guests_on(host));
        fabric.power(host, false);
        end(host, running).await
    }

    async fn power_on(&mut self, host: &HostName) -> Result<()> {
        info!(%host, "the simulated host has power again");
        let fabric = &self.agents.fabric;
        fabric.power(host, true);
        for (server, power) in self.dark.remove(host).unwrap_or_default() {
            if fabric.whereabouts(server).as_ref() == Some(host) {
                fabric.set_power(server, power);
            }
        }
        self.start(host).await.map(drop)
    }

    /// Starts a host's agent; returns which run of it this is.
    async fn start(&mut self, host: &HostName) -> Result<Uuid> {
        let (boot_id, agent) = self.agents.open(host).await?;
        let stop = CancellationToken::new();
        let told = stop.clone();
        let agent = tokio::spawn(async move { Ok(agent.run(told).await?) });
        let running = Running { stop, agent };
        self.running.insert(host.clone(), running);
        Ok(boot_id)
    }
}

async fn end(host: &HostName, running: Running) -> Result<()> {
    running.stop.cancel();
    let ended = running.agent.await.context("it panicked").flatten();
    ended.with_context(|| format!("the agent of {host}"))
}
