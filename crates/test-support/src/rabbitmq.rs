//! A real RabbitMQ, Debian's, for one test alone.
//!
//! It has ports, a node's name, a directory and a user of its own, and an epmd, by which Erlang's nodes
//! find each other, on a port of its own: whatever else runs on the machine sees nothing of it. It can
//! be killed, and started again at the same address with what it had on its disk.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::child::Child;
use crate::ports::free_port;
use crate::wait::wait_for_blocking;

/// Debian's own start is a wrapper that becomes another user; this is what it calls.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

const START: Duration = Duration::from_secs(180);

/// It comes with this user, who may come from this machine alone.
const USER: &str = "guest";

/// A broker, running or killed.
#[derive(Debug)]
pub struct RabbitMq {
    server: Option<Child>,
    ports: Ports,
    directory: TempDir,
    // Dropped last: the node is registered there.
    _epmd: Child,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    amqp: u16,
    /// Between nodes, of which there is one.
    distribution: u16,
    epmd: u16,
}

impl RabbitMq {
    /// Starts one that knows nothing yet.
    ///
    /// # Errors
    /// RabbitMQ is not installed (`scripts/install-testbed`), or does not come up: the error shows
    /// its log.
    pub fn start() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("godwit-mq-").tempdir()?;
        let path = directory.path();
        std::fs::create_dir(path.join("mnesia"))?;
        std::fs::create_dir(path.join("log"))?;
        std::fs::write(path.join("enabled_plugins"), "[].\n")?;
        std::fs::write(path.join("rabbitmq.conf"), "")?;
        let ports = Ports {
            amqp: free_port()?,
            distribution: free_port()?,
            epmd: free_port()?,
        };
        let mut epmd = bound("epmd");
        epmd.args(["-port", &ports.epmd.to_string(), "-address", "127.0.0.1"]);
        silent(&mut epmd, path, "epmd.log")?;
        let mut broker = Self {
            _epmd: Child::spawn(epmd, Signal::SIGTERM)?,
            server: None,
            ports,
            directory,
        };
        broker.resume()?;
        Ok(broker)
    }

    /// Ends the process as a crash does. What it had on its disk stays.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the process again; waits until it serves.
    ///
    /// # Errors
    /// It does not come up: the error shows its log.
    pub fn resume(&mut self) -> Result<()> {
        let path = self.directory.path();
        let mut command = bound(SERVER);
        for (name, value) in settings(path, self.ports) {
            command.env(name, value);
        }
        silent(&mut command, path, "server.log")?;
        // By SIGKILL, which a broker has to survive.
        let mut server = Child::spawn(command, Signal::SIGKILL)?;
        let address = (Ipv4Addr::LOCALHOST, self.ports.amqp);
        let said = || std::fs::read_to_string(path.join("server.log")).unwrap_or_default();
        wait_for_blocking("RabbitMQ to serve", START, || {
            if let Some(status) = server.ended() {
                return Ok(Some(Err(anyhow!("it ended with {}", status?))));
            }
            let serves = said().contains("Server startup complete");
            Ok((serves && TcpStream::connect(address).is_ok()).then_some(Ok(())))
        })
        .and_then(|started| started)
        .with_context(said)?;
        self.server = Some(server);
        Ok(())
    }

    /// Its address without a password, as Godwit wants it.
    pub fn url(&self) -> String {
        format!("amqp://{USER}@127.0.0.1:{}/", self.ports.amqp)
    }

    /// A file with the password.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn password_file(&self) -> Result<PathBuf> {
        let path = self.directory.path().join("password");
        std::fs::write(&path, format!("{USER}\n"))?;
        Ok(path)
    }

    /// Its address as oslo.messaging wants it.
    pub fn transport_url(&self) -> String {
        format!("rabbit://{USER}:{USER}@127.0.0.1:{}/", self.ports.amqp)
    }
}

/// A command that ends with the thread that started it.
fn bound(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// Lets it log to a file.
fn silent(command: &mut Command, directory: &Path, log: &str) -> Result<()> {
    let log = File::create(directory.join(log))?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(())
}

fn settings(directory: &Path, ports: Ports) -> Vec<(&'static str, String)> {
    let at = |name: &str| directory.join(name).display().to_string();
    vec![
        // Erlang's cookie is made there.
        ("HOME", directory.display().to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", ports.epmd.to_string()),
        (
            "RABBITMQ_NODENAME",
            format!("godwit-{}@localhost", ports.amqp),
        ),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", ports.amqp.to_string()),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string()),
        ("RABBITMQ_MNESIA_BASE", at("mnesia")),
        ("RABBITMQ_LOG_BASE", at("log")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
        ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_PID_FILE", at("pid")),
        // So the shell becomes the server, and is no process of its own that a kill would end alone.
        ("RABBITMQ_ALLOW_INPUT", "true".to_owned()),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-noinput +S 1:1 +A 2 -kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ),
    ]
}
