//! An agent's process that is killed in the middle of a move.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use godwit_compute_agent::driver::{Driver, Job, JobState};
use godwit_core::migration::BlockMigration;
use godwit_rpc::command::Move;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::progress::Outcome;
use godwit_test_support::testbed::{GuestSpec, Load, Testbed};
use godwit_test_support::wait_for;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::hosts::{Inside, Page, config};
use crate::scene::{SOON, Scene};

/// Where the other process is told what to do.
const ORDER: &str = "GODWIT_TEST_DEPARTURE";
const BANDWIDTH_MIB: u64 = 3;

#[derive(Serialize, Deserialize)]
struct Order {
    testbed: PathBuf,
    what: Move,
    destination: HostFacts,
}

/// The process that is killed: begins the move, says so, and waits for its end.
#[tokio::test]
#[ignore = "the other process of real_move_goes_on_when_its_agent_is_killed"]
async fn depart() -> Result<()> {
    let order: Order = serde_json::from_str(&std::env::var(ORDER)?)?;
    let testbed = Testbed::open(&order.testbed)?;
    let host = &testbed.hosts()[0];
    let mut config = config(&testbed, host);
    config.bandwidth_mib = BANDWIDTH_MIB;
    let driver = Inside::new(host, config, [].into())?;
    let job = Job::new(order.what, Arc::new(Page::default()));
    driver
        .start(&job, &order.destination, &CancellationToken::new())
        .await?;
    println!("\ndeparted");
    std::future::pending().await
}

#[tokio::test]
async fn real_move_goes_on_when_its_agent_is_killed() -> Result<()> {
    let spec = GuestSpec {
        load: Load::default().dirtying(1),
        ..GuestSpec::new("vm")
    };
    let scene = Scene::new(spec, |config| config.bandwidth_mib = BANDWIDTH_MIB)?;
    let travel = scene.check(BlockMigration::Auto).await?;
    scene.prepare(&travel).await?;
    let order = Order {
        testbed: scene.testbed.directory().to_owned(),
        what: travel.source_job.what.clone(),
        destination: travel.destination.clone(),
    };
    let mut agent = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "killed_agent::depart",
            "--ignored",
            "--nocapture",
        ])
        .env(ORDER, serde_json::to_string(&order)?)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(agent.stdout.take().context("piped")?).lines();
    ensure!(
        said.any(|line| line.is_ok_and(|line| line == "departed")),
        "it did not depart"
    );
    agent.kill()?;
    agent.wait()?;

    // This process made no call, and finds the move all the same.
    let moving = scene.source.progress(&travel.source_job).await?;
    ensure!(matches!(moving, JobState::Moving { .. }), "{moving:?}");
    scene
        .until(&travel, "more bytes", |p, _| p.memory.processed > 8 << 20)
        .await?;
    let ended = wait_for("the move to end", SOON, async || {
        match scene.source.progress(&travel.source_job).await? {
            JobState::Ended(ended) => Ok(Some(ended)),
            other => bail!("{other:?}"),
        }
    });
    assert_eq!(ended.await?.outcome, Outcome::HandedOver);
    scene.finish(&travel).await
}
