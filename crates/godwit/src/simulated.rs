//! Simulated hosts. `up` has its own; `godwit simulated-agents` serves them to a conductor in
//! another process, to see what becomes of a conductor that has many.
//!
//! They have no certificates, so that the conductor has to be on this machine. They move guests
//! among each other, and not to the hosts of another process.

pub(crate) mod agents;
pub(crate) mod fleet;

use anyhow::{Result, ensure};
use godwit_api::ids::RandomIds;
use godwit_compute_agent::drivers::simulated::Fabric;
use godwit_compute_agent::metrics::Metrics;
use godwit_rpc::transport::{Address, Transport};
use prometheus::Registry;

use self::agents::Agents;
use crate::cli::SimulatedAgents;
use crate::stop;
use crate::supervisor::Supervisor;
use crate::up::DataDirectory;

/// Serves the hosts until told to stop.
pub(crate) async fn run(options: &SimulatedAgents) -> Result<()> {
    for conductor in &options.conductors {
        ensure!(
            matches!(conductor, Address::Loopback(_)),
            "{conductor} is no loopback address, and simulated hosts have no certificates"
        );
    }
    let mut supervisor = Supervisor::new(stop::on_signal()?);
    let directory = DataDirectory::at(&options.data)?;
    let _alone = directory.occupy()?;
    let names = options.first..=options.first + (options.hosts - 1);
    let agents = Agents {
        fabric: Fabric::open(directory.path(), options.speed, || {
            fleet::demonstration(names, options.servers, &RandomIds)
        })?,
        transport: Box::new(Transport::Loopback),
        conductors: options.conductors.clone(),
        journals: directory.journals(),
        metrics: Metrics::register(&Registry::new())?,
    };
    for host in agents.fabric.hosts() {
        let (_, agent) = agents.open(&host).await?;
        let stop = supervisor.stop();
        supervisor.spawn(format!("the agent of {host}"), async move {
            Ok(agent.run(stop).await?)
        });
    }
    println!("ready");
    supervisor.run().await
}
