//! Starting a server on a cluster of its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use super::cluster::{Installation, Lifetime, SUPERUSER};
use crate::child::Child;
use crate::ports::free_port;
use crate::process::run;
use crate::wait::wait_for_blocking;

const START_DEADLINE: Duration = Duration::from_secs(30);
/// How often another free port is tried when somebody else took the first.
const PORT_TRIES: u32 = 5;

/// "Immediate" shutdown: the cluster is deleted anyway.
pub(super) const STOP: Signal = Signal::SIGQUIT;

/// A server that accepts connections.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) installation: Installation,
    pub(super) port: u16,
}

impl Server {
    /// Makes a cluster in `directory` and serves it.
    pub(super) fn start(directory: &Path, lifetime: Lifetime) -> Result<(Self, Child)> {
        let installation = Installation::find()?;
        installation.make_cluster(directory)?;
        let data = directory.join("data");
        let mut failure = String::new();
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            let command = installation.server(directory, port, lifetime)?;
            let mut child = Child::spawn(command, STOP)?;
            let ended = wait_for_blocking("PostgreSQL to start", START_DEADLINE, || {
                if let Some(status) = child.ended() {
                    return Ok(Some(Some(status?)));
                }
                let state = std::fs::read_to_string(data.join("postmaster.pid"))?;
                // The eighth line of this file is the server's state.
                let ready = state
                    .lines()
                    .nth(7)
                    .is_some_and(|line| line.trim() == "ready");
                Ok(ready.then_some(None))
            })?;
            let Some(status) = ended else {
                return Ok((Self { installation, port }, child));
            };
            let log = std::fs::read_to_string(directory.join("server.log")).unwrap_or_default();
            failure = format!("PostgreSQL ended with {status}:\n{log}");
        }
        bail!(failure)
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    pub(super) fn create_database(&self, name: &str) -> Result<String> {
        let mut createdb = Command::new(self.installation.binary("createdb"));
        createdb.args(["--host=127.0.0.1", "--username", SUPERUSER, "--no-password"]);
        run(createdb.arg(format!("--port={}", self.port)).arg(name))?;
        Ok(self.url(name))
    }
}
