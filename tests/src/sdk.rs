//! openstacksdk, unmodified, as a system test calls it.
//!
//! The SDK runs in a Python process that lives as long as the value (see
//! `tests/clients/sdk_bridge.py`), so that what a test sees is what a user of the SDK sees.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use godwit_test_support::wait_for_blocking;
use serde::Deserialize;
use serde_json::{Value, json};

/// How long a call may take: longer than the API waits for pre-checks.
const CALL_DEADLINE: Duration = Duration::from_secs(90);

/// A refusal, as the SDK raises it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, thiserror::Error)]
#[error("{kind} {status:?}: {message}")]
pub struct Refused {
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The fault's text.
    pub message: String,
    /// The SDK's exception.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One user's connection.
#[derive(Debug)]
pub struct Sdk {
    process: Child,
    requests: ChildStdin,
    answers: Receiver<std::io::Result<String>>,
    microversion: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Value(Value),
    Error(Refused),
}

impl Sdk {
    /// Connects as a cloud of a `clouds.yaml`.
    ///
    /// # Errors
    /// The clients are not installed (`scripts/install-clients`).
    pub fn connect(clouds: &Path, cloud: &str) -> Result<Self> {
        let mut process = Command::new(python())
            .arg(repository().join("tests/clients/sdk_bridge.py"))
            .env("OS_CLIENT_CONFIG_FILE", clouds)
            .env("OS_CLOUD", cloud)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run the SDK: has scripts/install-clients been run?")?;
        let requests = process.stdin.take().context("its standard input")?;
        let output = process.stdout.take().context("its standard output")?;
        let (sender, answers) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            process,
            requests,
            answers,
            microversion: None,
        })
    }

    /// The same connection with a microversion pinned, as `--os-compute-api-version` does.
    pub fn pinned(&mut self, microversion: &str) -> &mut Self {
        self.microversion = Some(microversion.to_owned());
        self
    }

    /// The same connection as the SDK negotiates of itself.
    pub fn unpinned(&mut self) -> &mut Self {
        self.microversion = None;
        self
    }

    /// Calls a method below the connection, such as `compute.get_server`.
    ///
    /// # Errors
    /// [`Refused`] when the SDK raised an exception; anything else is a failure of the bridge.
    pub fn call(&mut self, method: &str, args: Value, kwargs: Value) -> Result<Value> {
        let microversion = &self.microversion;
        let request = json!({
            "method": method, "args": args, "kwargs": kwargs, "microversion": microversion,
        });
        writeln!(self.requests, "{request}").context("the SDK's process ended")?;
        let line = self.answers.recv_timeout(CALL_DEADLINE);
        let line = line.with_context(|| format!("{method} did not return"))??;
        match serde_json::from_str(&line).with_context(|| format!("{method} said {line}"))? {
            Answer::Value(value) => Ok(value),
            Answer::Error(refused) => bail!(refused),
        }
    }

    /// Starts a live migration; `host` is a named destination, disks are as `auto` finds them. The
    /// SDK asks at 2.30, so the answer waits for the pre-checks.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn live_migrate(&mut self, server: &str, host: Option<&str>) -> Result<()> {
        let how = json!({"host": host, "block_migration": "auto"});
        self.call("compute.live_migrate_server", json!([server]), how)
            .map(drop)
    }

    /// Starts a cold migration.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn migrate(&mut self, server: &str, host: Option<&str>) -> Result<()> {
        let how = json!({ "host": host });
        self.call("compute.migrate_server", json!([server]), how)
            .map(drop)
    }

    /// Confirms a cold migration.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn confirm(&mut self, server: &str) -> Result<()> {
        let method = "compute.confirm_server_resize";
        self.call(method, json!([server]), json!({})).map(drop)
    }

    /// Wants the server back where it came from.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn revert(&mut self, server: &str) -> Result<()> {
        let method = "compute.revert_server_resize";
        self.call(method, json!([server]), json!({})).map(drop)
    }

    /// Evacuates a server from its dead host. From 2.95 on it ends stopped, before it goes on.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn evacuate(&mut self, server: &str, microversion: &str) -> Result<()> {
        let method = "compute.evacuate_server";
        let evacuated = self
            .pinned(microversion)
            .call(method, json!([server]), json!({}));
        self.unpinned();
        evacuated.map(drop)
    }

    /// Says whether servers may be placed on a host.
    ///
    /// # Errors
    /// There is no such host, or as [`Sdk::call`].
    pub fn set_enabled(&mut self, host: &str, enabled: bool) -> Result<()> {
        let of_host = json!({"host": host, "binary": "nova-compute"});
        let services = self.call("compute.services", json!([]), of_host)?;
        let id = services[0]["id"].as_str();
        let id = id.with_context(|| format!("there is no {host}"))?;
        let method = match enabled {
            true => "compute.enable_service",
            false => "compute.disable_service",
        };
        self.call(method, json!([id]), json!({})).map(drop)
    }

    /// The server.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn server(&mut self, server: &str) -> Result<Server> {
        let value = self.call("compute.get_server", json!([server]), json!({}))?;
        Ok(serde_json::from_value(value)?)
    }

    /// The id of the server with this name, of whatever project.
    ///
    /// # Errors
    /// There is none, or as [`Sdk::call`].
    pub fn server_named(&mut self, name: &str) -> Result<String> {
        let filter = json!({"all_projects": true, "name": format!("^{name}$")});
        let found = self.call("compute.servers", json!([]), filter)?;
        let id = found[0]["id"].as_str();
        Ok(id.with_context(|| format!("no server {name}"))?.to_owned())
    }

    /// Waits until a server's newest migration is in this status; returns its id.
    ///
    /// # Errors
    /// It is not `within` this time; the error says in which it is.
    pub fn await_migration(&mut self, server: &str, status: &str, within: Duration) -> Result<i64> {
        wait_for_blocking(&format!("a migration that is {status}"), within, || {
            let migration = self.newest_migration(server)?;
            ensure!(migration.status == status, "it is {}", migration.status);
            Ok(Some(migration.id))
        })
    }

    /// The newest migration of a server, from the list of all.
    ///
    /// # Errors
    /// There is none, or as [`Sdk::call`].
    pub fn newest_migration(&mut self, server: &str) -> Result<Migration> {
        let filter = json!({"instance_uuid": server});
        let value = self.call("compute.migrations", json!([]), filter)?;
        let mut all: Vec<Migration> = serde_json::from_value(value)?;
        ensure!(!all.is_empty(), "the server has no migration");
        Ok(all.swap_remove(0))
    }

    /// The server's migrations in progress.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn in_progress(&mut self, server: &str) -> Result<Vec<ServerMigration>> {
        let value = self.call("compute.server_migrations", json!([server]), json!({}))?;
        Ok(serde_json::from_value(value)?)
    }

    /// Asks for an abort.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn abort(&mut self, server: &str, migration: i64) -> Result<()> {
        let method = "compute.abort_server_migration";
        let strict = json!({"ignore_missing": false});
        self.call(method, json!([migration, server]), strict)
            .map(drop)
    }

    /// Asks to get it over with.
    ///
    /// # Errors
    /// As [`Sdk::call`].
    pub fn force_complete(&mut self, server: &str, migration: i64) -> Result<()> {
        let method = "compute.force_complete_server_migration";
        self.call(method, json!([migration, server]), json!({}))
            .map(drop)
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What tests look at of a server.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Its uuid.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Nova's one word.
    pub status: String,
    /// The recorded host; only administrators see it.
    pub compute_host: Option<String>,
    /// What is being done to it.
    pub task_state: Option<String>,
}

/// What tests look at of a row of `os-migrations`.
#[derive(Clone, Debug, Deserialize)]
pub struct Migration {
    /// The integer id.
    pub id: i64,
    /// The uuid.
    pub uuid: String,
    /// The status.
    pub status: String,
    /// From where.
    pub source_compute: Option<String>,
    /// Where to.
    pub dest_compute: Option<String>,
}

/// What tests look at of a migration in progress. Bytes.
#[derive(Clone, Debug, Deserialize)]
pub struct ServerMigration {
    /// The integer id.
    pub id: i64,
    /// The status.
    pub status: String,
    /// All memory.
    pub memory_total_bytes: Option<i64>,
    /// Memory sent.
    pub memory_processed_bytes: Option<i64>,
    /// Memory left.
    pub memory_remaining_bytes: Option<i64>,
    /// All disk.
    pub disk_total_bytes: Option<i64>,
    /// Disk sent.
    pub disk_processed_bytes: Option<i64>,
    /// When the row was last written.
    pub updated_at: Option<String>,
}

/// Runs the unmodified `openstack` command and returns what it printed.
///
/// # Errors
/// It failed; the error holds what it said.
pub fn openstack(clouds: &Path, cloud: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(repository().join(".venv/bin/openstack"))
        .args(["--os-cloud", cloud])
        .args(arguments)
        .env("OS_CLIENT_CONFIG_FILE", clouds)
        .output()
        .context("cannot run the client: has scripts/install-clients been run?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "openstack {}: {said}",
        arguments.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The root of this repository.
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The Python that has the unmodified clients.
pub fn python() -> PathBuf {
    repository().join(".venv/bin/python")
}
