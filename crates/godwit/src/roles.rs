//! One role a process, as the configuration file says.
//!
//! Each prints `ready ADDRESS` on standard output once it serves, and `metrics ADDRESS` below.

pub(crate) mod agent;
pub(crate) mod api;
pub(crate) mod certificates;
pub(crate) mod conductor;
mod notifications;
mod pool;
pub(crate) mod transport;

use std::fmt::Display;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use godwit_api::ApiState;
use godwit_api::observability::{self, Observed, Readiness};
use godwit_api::relocation::webhooks::deliver::Deliverer;
use godwit_store::{Store, StoreOptions};
use prometheus::Registry;

use crate::config::Config;
use crate::supervisor::{Supervisor, bind};
use crate::version;

/// Opens the database of a role. Roles never change the schema: that is `db upgrade`'s, once,
/// before any of them is started.
async fn store(config: &Config) -> Result<Store> {
    let database = config.database()?;
    let options = StoreOptions {
        beginnings: config.allocation,
        ..database.options()
    };
    Ok(Store::open(&database.url, options).await?)
}

/// Is the database there?
pub(crate) fn database_answers(store: &Store) -> (&'static str, Readiness) {
    let store = store.clone();
    let ping: Readiness = Arc::new(move || {
        let store = store.clone();
        Box::pin(async move { store.ping().await.map_err(|error| error.to_string()) })
    });
    ("database", ping)
}

/// Calls the webhooks of the API, where it can have any.
pub(crate) fn deliver(supervisor: &mut Supervisor, state: &ApiState) -> Result<()> {
    let Some(deliverer) = Deliverer::new(state.clone())? else {
        return Ok(());
    };
    let stop = supervisor.stop();
    supervisor.spawn("webhooks", async move {
        deliverer.run(stop.cancelled_owned()).await;
        Ok(())
    });
    Ok(())
}

/// Serves metrics and health on `listener`; returns where.
pub(crate) fn observe(
    supervisor: &mut Supervisor,
    listener: TcpListener,
    registry: Registry,
    readiness: Vec<(&'static str, Readiness)>,
) -> Result<SocketAddr> {
    version::observe(&registry)?;
    let observed = Observed {
        registry,
        readiness,
    };
    let (address, server) =
        observability::serve(listener, observed).context("cannot serve metrics")?;
    supervisor.serve("the metrics server", server);
    Ok(address)
}

/// Says that a role is served at `ready`, and runs it until told to stop; `metrics` is where
/// metrics and health are to be served meanwhile.
async fn until_stopped(
    mut supervisor: Supervisor,
    ready: impl Display,
    metrics: SocketAddr,
    registry: Registry,
    readiness: Vec<(&'static str, Readiness)>,
) -> Result<()> {
    let metrics = observe(&mut supervisor, bind(metrics)?, registry, readiness)?;
    println!("ready {ready}\nmetrics http://{metrics}/metrics");
    supervisor.run().await
}
