//! All of Godwit but hypervisors: PostgreSQL, conductors, API and the agents of simulated hosts, as
//! processes of their own with mTLS.
//!
//! ```text
//!   PostgreSQL ─ api-1, conductor-1, conductor-2 ── mTLS ── simulated-agents: host-1, host-2, host-3
//! ```
//!
//! There may be more processes that serve the API; all of them call webhooks, on this machine too.
//! Certificates are made by the command that operators have, so that what it makes is tried.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_api::development_identity::clouds_yaml;
use godwit_api::http::sealing::make_key;
use godwit_test_support::ports::free_address;
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::token::TokenKey;
use godwit_test_support::wait_for_blocking;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::native::Native;
use crate::process::{Lifetime, Process, godwit};
use crate::sdk::Sdk;

const READY: Duration = Duration::from_secs(60);

/// How a deployment is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Laid over the sections `api`, `conductor` and `database` of every role; may have a section
    /// `notifications` for conductors, and `traces` for all.
    pub overlay: Value,
    /// How many processes serve the API.
    pub apis: usize,
    /// What else the process of the hosts is started with, such as `--speed 20`.
    pub hosts: &'static [&'static str],
    /// Another binary than the one under test, of a release that may not know webhooks and so is
    /// not told of them. Certificates are made by the one under test all the same.
    pub binary: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            overlay: json!({}),
            apis: 1,
            hosts: &[],
            binary: None,
        }
    }
}

/// A running deployment; ends with the value.
#[derive(Debug)]
pub struct Simulated {
    /// Two of them.
    pub conductors: [Process; 2],
    /// Those that serve the API.
    pub apis: Vec<Process>,
    /// The agents of three hosts, in one process.
    pub hosts: Process,
    addresses: Addresses,
    database: String,
    directory: TempDir,
    // Dropped last: the others use it.
    postgres: TempPostgres,
}

/// Where everybody serves.
#[derive(Clone, Debug)]
struct Addresses {
    apis: Vec<SocketAddr>,
    api_metrics: Vec<SocketAddr>,
    conductors: [SocketAddr; 2],
    conductor_metrics: [SocketAddr; 2],
    hosts_metrics: SocketAddr,
}

impl Simulated {
    /// Brings one up with one process that serves the API; `overlay` as in [`Options`].
    ///
    /// # Errors
    /// As [`Self::with`].
    pub fn up(overlay: &Value) -> Result<Self> {
        Self::with(&Options {
            overlay: overlay.clone(),
            ..Options::default()
        })
    }

    /// Brings one up.
    ///
    /// # Errors
    /// PostgreSQL or a role does not come up.
    pub fn with(options: &Options) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
        let postgres = TempPostgres::start()?;
        let database = postgres.create_database()?;
        let addresses = Addresses {
            apis: free_addresses(options.apis)?,
            api_metrics: free_addresses(options.apis)?,
            conductors: [free_address()?, free_address()?],
            conductor_metrics: [free_address()?, free_address()?],
            hosts_metrics: free_address()?,
        };
        let path = directory.path();
        let binary = options.binary.clone().map_or_else(godwit, Ok)?;
        write(path, &addresses, &database, options)?;
        let process = |name: &str, role| {
            let mut process = Process::new(path, name, role, None, Lifetime::Bound);
            process.become_binary(&binary);
            process
        };
        let this = Self {
            conductors: [
                process("conductor-1", "conductor"),
                process("conductor-2", "conductor"),
            ],
            apis: (1..=options.apis)
                .map(|number| process(&format!("api-{number}"), "api"))
                .collect(),
            hosts: process("hosts", "simulated-agents").with(options.hosts),
            addresses,
            database,
            postgres,
            directory,
        };
        let upgrade = this.run(&binary, &["db", "upgrade"])?;
        ensure!(upgrade.status.success(), "{upgrade:?}");
        for role in this.roles() {
            role.start()?;
        }
        this.await_hosts(3)?;
        Ok(this)
    }

    /// Prints what all have logged.
    pub fn show_logs(&self) {
        for role in self.roles() {
            let log = fs::read_to_string(role.log()).unwrap_or_default();
            eprintln!("--- {}\n{log}", role.name());
        }
    }

    fn roles(&self) -> impl Iterator<Item = &Process> {
        let others = self.apis.iter().chain([&self.hosts]);
        self.conductors.iter().chain(others)
    }

    /// Runs a command by some binary, with the configuration of a process that serves the API.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn run(&self, binary: &Path, command: &[&str]) -> Result<Output> {
        Command::new(binary)
            .args(command)
            .arg("--config")
            .arg(self.directory.path().join("api-1.yaml"))
            .output()
            .with_context(|| format!("cannot run {}", binary.display()))
    }

    /// The same by the binary under test, and returns what it printed.
    fn godwit(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(&godwit()?, arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Asks the database for every promise that a query can decide.
    ///
    /// # Errors
    /// One is broken; the error says which.
    pub fn check_invariants(&self) -> Result<()> {
        self.godwit(&["db", "check", "--invariants"]).map(drop)
    }

    /// Where the API is served, `http://ADDR:PORT` each.
    pub fn urls(&self) -> Vec<String> {
        let addresses = self.addresses.apis.iter();
        addresses
            .map(|address| format!("http://{address}"))
            .collect()
    }

    /// A user of the development identity, who asks the API himself.
    ///
    /// # Errors
    /// There is no token for him.
    pub fn native(&self, user: &str) -> Result<Native> {
        let token = self.godwit(&["token", "issue", "--user", user])?;
        Native::new(self.urls(), token.trim_end())
    }

    /// The URL of the service's database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Starts a process that serves the API again, and waits until it does.
    ///
    /// # Errors
    /// It does not, and the error says what it logged.
    pub fn start_api(&self, index: usize) -> Result<()> {
        let (api, address) = (&self.apis[index], self.addresses.apis[index]);
        api.start()?;
        wait_for_blocking("the API to serve", READY, || {
            ensure!(api.runs(), "it has ended");
            TcpStream::connect(address)?;
            Ok(Some(()))
        })
        .with_context(|| fs::read_to_string(api.log()).unwrap_or_default())
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
            ("godwit-api", self.addresses.api_metrics.clone()),
            (
                "godwit-conductor",
                self.addresses.conductor_metrics.to_vec(),
            ),
            ("godwit-agent", vec![self.addresses.hosts_metrics]),
        ]
    }

    /// Where Nova's API is served.
    pub fn url(&self) -> String {
        format!("http://{}/v2.1", self.addresses.apis[0])
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

    /// Has a conductor count no links from its next start on.
    ///
    /// # Errors
    /// Its configuration cannot be written.
    pub fn forget_links(&self, number: usize) -> Result<()> {
        let path = self
            .directory
            .path()
            .join(format!("conductor-{number}.yaml"));
        let mut config: Value = serde_json::from_slice(&fs::read(&path)?)?;
        config["conductor"]["link_budgets"] = json!({"enabled": false});
        fs::write(path, serde_json::to_vec_pretty(&config)?)?;
        Ok(())
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
        if std::thread::panicking() {
            self.show_logs();
        }
        for role in self.roles() {
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

fn write(directory: &Path, at: &Addresses, database: &str, options: &Options) -> Result<()> {
    let overlay = &options.overlay;
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

    let sealing_key = directory.join("sealing.key");
    fs::write(&sealing_key, make_key().context("no key")?)?;

    let database = laid_over(json!({"url": database}), &overlay["database"]);
    for (index, (listen, metrics)) in at.apis.iter().zip(&at.api_metrics).enumerate() {
        let mut section = json!({"listen": listen, "metrics": metrics, "service_down_time": 3});
        if options.binary.is_none() {
            section["webhooks"] = json!({
                "sealing_key_file": sealing_key,
                "allowed_networks": ["127.0.0.0/8"],
            });
        }
        save(
            directory,
            &format!("api-{}", index + 1),
            &json!({
                "database": database,
                "api": laid_over(section, &overlay["api"]),
                "identity": {"development": true, "private_key": directory.join("token.key.pem")},
                "traces": overlay["traces"],
            }),
        )?;
    }
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
        let database = laid_over(database, &overlay["conductor_database"]);
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
    let first = at.apis.first().context("nobody serves the API")?;
    let clouds = clouds_yaml(&format!("http://{first}"));
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

fn free_addresses(count: usize) -> Result<Vec<SocketAddr>> {
    (0..count).map(|_| free_address()).collect()
}
