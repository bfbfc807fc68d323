//! The measured program: started, looked at from outside, stopped.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long starting may take; a large fleet takes its time.
const START: Duration = Duration::from_secs(120);
/// How long stopping may take.
const STOP: Duration = Duration::from_secs(30);
/// What `/proc` counts the processor's time in, on every machine that this is measured on.
const TICK: Duration = Duration::from_millis(10);

/// A running `godwit`, killed when dropped.
pub(crate) struct Godwit {
    child: Child,
    address: String,
    took: Duration,
}

/// The binary beside this one, with these arguments.
pub(crate) fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?.with_file_name("godwit"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// A token of an administrator of the `up` in `data`.
pub(crate) async fn token(data: &Path) -> Result<String> {
    let mut issue = command(&["token", "issue", "--ttl", "86400", "--data"])?;
    let output = issue.arg(data).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "no token: {said}");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

impl Godwit {
    /// Starts `up` on free ports, with everything in `data`.
    pub(crate) async fn up(data: &Path, more: &[&str]) -> Result<Self> {
        let anywhere = "127.0.0.1:0";
        let mut up = command(&["up", "--listen", anywhere, "--metrics", anywhere, "--data"])?;
        up.arg(data).args(more);
        Self::start(up).await
    }

    /// Starts it, and waits until it says that it is ready.
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        let begin = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run godwit")?;
        let output = child.stdout.take().context("it has no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.strip_prefix("ready ") {
                    return Ok((address.to_owned(), begin.elapsed()));
                }
            }
            bail!("godwit ended before it was ready")
        };
        let (address, took) = tokio::time::timeout(START, ready)
            .await
            .context("godwit is not ready")??;
        // What it still says goes where the pipe goes: it must not find it closed.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            child,
            address,
            took,
        })
    }

    /// Where it said that it is ready.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How long it took until then.
    pub(crate) const fn took(&self) -> Duration {
        self.took
    }

    /// How long it has had processors by now, with all threads that it ever had.
    pub(crate) fn processor(&self) -> Result<Duration> {
        let stat = self.kernel("stat")?;
        // The name of the program is in brackets, and may hold anything. User and system time are
        // the 12th and 13th field behind it.
        let (_, fields) = stat.rsplit_once(')').context("an odd /proc/PID/stat")?;
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks = times.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
        Ok(TICK * ticks)
    }

    /// Its resident memory, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let status = self.kernel("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .context("the kernel does not say VmRSS")?
            .trim()
            .parse()?;
        Ok(kib / 1024.0)
    }

    /// Stops it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.id()?.try_into()?), Signal::SIGTERM)?;
        let status = tokio::time::timeout(STOP, self.child.wait())
            .await
            .context("godwit does not stop")??;
        ensure!(status.success(), "godwit ended with {status}");
        Ok(())
    }

    fn id(&self) -> Result<u32> {
        self.child.id().context("it has ended")
    }

    /// What the kernel says of it.
    fn kernel(&self, file: &str) -> Result<String> {
        Ok(std::fs::read_to_string(format!(
            "/proc/{}/{file}",
            self.id()?
        ))?)
    }
}
