//! How the agent of a simulated host is made.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use godwit_api::ids::{Ids, RandomIds};
use godwit_compute_agent::agent::{Agent, Parts};
use godwit_compute_agent::config::Pace;
use godwit_compute_agent::drivers::simulated::Fabric;
use godwit_compute_agent::holds::Holds;
use godwit_compute_agent::metrics::Metrics;
use godwit_core::ids::HostName;
use godwit_rpc::transport::{Address, Transport};
use godwit_rpc::version::Speaks;
use uuid::Uuid;

type TransportOf = dyn Fn(&HostName) -> Result<Transport> + Send + Sync;

pub(crate) struct Agents {
    pub(crate) fabric: Fabric,
    /// How the agent of a host calls and is called.
    pub(crate) transport: Box<TransportOf>,
    /// Where each of them serves; port 0 picks a free one.
    pub(crate) listen: SocketAddr,
    /// The name under which conductors reach them, where it is not that address.
    pub(crate) advertise: Option<String>,
    pub(crate) conductors: Vec<Address>,
    /// Each host's journal is a directory below.
    pub(crate) journals: PathBuf,
    pub(crate) metrics: Metrics,
}

impl Agents {
    /// A new run of the agent of `host`, which has an id of its own.
    pub(crate) async fn open(&self, host: &HostName) -> Result<(Uuid, Agent)> {
        let holds = Holds::default();
        let driver = self.fabric.driver(host, holds.clone());
        let driver = driver.with_context(|| format!("the simulated world has no host {host}"))?;
        let boot_id = RandomIds.uuid();
        let agent = Agent::open(Parts {
            host: host.clone(),
            driver: Arc::new(driver),
            transport: (self.transport)(host)?,
            listen: self.listen,
            advertise: self.advertise.clone(),
            conductors: self.conductors.clone(),
            journal: self.journals.join(host.as_str()),
            pace: Pace::default(),
            holds,
            clock: Arc::new(crate::clock::SystemClock),
            boot_id,
            metrics: self.metrics.clone(),
            speaks: Speaks::default(),
        })
        .await
        .with_context(|| format!("the agent of {host}"))?;
        Ok((boot_id, agent))
    }
}
