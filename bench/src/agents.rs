//! Ten thousand agents at one conductor, and nothing to do: signs of life every 10 s, inventories
//! every 60 s.
//!
//! ```text
//!   godwit simulated-agents ──heartbeats, inventories──► godwit conductor ──► database
//! ```
//!
//! The conductor's figures are its own; the agents and PostgreSQL have the processors beside it.

use std::time::Duration;

use anyhow::{Context, Result};
use godwit_core::time::Clock as _;
use godwit_store::{Store, StoreOptions};
use serde_json::json;

use crate::api::Engine;
use crate::clock::SystemClock;
use crate::godwit::{Godwit, command};
use crate::table::Table;

/// Agents in one process: each takes a few of the files that a process may have open.
const IN_ONE: usize = 2_500;
/// How often to look whether all are known.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take until they are.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long it is left alone then before it counts as being at rest, and how long it is measured:
/// in each, every agent sends an inventory.
const MINUTE: Duration = Duration::from_secs(60);
/// After how long without a sign of life an agent counts as down.
const DOWN: Duration = Duration::from_secs(60);

/// How many agents.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Fleet {
    /// Agents: how many there are; a server each.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    agents: usize,
}

/// Measures on both databases.
pub(crate) async fn measure(fleet: Fleet) -> Result<Table> {
    let mut table = Table::new(
        "One conductor, and simulated agents at rest",
        &[
            "database",
            "agents",
            "up after a minute",
            "of one processor",
            "resident memory",
        ],
    );
    for engine in Engine::ALL {
        table.row(run(engine, fleet.agents).await.context(engine.name())?);
    }
    Ok(table)
}

async fn run(engine: Engine, agents: usize) -> Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let (_postgres, database) = engine.database(&directory)?;
    Store::upgrade(&database, &StoreOptions::default()).await?;
    let store = Store::open(&database, StoreOptions::default()).await?;
    let config = directory.path().join("godwit.yaml");
    let anywhere = "127.0.0.1:0";
    let settings = json!({
        "database": {"url": database},
        "conductor": {"listen": anywhere, "metrics": anywhere, "insecure_loopback": true},
    });
    std::fs::write(&config, settings.to_string())?;
    let mut conductor = command(&["conductor", "--config"])?;
    conductor.arg(&config);
    let conductor = Godwit::start(conductor).await?;
    let mut processes = Vec::new();
    for before in (0..agents).step_by(IN_ONE) {
        let first = (before + 1).to_string();
        let hosts = IN_ONE.min(agents - before).to_string();
        let config = directory.path().join(format!("{first}.yaml"));
        let settings = json!({"simulated_agents": {
            "conductors": [conductor.address()],
            "listen": "127.0.0.1",
            "insecure_loopback": true,
            "state_dir": directory.path().join(&first),
        }});
        std::fs::write(&config, settings.to_string())?;
        let fleet = ["--first", &first, "--hosts", &hosts, "--servers", &hosts];
        let mut some = command(&["simulated-agents", "--config"])?;
        some.arg(&config).args(fleet);
        processes.push(some.spawn().context("cannot run the agents")?);
    }
    tokio::time::timeout(PATIENCE, until_known(&store, agents))
        .await
        .context("not all agents are known")??;

    tokio::time::sleep(MINUTE).await;
    let before = conductor.processor()?;
    tokio::time::sleep(MINUTE).await;
    let processor = conductor.processor()?.saturating_sub(before);
    let (up, _) = store.hosts_up(SystemClock.now().minus(DOWN)).await?;
    let row = vec![
        engine.name().to_owned(),
        agents.to_string(),
        up.to_string(),
        format!("{:.2}", processor.as_secs_f64() / MINUTE.as_secs_f64()),
        format!("{:.0} MiB", conductor.resident_mib()?),
    ];
    conductor.stop().await?;
    Ok(row)
}

/// Until so many hosts have shown their inventories.
async fn until_known(store: &Store, agents: usize) -> Result<()> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if store.agents_known().await?.len() >= agents {
            return Ok(());
        }
    }
}
