//! An agent's process that is killed in the middle of a move.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use godwit_compute_agent::driver::{Driver, Job, JobState};
use godwit_core::migration::BlockMigration;
use godwit_rpc::command::{Move, Receiver};
use godwit_rpc::progress::Outcome;
use godwit_test_support::testbed::{GuestSpec, Load, Testbed};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::fixture::MoveTest;
use crate::hosts::{Inside, Page, config};

/// Where the other process is told what to do.
const INSTRUCTIONS: &str = "GODWIT_TEST_INSTRUCTIONS";
const BANDWIDTH_MIB: u64 = 3;

#[derive(Serialize, Deserialize)]
struct Instructions {
    testbed: PathBuf,
    what: Move,
    receiver: Receiver,
}

/// The process that is killed: begins the move, says so, and waits for its end.
#[tokio::test]
#[ignore = "the other process of real_move_goes_on_when_its_agent_is_killed"]
async fn start_move() -> Result<()> {
    let instructions: Instructions = serde_json::from_str(&std::env::var(INSTRUCTIONS)?)?;
    let testbed = Testbed::open(&instructions.testbed)?;
    let host = &testbed.hosts()[0];
    let mut config = config(&testbed, host);
    config.bandwidth_mib = BANDWIDTH_MIB;
    let driver = Inside::new(host, config, [].into())?;
    let job = Job::new(instructions.what, Arc::new(Page::default()));
    driver
        .start(&job, &instructions.receiver, &CancellationToken::new())
        .await?;
    println!("\nstarted");
    std::future::pending().await
}

#[tokio::test]
async fn real_move_goes_on_when_its_agent_is_killed() -> Result<()> {
    let spec = GuestSpec {
        load: Load::default().dirtying(1),
        ..GuestSpec::new("vm")
    };
    let test = MoveTest::new(spec, |config| config.bandwidth_mib = BANDWIDTH_MIB)?;
    let planned = test.check(BlockMigration::Auto).await?;
    test.prepare(&planned).await?;
    let instructions = Instructions {
        testbed: test.testbed.directory().to_owned(),
        what: planned.source_job.what.clone(),
        receiver: planned.receiver().clone(),
    };
    let mut agent = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "killed_agent::start_move",
            "--ignored",
            "--nocapture",
        ])
        .env(INSTRUCTIONS, serde_json::to_string(&instructions)?)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(agent.stdout.take().context("piped")?).lines();
    ensure!(
        said.any(|line| line.is_ok_and(|line| line == "started")),
        "it did not start"
    );
    agent.kill()?;
    agent.wait()?;

    // This process made no call, and finds the move all the same.
    let moving = test.source.progress(&planned.source_job).await?;
    ensure!(matches!(moving, JobState::Moving { .. }), "{moving:?}");
    test.until(&planned, "more bytes", |p, _| p.memory.processed > 8 << 20)
        .await?;
    assert_eq!(test.end(&planned).await?.outcome, Outcome::HandedOver);
    test.finish(&planned).await
}
