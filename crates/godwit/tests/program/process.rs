//! A running `godwit`.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Starting takes a fraction of a second; machines under test are busy.
const START: Duration = Duration::from_secs(60);
/// Stopping is bounded by the program itself.
const STOP: Duration = Duration::from_secs(20);

/// A process, killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: TempPath,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `godwit` with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let (file, log) = NamedTempFile::new()?.into_parts();
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(file)
            .env("GODWIT_LOG", "trace")
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let lines = BufReader::new(stdout).lines();
        Ok(Self { child, log, lines })
    }

    /// Where it logs everything; goes when it does.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// What follows `word` on the first line that begins with it.
    pub(crate) async fn says(&mut self, word: &str) -> Result<String> {
        let line = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(word) {
                    return Ok(rest.trim().to_owned());
                }
            }
            bail!("it ended without saying {word:?}")
        };
        timeout(START, line)
            .await
            .with_context(|| format!("it does not say {word:?}"))?
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn end(&mut self, signal: Signal) -> Result<ExitStatus> {
        let pid = self.child.id().context("it has ended already")?;
        kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
        let ended = timeout(STOP, self.child.wait()).await;
        Ok(ended.context("it does not stop")??)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Runs `godwit` to its end.
pub(crate) async fn run(arguments: &[&str]) -> Result<Output> {
    let output = command(arguments).kill_on_drop(true).output();
    let output = timeout(START, output).await;
    Ok(output.with_context(|| format!("{arguments:?} does not end"))??)
}

/// Runs `godwit` to its end in a folder, with these variables and no others of a cloud.
pub(crate) async fn run_in(
    folder: &Path,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Result<Output> {
    let output = timeout(START, command_in(folder, variables, arguments).output()).await;
    Ok(output.with_context(|| format!("{arguments:?} does not end"))??)
}

/// `godwit` in a folder, with these variables and no others of a cloud.
pub(crate) fn command_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    let clouds = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OS_"));
    for (name, _) in clouds {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("XDG_CONFIG_HOME")
        .envs(variables.iter().copied())
        .kill_on_drop(true);
    command
}

/// Runs `godwit`, which has to refuse; returns what it says.
pub(crate) async fn refused(arguments: &[&str]) -> String {
    let output = run(arguments).await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// What makes `godwit up` serve on free ports, with its data in this directory.
pub(crate) fn up<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["up", "--data", data];
    arguments.extend(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    arguments.extend(more);
    arguments
}

/// The path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_godwit"));
    command
        .args(arguments)
        .env_remove("GODWIT_CONFIG")
        .env_remove("GODWIT_LOG")
        .stdin(Stdio::null());
    command
}
