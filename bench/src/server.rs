//! The measured process, from outside.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

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
        let log = std::fs::File::create(directory.join("serve.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--database", database, "--auth"])
            .arg(auth)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("it has no standard input")?;
        let output = child.stdout.take().context("it has no standard output")?;
        let mut server = Self {
            child,
            input,
            output: BufReader::new(output).lines(),
            api: String::new(),
            client: reqwest::Client::new(),
        };
        let address = server.hear().await;
        let log = || std::fs::read_to_string(directory.join("serve.log")).unwrap_or_default();
        server.api = address.with_context(|| format!("the server does not start: {}", log()))?;
        Ok(server)
    }

    /// The API's `http://ADDR:PORT`.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// What the API answers to `paths`: the same amount of bytes to each, or nothing could be
    /// compared with it.
    pub(crate) async fn body(
        &self,
        paths: &[String],
        headers: &[(&'static str, String)],
    ) -> Result<String> {
        let mut first: Option<String> = None;
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
            let first = first.get_or_insert_with(|| body.clone());
            ensure!(
                first.len() == body.len(),
                "{path}: {body} is not as long as {first}"
            );
        }
        first.context("there is nothing to ask for")
    }

    /// Starts the bare routes `/0`, `/1`, …; returns their `http://ADDR:PORT`.
    pub(crate) async fn start_bare(&mut self, bodies: &[String]) -> Result<String> {
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
