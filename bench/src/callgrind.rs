//! Instructions, which valgrind counts: unlike seconds they are the same whatever else the
//! machine does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Counts what one process executes.
pub(crate) struct Callgrind {
    output: PathBuf,
    /// Counts read, each from a file of its own.
    parts: u32,
}

impl Callgrind {
    /// For a process; its counts go to files of `directory`.
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            output: directory.join("callgrind"),
            parts: 0,
        }
    }

    /// Runs `program` so that its instructions are counted.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut output = OsString::from("--callgrind-out-file=");
        output.push(&self.output);
        let mut command = Command::new("valgrind");
        command.arg("--quiet").arg("--tool=callgrind").arg(output);
        command.arg(program);
        command
    }

    /// Begins to count anew.
    pub(crate) async fn zero(&self, process: u32) -> Result<()> {
        control("--zero", process).await
    }

    /// What was executed since the last count.
    pub(crate) async fn count(&mut self, process: u32) -> Result<u64> {
        control("--dump", process).await?;
        self.parts += 1;
        let part = self.output.with_extension(self.parts.to_string());
        let text = std::fs::read_to_string(&part)
            .with_context(|| format!("callgrind left no {}", part.display()))?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.context("callgrind counted nothing")?;
        Ok(total.trim().parse()?)
    }
}

async fn control(what: &str, process: u32) -> Result<()> {
    let mut command = Command::new("callgrind_control");
    command.arg(what).arg(process.to_string());
    let output = command.kill_on_drop(true).output().await;
    let output = output.context("cannot run callgrind_control")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && said.contains("OK"),
        "callgrind_control {what}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
