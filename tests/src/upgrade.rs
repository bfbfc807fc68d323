//! An upgrade as docs/operate.md has it: the schema first, and then one process after the other, while
//! servers move. Whatever one release began ends by another.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::wait_for_blocking;
use serde_json::json;

use crate::process::Process;
use crate::sdk::Sdk;
use crate::simulated::{Options, Simulated};

const MOVE: Duration = Duration::from_secs(120);

/// What `db upgrade` says where the older processes would not survive it.
const ALONE: &str = "stop every api";

/// Somebody who moves servers, and counts how many migrations there have to be.
struct Load {
    sdk: Sdk,
    begun: usize,
}

impl Load {
    fn on(deployment: &Simulated) -> Result<Self> {
        let sdk = deployment.sdk("admin")?;
        Ok(Self { sdk, begun: 0 })
    }

    /// Asks for a live migration.
    fn begin(&mut self, server: &str) -> Result<()> {
        let begun = self.sdk.live_migrate(server, None);
        self.begun += 1;
        begun
    }

    /// A whole move.
    fn moves(&mut self, name: &str) -> Result<()> {
        let server = self.sdk.server_named(name)?;
        self.begin(&server)?;
        self.sdk
            .await_migration(&server, "completed", MOVE)
            .map(drop)
    }

    /// As many as were asked for, and all of them as they should have ended.
    fn is_whole(&mut self) -> Result<()> {
        let found = self.sdk.call("compute.migrations", json!([]), json!({}))?;
        let found = found.as_array().context("no list")?;
        let (there, begun) = (found.len(), self.begun);
        ensure!(there == begun, "{there} migrations of {begun}");
        for migration in found {
            let status = migration["status"].as_str().unwrap_or_default();
            let ended = ["completed", "confirmed", "cancelled"].contains(&status);
            ensure!(ended, "{migration}");
        }
        Ok(())
    }
}

/// Brings up a deployment of `old`, makes it one of `new`, and looks whether anything is lost. Says on
/// standard output how far it is.
///
/// # Errors
/// Something is lost, or does not work meanwhile.
pub fn upgrade(old: &Path, new: &Path) -> Result<()> {
    // Nobody has to wait for the one that never gets there: neither for a slot nor, in releases that
    // count them, for a link.
    let mut overlay = json!({"conductor": {"slots": {"per_source": 0, "per_destination": 0}}});
    if old == new {
        overlay["conductor"]["link_budgets"] = json!({"enabled": false});
    }
    let mut deployment = Simulated::with(&Options {
        overlay,
        binary: Some(old.to_owned()),
        ..Options::default()
    })?;
    let mut load = Load::on(&deployment)?;
    load.moves("vm-1")?;
    let (busy, waiting) = (
        load.sdk.server_named("vm-busy")?,
        load.sdk.server_named("vm-2")?,
    );
    deployment.forget_links(1)?;
    deployment.forget_links(2)?;
    load.begin(&busy)?;
    load.sdk.await_migration(&busy, "running", MOVE)?;
    load.sdk.migrate(&waiting, None)?;
    load.begun += 1;
    load.sdk.await_migration(&waiting, "finished", MOVE)?;

    if upgrade_schema(&mut deployment, new)? {
        println!("the former release goes on with the new schema");
    }
    load.sdk = deployment.sdk("admin")?;
    load.moves("vm-3")?;
    for (number, name) in ["vm-4", "vm-5"].into_iter().enumerate() {
        replace(&mut deployment.conductors[number], new)?;
        load.moves(name)?;
        println!("conductor-{} is the new one", number + 1);
    }
    replace(&mut deployment.apis[0], new)?;
    deployment.await_hosts(3)?;
    println!("the API is the new one");

    // What was begun before, by agents that are still the former ones.
    load.sdk = deployment.sdk("admin")?;
    let migration = load.sdk.await_migration(&busy, "running", MOVE)?;
    load.sdk.abort(&busy, migration)?;
    load.sdk.await_migration(&busy, "cancelled", MOVE)?;
    load.sdk.confirm(&waiting)?;
    load.sdk.await_migration(&waiting, "confirmed", MOVE)?;

    replace(&mut deployment.hosts, new)?;
    deployment.await_hosts(3)?;
    println!("the agents are new ones");
    load.moves("vm-1")?;
    load.is_whole()?;
    let checked = deployment.run(new, &["db", "check", "--invariants"])?;
    ensure!(checked.status.success(), "{checked:?}");
    Ok(())
}

/// Brings the schema to that of `new`, beside the older processes. `false`: they would not survive it,
/// so that they were stopped and are the new ones now.
fn upgrade_schema(deployment: &mut Simulated, new: &Path) -> Result<bool> {
    let beside = deployment.run(new, &["db", "upgrade"])?;
    if beside.status.success() {
        return Ok(true);
    }
    let said = String::from_utf8_lossy(&beside.stderr);
    ensure!(said.contains(ALONE), "{said}");
    println!("this upgrade needs the database alone");
    for process in deployment.conductors.iter().chain(&deployment.apis) {
        process.stop()?;
    }
    // PostgreSQL needs a moment to notice that somebody went.
    wait_for_blocking("nobody to be connected", MOVE, || {
        let alone = deployment.run(new, &["db", "upgrade"])?;
        Ok(alone.status.success().then_some(()))
    })?;
    let conductors = deployment.conductors.iter_mut();
    for process in conductors.chain(&mut deployment.apis) {
        process.become_binary(new);
        process.start()?;
    }
    deployment.await_hosts(3)?;
    Ok(false)
}

fn replace(process: &mut Process, new: &Path) -> Result<()> {
    process.stop()?;
    process.become_binary(new);
    process.start()
}
