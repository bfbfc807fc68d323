//! An agent for each simulated host, in this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use godwit_api::ids::{Ids, RandomIds};
use godwit_compute_agent::agent::{Agent, Parts};
use godwit_compute_agent::config::Pace;
use godwit_compute_agent::drivers::simulated::Fabric;
use godwit_compute_agent::holds::Holds;
use godwit_compute_agent::metrics::Metrics;
use godwit_core::ids::HostName;
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::transport::{Address, LocalNetwork, Transport};
use godwit_store::Store;
use prometheus::Registry;
use uuid::Uuid;

use super::DataDirectory;
use crate::crew::Crew;

/// How long all hosts together may take to become known.
const ENROL_WITHIN: Duration = Duration::from_secs(60);

/// How often to look whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The hosts, and which run of its agent each has.
#[derive(Debug)]
pub(super) struct Hosts(HashMap<HostName, Uuid>);

/// Starts the agents.
pub(super) async fn serve(
    crew: &mut Crew,
    network: &LocalNetwork,
    conductor: &PeerIdentity,
    fabric: &Fabric,
    directory: &DataDirectory,
    registry: &Registry,
) -> Result<Hosts> {
    let metrics = Metrics::register(registry)?;
    let mut hosts = HashMap::new();
    for host in fabric.hosts() {
        let holds = Holds::default();
        let driver = fabric.driver(&host, holds.clone());
        let driver = driver.with_context(|| format!("the simulated world has no host {host}"))?;
        let boot_id = RandomIds.uuid();
        let identity = PeerIdentity::new(Role::Agent, host.as_str());
        let agent = Agent::open(Parts {
            host: host.clone(),
            driver: Arc::new(driver),
            transport: Transport::Local(network.clone(), identity),
            listen: ([127, 0, 0, 1], 0).into(),
            advertise: None,
            conductors: vec![Address::Local(conductor.clone())],
            journal: directory.journals().join(host.as_str()),
            pace: Pace::default(),
            holds,
            clock: Arc::new(crate::clock::SystemClock),
            boot_id,
            metrics: metrics.clone(),
        })
        .await
        .with_context(|| format!("the agent of {host}"))?;
        let stop = crew.stop();
        crew.spawn(format!("the agent of {host}"), async move {
            Ok(agent.run(stop).await?)
        });
        hosts.insert(host, boot_id);
    }
    Ok(Hosts(hosts))
}

impl Hosts {
    /// Waits until every agent has registered in this run and its servers are known, so that
    /// whoever is told `ready` finds them.
    pub(super) async fn are_known_to(&self, store: &Store) -> Result<()> {
        let known = async {
            loop {
                let rows = store.host_list().await?;
                let registered = rows.iter().filter(|row| {
                    self.0.get(&row.facts.name) == Some(&row.facts.agent_boot_id)
                        && row.last_inventory_at.is_some()
                });
                if registered.count() == self.0.len() {
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
