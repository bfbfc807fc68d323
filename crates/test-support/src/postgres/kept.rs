//! A server that outlives the process that started it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::cluster::Lifetime;
use super::server::{STOP, Server};
use crate::wait::wait_for_blocking;

const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// A running server, until [`KeptPostgres::stop`].
///
/// Its cluster lies in the temporary directory, where the user it runs as can reach it, and is
/// found again by a link.
#[derive(Debug)]
pub struct KeptPostgres {
    server: Server,
}

impl KeptPostgres {
    /// Starts a server on a free port of the loopback address; `link` will lead to its cluster.
    ///
    /// # Errors
    /// `link` exists, or as [`super::TempPostgres::start`].
    pub fn start(link: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("godwit-postgres-")
            .tempdir()?;
        let (server, child) = Server::start(directory.path(), Lifetime::Unbound)?;
        symlink(directory.path(), link)
            .with_context(|| format!("cannot make the link {}", link.display()))?;
        child.release();
        let _ = directory.keep();
        Ok(Self { server })
    }

    /// Creates a database and returns its URL.
    ///
    /// # Errors
    /// The server refused; the error carries what it said.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.server.create_database(name)
    }

    /// Stops the server behind `link`, from whatever process, and removes its cluster.
    ///
    /// # Errors
    /// There is none, or it does not stop.
    pub fn stop(link: &Path) -> Result<()> {
        let directory = fs::read_link(link)
            .with_context(|| format!("no PostgreSQL behind {}", link.display()))?;
        let data = directory.join("data");
        if let Some(pid) = postmaster(&data) {
            kill(pid, STOP)?;
            let gone = || Ok(postmaster(&data).is_none().then_some(()));
            wait_for_blocking("PostgreSQL to stop", STOP_DEADLINE, gone)?;
        }
        fs::remove_dir_all(&directory)?;
        fs::remove_file(link)?;
        Ok(())
    }
}

/// The server's process: the one that its file names and that works in its cluster.
fn postmaster(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    let works_in: PathBuf = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (works_in == data.canonicalize().ok()?).then_some(Pid::from_raw(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlives_its_value_and_is_stopped_by_its_link() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("postgres");
        let kept = KeptPostgres::start(&link).unwrap();
        let port = kept.server.port;
        kept.create_database("fleet").unwrap();
        drop(kept);

        let cluster = fs::read_link(&link).unwrap();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        KeptPostgres::stop(&link).unwrap();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        assert!(!cluster.exists());
        KeptPostgres::stop(&link).unwrap_err();
    }
}
