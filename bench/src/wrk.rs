//! Load, made by wrk.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

/// What is asked for, again and again.
pub(crate) struct Load {
    /// `http://ADDR:PORT`.
    pub(crate) base: String,
    /// Asked for in turn.
    pub(crate) paths: Vec<String>,
    /// Headers of every request.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Connections at one time.
    pub(crate) connections: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Outcome {
    /// Answers a second.
    pub(crate) throughput: f64,
    /// The median time to an answer, in microseconds.
    pub(crate) p50: f64,
    /// What one of a hundred answers exceeds, in microseconds.
    pub(crate) p99: f64,
    /// Answers that were none, or no 2xx.
    errors: u64,
}

impl Load {
    /// Writes the script that makes wrk ask for this.
    pub(crate) fn script(&self, directory: &Path, name: &str) -> Result<PathBuf> {
        let mut script = String::from("wrk.headers = {}\n");
        for (name, value) in &self.headers {
            writeln!(script, "wrk.headers[{name:?}] = {value:?}")?;
        }
        writeln!(script, "local paths = {{")?;
        for path in &self.paths {
            writeln!(script, "  {path:?},")?;
        }
        script.push_str(SCRIPT);
        let path = directory.join(format!("{name}.lua"));
        std::fs::write(&path, script)?;
        Ok(path)
    }

    /// Runs wrk for so many seconds. One of its threads is enough to keep all processors busy.
    pub(crate) async fn run(&self, script: &Path, seconds: u32) -> Result<Outcome> {
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--timeout", "10s"]);
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--duration", &format!("{seconds}s"), "--script"]);
        command
            .arg(script)
            .arg(&self.base)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.context("cannot run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().unwrap_or_default();
        let outcome: Outcome = serde_json::from_str(line)
            .with_context(|| format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
        ensure!(
            outcome.errors == 0,
            "{} of wrk's requests failed: {line}",
            outcome.errors
        );
        Ok(outcome)
    }
}

/// Requests are formatted once, so that wrk has the processors for as short as possible.
const SCRIPT: &str = r#"}
local requests, turn = {}, 0
init = function()
  for i, path in ipairs(paths) do requests[i] = wrk.format("GET", path) end
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"throughput": %f, "p50": %f, "p99": %f, "errors": %d}\n',
    summary.requests / summary.duration * 1000000,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"#;
