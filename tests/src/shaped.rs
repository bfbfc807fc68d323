//! A host that is emptied over links of a known speed, and how long that takes beside what the link
//! must take for the bytes that crossed it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec};
use godwit_test_support::wait_for_blocking;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::deployment::Options;
use crate::native::Native;
use crate::scene::Scene;

/// Of what takes minutes on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(300);
const GUESTS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// Three hosts of which the first has six guests, and what its link for migrations carries.
#[derive(Debug)]
pub struct Shaped {
    scene: Scene,
    guests: Vec<Guest>,
    /// Bytes per second.
    rate: u64,
    native: Native,
    runtime: Runtime,
}

/// What emptying the host took.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// From the first operation's begin to the last one's end.
    pub seconds: f64,
    /// What crossed the link for migrations of the host.
    pub bytes: u64,
    /// What these bytes take on that link, whoever sends them and in whatever order.
    pub bound_seconds: f64,
}

impl Shaped {
    /// Brings them up. All links for migrations carry `rate` bytes per second, which agents are told
    /// if `told`; else conductors count moves.
    ///
    /// # Errors
    /// As [`Scene::set`].
    pub fn up(rate: u64, told: bool, conductor: Value) -> Result<Self> {
        let mut scene = Scene::set(&Options {
            hosts: 3,
            migration_network: Some(told.then_some(rate)),
            conductor,
            ..Options::default()
        })?;
        let guest = |name: &&str| scene.guest(0, GuestSpec::new(name));
        let guests = GUESTS.iter().map(guest).collect::<Result<_>>()?;
        let native = scene.deployment.native("admin")?;
        let shaped = Self {
            scene,
            guests,
            rate,
            native,
            runtime: Runtime::new()?,
        };
        shaped.shape(rate)?;
        Ok(shaped)
    }

    /// Lets the links for migrations carry so many bytes per second from now on.
    ///
    /// # Errors
    /// A host is gone.
    pub fn shape(&self, rate: u64) -> Result<()> {
        let hosts = self.scene.deployment.testbed().hosts();
        hosts
            .iter()
            .try_for_each(|it| it.shape_migration(Some(rate)))
    }

    /// Waits until so many bytes more have crossed the host's link.
    ///
    /// # Errors
    /// They have not in time.
    pub fn await_bytes(&self, more: u64) -> Result<()> {
        let before = self.carried()?;
        wait_for_blocking("bytes to cross the link", PATIENCE, || {
            let now = self.carried()?;
            ensure!(now - before >= more, "{} of {more}", now - before);
            Ok(Some(()))
        })
    }

    /// Empties the host by a plan and its run, `meanwhile` something else happens. Every guest is
    /// moved at its first attempt, and has run once all the way.
    ///
    /// # Errors
    /// Something of this is not so.
    pub fn drain(&mut self, meanwhile: impl FnOnce(&Self) -> Result<()>) -> Result<Drained> {
        let wish = json!({"host": self.scene.host(0).name()});
        let plan = self.call(Method::POST, "/plans", Some(&wish))?;
        let plan = plan["id"].as_str().context("no id")?;
        wait_for_blocking("the plan to be ready", PATIENCE, || {
            let plan = self.call(Method::GET, &format!("/plans/{plan}"), None)?;
            ensure!(plan["state"] == "ready", "{plan}");
            Ok(Some(()))
        })?;
        let before = self.carried()?;
        let run = self.call(Method::POST, &format!("/plans/{plan}/runs"), None)?;
        let run = run["id"].as_str().context("no id")?;
        meanwhile(self)?;
        let run = wait_for_blocking("the run to be completed", PATIENCE, || {
            let run = self.call(Method::GET, &format!("/runs/{run}"), None)?;
            ensure!(run["state"] == "completed", "{run}");
            Ok(Some(run))
        })?;
        let bytes = self.carried()? - before;
        let operations = run["operations"].as_array().context("no operations")?;
        ensure!(operations.len() == self.guests.len(), "{run}");
        ensure!(operations.iter().all(|it| it["attempts"] == 1), "{run}");
        self.prove(&run)?;
        let seconds = run["makespan_seconds"].as_f64().context("no makespan")?;
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let bound_seconds = bytes as f64 / self.rate as f64;
        Ok(Drained {
            seconds,
            bytes,
            bound_seconds,
        })
    }

    fn prove(&mut self, run: &Value) -> Result<()> {
        let hosts = self.scene.deployment.testbed().hosts();
        let names: Vec<String> = hosts.iter().map(|it| it.name()).collect();
        for guest in &self.guests {
            let uuid = guest.uuid.to_string();
            let operations = run["operations"].as_array().into_iter().flatten();
            let found = operations.into_iter().find(|it| it["server"] == *uuid);
            let to = found
                .map(|it| &it["destination"])
                .context("it never moved")?;
            let to = names.iter().position(|it| to == it).context("to whom?")?;
            self.scene.prove(guest, &[0, to])?;
        }
        Ok(())
    }

    fn carried(&self) -> Result<u64> {
        Ok(self.scene.host(0).carried()?.migration)
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let path = format!("/relocation/v1{path}");
        self.runtime.block_on(self.native.call(method, &path, body))
    }
}
