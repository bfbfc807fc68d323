//! All of Godwit but hypervisors: PostgreSQL, conductors, API and the agents of simulated hosts, as
//! processes of their own with mTLS.
//!
//! ```text
//!   PostgreSQL ─ api, conductor-1, conductor-2 ── mTLS ── simulated-agents: host-1, host-2, host-3
//! ```
//!
//! Certificates are made by the command that operators have, so that what it makes is tried.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_api::development_identity::clouds_yaml;
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::token::TokenKey;
use godwit_test_support::wait_for_blocking;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Lifetime, Process, godwit};
use crate::sdk::Sdk;

const READY: Duration = Duration::from_secs(60);

/// A running deployment; ends with the value.
#[derive(Debug)]
pub struct Simulated {
    /// Two of them.
    pub conductors: [Process; 2],
    /// One.
    pub api: Process,
    /// The agents of three hosts, in one process.
    pub hosts: Process,
    addresses: Addresses,
    database: String,
    directory: TempDir,
    // Dropped last: the others use it.
    postgres: TempPostgres,
}

/// Where everybody serves.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    api: SocketAddr,
    api_metrics: SocketAddr,
    conductors: [SocketAddr; 2],
    conductor_metrics: [SocketAddr; 2],
    hosts_metrics: SocketAddr,
}

impl Simulated {
    /// Brings one up. `overlay` is laid over the sections `api`, `conductor` and `database` of
    /// every role, and may have a section `notifications` for conductors, and `traces` for all.
    ///
    /// # Errors
    /// PostgreSQL or a role does not come up.
    pub fn up(overlay: &Value) -> Result<Self> {
        Self::up_by(&godwit()?, overlay)
    }

    /// The same with another binary than the one under test. Certificates are still that one's.
    ///
    /// # Errors
    /// As [`Self::up`].
    pub fn up_by(binary: &Path, overlay: &Value) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
        let postgres = TempPostgres::start()?;
        let database = postgres.create_database()?;
        let addresses = Addresses {
            api: free_address()?,
            api_metrics: free_address()?,
            conductors: [free_address()?, free_address()?],
            conductor_metrics: [free_address()?, free_address()?],
            hosts_metrics: free_address()?,
        };
        let path = directory.path();
        write(path, &addresses, &database, overlay)?;
        let process = |name: &str, role| {
            let mut process = Process::new(path, name, role, None, Lifetime::Bound);
            process.become_binary(binary);
            process
        };
        let this = Self {
            conductors: [
                process("conductor-1", "conductor"),
                process("conductor-2", "conductor"),
            ],
            api: process("api", "api"),
            hosts: process("hosts", "simulated-agents"),
            addresses,
            database,
            postgres,
            directory,
        };
        let upgrade = this.run(binary, &["db", "upgrade"])?;
        ensure!(upgrade.status.success(), "{upgrade:?}");
        for role in this.roles() {
            role.start()?;
        }
        this.await_hosts(3)?;
        Ok(this)
    }

    /// Runs a command on the database, by some binary.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn run(&self, binary: &Path, command: &[&str]) -> Result<Output> {
        Command::new(binary)
            .args(command)
            .arg("--config")
            .arg(self.directory.path().join("api.yaml"))
            .output()
            .with_context(|| format!("cannot run {}", binary.display()))
    }

    fn roles(&self) -> impl Iterator<Item = &Process> {
        let others = [&self.hosts, &self.api];
        self.conductors.iter().chain(others)
    }

    /// Waits until so many hosts are up.
    ///
    /// # Errors
    /// They are not in time.
    pub fn await_hosts(&self, wanted: usize) -> Result<()> {
        wait_for_blocking("the hosts to be up", READY, || {
            let services = self.sdk("admin")?.call(
                "compute.services",
                json!([]),
                json!({"binary": "nova-compute"}),
            )?;
            let up = services.as_array().into_iter().flatten();
            let up = up.filter(|service| service["state"] == "up").count();
            ensure!(up == wanted, "{up} are up");
            Ok(Some(()))
        })
    }

    /// Where metrics are, by the names that the jobs have in rules and dashboards.
    pub fn jobs(&self) -> Vec<(&'static str, Vec<SocketAddr>)> {
        vec![
            ("godwit-api", vec![self.addresses.api_metrics]),
            (
                "godwit-conductor",
                self.addresses.conductor_metrics.to_vec(),
            ),
            ("godwit-agent", vec![self.addresses.hosts_metrics]),
        ]
    }

    /// Where Nova's API is served.
    pub fn url(&self) -> String {
        format!("http://{}/v2.1", self.addresses.api)
    }

    /// The SDK as a user of the development identity.
    ///
    /// # Errors
    /// As [`Sdk::connect`].
    pub fn sdk(&self, cloud: &str) -> Result<Sdk> {
        Sdk::connect(&self.clouds(), cloud)
    }

    /// A cloud for each user of the development identity.
    pub fn clouds(&self) -> PathBuf {
        self.directory.path().join("clouds.yaml")
    }

    /// Runs SQL in the service's database; it ends when the value that is returned is killed.
    ///
    /// # Errors
    /// `psql` cannot be run.
    pub fn sql(&self, statements: &str) -> Result<std::process::Child> {
        self.psql(&self.database, statements)
    }

    /// The same in the database `postgres`, and waits for its end.
    ///
    /// # Errors
    /// It fails.
    pub fn sql_elsewhere(&self, statements: &str) -> Result<()> {
        let url = self.postgres.url("postgres");
        let status = self.psql(&url, statements)?.wait()?;
        ensure!(status.success(), "{statements}: {status}");
        Ok(())
    }

    /// The name of the service's database.
    pub fn database_name(&self) -> &str {
        let (_, name) = self.database.rsplit_once('/').unwrap_or_default();
        name.split('?').next().unwrap_or_default()
    }

    fn psql(&self, url: &str, statements: &str) -> Result<std::process::Child> {
        Command::new("psql")
            .args([
                "--no-psqlrc",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
                "--command",
            ])
            .arg(statements)
            .arg(url)
            .stdout(std::process::Stdio::null())
            .spawn()
            .context("cannot run psql")
    }

    /// Gives a conductor a certificate that is good for so many days. It is read at its start.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn certify_conductor(&self, number: usize, days: u32) -> Result<()> {
        let tls = self.directory.path().join("tls");
        let name = format!("conductor-{number}");
        // What is good for longer would stay.
        let _ = fs::remove_file(tls.join(format!("{name}.pem")));
        issue(&tls, "conductor", &name, days)
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        for role in self.roles() {
            if std::thread::panicking() {
                let log = fs::read_to_string(role.log()).unwrap_or_default();
                eprintln!("--- {}\n{log}", role.name());
            }
            let _ = role.kill9();
        }
    }
}

/// The command by which operators of small sites make certificates.
fn certs(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(())
}

fn issue(tls: &Path, role: &str, name: &str, days: u32) -> Result<()> {
    let mut command = Command::new(godwit()?);
    command
        .args(["certs", "issue", role, name, "127.0.0.1", "--authority"])
        .arg(tls.join("authority"))
        .arg("--out")
        .arg(tls)
        .arg(format!("--days={days}"));
    certs(&mut command)
}

fn write(directory: &Path, at: &Addresses, database: &str, overlay: &Value) -> Result<()> {
    let tls = directory.join("tls");
    fs::create_dir_all(&tls)?;
    let authority = tls.join("authority");
    certs(
        Command::new(godwit()?)
            .args(["certs", "authority"])
            .arg(authority),
    )?;
    for number in 1..=2 {
        issue(&tls, "conductor", &format!("conductor-{number}"), 365)?;
    }
    for number in 1..=3 {
        issue(&tls, "agent", &format!("host-{number}"), 365)?;
    }
    let key = TokenKey::new()?;
    key.write_private(directory, "token")?;

    let database = laid_over(json!({"url": database}), &overlay["database"]);
    let api = json!({"listen": at.api, "metrics": at.api_metrics, "service_down_time": 3});
    save(
        directory,
        "api",
        &json!({
            "database": database,
            "api": laid_over(api, &overlay["api"]),
            "identity": {"development": true, "private_key": directory.join("token.key.pem")},
            "traces": overlay["traces"],
        }),
    )?;
    for (index, (listen, metrics)) in at.conductors.iter().zip(&at.conductor_metrics).enumerate() {
        let name = format!("conductor-{}", index + 1);
        let section = json!({
            "listen": listen,
            "metrics": metrics,
            "metrics_interval": 0.2,
            "report_interval": 0.5,
            "service_down_time": 3,
            "tls": {
                "ca": tls.join("ca.pem"),
                "cert": tls.join(format!("{name}.pem")),
                "key": tls.join(format!("{name}.key")),
            },
        });
        let conductor = laid_over(section, &overlay["conductor"]);
        // A conductor that is out of connections has no say in what a test does to the API's.
        let database = json!({"url": database["url"]});
        let notifications = &overlay["notifications"];
        save(
            directory,
            &name,
            &json!({
                "database": database,
                "conductor": conductor,
                "notifications": notifications,
                "traces": overlay["traces"],
            }),
        )?;
    }
    let conductors = at.conductors.map(|address| format!("https://{address}"));
    save(
        directory,
        "hosts",
        &json!({
            "simulated_agents": {
                "conductors": conductors,
                "listen": "127.0.0.1",
                "metrics": at.hosts_metrics,
                "tls": {"ca": tls.join("ca.pem"), "directory": tls},
                "state_dir": directory.join("hosts"),
            },
            "traces": overlay["traces"],
        }),
    )?;
    let clouds = clouds_yaml(&format!("http://{}", at.api));
    Ok(fs::write(directory.join("clouds.yaml"), clouds)?)
}

/// What is null is left out: an older release may not know it.
fn save(directory: &Path, name: &str, config: &Value) -> Result<()> {
    let mut config = config.clone();
    if let Some(sections) = config.as_object_mut() {
        sections.retain(|_, section| !section.is_null());
    }
    let path = directory.join(format!("{name}.yaml"));
    Ok(fs::write(path, serde_json::to_vec_pretty(&config)?)?)
}

/// `over`, key by key, over `under`. `null` changes nothing.
fn laid_over(mut under: Value, over: &Value) -> Value {
    if let (Value::Object(under), Value::Object(over)) = (&mut under, over) {
        for (key, value) in over {
            let place = under.entry(key).or_insert(Value::Null);
            *place = match value {
                Value::Object(_) => laid_over(place.take(), value),
                other => other.clone(),
            };
        }
        return Value::Object(std::mem::take(under));
    }
    if over.is_null() { under } else { over.clone() }
}

/// An address of this machine that nobody listens on now.
///
/// # Errors
/// There is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
