//! Agents that are killed and come back.

use godwit_compute_agent::agent::{Agent, OpenError};
use godwit_compute_agent::holds::HoldPoint;
use godwit_compute_agent::journal::{Journal, Outlives};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::MoveKind;
use godwit_rpc::progress::{Outcome, WatchEvent};
use godwit_rpc::refusal::Refusal;
use godwit_test_support::wait_for;

use crate::parties::*;

#[tokio::test(start_paused = true)]
async fn a_move_is_followed_again_and_its_end_reported() {
    let mut world = World::new().await;
    world.start_move().await;
    world.kill_agent(1).await;
    world.start_agent(1).await;
    world.start(3, 2).await.unwrap();
    assert_eq!(world.ended().await.outcome, Outcome::HandedOver);
    assert_eq!(world.reported().await.ended.outcome, Outcome::HandedOver);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_saw_is_reported_by_the_next() {
    let mut world = World::new().await;
    world.start_move().await;
    world.kill_agent(1).await;
    tokio::time::sleep(SOON).await;
    world.start_agent(1).await;
    // Nobody commands or watches: the agent follows of itself.
    assert_eq!(world.reported().await.ended.outcome, Outcome::HandedOver);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_told_until_it_is_heard() {
    let mut world = World::with(busy).await;
    world.registered(2).await;
    world.conductor.ear().deaf = true;
    world.start_move().await;
    world.agent(1).abort(command(5, 1)).await.unwrap();
    assert_eq!(world.ended().await.outcome, Outcome::Cancelled);
    world.kill_agent(1).await;
    world.start_agent(1).await;
    tokio::time::sleep(SOON).await;
    assert!(world.conductor.ear().reports.is_empty());

    world.conductor.ear().deaf = false;
    let report = world.reported().await;
    assert_eq!(report.ended.outcome, Outcome::Cancelled);
    world.kill_agent(1).await;
    world.start_agent(1).await;
    world.registered(3).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(
        world.conductor.ear().reports.len(),
        1,
        "it was acknowledged"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_no_conductor_wants_is_not_told_for_ever() {
    let world = World::with(busy).await;
    world.conductor.ear().knows_no_migration = true;
    world.start_move().await;
    world.agent(1).abort(command(5, 1)).await.unwrap();
    let acknowledged = wait_for("the agent to give up", SOON, async || {
        let journal = Journal::open(world.journal(1), Outlives::Machine)?;
        let recorded = journal.find(MIGRATION).and_then(|entry| entry.outcome);
        Ok(recorded.filter(|recorded| recorded.acknowledged))
    });
    acknowledged.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_gone_is_unknown_and_never_begun_again() {
    let mut world = World::with(busy).await;
    world.start_move().await;
    world.kill_agent(1).await;
    world.fabric.interrupt(SERVER);
    world.start_agent(1).await;
    assert_eq!(world.watch().await.unwrap(), [WatchEvent::Unknown]);
    assert_eq!(refusal(world.start(3, 2).await), Refusal::NoJob);
    assert_eq!(
        refusal(world.agent(1).abort(command(4, 1)).await),
        Refusal::NoJob
    );
    assert_eq!(world.seen(1).await, Sighting::Executing);
    assert!(
        world.conductor.ear().reports.is_empty(),
        "nobody knows how it ended"
    );
    for number in [2, 1] {
        world.roll_back(number, 6).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cold_move_that_is_gone_is_begun_again() {
    let mut world = World::new().await;
    world.kind = MoveKind::Cold;
    world.start_move().await;
    world.kill_agent(1).await;
    world.fabric.interrupt(SERVER);
    world.start_agent(1).await;
    assert_eq!(world.seen(1).await, Sighting::Executing);
    world.start(3, 2).await.unwrap();
    assert_eq!(world.ended().await.outcome, Outcome::Stopped);
    assert_eq!(world.reported().await.ended.outcome, Outcome::Stopped);
    assert_eq!(world.seen(1).await, Sighting::Inactive);
}

#[tokio::test(start_paused = true)]
async fn killed_before_the_start_nothing_has_begun() {
    let mut world = World::new().await;
    world.prepare(2).await.unwrap();
    world.hold(1, HoldPoint::BeforeStart);
    let starting = tokio::time::timeout(SOON / 100, world.start(3, 1)).await;
    assert!(starting.is_err(), "it is held: {starting:?}");
    world.kill_agent(1).await;
    world.release(1, HoldPoint::BeforeStart);
    world.start_agent(1).await;
    assert_eq!(world.seen(1).await, Sighting::Executing);
    world.start(3, 2).await.unwrap();
    assert_eq!(world.ended().await.outcome, Outcome::HandedOver);
}

#[tokio::test(start_paused = true)]
async fn killed_right_after_the_start_the_job_is_found() {
    let mut world = World::with(busy).await;
    world.prepare(2).await.unwrap();
    world.hold(1, HoldPoint::Started);
    let starting = tokio::time::timeout(SOON / 100, world.start(3, 1)).await;
    assert!(starting.is_err(), "it is held: {starting:?}");
    world.kill_agent(1).await;
    world.start_agent(1).await;
    world.start(3, 2).await.unwrap();
    assert_eq!(world.seen(1).await, Sighting::Moving);
    world.agent(1).abort(command(5, 1)).await.unwrap();
    assert_eq!(world.reported().await.ended.outcome, Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_preparation_that_a_kill_interrupted_is_undone() {
    let mut world = World::new().await;
    world.hold(2, HoldPoint::Prepared);
    let preparing = tokio::time::timeout(SOON / 100, world.prepare(2)).await;
    assert!(preparing.is_err(), "it is held: {preparing:?}");
    world.kill_agent(2).await;
    world.start_agent(2).await;
    assert_eq!(world.seen(2).await, Sighting::Incoming);
    world.roll_back(2, 3).await.unwrap();
    assert_eq!(world.seen(2).await, Sighting::Absent);
    let late = refusal(world.prepare(2).await);
    assert!(matches!(late, Refusal::Stale { .. }), "{late}");
}

#[tokio::test(start_paused = true)]
async fn with_a_damaged_journal_an_agent_does_not_begin() {
    let mut world = World::new().await;
    world.prepare(2).await.unwrap();
    world.kill_agent(2).await;
    std::fs::write(world.journal(2).join(format!("{MIGRATION}.json")), "{").unwrap();
    let parts = world.parts(2);
    let Err(error) = Agent::open(parts).await else {
        panic!("it began")
    };
    assert!(matches!(error, OpenError::Journal(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_who_its_transport_says() {
    let mut world = World::without_agents(|_| ()).await;
    let mut parts = world.parts(1);
    parts.host = host(2);
    let opened = Agent::open(parts).await;
    assert!(matches!(opened, Err(OpenError::Somebody { .. })));
}
