//! The agent of a real hypervisor host.

use std::sync::Arc;

use anyhow::Result;
use godwit_api::ids::{Ids, RandomIds};
use godwit_api::observability::Readiness;
use godwit_compute_agent::agent::{Agent, Parts};
use godwit_compute_agent::driver::Driver;
use godwit_compute_agent::drivers::libvirt::LibvirtDriver;
use godwit_compute_agent::holds::Holds;
use godwit_compute_agent::metrics::Metrics;
use godwit_rpc::identity::Role;
use prometheus::Registry;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::roles::transport::transport;
use crate::roles::until_stopped;
use crate::stop;
use crate::supervisor::Supervisor;

/// Serves this host until told to stop.
pub(crate) async fn run(config: &Config) -> Result<()> {
    let mut supervisor = Supervisor::new(stop::on_signal()?);
    let settings = config.agent()?;
    let host = settings.host.clone();
    let holds = Holds::new(settings.holds.clone());
    let transport = transport(
        "agent",
        Role::Agent,
        Some(host.as_str()),
        || Ok(host.to_string()),
        settings.tls.clone(),
        settings.insecure_loopback,
    )?;
    let driver = LibvirtDriver::new(host.clone(), settings.libvirt.clone(), holds.clone())?;
    let driver: Arc<dyn Driver> = Arc::new(driver);
    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let readiness = vec![conductors_know(&metrics), hypervisor_answers(&driver)];
    let agent = Agent::open(Parts {
        host,
        driver,
        transport,
        listen: settings.listen,
        advertise: settings.advertise.clone(),
        conductors: settings.conductors.clone(),
        journal: settings.state_dir.clone(),
        pace: settings.pace.clone(),
        holds,
        clock: Arc::new(SystemClock),
        boot_id: RandomIds.uuid(),
        metrics,
    })
    .await?;
    let address = agent.address().clone();
    let stop = supervisor.stop();
    supervisor.spawn("the agent", async move { Ok(agent.run(stop).await?) });
    until_stopped(supervisor, address, settings.metrics, registry, readiness).await
}

/// Is the agent registered? Without that nothing is asked of it.
fn conductors_know(metrics: &Metrics) -> (&'static str, Readiness) {
    let metrics = metrics.clone();
    let known: Readiness = Arc::new(move || {
        let known = metrics.is_registered();
        Box::pin(async move { known.then_some(()).ok_or("none knows this host".to_owned()) })
    });
    ("conductors", known)
}

/// Does the hypervisor say what its host has?
fn hypervisor_answers(driver: &Arc<dyn Driver>) -> (&'static str, Readiness) {
    let driver = Arc::clone(driver);
    let asked: Readiness = Arc::new(move || {
        let driver = Arc::clone(&driver);
        Box::pin(async move { driver.facts().await.map(drop).map_err(|e| e.to_string()) })
    });
    ("hypervisor", asked)
}
