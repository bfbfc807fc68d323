//! A real Keystone, from PyPI, for one test alone.
//!
//! It has the people that the development identity has (see [`people`]), so that tests of one
//! read like tests of the other, and a service user for Godwit. It can be stopped and started
//! again at the same address. Needs `scripts/install-clients`.

mod people;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::Signal;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::Child;
use crate::http;
use crate::wait::wait_for_blocking;

/// Setting up takes some ten seconds of Python on an idle machine.
const SET_UP: Duration = Duration::from_secs(180);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenProvider {
    /// Encrypted: nobody but Keystone can read them.
    Fernet,
    /// Signed with a key of ECDSA P-256, whose public half is [`Keystone::public_key`].
    Jws,
}

impl TokenProvider {
    const fn name(self) -> &'static str {
        match self {
            Self::Fernet => "fernet",
            Self::Jws => "jws",
        }
    }
}

/// What a token is to be for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The project of this name.
    Project(&'static str),
    /// The only domain.
    Domain,
    /// The system as a whole.
    System,
    /// Nothing in particular.
    Unscoped,
}

/// A running Keystone, or one that a test has stopped.
#[derive(Debug)]
pub struct Keystone {
    directory: TempDir,
    provider: TokenProvider,
    token_lifetime: Duration,
    url: String,
    client: Client,
    process: Option<Child>,
}

impl Keystone {
    /// Sets one up whose tokens live for `token_lifetime` (whole seconds), and waits until it
    /// serves.
    ///
    /// # Errors
    /// The clients are not installed, or Keystone does not come up: the error shows its log.
    pub async fn start(provider: TokenProvider, token_lifetime: Duration) -> Result<Self> {
        let mut keystone = Self {
            directory: tempfile::tempdir()?,
            provider,
            token_lifetime,
            url: String::new(),
            client: http::builder().no_proxy().build()?,
            process: None,
        };
        keystone.resume().await?;
        people::arrive(&keystone).await?;
        Ok(keystone)
    }

    /// Its address with its version: `http://127.0.0.1:PORT/v3`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key that JWS tokens are verified with.
    pub fn public_key(&self) -> PathBuf {
        self.directory.path().join("jws/public/public.pem")
    }

    /// Where the password of the service user `godwit` stands.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn service_password(&self) -> Result<PathBuf> {
        let path = self.directory.path().join("godwit.password");
        std::fs::write(&path, "godwit\n")?;
        Ok(path)
    }

    /// Ends the process. What it knows stays in its directory.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the process, at the same address as before if there was one.
    ///
    /// # Errors
    /// It does not come up: the error shows its log.
    pub async fn resume(&mut self) -> Result<()> {
        let log = self.directory.path().join("process.log");
        let ready = self.directory.path().join("url");
        let port = self.url.trim_end_matches("/v3").rsplit(':').next();
        let output = std::fs::File::create(&log)?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(repository().join(".venv/bin/python"))
            .args(["-W", "ignore"])
            .arg(repository().join("tests/clients/keystone_server.py"))
            .arg(self.directory.path())
            .args(["--port", port.filter(|it| !it.is_empty()).unwrap_or("0")])
            .args(["--provider", self.provider.name()])
            .args(["--lifetime", &self.token_lifetime.as_secs().to_string()])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let _ = std::fs::remove_file(&ready);
        let mut process = Child::spawn(command, Signal::SIGTERM)?;
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let url = tokio::task::spawn_blocking(move || {
            wait_for_blocking("Keystone to serve", SET_UP, || {
                if process.ended().is_some() {
                    return Ok(Some(Err(anyhow!("it ended"))));
                }
                let url = std::fs::read_to_string(&ready);
                Ok(url.ok().map(Ok))
            })?
            .map(|url| (url, process))
        });
        let (url, process) = url.await?.with_context(said)?;
        self.url = url;
        self.process = Some(process);
        Ok(())
    }

    /// Logs `user` in, whose password is their name.
    ///
    /// # Errors
    /// Keystone refuses.
    pub async fn log_in(&self, user: &str, scope: Scope) -> Result<String> {
        let answer = self.authenticate(user, scope).await?;
        let token = answer.headers().get("x-subject-token");
        Ok(token.context("no token")?.to_str()?.to_owned())
    }

    /// The ids of a user and of a project that they have a role in.
    ///
    /// # Errors
    /// Keystone refuses.
    pub async fn ids(&self, user: &str, project: &'static str) -> Result<(String, String)> {
        let answer = self.authenticate(user, Scope::Project(project)).await?;
        let said: Value = answer.json().await?;
        let id = |what: &str| said["token"][what]["id"].as_str().map(str::to_owned);
        id("user").zip(id("project")).context("no ids")
    }

    /// Makes an application credential of `user` for a project that they have a role in: its id
    /// and its secret.
    ///
    /// # Errors
    /// Keystone refuses.
    pub async fn application_credential(
        &self,
        user: &str,
        project: &'static str,
    ) -> Result<(String, String)> {
        let (owner, _) = self.ids(user, project).await?;
        let token = self.log_in(user, Scope::Project(project)).await?;
        let url = format!("{}/users/{owner}/application_credentials", self.url);
        let body = json!({"application_credential": {"name": format!("{user} in {project}")}});
        let call = self.client.post(url).json(&body);
        let answer = call.header("x-auth-token", token).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "{answer:?}");
        let made: Value = answer.json().await?;
        let part = |name: &str| {
            let part = made["application_credential"][name].as_str();
            part.map(str::to_owned)
        };
        part("id").zip(part("secret")).context("no credential")
    }

    async fn authenticate(&self, user: &str, scope: Scope) -> Result<Response> {
        let domain = json!({"id": "default"});
        let scope = match scope {
            Scope::Project(name) => json!({"project": {"name": name, "domain": domain}}),
            Scope::Domain => json!({"domain": domain}),
            Scope::System => json!({"system": {"all": true}}),
            Scope::Unscoped => json!("unscoped"),
        };
        let user = json!({"name": user, "password": user, "domain": domain});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        let body = json!({"auth": {"identity": identity, "scope": scope}});
        let url = format!("{}/auth/tokens", self.url);
        let answer = self.client.post(url).json(&body).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "{answer:?}");
        Ok(answer)
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// Keystone refuses.
    pub async fn revoke(&self, token: &str) -> Result<()> {
        let url = format!("{}/auth/tokens", self.url);
        let call = self.client.delete(url).header("x-auth-token", token);
        let answer = call.header("x-subject-token", token).send().await?;
        ensure!(answer.status() == StatusCode::NO_CONTENT, "{answer:?}");
        Ok(())
    }

    /// Adds a service at `url` to the catalog, for all interfaces and one region.
    ///
    /// # Errors
    /// Keystone refuses.
    pub async fn register(&self, kind: &str, name: &str, url: &str) -> Result<()> {
        let admin = Administrator(self);
        let service = json!({"service": {"type": kind, "name": name}});
        let id = admin.create("/services", &service).await?;
        for interface in ["public", "internal", "admin"] {
            let endpoint = json!({
                "service_id": id, "interface": interface, "url": url, "region_id": people::REGION
            });
            let endpoint = json!({"endpoint": endpoint});
            admin.create("/endpoints", &endpoint).await?;
        }
        Ok(())
    }
}

/// Whoever may change everything.
struct Administrator<'a>(&'a Keystone);

impl Administrator<'_> {
    /// Logs in for each call: tokens may live for seconds only.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response> {
        let Self(keystone) = self;
        let token = keystone.log_in(people::ADMINISTRATOR, Scope::System);
        let url = format!("{}{path}", keystone.url);
        let mut call = keystone.client.request(method, url);
        if let Some(body) = body {
            call = call.json(body);
        }
        let answer = call.header("x-auth-token", token.await?).send().await?;
        ensure!(answer.status().is_success(), "{path}: {answer:?}");
        Ok(answer)
    }

    /// Makes what `body` describes under its only member; returns its id.
    async fn create(&self, path: &str, body: &Value) -> Result<String> {
        let text = self
            .send(Method::POST, path, Some(body))
            .await?
            .text()
            .await?;
        let made: Value = serde_json::from_str(&text)?;
        let member = made.as_object().and_then(|made| made.values().next());
        let id = member.and_then(|member| member["id"].as_str());
        Ok(id.with_context(|| format!("{path}: {made}"))?.to_owned())
    }
}

fn repository() -> &'static Path {
    // This crate lies two directories below.
    const CRATE: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(CRATE)
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("/"))
}
