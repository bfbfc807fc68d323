//! `godwit up` as a newcomer starts it: how soon it serves, and what it takes at rest.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::Effort;
use crate::table::{Table, median};

/// How long it is left alone before it counts as being at rest.
const REST: Duration = Duration::from_secs(10);
/// How long starting and stopping may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures the binary beside this one.
pub(crate) async fn measure(effort: Effort) -> Result<Table> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    let mut resident = Vec::new();
    for _ in 0..effort.rounds {
        let directory = tempfile::tempdir()?;
        let (child, took) = start(directory.path()).await?;
        first.push(took);
        stop(child).await?;
        let (child, took) = start(directory.path()).await?;
        again.push(took);
        if resident.is_empty() {
            tokio::time::sleep(REST).await;
            resident.push(resident_mib(&child)?);
        }
        stop(child).await?;
    }
    let mut table = Table::new("`godwit up`: 3 hosts, 14 servers", &["what", "figure"]);
    let mut row = |what: &str, figure: String| table.row(vec![what.to_owned(), figure]);
    row(
        "start to `ready`, empty directory",
        format!("{:.0} ms", median(first)),
    );
    row(
        "start to `ready`, again",
        format!("{:.0} ms", median(again)),
    );
    row(
        "resident memory at rest",
        format!("{:.1} MiB", median(resident)),
    );
    Ok(table)
}

/// Starts it and waits until it is ready; how long that took, in milliseconds.
async fn start(data: &Path) -> Result<(Child, f64)> {
    let binary = std::env::current_exe()?.with_file_name("godwit");
    let begin = Instant::now();
    let mut child = Command::new(&binary)
        .args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let output = child.stdout.take().context("it has no standard output")?;
    let mut lines = BufReader::new(output).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("ready ") {
                return Ok(begin.elapsed());
            }
        }
        anyhow::bail!("`godwit up` ended before it was ready")
    };
    let took = tokio::time::timeout(PATIENCE, ready)
        .await
        .context("`godwit up` is not ready")??;
    // What it still says goes where the pipe goes: it must not find it closed.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, took.as_secs_f64() * 1_000.0))
}

async fn stop(mut child: Child) -> Result<()> {
    let pid = Pid::from_raw(child.id().context("it has ended")?.try_into()?);
    kill(pid, Signal::SIGTERM)?;
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .context("it does not stop")??;
    ensure!(status.success(), "`godwit up` ended with {status}");
    Ok(())
}

fn resident_mib(child: &Child) -> Result<f64> {
    let path = format!("/proc/{}/status", child.id().context("it has ended")?);
    let status = std::fs::read_to_string(path)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("the kernel does not say VmRSS")?
        .trim()
        .parse()?;
    Ok(kib / 1024.0)
}
