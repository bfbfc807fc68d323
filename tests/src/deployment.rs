//! All of Godwit on real hosts, on this machine.
//!
//! ```text
//!   outside the hosts                         inside host-1, host-2 …
//!   PostgreSQL ─ api, conductor(s) ── mTLS ── agent ── libvirtd ── QEMU
//! ```
//!
//! Each role is a process with a configuration file of its own below the deployment's directory,
//! so a test can kill one, change its configuration, and start it again. `scripts/real-hosts`
//! brings up the same thing for people.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_api::development_identity::{clouds_yaml, project_named, user_named};
use godwit_test_support::ca::{Role, TestCa};
use godwit_test_support::ports::free_address;
use godwit_test_support::postgres::KeptPostgres;
use godwit_test_support::testbed::{self, Host, Testbed};
use godwit_test_support::token::TokenKey;
use godwit_test_support::wait_for_blocking;
use serde_json::{Value, json};

use crate::native::Native;
use crate::process::{Lifetime, Process, godwit};
use crate::sdk::Sdk;
use crate::story::Story;

const READY_DEADLINE: Duration = Duration::from_secs(60);
/// After this long a silent host counts as dead: for who may evacuate as for who moves.
const SERVICE_DOWN_SECONDS: f64 = 10.0;
const AGENT_PORT: u16 = 8776;
const CONDUCTOR_PORT: u16 = 8780;

/// How a deployment is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many hosts.
    pub hosts: u8,
    /// How many conductors, at most 9.
    pub conductors: u8,
    /// Whether libvirt's lock manager guards the disks.
    pub lock_manager: bool,
    /// Whether agents are told of the network for migrations, so that moves use it; and of how many
    /// bytes per second it carries, as the system does not say that of virtual links.
    pub migration_network: Option<Option<u64>>,
    /// Laid over the `agent` section of every agent.
    pub agent: Value,
    /// Laid over the `conductor` section of every conductor.
    pub conductor: Value,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: 2,
            conductors: 1,
            lock_manager: false,
            migration_network: None,
            agent: json!({}),
            conductor: json!({}),
        }
    }
}

/// A running deployment.
#[derive(Debug)]
pub struct Deployment {
    directory: PathBuf,
    testbed: Testbed,
    conductors: Vec<Process>,
    api: Process,
    agents: Vec<Process>,
    api_address: SocketAddr,
    database: String,
    lifetime: Lifetime,
    _temporary: Option<tempfile::TempDir>,
}

impl Deployment {
    /// Brings one up in a temporary directory, for a test; it ends with the value.
    ///
    /// # Errors
    /// As [`Deployment::up`].
    pub fn temporary(options: &Options) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
        let mut deployment = Self::up(directory.path(), options, Lifetime::Bound)?;
        deployment._temporary = Some(directory);
        Ok(deployment)
    }

    /// Brings one up in `directory`. Guests come after it: see [`Deployment::testbed`].
    ///
    /// # Errors
    /// The testbed, PostgreSQL or a role does not come up; the error says which, and what it
    /// logged. What is up by then is taken down again.
    pub fn up(directory: &Path, options: &Options, lifetime: Lifetime) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let directory = &directory.canonicalize()?;
        let result = Self::start_all(directory, options, lifetime);
        if result.is_err() {
            let _ = Self::down(directory);
        }
        result
    }

    fn start_all(directory: &Path, options: &Options, lifetime: Lifetime) -> Result<Self> {
        let testbed = Testbed::up(
            directory,
            testbed::Options {
                hosts: options.hosts,
                lock_manager: options.lock_manager,
            },
        )?;
        let database = KeptPostgres::start(&directory.join("postgres"))?;
        let database = database.create_database("godwit")?;
        let plan = Plan {
            directory,
            database,
            gateway: testbed.gateway(),
            shared: testbed.shared(),
            instances: testbed.instances(),
            api: free_address()?,
            options,
        };
        plan.write(testbed.hosts())?;
        let process = |name: &str, role, host| Process::new(directory, name, role, host, lifetime);
        let deployment = Self {
            directory: directory.to_owned(),
            conductors: (1..=options.conductors)
                .map(|number| process(&format!("conductor-{number}"), "conductor", None))
                .collect(),
            api: process("api", "api", None),
            agents: testbed
                .hosts()
                .iter()
                .map(|host| process(&format!("agent-{}", host.name()), "agent", Some(host)))
                .collect(),
            testbed,
            api_address: plan.api,
            database: plan.database,
            lifetime,
            _temporary: None,
        };
        deployment.godwit(&["db", "upgrade", "--config"], "api")?;
        for role in deployment.roles() {
            role.start()?;
        }
        deployment.await_ready()?;
        Ok(deployment)
    }

    /// Takes down the deployment in `directory`, whoever brought it up. Nothing of it is left,
    /// but for what was never part of it. May be repeated after an error.
    ///
    /// # Errors
    /// Something does not end or cannot be removed.
    pub fn down(directory: &Path) -> Result<()> {
        let directory = &directory.canonicalize().context("there is nothing there")?;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "pid") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                Process::new(directory, &name, "", None, Lifetime::Kept).stop()?;
            }
        }
        if directory.join("postgres").is_symlink() {
            KeptPostgres::stop(&directory.join("postgres"))?;
        }
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let ours = ["yaml", "log", "pid", "token"];
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_file() && extension.is_some_and(|extension| ours.contains(&extension)) {
                fs::remove_file(path)?;
            }
        }
        for name in ["tls", "state", "identity"] {
            if directory.join(name).is_dir() {
                fs::remove_dir_all(directory.join(name))?;
            }
        }
        if directory.join("testbed.json").exists() {
            Testbed::down(directory)?;
        }
        let _ = fs::remove_dir(directory);
        Ok(())
    }

    /// Leaves everything up when this process ends.
    ///
    /// # Errors
    /// The testbed's state cannot be saved.
    pub fn keep(self) -> Result<()> {
        ensure!(
            self.lifetime == Lifetime::Kept,
            "its processes are bound to this one"
        );
        let mut parts = std::mem::ManuallyDrop::new(self);
        // The testbed is kept too: what takes its place is one that nobody owns.
        let unowned = Testbed::open(&parts.directory)?;
        std::mem::replace(&mut parts.testbed, unowned).keep()
    }

    /// The hosts, and the place to make guests.
    pub fn testbed(&self) -> &Testbed {
        &self.testbed
    }

    /// The conductors.
    pub fn conductors(&self) -> &[Process] {
        &self.conductors
    }

    /// The API.
    pub fn api(&self) -> &Process {
        &self.api
    }

    /// The agents, in the order of the hosts.
    pub fn agents(&self) -> &[Process] {
        &self.agents
    }

    /// Where Nova's API is served.
    pub fn url(&self) -> String {
        format!("http://{}/v2.1", self.api_address)
    }

    /// Below which everything is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A `clouds.yaml` with a cloud for each user of the development identity.
    pub fn clouds(&self) -> PathBuf {
        self.directory.join("clouds.yaml")
    }

    /// The SDK as a user of the development identity.
    ///
    /// # Errors
    /// As [`Sdk::connect`].
    pub fn sdk(&self, cloud: &str) -> Result<Sdk> {
        Sdk::connect(&self.clouds(), cloud)
    }

    /// Runs `godwit … CONFIG` with a role's configuration and returns what it printed.
    ///
    /// # Errors
    /// It fails; the error holds what it said.
    pub fn godwit(&self, arguments: &[&str], config: &str) -> Result<String> {
        let output = Command::new(godwit()?)
            .args(arguments)
            .arg(self.directory.join(format!("{config}.yaml")))
            .output()?;
        ensure!(
            output.status.success(),
            "godwit {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A user of the development identity, who asks the API himself.
    ///
    /// # Errors
    /// There is no token for him.
    pub fn native(&self, user: &str) -> Result<Native> {
        let token = self.godwit(&["token", "issue", "--user", user, "--config"], "api")?;
        Native::new(
            vec![format!("http://{}", self.api_address)],
            token.trim_end(),
        )
    }

    /// A server's migrations with their event logs, the newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn stories(&self, server: &str) -> Result<Vec<Story>> {
        crate::story::of(&self.database, server)
    }

    /// Asks the database for every promise that a query can decide.
    ///
    /// # Errors
    /// One is broken; the error says which.
    pub fn check_invariants(&self) -> Result<()> {
        self.godwit(&["db", "check", "--invariants", "--config"], "api")
            .map(drop)
    }

    fn roles(&self) -> impl Iterator<Item = &Process> {
        let conductors = self.conductors.iter();
        conductors.chain(&self.agents).chain([&self.api])
    }

    /// Waits until the API answers and every agent is up.
    fn await_ready(&self) -> Result<()> {
        let ready = || -> Result<Option<()>> {
            for role in self.roles() {
                ensure!(role.runs(), "{} has ended", role.name());
            }
            TcpStream::connect(self.api_address)?;
            Ok(Some(()))
        };
        let ready = wait_for_blocking("the roles to be up", READY_DEADLINE, ready);
        ready.map_err(|error| error.context(self.logs()))
    }

    /// What every role has logged.
    pub fn logs(&self) -> String {
        let logs = self.roles().map(|role| {
            let log = fs::read_to_string(role.log()).unwrap_or_default();
            format!("--- {}\n{log}", role.name())
        });
        logs.collect()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        if let Err(error) = Self::down(&self.directory) {
            eprintln!("cannot take down {}: {error:#}", self.directory.display());
        }
    }
}

/// What the configuration files are written from.
struct Plan<'a> {
    directory: &'a Path,
    database: String,
    gateway: Ipv4Addr,
    shared: PathBuf,
    instances: PathBuf,
    api: SocketAddr,
    options: &'a Options,
}

impl Plan<'_> {
    /// Writes a file for each role, and what they refer to.
    fn write(&self, hosts: &[Host]) -> Result<()> {
        let authority = TestCa::new()?;
        let tls = self.directory.join("tls");
        fs::create_dir_all(&tls)?;
        authority.write(&tls)?;
        let identity = self.directory.join("identity");
        fs::create_dir_all(&identity)?;
        let key = TokenKey::new()?;
        key.write_public(&identity, "token")?;
        key.write_private(&identity, "token")?;

        self.save("api", self.api_role(&identity))?;
        for number in 1..=self.options.conductors {
            let name = format!("conductor-{number}");
            let files = authority.issue(Role::Conductor, &name, &[IpAddr::V4(self.gateway)])?;
            files.write(&tls, &name)?;
            self.save(&name, self.conductor_role(&name, number))?;
        }
        for host in hosts {
            let name = format!("agent-{}", host.name());
            let files =
                authority.issue(Role::Agent, &host.name(), &[IpAddr::V4(host.address())])?;
            files.write(&tls, &name)?;
            self.save(&name, self.agent_role(&name, host))?;
        }
        let base = format!("http://{}", self.api);
        fs::write(self.directory.join("clouds.yaml"), clouds_yaml(&base))?;
        Ok(())
    }

    fn api_role(&self, identity: &Path) -> Value {
        json!({
            "database": {"url": self.database},
            "api": {
                "listen": self.api,
                "metrics": "127.0.0.1:0",
                "service_down_time": SERVICE_DOWN_SECONDS,
            },
            "auth": {"public_keys": [identity.join("token.pub.pem")]},
            "identity": {"development": true, "private_key": identity.join("token.key.pem")},
        })
    }

    fn conductor_role(&self, name: &str, number: u8) -> Value {
        let mut section = json!({
            "name": name,
            "listen": format!("{}:{}", self.gateway, conductor_port(number)),
            "metrics": "127.0.0.1:0",
            "tls": self.tls(name),
            "report_interval": 1.0,
            "service_down_time": SERVICE_DOWN_SECONDS,
        });
        overlay(&mut section, &self.options.conductor);
        json!({"database": {"url": self.database}, "conductor": section})
    }

    fn agent_role(&self, name: &str, host: &Host) -> Value {
        let conductors = (1..=self.options.conductors)
            .map(|number| format!("https://{}:{}", self.gateway, conductor_port(number)));
        let mut section = json!({
            "host": host.name(),
            "listen": format!("{}:{AGENT_PORT}", host.address()),
            "metrics": "127.0.0.1:0",
            "conductors": conductors.collect::<Vec<_>>(),
            "tls": self.tls(name),
            "state_dir": self.directory.join("state").join(name),
            "libvirt": {
                "address": host.address(),
                "move_uri": format!("qemu+tcp://{}/system", host.address()),
                "instances": self.instances,
                "shared_storage": [{"id": "shared", "path": self.shared}],
                "permit_post_copy": true,
                // The guest program knows no ACPI, and is powered off by force.
                "power_off_seconds": 1,
                "owner": {
                    "user_id": user_id("member"),
                    "project_id": project_id("demo"),
                },
                "lock_manager": if self.options.lock_manager { "lockd" } else { "none" },
            },
        });
        if let Some(bytes_per_second) = self.options.migration_network {
            section["libvirt"]["links"] = json!([
                {"name": "eth0", "role": "management", "address": host.address()},
                {
                    "name": host.migration_interface(),
                    "role": "migration",
                    "address": host.migration_address(),
                    "bytes_per_second": bytes_per_second,
                },
            ]);
        }
        overlay(&mut section, &self.options.agent);
        json!({"agent": section})
    }

    fn tls(&self, name: &str) -> Value {
        let tls = self.directory.join("tls");
        json!({
            "ca": tls.join("ca.pem"),
            "cert": tls.join(format!("{name}.pem")),
            "key": tls.join(format!("{name}.key")),
        })
    }

    /// YAML is a superset of JSON, so a role reads it as it reads any configuration.
    fn save(&self, name: &str, config: Value) -> Result<()> {
        let path = self.directory.join(format!("{name}.yaml"));
        fs::write(path, serde_json::to_vec_pretty(&config)?)?;
        Ok(())
    }
}

fn conductor_port(number: u8) -> u16 {
    CONDUCTOR_PORT + u16::from(number)
}

/// Lays `over` over `under`, key by key.
fn overlay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                overlay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// The id that the development identity gives a user.
fn user_id(name: &str) -> String {
    user_named(name).map(|user| user.id()).unwrap_or_default()
}

/// The id that the development identity gives a project.
fn project_id(name: &str) -> String {
    project_named(name)
        .map(|project| project.id())
        .unwrap_or_default()
}
