//! What an installation is made of, before it is started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use godwit_compute_agent::config::Pace;
use godwit_compute_agent::drivers::simulated::{Fabric, Fleet, GuestSpec, HostSpec};
use godwit_conductor::{Backoff, Config, Slots, TimeLimits};
use godwit_core::host::link::{Link, LinkRole};
use godwit_core::ids::HostName;
use godwit_rpc::Deadlines;
use godwit_rpc::transport::LocalNetwork;
use godwit_rpc::version::Speaks;
use godwit_store::{Store, StoreOptions};
use godwit_test_support::database_directory;
use godwit_test_support::fleet::rpc::owner;
use godwit_test_support::fleet::{GIB, host, server};
use godwit_test_support::postgres::TempPostgres;
use tempfile::TempDir;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cluster::Cluster;

/// What an installation is made of; a test changes what it is about.
pub(crate) struct Made {
    pub(crate) config: Config,
    pub(crate) pace: Pace,
    pub(crate) speaks: BTreeMap<HostName, Speaks>,
    pub(crate) fleet: Fleet,
    pub(crate) speed: f64,
    pub(crate) conductors: usize,
    url: String,
    directory: TempDir,
    postgres: Option<Arc<TempPostgres>>,
}

impl Made {
    pub(crate) async fn sqlite() -> Self {
        let directory = database_directory().unwrap();
        let url = format!("sqlite://{}/godwit.db", directory.path().display());
        Self::at(url, directory, None).await
    }

    pub(crate) async fn postgres() -> Self {
        let server = TempPostgres::shared().unwrap();
        let url = server.create_database().unwrap();
        Self::at(url, database_directory().unwrap(), Some(server)).await
    }

    async fn at(url: String, directory: TempDir, postgres: Option<Arc<TempPostgres>>) -> Self {
        // `RUST_LOG=godwit=info` shows what happened in a test that failed.
        let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned());
        let wanted: Targets = wanted.parse().unwrap();
        let _ = tracing_subscriber::registry()
            .with(wanted)
            .with(tracing_subscriber::fmt::layer().with_test_writer())
            .try_init();
        Store::upgrade(&url, &StoreOptions::default())
            .await
            .unwrap();
        Self {
            config: quick_config(),
            pace: quick_pace(),
            speaks: BTreeMap::new(),
            fleet: Fleet::default(),
            speed: 20.0,
            conductors: 1,
            url,
            directory,
            postgres,
        }
    }

    /// Adds ordinary hosts with so many quiet guests each; all are numbered from 1.
    pub(crate) fn with_hosts(mut self, guests: &[usize]) -> Self {
        for (index, count) in guests.iter().enumerate() {
            let name = host(index + 1);
            // Nobody knows how fast its link is, so slots limit its moves.
            let mut spec = HostSpec::new(name.clone());
            spec.links = vec![link(None, None)];
            self.fleet.hosts.push(spec);
            for _ in 0..*count {
                let number = self.fleet.guests.len() + 1;
                let called = format!("vm-{number}");
                let guest = GuestSpec::new(server(number), &called, owner(), name.clone());
                self.fleet.guests.push(guest);
            }
        }
        self
    }

    pub(crate) fn host(&mut self, number: usize) -> &mut HostSpec {
        &mut self.fleet.hosts[number - 1]
    }

    pub(crate) fn guest(&mut self, number: usize) -> &mut GuestSpec {
        &mut self.fleet.guests[number - 1]
    }

    /// From now on it is known what links carry, and what one stream achieves, in MB/s.
    pub(crate) fn links_are(&mut self, all: u64, stream: u64) {
        for host in &mut self.fleet.hosts {
            host.links = vec![link(Some(all * 1_000_000), Some(stream * 1_000_000))];
        }
    }

    /// A guest that changes its memory faster than any link carries it.
    pub(crate) fn never_converges(&mut self, number: usize) {
        let guest = self.guest(number);
        guest.dirty_bytes_per_second = 100 * GIB;
        guest.working_set_bytes = guest.memory_bytes;
    }

    /// A guest whose move ends by itself, but not within a test.
    pub(crate) fn takes_long(&mut self, number: usize) {
        self.speed = 1.0;
        self.guest(number).memory_bytes = 100 * GIB;
    }

    /// Starts everything, and waits until the guests are known as servers.
    pub(crate) async fn start(self) -> Cluster {
        let Self {
            config,
            pace,
            speaks,
            fleet,
            speed,
            conductors,
            url,
            directory,
            postgres,
        } = self;
        let mut cluster = Cluster {
            store: Store::open(&url, StoreOptions::default()).await.unwrap(),
            fabric: Fabric::new(fleet, speed),
            registry: prometheus::Registry::new(),
            network: LocalNetwork::new(),
            conductors: BTreeMap::new(),
            agents: BTreeMap::new(),
            config,
            pace,
            speaks,
            url,
            directory,
            _postgres: postgres,
        };
        for number in 1..=conductors {
            cluster.start_conductor(number);
        }
        for name in cluster.fabric.hosts() {
            cluster.start_agent(&name);
        }
        cluster.all_are_up().await;
        cluster
    }
}

fn link(bytes_per_second: Option<u64>, stream_bytes_per_second: Option<u64>) -> Link {
    Link {
        name: "sim0".to_owned(),
        role: LinkRole::Migration,
        bytes_per_second,
        stream_bytes_per_second,
    }
}

fn quick_config() -> Config {
    Config {
        poll_interval: Duration::from_millis(20),
        lease: Duration::from_millis(800),
        slots: Slots {
            per_source: 0,
            per_destination: 0,
        },
        time_limits: TimeLimits {
            rollback: Duration::from_secs(20),
            grace: Duration::from_secs(2),
            ..TimeLimits::default()
        },
        calls: Deadlines {
            brief: Duration::from_secs(5),
            inquiry: Duration::from_secs(5),
            command: Duration::from_secs(5),
            work: Duration::from_secs(5),
            silence: Duration::from_secs(2),
        },
        retries: Backoff {
            first: Duration::from_millis(20),
            longest: Duration::from_millis(200),
        },
        report_interval: Duration::from_millis(200),
        service_down_time: Duration::from_secs(3),
        reconcile_interval: Duration::from_millis(500),
        progress_interval: Duration::from_millis(50),
        metrics_interval: Duration::from_millis(100),
        ..Config::default()
    }
}

fn quick_pace() -> Pace {
    Pace {
        progress_interval: Duration::from_millis(20),
        change_delay: Duration::from_millis(10),
        retry_first: Duration::from_millis(20),
        retry_longest: Duration::from_millis(200),
        ..Pace::default()
    }
}
