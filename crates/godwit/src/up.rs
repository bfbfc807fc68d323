//! `godwit up`: every role in one process, on simulated hosts.
//!
//! ```text
//!   clients ──HTTP──► api ──wake──► conductor ──pipes──► agent host-1 ─┐
//!                      └── database ────┘ └─────pipes──► agent host-2 ─┴─ one simulated world
//! ```
//!
//! Nothing here is a special case of a role: they are the same parts as elsewhere, talking the
//! same protocol over pipes instead of sockets. All that it keeps is in one directory, but for the
//! records where a database elsewhere is named.

mod directory;
mod fence;
mod hosts;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_api::auth::keys::KeySet;
use godwit_api::config::{ApiConfig, AuthConfig, PolicyConfig, WebhookConfig};
use godwit_api::development_identity::clouds_yaml;
use godwit_api::ids::RandomIds;
use godwit_api::observability::HttpMetrics;
use godwit_api::policy::PolicySource;
use godwit_api::{ApiState, Parts};
use godwit_compute_agent::drivers::simulated::{Fabric, Fleet};
use godwit_compute_agent::metrics::Metrics;
use godwit_conductor::{Config as ConductorConfig, TimeLimits, Wake};
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::transport::{Address, LocalNetwork, Transport};
use godwit_store::Store;
use prometheus::Registry;
use tracing::warn;

pub(crate) use self::directory::DataDirectory;
use crate::cli::Up;
use crate::clock::SystemClock;
use crate::keys;
use crate::login::LogIn;
use crate::roles::{self, conductor};
use crate::simulated::agents::Agents;
use crate::simulated::fleet;
use crate::stop;
use crate::supervisor::{Supervisor, bind};

/// How long a token of the development identity lasts.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// Runs until told to stop.
pub(crate) async fn run(up: &Up) -> Result<()> {
    ensure!(
        up.hosts > 0 || up.servers == 0,
        "servers need hosts: `--hosts 0` goes with `--servers 0`"
    );
    ensure!(
        up.listen.ip().is_loopback(),
        "{} is no loopback address: everybody knows the passwords of the development identity",
        up.listen
    );
    // A file that is none starts nothing.
    let described = up.fleet.as_deref().map(fleet::file::read).transpose()?;
    let described = described.as_ref().map(fleet::file::world).transpose()?;
    let mut supervisor = Supervisor::new(stop::on_signal()?);
    let directory = DataDirectory::at(&up.data)?;
    let _alone = directory.occupy()?;
    let (listener, observers) = (bind(up.listen)?, bind(up.metrics)?);
    let base = format!("http://{}", listener.local_addr()?);

    directory.keys().ensure()?;
    keys::ensure_sealing_key(&directory.sealing_key())?;
    let database = match &up.database {
        Some(url) => directory.database_at(url)?,
        None => directory.database()?,
    };
    Store::upgrade(&database.url, &database.options()).await?;
    let store = Store::open(&database.url, database.options()).await?;
    // Only now: what cannot be opened may have been misspelt.
    directory.remember(&database)?;
    let fabric = world(up, &directory, &store, described).await?;
    fleet::places::expect(&store, &fabric).await?;
    let dirty_rates = fabric.known_dirty_rates();

    let registry = Registry::new();
    let wake = Wake::default();
    let network = LocalNetwork::new();
    let conductor = conduct(&mut supervisor, &network, &store, &wake, &registry).await?;
    let agents = Agents {
        fabric,
        transport: Box::new(move |host| {
            let identity = PeerIdentity::new(Role::Agent, host.as_str());
            Ok(Transport::Local(network.clone(), identity))
        }),
        listen: ([127, 0, 0, 1], 0).into(),
        advertise: None,
        conductors: vec![Address::Local(conductor)],
        journals: directory.journals(),
        metrics: Metrics::register(&registry)?,
    };
    let hosts = hosts::serve(&mut supervisor, agents, &store, up.speed).await?;
    if supervisor
        .while_running(hosts.are_known_to(&store))
        .await?
        .is_none()
    {
        supervisor.dismiss().await;
        return Ok(());
    }
    fleet::places::measured(&store, dirty_rates).await?;

    let metrics = HttpMetrics::register(&registry)?;
    let (state, log_in) = api(up, &directory, &store, wake, metrics.clone())?;
    let identity = log_in.development_identity(&metrics);
    roles::deliver(&mut supervisor, &state)?;
    let (_, server) = godwit_api::serve(listener, state, identity)?;
    supervisor.serve("the API", server);
    let readiness = vec![roles::database_answers(&store)];
    let metrics = roles::observe(&mut supervisor, observers, registry, readiness)?;

    let clouds = directory.clouds();
    keys::write(&clouds, &clouds_yaml(&base), 0o600)?;
    greet(&base, &metrics.to_string(), &directory);
    supervisor.run().await
}

/// The simulated world that the directory keeps. Where there is none yet, it is what a file described,
/// or a demonstration; but nothing is simulated beside the hosts that a database which was named
/// knows already.
async fn world(
    up: &Up,
    directory: &DataDirectory,
    store: &Store,
    described: Option<Fleet>,
) -> Result<Fabric> {
    let taken = up.database.is_some() && !store.host_list().await?.is_empty();
    let mut is_new = false;
    let from_file = described.is_some();
    let first = || {
        is_new = true;
        if taken {
            warn!("the database has hosts already: none are simulated");
            return Fleet::default();
        }
        described.unwrap_or_else(|| fleet::demonstration(1..=up.hosts, up.servers, &RandomIds))
    };
    let fabric = Fabric::open(directory.path(), up.speed, first)?;
    if from_file && !is_new {
        warn!("the directory has a fleet already: the fleet file is not looked at");
    }
    Ok(fabric)
}

/// Starts the conductor; returns who it is.
async fn conduct(
    supervisor: &mut Supervisor,
    network: &LocalNetwork,
    store: &Store,
    wake: &Wake,
    registry: &Registry,
) -> Result<PeerIdentity> {
    let identity = PeerIdentity::new(Role::Conductor, "up");
    let transport = Transport::Local(network.clone(), identity.clone());
    let config = ConductorConfig {
        time_limits: TimeLimits {
            // Simulated time has its own speed, and `vm-busy` shall move until somebody acts.
            completion_per_gib: Duration::ZERO,
            ..TimeLimits::default()
        },
        ..ConductorConfig::default()
    };
    let listener = transport.listen(config.listen).await?;
    let conductor =
        conductor::conductor(&transport, store.clone(), config, wake.clone(), registry)?;
    conductor::spawn(supervisor, conductor, listener);
    Ok(identity)
}

/// The API, and who may use it.
fn api(
    up: &Up,
    directory: &DataDirectory,
    store: &Store,
    wake: Wake,
    metrics: HttpMetrics,
) -> Result<(ApiState, LogIn)> {
    let auth = AuthConfig::default();
    let key = directory.keys().private;
    let log_in = LogIn::issuing(KeySet::default(), &auth, &key, TOKEN_LIFETIME)?;
    let policy = PolicyConfig {
        file: Some(directory.policy()),
        ..PolicyConfig::default()
    };
    let parts = Parts {
        store: store.for_requests(),
        policy: PolicySource::open(policy)?,
        authenticator: log_in.authenticator(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        wake: Arc::new(move || wake.wake()),
        metrics,
    };
    let config = ApiConfig {
        listen: up.listen,
        metrics: up.metrics,
        webhooks: WebhookConfig {
            sealing_key_file: Some(directory.sealing_key()),
            allowed_networks: vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
            ..WebhookConfig::default()
        },
        ..ApiConfig::default()
    };
    let state = ApiState::new(config, &auth, parts).context("the API")?;
    Ok((state, log_in))
}

/// Scripts read the first line; the others are for people.
fn greet(base: &str, metrics: &str, directory: &DataDirectory) {
    let here = directory.path().display();
    println!(
        "\
ready {base}/v2.1
metrics http://{metrics}/metrics

Clouds admin, manager, member, reader and stranger; each password is the user's name:
  export OS_CLIENT_CONFIG_FILE={clouds}
  openstack --os-cloud admin server list --all-projects
  openstack --os-cloud manager server migrate --live-migration vm-1 --wait

A host that is emptied, and gets its servers back:
  export OS_CLOUD=admin
  godwit drain host-1 --yes --wait
  godwit undrain host-1 --return-home now

A token for anything else:
  curl -H \"X-Auth-Token: $(godwit token issue --data {here})\" {base}/v2.1/os-migrations
",
        clouds = directory.clouds().display(),
    );
}
