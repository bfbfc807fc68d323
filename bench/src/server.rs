//! The measured process, from outside.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::callgrind::Callgrind;

/// This program as `serve`, running.
pub(crate) struct Server {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    api: String,
    client: reqwest::Client,
}

impl Server {
    /// Starts it; its log goes to a file of `directory`.
    pub(crate) async fn start(database: &str, auth: &Path, directory: &Path) -> Result<Self> {
        let command = Command::new(std::env::current_exe()?);
        Self::spawn(command, database, auth, &directory.join("serve.log")).await
    }

    /// Starts one whose instructions are counted.
    pub(crate) async fn start_counted(
        database: &str,
        auth: &Path,
        directory: &Path,
        callgrind: &Callgrind,
    ) -> Result<Self> {
        let command = callgrind.command(&std::env::current_exe()?);
        Self::spawn(command, database, auth, &directory.join("counted.log")).await
    }

    async fn spawn(mut command: Command, database: &str, auth: &Path, log: &Path) -> Result<Self> {
        let mut child = command
            .args(["serve", "--database", database, "--auth"])
            .arg(auth)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        let input = child.stdin.take().context("it has no standard input")?;
        let output = child.stdout.take().context("it has no standard output")?;
        let mut server = Self {
            child,
            input,
            output: BufReader::new(output).lines(),
            api: String::new(),
            client: godwit_test_support::http::client(),
        };
        let address = server.hear().await;
        let log = || std::fs::read_to_string(log).unwrap_or_default();
        server.api = address.with_context(|| format!("the server does not start: {}", log()))?;
        Ok(server)
    }

    /// Its process id.
    pub(crate) fn process(&self) -> Result<u32> {
        self.child.id().context("the server ended")
    }

    /// The API's `http://ADDR:PORT`.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// What the API answers to `paths`, asked one after the other.
    pub(crate) async fn bodies(
        &self,
        paths: &[String],
        headers: &[(&'static str, String)],
    ) -> Result<Vec<String>> {
        let mut bodies = Vec::new();
        for path in paths {
            let url = format!("{}{path}", self.api);
            let request = self.client.get(url);
            let request = headers
                .iter()
                .fold(request, |it, (name, value)| it.header(*name, value));
            let answer = request.send().await?;
            let status = answer.status();
            let body = answer.text().await?;
            ensure!(status.is_success(), "{path}: {status}: {body}");
            bodies.push(body);
        }
        Ok(bodies)
    }

    /// Starts the bare routes `/0`, `/1`, …, each of which answers its bodies in turn; returns
    /// their `http://ADDR:PORT`.
    pub(crate) async fn start_bare(&mut self, bodies: &[Vec<String>]) -> Result<String> {
        let line = serde_json::to_string(bodies)? + "\n";
        self.input.write_all(line.as_bytes()).await?;
        self.hear().await
    }

    /// Stops it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.input);
        let status = self.child.wait().await?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    async fn hear(&mut self) -> Result<String> {
        let line = self.output.next_line().await?.context("it ended")?;
        Ok(format!("http://{line}"))
    }
}
