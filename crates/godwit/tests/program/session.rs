//! Somebody who is logged in.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use godwit_test_support::{http, wait_for};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// The newest microversion with everything that tests look at.
const MICROVERSION: &str = "compute 2.80";

/// How long a simulated move may take.
const MOVE: Duration = Duration::from_secs(60);

/// A user of the development identity, at a service.
pub(crate) struct Session {
    client: Client,
    url: String,
    token: String,
}

impl Session {
    /// Logs in with the password that everybody knows. `url` is what `ready` said.
    pub(crate) async fn log_in(url: &str, user: &str, project: &str) -> Result<Self> {
        let base = url.strip_suffix("/v2.1").context("an odd URL")?;
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "password": user, "domain": domain}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let client = http::client();
        let place = format!("{base}/identity/v3/auth/tokens");
        let answer = client.post(place).json(&body).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "{answer:?}");
        let token = answer.headers().get("x-subject-token");
        let token = token.context("no token")?.to_str()?.to_owned();
        Ok(Self::with_token(url, token))
    }

    /// Brings a token along.
    pub(crate) fn with_token(url: &str, token: String) -> Self {
        let (client, url) = (http::client(), url.to_owned());
        Self { client, url, token }
    }

    /// The token that it uses.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Asks; returns status and body.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header("x-auth-token", &self.token)
            .header("openstack-api-version", MICROVERSION);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.ask(Method::GET, path, None).await?;
        ensure!(status.is_success(), "{path}: {status} {body}");
        Ok(body)
    }

    async fn act(&self, path: &str, body: Value) -> Result<()> {
        let (status, answer) = self.ask(Method::POST, path, Some(body)).await?;
        ensure!(status == StatusCode::ACCEPTED, "{path}: {status} {answer}");
        Ok(())
    }

    /// The servers of this project: names and ids, by name.
    pub(crate) async fn servers(&self) -> Result<Vec<(String, String)>> {
        let body = self.get("/servers").await?;
        let servers = body["servers"].as_array().context("no list")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut servers: Vec<_> = servers
            .iter()
            .map(|server| (text(&server["name"]), text(&server["id"])))
            .collect();
        servers.sort();
        Ok(servers)
    }

    /// The id of the server of this name.
    pub(crate) async fn server(&self, name: &str) -> Result<String> {
        let servers = self.servers().await?;
        let found = servers.into_iter().find(|(known, _)| known == name);
        Ok(found.with_context(|| format!("no server {name}"))?.1)
    }

    /// Begins a live migration to wherever it fits.
    pub(crate) async fn migrate(&self, server: &str) -> Result<()> {
        let body = json!({"os-migrateLive": {"host": null, "block_migration": "auto"}});
        self.act(&format!("/servers/{server}/action"), body).await
    }

    pub(crate) async fn force_complete(&self, server: &str, migration: &Value) -> Result<()> {
        let path = format!("/servers/{server}/migrations/{}/action", migration["id"]);
        self.act(&path, json!({"force_complete": null})).await
    }

    pub(crate) async fn abort(&self, server: &str, migration: &Value) -> Result<()> {
        let path = format!("/servers/{server}/migrations/{}", migration["id"]);
        let (status, answer) = self.ask(Method::DELETE, &path, None).await?;
        ensure!(status == StatusCode::ACCEPTED, "{path}: {status} {answer}");
        Ok(())
    }

    /// The newest migration of a server, as an administrator sees it.
    pub(crate) async fn newest_migration(&self, server: &str) -> Result<Value> {
        let body = self
            .get(&format!("/os-migrations?instance_uuid={server}"))
            .await?;
        Ok(body["migrations"][0].clone())
    }

    /// Waits until the newest migration of `server` has `status`.
    pub(crate) async fn until(&self, server: &str, status: &str) -> Result<Value> {
        let what = format!("the migration to be {status}");
        wait_for(&what, MOVE, async || {
            let migration = self.newest_migration(server).await?;
            if migration["status"] == status {
                return Ok(Some(migration));
            }
            bail!("it is {}", migration["status"])
        })
        .await
    }

    /// Where an administrator sees a server, once nothing is being done to it.
    pub(crate) async fn place(&self, server: &str) -> Result<String> {
        let body = self.get(&format!("/servers/{server}")).await?;
        let server = &body["server"];
        ensure!(server["status"] == "ACTIVE", "{server}");
        ensure!(server["OS-EXT-STS:task_state"].is_null(), "{server}");
        let host = server["OS-EXT-SRV-ATTR:host"].as_str();
        Ok(host.context("no host")?.to_owned())
    }
}
