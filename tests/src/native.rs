//! The API as a program asks for it that has a token and no client library: the native one, which no
//! library knows, and Nova's where a bridge to the SDK would be in the way.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// The microversion that servers are asked for with: a live migration is answered at once.
const VERSION: &str = "compute 2.80";

const CONNECT: Duration = Duration::from_secs(5);

/// Somebody with a token. Those that are cloned share their connections.
#[derive(Clone, Debug)]
pub struct Native {
    client: Client,
    urls: Vec<String>,
}

impl Native {
    /// The bearer of `token`, who asks those who serve the API at `urls`.
    ///
    /// # Errors
    /// The token is none.
    pub fn new(urls: Vec<String>, token: &str) -> Result<Self> {
        ensure!(!urls.is_empty(), "nobody serves the API");
        let mut secret = HeaderValue::from_str(token)?;
        secret.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-auth-token"), secret),
            (
                HeaderName::from_static("openstack-api-version"),
                HeaderValue::from_static(VERSION),
            ),
        ]);
        let builder = godwit_test_support::http::builder();
        let client = builder
            .no_proxy()
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .build()?;
        Ok(Self { client, urls })
    }

    /// How many serve the API.
    pub fn count(&self) -> usize {
        self.urls.len()
    }

    /// A request to one of them, by its number from 0.
    pub fn request(&self, index: usize, method: Method, path: &str) -> RequestBuilder {
        let url = &self.urls[index % self.urls.len()];
        self.client.request(method, format!("{url}{path}"))
    }

    /// What the first of them answers; `Null` to nothing.
    ///
    /// # Errors
    /// It is no success; the error says what it is.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.request(0, method, path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        match text.as_str() {
            "" => Ok(Value::Null),
            text => Ok(serde_json::from_str(text)?),
        }
    }

    /// The ids of servers of all projects, by their names.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn servers(&self) -> Result<Vec<(String, String)>> {
        let path = "/v2.1/servers?all_tenants=1";
        let list = self.call(Method::GET, path, None).await?;
        let servers = list["servers"].as_array().context("no list")?;
        let text = |server: &Value, name: &str| server[name].as_str().map(str::to_owned);
        let named = |server| Some((text(server, "name")?, text(server, "id")?));
        Ok(servers.iter().filter_map(named).collect())
    }

    /// The id of the server of this name.
    ///
    /// # Errors
    /// There is none, or as [`Self::call`].
    pub async fn server(&self, name: &str) -> Result<String> {
        let all = self.servers().await?;
        let found = all.into_iter().find(|(it, _)| it == name);
        let (_, id) = found.with_context(|| format!("no server {name}"))?;
        Ok(id)
    }

    /// Asks for a live migration to anywhere.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn live_migrate(&self, server: &str) -> Result<()> {
        let path = format!("/v2.1/servers/{server}/action");
        self.call(Method::POST, &path, Some(&live_migration()))
            .await
            .map(drop)
    }

    /// Makes a webhook for all events; returns its document, with its secret.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn webhook(&self, url: &str, secret: Option<&str>) -> Result<Value> {
        let body = json!({"url": url, "types": ["migration.*"], "secret": secret});
        let path = "/relocation/v1/webhooks";
        self.call(Method::POST, path, Some(&body)).await
    }

    /// Deletes a webhook, given its document.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn delete_webhook(&self, webhook: &Value) -> Result<()> {
        let id = webhook["id"].as_str().context("it has no id")?;
        let path = format!("/relocation/v1/webhooks/{id}");
        self.call(Method::DELETE, &path, None).await.map(drop)
    }
}

/// The body that asks for a live migration to anywhere.
pub fn live_migration() -> Value {
    json!({"os-migrateLive": {"host": null, "block_migration": "auto"}})
}
