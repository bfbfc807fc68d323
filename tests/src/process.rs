//! One role of Godwit as a process of its own, to be killed and started again.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use godwit_test_support::testbed::Host;
use godwit_test_support::wait_for_blocking;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Whose end ends a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// It ends with the thread that started it, however that ends.
    Bound,
    /// It goes on until somebody stops it.
    Kept,
}

/// A process that can be found again: ids are used again, start times with them are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Identity {
    pid: i32,
    started: u64,
}

impl Identity {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; the state and what follows come after it.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (state != "Z").then_some(Self { pid, started })
    }

    fn runs(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// A role: how it is started, and whether it runs.
#[derive(Debug)]
pub struct Process {
    binary: Option<PathBuf>,
    name: String,
    role: &'static str,
    config: PathBuf,
    arguments: Vec<String>,
    host: Option<Host>,
    lifetime: Lifetime,
}

impl Process {
    /// A role that is configured by `DIR/NAME.yaml`, logs to `DIR/NAME.log` and leaves its id in
    /// `DIR/NAME.pid`; on a host of the testbed, if it belongs to one.
    pub fn new(
        directory: &Path,
        name: &str,
        role: &'static str,
        host: Option<&Host>,
        lifetime: Lifetime,
    ) -> Self {
        Self {
            binary: None,
            name: name.to_owned(),
            role,
            config: directory.join(format!("{name}.yaml")),
            arguments: Vec::new(),
            host: host.cloned(),
            lifetime,
        }
    }

    /// The same, started with more arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        let more = arguments.iter().map(|it| (*it).to_owned());
        self.arguments.extend(more);
        self
    }

    /// From its next start on it is this binary, and not the one under test.
    pub fn become_binary(&mut self, binary: &Path) {
        self.binary = Some(binary.to_owned());
    }

    /// Such as `conductor-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        self.config.with_extension("log")
    }

    /// Starts it; it is not ready yet.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self) -> Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())?;
        let binary = match &self.binary {
            Some(binary) => binary.clone(),
            None => godwit()?,
        };
        let mut command = match &self.host {
            Some(host) => host.command(binary),
            None => Command::new(binary),
        };
        command
            .arg(self.role)
            .arg("--config")
            .arg(&self.config)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let mut wrapped = match self.lifetime {
            Lifetime::Bound => {
                let mut wrapped = Command::new("setpriv");
                wrapped.arg("--pdeathsig=KILL").arg("--");
                wrapped.arg(command.get_program()).args(command.get_args());
                wrapped.stdin(Stdio::null()).process_group(0);
                let log = File::options().append(true).open(self.log())?;
                wrapped.stdout(log.try_clone()?).stderr(log);
                wrapped
            }
            Lifetime::Kept => command,
        };
        let child = wrapped
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let pid = i32::try_from(child.id())?;
        let identity = Identity::of(pid).context("it ended at once")?;
        fs::write(self.pid_file(), serde_json::to_vec(&identity)?)?;
        // Reaped by a thread, so that a role that ended is seen to have ended.
        std::thread::spawn(move || {
            let mut child = child;
            let _ = child.wait();
        });
        Ok(())
    }

    /// Does it run?
    pub fn runs(&self) -> bool {
        self.identity().is_some_and(Identity::runs)
    }

    /// `kill -9`: it gets no chance to do anything. Returns when it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub fn kill9(&self) -> Result<()> {
        self.signal(Signal::SIGKILL)
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// It does not stop in time.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
            .or_else(|_| self.signal(Signal::SIGKILL))
    }

    /// Stops it where it stands, or lets it go on: a machine that is too busy.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let identity = self.identity().filter(|identity| identity.runs());
        let identity = identity.with_context(|| format!("{} does not run", self.name))?;
        let signal = if frozen {
            Signal::SIGSTOP
        } else {
            Signal::SIGCONT
        };
        Ok(kill(Pid::from_raw(identity.pid), signal)?)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(identity) = self.identity().filter(|identity| identity.runs()) else {
            return Ok(());
        };
        match kill(Pid::from_raw(identity.pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => bail!("cannot end {}: {error}", self.name),
        }
        let what = format!("{} to end", self.name);
        wait_for_blocking(
            &what,
            STOP_PATIENCE,
            || Ok((!identity.runs()).then_some(())),
        )?;
        let _ = fs::remove_file(self.pid_file());
        Ok(())
    }

    fn identity(&self) -> Option<Identity> {
        serde_json::from_slice(&fs::read(self.pid_file()).ok()?).ok()
    }

    fn pid_file(&self) -> PathBuf {
        self.config.with_extension("pid")
    }
}

/// The binary under test: `GODWIT_BINARY`, or the one that cargo built beside this test.
///
/// # Errors
/// It is not built.
pub fn godwit() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("GODWIT_BINARY") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let beside = own
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("godwit"))
        .find(|path| path.is_file());
    beside.context("godwit is not built: cargo build --features libvirt")
}
