//! A move through Godwit, as a client asks for it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use godwit_core::status::MigrationStatus;
use godwit_core::time::Clock as _;
use godwit_test_support::testbed::{Guest, Host};
use godwit_test_support::wait_for_blocking;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::deployment::Deployment;
use tokio::runtime::Runtime;

use super::witness::Witness;
use super::{Move, PATIENCE};
use crate::clock::SystemClock;

const VERSION: &str = "compute 2.80";

/// An administrator of a deployment.
pub(super) struct Client<'a> {
    deployment: &'a Deployment,
    token: String,
    http: reqwest::Client,
    runtime: Runtime,
}

impl<'a> Client<'a> {
    pub(super) fn new(deployment: &'a Deployment) -> Result<Self> {
        let day = ["token", "issue", "--ttl", "86400", "--config"];
        Ok(Self {
            deployment,
            token: deployment.godwit(&day, "api")?.trim_end().to_owned(),
            http: godwit_test_support::http::client(),
            runtime: Runtime::new()?,
        })
    }

    /// Moves a guest. The event log says when what happened: it is on this machine's clock, and
    /// does not ask for the processors as a client does that looks all the time.
    pub(super) fn migrate(
        &self,
        guest: &Guest,
        to: &Host,
        witness: &Witness,
    ) -> Result<(Move, Vec<(String, Duration)>)> {
        let how = json!({"os-migrateLive": {"host": to.name(), "block_migration": "auto"}});
        let path = format!("/servers/{}/action", guest.uuid);
        let begin = SystemClock.now();
        self.call(Method::POST, &path, Some(&how))?;
        self.await_completed(guest)?;
        let stories = self.deployment.stories(&guest.uuid.to_string())?;
        let events = &stories.first().context("it has no migration")?.events;
        let reached = |status| {
            let event = events.iter().find(|event| event.to_status == status);
            let event = event.with_context(|| format!("it was never {status}"))?;
            anyhow::Ok(event.at.since(begin))
        };
        let moved = Move {
            running: reached(MigrationStatus::Running)?,
            flowing: witness.flow_after(guest, begin)?.since(begin),
            whole: reached(MigrationStatus::Completed)?,
        };
        let log = events
            .iter()
            .map(|event| (event.name.clone(), event.at.since(begin)));
        Ok((moved, log.collect()))
    }

    /// Waits until Godwit knows that a guest is on a host, and nothing is being done to it.
    pub(super) fn await_at_rest(&self, guest: &Guest, on: &Host) -> Result<()> {
        let path = format!("/servers/{}", guest.uuid);
        wait_for_blocking("the guest to be known", PATIENCE, || {
            let answer = self.call(Method::GET, &path, None)?;
            let server = &answer["server"];
            let (host, task) = (
                &server["OS-EXT-SRV-ATTR:host"],
                &server["OS-EXT-STS:task_state"],
            );
            ensure!(
                *host == json!(on.name()) && task.is_null(),
                "it is on {host}, {task}"
            );
            Ok(Some(()))
        })
    }

    fn await_completed(&self, guest: &Guest) -> Result<()> {
        let path = format!("/os-migrations?limit=1&instance_uuid={}", guest.uuid);
        let status = wait_for_blocking("the migration to end", PATIENCE, || {
            let answer = self.call(Method::GET, &path, None)?;
            let status = answer["migrations"][0]["status"].as_str();
            let status: MigrationStatus = status.context("there is none")?.parse()?;
            Ok(status.is_terminal().then_some(status))
        })?;
        if status != MigrationStatus::Completed {
            bail!("it ended as {status}");
        }
        Ok(())
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("{}{path}", self.deployment.url());
        let mut request = self
            .http
            .request(method, url)
            .header("X-Auth-Token", &self.token)
            .header("OpenStack-API-Version", VERSION);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            ensure!(status.is_success(), "{path}: {status}: {text}");
            Ok(serde_json::from_str(&text).unwrap_or_default())
        })
    }
}
