//! A real PostgreSQL for one test process.
//!
//! Making a cluster takes most of a second, copying one a tenth of it. So the first caller on a
//! machine makes a template cluster in the temporary directory, and everybody copies it. The
//! server refuses to run as root: there it runs as `postgres`, or as `nobody` where that user
//! does not exist.
//!
//! `fsync` is on, as in production; only what a crash of the whole machine would need, after which
//! no test goes on, is left out.

mod cluster;
mod kept;
mod server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::Result;
use tempfile::TempDir;

use self::cluster::Lifetime;
pub use self::kept::KeptPostgres;
use self::server::Server;
use crate::child::Child;
use crate::directory::database_directory;

/// A running server with a cluster of its own, stopped and removed on drop.
#[derive(Debug)]
pub struct TempPostgres {
    server: Server,
    databases: AtomicU32,
    // Dropped in this order: the server runs in the directory.
    _child: Child,
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
        let directory = database_directory()?;
        let (server, child) = Server::start(directory.path(), Lifetime::Ours)?;
        let databases = AtomicU32::new(0);
        Ok(Self {
            server,
            databases,
            _child: child,
            _directory: directory,
        })
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
        self.server.url(database)
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Creates an empty database that nobody else uses, and returns its URL.
    ///
    /// # Errors
    /// The server refused; the error carries what it said.
    pub fn create_database(&self) -> Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed) + 1;
        self.server.create_database(&format!("test_{number}"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::process::Command;

    use super::*;
    use crate::process::run;

    fn query(server: &TempPostgres, url: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(server.server.installation.binary("psql"));
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
