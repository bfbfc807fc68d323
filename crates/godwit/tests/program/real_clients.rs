//! Unmodified clients, from PyPI: what they try is told in `tests/clients`.
//!
//! ```text
//!   client ──► Keystone ◄── godwit api ── SQLite ── godwit up: conductor, simulated hosts
//! ```
//!
//! `up` serves an API of its own, for its development identity; the clients never see it, but
//! for its image service, without which `openstack` lists no servers.

mod fleet;
mod operator;
mod schemathesis;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use godwit_test_support::keystone::{Keystone, TokenProvider};
use serde_json::json;
use tempfile::TempDir;

use crate::process::{Process, text, up};
use crate::scripts;

const HOUR: Duration = Duration::from_secs(3_600);

/// A service in a Keystone's catalog.
struct Cloud {
    directory: TempDir,
    keystone: Keystone,
    compute: String,
    _up: Process,
    _api: Process,
}

impl Cloud {
    async fn new() -> Result<Self> {
        let keystone = Keystone::start(TokenProvider::Fernet, HOUR).await?;
        let directory = tempfile::tempdir()?;
        let data = directory.path().join("data");
        std::fs::create_dir(&data)?;
        let fleet = fleet::owned_by(
            keystone.ids("member", "demo").await?,
            keystone.ids("stranger", "lab").await?,
        );
        let world = serde_json::to_vec(&fleet)?;
        std::fs::write(data.join("simulated-world.json"), world)?;
        let mut up = Process::start(&up(text(&data), &["--speed", "10"]))?;
        let images = up.says("ready").await?.replace("/v2.1", "/image");
        let config = configured(directory.path(), &data, &keystone)?;
        let mut api = Process::start(&["api", "--config", &config])?;
        let compute = api.says("ready").await?;
        keystone.register("compute", "nova", &compute).await?;
        keystone.register("image", "glance", &images).await?;
        let clouds = directory.path().join("clouds.yaml");
        std::fs::write(clouds, keystone.clouds_yaml())?;
        Ok(Self {
            directory,
            keystone,
            compute,
            _up: up,
            _api: api,
        })
    }

    async fn passes(&self, script: &str) -> Result<()> {
        let clouds = self.directory.path().join("clouds.yaml");
        scripts::passes(".venv", &clouds, script).await
    }
}

fn configured(directory: &Path, data: &Path, keystone: &Keystone) -> Result<String> {
    let config = json!({
        "database": {"url": format!("sqlite://{}/godwit.db", data.display())},
        "api": {"listen": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
        "auth": {"mode": "keystone", "keystone": {
            "url": keystone.url(),
            "username": "godwit",
            "password_file": keystone.service_password()?,
            "timeout": 30,
        }},
    });
    let file = directory.join("godwit.yaml");
    std::fs::write(&file, config.to_string())?;
    Ok(text(&file).to_owned())
}

#[tokio::test]
async fn every_command_of_openstack() -> Result<()> {
    Cloud::new().await?.passes("test_openstack.py").await
}

#[tokio::test]
async fn every_call_of_openstacksdk() -> Result<()> {
    Cloud::new().await?.passes("test_sdk.py").await
}

#[tokio::test]
async fn every_command_of_nova_at_four_versions() -> Result<()> {
    Cloud::new().await?.passes("test_novaclient.py").await
}

#[tokio::test]
async fn what_tempest_can_run_without_creating_servers() -> Result<()> {
    Cloud::new().await?.passes("run_tempest.py").await
}
