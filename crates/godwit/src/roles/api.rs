//! The role `api`.

use std::sync::Arc;

use anyhow::Result;
use godwit_api::ids::RandomIds;
use godwit_api::observability::HttpMetrics;
use godwit_api::policy::PolicySource;
use godwit_api::{ApiState, Parts};
use prometheus::Registry;

use super::{Config, Supervisor, bind, database_answers, pool, store, until_stopped};
use crate::clock::SystemClock;
use crate::login::LogIn;
use crate::stop;

/// Serves Nova's API until told to stop.
pub(crate) async fn run(config: &Config) -> Result<()> {
    let mut supervisor = Supervisor::new(stop::on_signal()?);
    let listener = bind(config.api.listen)?;
    let store = store(config).await?;
    let registry = Registry::new();
    pool::observe(&registry, &store)?;
    let metrics = HttpMetrics::register(&registry)?;
    let log_in = LogIn::configured(config)?;
    let identity = log_in.development_identity(&metrics);
    let parts = Parts {
        store: store.for_requests(),
        policy: PolicySource::open(config.policy.clone())?,
        authenticator: log_in.authenticator(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        // The conductor is another process, and finds out when it looks.
        wake: Arc::new(|| {}),
        metrics,
    };
    let state = ApiState::new(config.api.clone(), &config.auth, parts)?;
    let (address, server) = godwit_api::serve(listener, state, identity)?;
    supervisor.serve("the API", server);
    let readiness = vec![database_answers(&store)];
    let ready = format!("http://{address}/v2.1");
    until_stopped(supervisor, ready, config.api.metrics, registry, readiness).await
}
