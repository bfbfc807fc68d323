//! The role `conductor`.

use std::sync::Arc;

use anyhow::{Context, Result};
use godwit_api::ids::{Ids, RandomIds};
use godwit_conductor::{Conductor, Parts, Wake};
use godwit_core::ids::HostName;
use godwit_rpc::agent::AgentPool;
use godwit_rpc::identity::Role;
use godwit_rpc::transport::{Listener, Transport, serve};
use prometheus::Registry;

use super::transport::transport;
use super::{Config, Store, Supervisor, database_answers, store, until_stopped};
use crate::clock::SystemClock;
use crate::stop;

/// Drives migrations until told to stop.
pub(crate) async fn run(config: &Config) -> Result<()> {
    let mut supervisor = Supervisor::new(stop::on_signal()?);
    let settings = &config.conductor;
    let transport = transport(
        "conductor",
        Role::Conductor,
        settings.name.as_ref().map(HostName::as_str),
        machine_name,
        settings.tls.clone(),
        settings.insecure_loopback,
    )?;
    let listener = transport.listen(settings.listen).await?;
    let address = listener
        .address(None)
        .context("the socket has no address")?;
    let store = store(config).await?;
    let registry = Registry::new();
    let conductor = conductor(
        &transport,
        store.clone(),
        settings.clone(),
        Wake::default(),
        &registry,
    )?;
    spawn(&mut supervisor, conductor, listener);
    let readiness = vec![database_answers(&store)];
    until_stopped(supervisor, address, settings.metrics, registry, readiness).await
}

/// Lets a conductor be called, and drive.
pub(crate) fn spawn(supervisor: &mut Supervisor, conductor: Conductor, listener: Listener) {
    let (stop, service) = (supervisor.stop(), conductor.service());
    supervisor.spawn("the conductor's door", async move {
        Ok(serve(listener, service, stop).await?)
    });
    let stop = supervisor.stop();
    supervisor.spawn(
        "the conductor",
        async move { Ok(conductor.run(stop).await?) },
    );
}

/// A conductor that calls agents by `transport`, and is named as that says.
pub(crate) fn conductor(
    transport: &Transport,
    store: Store,
    config: godwit_conductor::Config,
    wake: Wake,
    registry: &Registry,
) -> Result<Conductor> {
    let name = &transport.identity().name;
    let parts = Parts {
        name: HostName::new(name).context("the conductor's name")?,
        store,
        agents: Arc::new(AgentPool::new(transport.clone(), config.calls)),
        clock: Arc::new(SystemClock),
        jitter: Arc::new(rand::random::<f64>),
        ids: Arc::new(|| RandomIds.uuid()),
        config,
        wake,
    };
    Ok(Conductor::new(parts, registry)?)
}

fn machine_name() -> Result<String> {
    const FILE: &str = "/proc/sys/kernel/hostname";
    let name = std::fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    Ok(name.trim_end().to_owned())
}
