//! The role `agent`.

use anyhow::Result;

use crate::config::Config;

/// Without a driver for real hypervisors there is nothing to serve: simulated hosts live in the
/// one process of `up`, which is all they could move within.
#[cfg(not(feature = "libvirt"))]
pub(crate) async fn run(_: &Config) -> Result<()> {
    anyhow::bail!(
        "this godwit was built without libvirt; build it with `cargo build --release --features \
         libvirt`"
    )
}

/// Serves this host until told to stop.
#[cfg(feature = "libvirt")]
pub(crate) async fn run(config: &Config) -> Result<()> {
    use std::sync::Arc;

    use godwit_api::ids::{Ids, RandomIds};
    use godwit_compute_agent::agent::{Agent, Parts};
    use godwit_compute_agent::drivers::libvirt::LibvirtDriver;
    use godwit_compute_agent::holds::Holds;
    use godwit_compute_agent::metrics::Metrics;
    use godwit_rpc::identity::Role;
    use prometheus::Registry;

    use super::observe;
    use super::transport::transport;
    use crate::clock::SystemClock;
    use crate::crew::{Crew, bind};
    use crate::stop;

    let mut crew = Crew::new(stop::on_signal()?);
    let settings = config.agent()?;
    let host = settings.host.clone();
    let holds = Holds::new(settings.holds.clone());
    let transport = transport(
        "agent",
        Role::Agent,
        Some(host.as_str()),
        || Ok(host.to_string()),
        settings.tls.as_ref(),
        settings.insecure_loopback,
    )?;
    let driver = LibvirtDriver::new(host.clone(), settings.libvirt.clone(), holds.clone())?;
    let registry = Registry::new();
    let agent = Agent::open(Parts {
        host,
        driver: Arc::new(driver),
        transport,
        listen: settings.listen,
        advertise: settings.advertise.clone(),
        conductors: settings.conductors.clone(),
        journal: settings.state_dir.clone(),
        pace: settings.pace.clone(),
        holds,
        clock: Arc::new(SystemClock),
        boot_id: RandomIds.uuid(),
        metrics: Metrics::register(&registry)?,
    })
    .await?;
    let address = agent.address().clone();
    let stop = crew.stop();
    crew.spawn("the agent", async move { Ok(agent.run(stop).await?) });
    let metrics = observe(&mut crew, bind(settings.metrics)?, registry, Vec::new())?;
    println!("ready {address}\nmetrics http://{metrics}/metrics");
    crew.run().await
}
