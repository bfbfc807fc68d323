//! Simulated hosts. `up` has its own; `godwit simulated-agents` serves them to conductors in other
//! processes. They move guests among each other, and not to the hosts of another process.

pub(crate) mod agents;
pub(crate) mod fleet;

use anyhow::Result;
use godwit_api::ids::RandomIds;
use godwit_compute_agent::drivers::simulated::Fabric;
use godwit_compute_agent::metrics::Metrics;
use godwit_rpc::identity::Role;
use prometheus::Registry;

use self::agents::Agents;
use crate::cli::SimulatedAgents;
use crate::config::Config;
use crate::roles::agent::conductors_know;
use crate::roles::transport::transport;
use crate::roles::{certificates, observe};
use crate::stop;
use crate::supervisor::{Supervisor, bind};
use crate::up::DataDirectory;

/// Serves the hosts until told to stop.
pub(crate) async fn run(options: &SimulatedAgents, config: &Config) -> Result<()> {
    let settings = config.simulated_agents()?.clone();
    let mut supervisor = Supervisor::new(stop::on_signal()?);
    let directory = DataDirectory::at(&settings.state_dir)?;
    let _alone = directory.occupy()?;
    let observers = settings.metrics.map(bind).transpose()?;
    let names = options.first..=options.first + (options.hosts - 1);
    let fabric = Fabric::open(directory.path(), options.speed, || {
        fleet::demonstration(names, options.servers, &RandomIds)
    })?;
    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let agents = Agents {
        fabric,
        listen: (settings.listen, 0).into(),
        advertise: settings.advertise,
        conductors: settings.conductors,
        journals: directory.journals(),
        metrics: metrics.clone(),
        transport: Box::new(move |host| {
            transport(
                "simulated_agents",
                Role::Agent,
                Some(host.as_str()),
                || Ok(host.to_string()),
                settings.tls.as_ref().map(|tls| tls.files_of(host.as_str())),
                settings.insecure_loopback,
            )
        }),
    };
    let hosts = agents.fabric.hosts();
    if observers.is_some() {
        let transports = hosts.iter().map(|host| (agents.transport)(host));
        let transports: Vec<_> = transports.collect::<Result<_>>()?;
        certificates::observe(&registry, &transports)?;
    }
    for host in &hosts {
        let (_, agent) = agents.open(host).await?;
        let stop = supervisor.stop();
        supervisor.spawn(format!("the agent of {host}"), async move {
            Ok(agent.run(stop).await?)
        });
    }
    println!("ready");
    if let Some(observers) = observers {
        let readiness = vec![conductors_know(&metrics, hosts.len())];
        let address = observe(&mut supervisor, observers, registry, readiness)?;
        println!("metrics http://{address}/metrics");
    }
    supervisor.run().await
}
