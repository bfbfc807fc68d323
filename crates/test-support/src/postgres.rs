//! A real PostgreSQL for one test process.
//!
//! Making a cluster takes most of a second, copying one a tenth of it. So the first caller on a
//! machine makes a template cluster in the temporary directory, and everybody copies it. The
//! server refuses to run as root: there it runs as `postgres`, or as `nobody` where that user
//! does not exist.
//!
//! Durability is real (`fsync` is on), as the promises under test depend on it; only what a
//! crash of the whole machine would need, after which no test goes on, is switched off.

mod cluster;

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use self::cluster::{Installation, SUPERUSER};
use crate::child::Child;
use crate::process::run;
use crate::wait::wait_for_blocking;

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often another free port is tried when somebody else took the first.
const PORT_TRIES: u32 = 5;

/// A running server with a cluster of its own, stopped and removed on drop.
#[derive(Debug)]
pub struct TempPostgres {
    installation: Installation,
    port: u16,
    databases: AtomicU32,
    child: Child,
    // Dropped last: the server runs in it.
    _directory: TempDir,
}

impl TempPostgres {
    /// Starts a server on a free port of the loopback address.
    ///
    /// Takes a third of a second, or about one where the template has to be made first.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start; the error carries its log.
    pub fn start() -> Result<Self> {
        let installation = Installation::find()?;
        let directory = tempfile::Builder::new()
            .prefix("godwit-postgres-")
            .tempdir()?;
        installation.make_cluster(directory.path())?;
        let data = directory.path().join("data");
        let mut failure = None;
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            let log = directory.path().join("server.log");
            let mut child = Child::spawn(installation.server(directory.path(), port)?)?;
            let ready = wait_for_blocking("PostgreSQL to start", START_DEADLINE, || {
                if let Some(status) = child.ended() {
                    return Ok(Some(Err(status?)));
                }
                let state = std::fs::read_to_string(data.join("postmaster.pid"))?;
                // The eighth line of this file is the server's state.
                let ready = state
                    .lines()
                    .nth(7)
                    .is_some_and(|line| line.trim() == "ready");
                Ok(ready.then_some(Ok(())))
            })?;
            match ready {
                Ok(()) => {
                    return Ok(Self {
                        installation,
                        port,
                        databases: AtomicU32::new(0),
                        child,
                        _directory: directory,
                    });
                }
                Err(status) => {
                    let log = std::fs::read_to_string(&log).unwrap_or_default();
                    failure = Some(format!("PostgreSQL ended with {status}:\n{log}"));
                }
            }
        }
        bail!(failure.unwrap_or_default())
    }

    /// The server that the tests of this process share, started by the first and stopped after
    /// the last of those that hold it at one time.
    ///
    /// # Errors
    /// As [`TempPostgres::start`].
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<TempPostgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// The URL of a database of this server, whether or not it exists.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Creates an empty database that nobody else uses, and returns its URL.
    ///
    /// # Errors
    /// The server refused; the error carries what it said.
    pub fn create_database(&self) -> Result<String> {
        let name = format!(
            "test_{}",
            self.databases.fetch_add(1, Ordering::Relaxed) + 1
        );
        let mut createdb = Command::new(self.installation.binary("createdb"));
        createdb.args(["--host=127.0.0.1", "--username", SUPERUSER, "--no-password"]);
        run(createdb.arg(format!("--port={}", self.port)).arg(&name))?;
        Ok(self.url(&name))
    }
}

impl Drop for TempPostgres {
    fn drop(&mut self) {
        // "Immediate" shutdown: the cluster is deleted anyway.
        self.child.stop(Signal::SIGQUIT, STOP_PATIENCE);
    }
}

/// A port that was free a moment ago. PostgreSQL has no port 0, so the caller must be ready to
/// try another.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(server: &TempPostgres, url: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(server.installation.binary("psql"));
        psql.args([
            "--no-psqlrc",
            "--no-password",
            "--tuples-only",
            "--no-align",
        ]);
        Ok(run(psql.args(["--command", sql, url]))?.trim().to_owned())
    }

    #[test]
    fn databases_are_apart_and_the_server_goes_away() {
        let server = TempPostgres::shared().unwrap();
        let same = TempPostgres::shared().unwrap();
        assert_eq!(server.port(), same.port());
        let (one, other) = (
            server.create_database().unwrap(),
            same.create_database().unwrap(),
        );
        query(&server, &one, "create table t (n int)").unwrap();
        assert_eq!(query(&server, &one, "select count(*) from t").unwrap(), "0");
        query(&server, &other, "select count(*) from t").unwrap_err();
        assert_eq!(query(&server, &one, "show fsync").unwrap(), "on");

        let directory = server._directory.path().to_owned();
        let address = (Ipv4Addr::LOCALHOST, server.port());
        drop((server, same));
        std::net::TcpStream::connect(address).unwrap_err();
        assert!(!directory.exists());
    }
}
