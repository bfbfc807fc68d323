//! Questions about a large fleet, as `godwit up` answers them: where a server could go, and what
//! keeps a host from being emptied.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use godwit_test_support::{http, wait_for};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::met;
use crate::godwit::{self, Godwit};
use crate::table::{Table, median, percentile};

const HOSTS: usize = 1_000;
const SERVERS: usize = 5_000;
/// How often each is asked, about another each time.
const ASKED: usize = 50;
/// Seconds.
const AIM: f64 = 2.0;
/// How long all servers may take to be known.
const KNOWN: Duration = Duration::from_secs(120);

/// Somebody who may ask everything.
struct Caller {
    client: Client,
    base: String,
    token: String,
}

impl Caller {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut call = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("x-auth-token", &self.token);
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await?;
        ensure!(answer.status().is_success(), "{path}: {answer:?}");
        Ok(answer.json().await?)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// How many seconds each of these takes.
    async fn times(&self, paths: &[String]) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(paths.len());
        for path in paths {
            let begin = Instant::now();
            self.get(path).await?;
            times.push(begin.elapsed().as_secs_f64());
        }
        Ok(times)
    }
}

/// Asks about hosts and servers, as they are and when their zone is disabled.
pub(crate) async fn measure() -> Result<Table> {
    let directory = tempfile::tempdir()?;
    let (hosts, servers) = (HOSTS.to_string(), SERVERS.to_string());
    let fleet = ["--hosts", &hosts, "--servers", &servers];
    let up = Godwit::up(directory.path(), &fleet).await?;
    let caller = Caller {
        client: http::client(),
        base: up.address().replace("/v2.1", "/relocation/v1"),
        token: godwit::token(directory.path()).await?,
    };
    let servers = wait_for("all servers to be known", KNOWN, async || {
        let page = caller
            .get("/servers?fields=id&limit=100&with_total=true")
            .await?;
        let total = page["total"].as_u64().unwrap_or_default();
        ensure!(total >= SERVERS as u64, "{total} are known");
        Ok(Some(page))
    });
    let servers = servers.await?;
    let servers = servers["items"].as_array().context("no list")?;
    let ids = servers.iter().filter_map(|it| it["id"].as_str());
    let candidates: Vec<String> = ids
        .take(ASKED)
        .map(|it| format!("/servers/{it}/candidates"))
        .collect();
    let checks: Vec<String> = (1..=ASKED)
        .map(|it| format!("/hosts/host-{it}/drain-check"))
        .collect();
    let mut table = Table::new(
        "Questions about 1,000 hosts with 5,000 servers, whole requests of `up` on SQLite",
        &["what", "median s", "p95 s", "aim s", "aim met"],
    );
    for (what, paths) in [
        ("the candidates of a server", &candidates),
        ("what keeps a host from being emptied: nothing", &checks),
    ] {
        table.row(row(what, caller.times(paths).await?));
    }
    let disabled = json!({"state": "disabled", "reason": "to be measured"});
    let zone = "/scopes/zone/nova/allocation";
    caller.ask(Method::PUT, zone, Some(disabled)).await?;
    let check = caller.get(&checks[0]).await?;
    ensure!(check["fix"].is_object(), "{check}");
    let what = "the same, and the smallest fix, with the zone disabled";
    table.row(row(what, caller.times(&checks).await?));
    up.stop().await?;
    Ok(table)
}

fn row(what: &str, times: Vec<f64>) -> Vec<String> {
    let slow = percentile(times.clone(), 95);
    vec![
        what.to_owned(),
        format!("{:.4}", median(times)),
        format!("{slow:.4}"),
        AIM.to_string(),
        met(slow <= AIM),
    ]
}
