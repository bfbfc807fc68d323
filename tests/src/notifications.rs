//! oslo.messaging, unmodified, as Masakari, Watcher and Ceilometer listen with it.
//!
//! It drops what comes twice, by the name that a notification has, as it does for them.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use godwit_test_support::rabbitmq::RabbitMq;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::sdk::{python, repository};

/// Somebody who listens until the value ends.
#[derive(Debug)]
pub struct Listener {
    process: Child,
    directory: TempDir,
}

/// What arrived.
#[derive(Clone, Debug, Deserialize)]
pub struct Notification {
    /// The end of the routing key: `info` or `error`.
    pub priority: String,
    /// Such as `nova-compute:host-1`.
    pub publisher_id: String,
    /// Such as `instance.live_migration_pre.start`.
    pub event_type: String,
    /// Nova's object.
    pub payload: Value,
    /// What it is called and when it was told.
    pub metadata: Value,
}

impl Notification {
    /// Which server it is about.
    pub fn server(&self) -> Option<&str> {
        let data = &self.payload["nova_object.data"];
        data["uuid"].as_str().or(data["instance_uuid"].as_str())
    }
}

impl Listener {
    /// Begins to listen to Nova's exchange.
    ///
    /// # Errors
    /// The clients are not installed (`scripts/install-clients`).
    pub fn start(broker: &RabbitMq) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
        let log = File::create(directory.path().join("log"))?;
        File::create(directory.path().join("heard"))?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(python())
            .args(["-W", "ignore"])
            .arg(repository().join("tests/clients/notification_listener.py"))
            .arg(broker.transport_url())
            .arg(directory.path().join("heard"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run oslo.messaging: has scripts/install-clients been run?")?;
        Ok(Self { process, directory })
    }

    /// All that arrived, in that order.
    ///
    /// # Errors
    /// A line is none of the listener's.
    pub fn heard(&self) -> Result<Vec<Notification>> {
        let text = fs::read_to_string(self.directory.path().join("heard"))?;
        // The last line may be being written.
        let complete = text.split_inclusive('\n').filter(|it| it.ends_with('\n'));
        let read = complete.map(|line| serde_json::from_str(line).context(line.to_owned()));
        read.collect()
    }

    /// What the listener itself says.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
