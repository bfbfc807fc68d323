//! Registration, heartbeats, inventories, leftovers.

use std::sync::Arc;

use anyhow::bail;
use godwit_compute_agent::drivers::simulated::Power;
use godwit_compute_agent::journal::{Journal, Outlives, Stage};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::progress::Outcome;
use godwit_test_support::wait_for;
use uuid::Uuid;

use crate::parties::*;

#[tokio::test(start_paused = true)]
async fn an_agent_introduces_its_host_and_its_guests() {
    let world = World::new().await;
    world.registered(2).await;
    let registrations = world.conductor.ear().registrations.clone();
    let first = registrations
        .iter()
        .find(|r| r.inventory.facts.host == host(1))
        .unwrap();
    assert_eq!(first.agent_address, "local://agent/host-1");
    assert_eq!(first.inventory.domains.len(), 1);
    assert_eq!(first.inventory.domains[0].server, SERVER);
    assert_ne!(registrations[0].boot_id, registrations[1].boot_id);
}

#[tokio::test(start_paused = true)]
async fn what_a_move_does_is_no_news_and_what_happens_after_it_is() {
    let world = World::new().await;
    world.registered(2).await;
    world.start_move().await;
    assert_eq!(world.ended().await.outcome, Outcome::HandedOver);
    for number in [2, 1] {
        world.agent(number).finish(command(3, 1)).await.unwrap();
    }
    let before = world.conductor.ear().heartbeats.len();
    let beats = wait_for("heartbeats", SOON, async || {
        let beaten = world.conductor.ear().heartbeats.len();
        Ok((beaten > before + 6).then_some(()))
    });
    beats.await.unwrap();
    let shown = |world: &World| {
        let ear = world.conductor.ear();
        let mut shown = ear.heartbeats.iter();
        shown.any(|beat| beat.inventory.is_some())
    };
    assert!(!shown(&world), "its conductor knows what the move did");

    world.fabric.set_power(SERVER, Power::Off);
    let news = wait_for("the change", SOON, async || Ok(shown(&world).then_some(())));
    news.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_and_what_changed_is_shown_at_once() {
    let world = World::new().await;
    world.registered(2).await;
    let beats = wait_for("heartbeats", SOON, async || {
        Ok((world.conductor.ear().heartbeats.len() > 6).then_some(()))
    });
    beats.await.unwrap();
    let quiet = world
        .conductor
        .ear()
        .heartbeats
        .iter()
        .all(|beat| beat.inventory.is_none());
    assert!(quiet, "nothing changed");

    let changed_at = tokio::time::Instant::now();
    world.fabric.set_power(SERVER, Power::Paused);
    let shown = wait_for("the change", SOON, async || {
        let ear = world.conductor.ear();
        let mut shown = ear
            .heartbeats
            .iter()
            .filter_map(|beat| beat.inventory.as_ref());
        Ok(shown
            .any(|inventory| {
                let mut domains = inventory.domains.iter();
                domains.any(|domain| domain.power_state == PowerState::Paused)
            })
            .then_some(()))
    });
    shown.await.unwrap();
    assert!(changed_at.elapsed() < world.pace.change_delay * 4);
}

#[tokio::test(start_paused = true)]
async fn inventories_are_sent_now_and_then_whatever_happens() {
    let world = World::new().await;
    world.registered(2).await;
    let shown = wait_for("an inventory", SOON, async || {
        let ear = world.conductor.ear();
        Ok(ear
            .heartbeats
            .iter()
            .any(|beat| beat.inventory.is_some())
            .then_some(()))
    });
    shown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_was_forgotten_registers_again() {
    let world = World::new().await;
    world.registered(2).await;
    world.conductor.ear().forgetful = true;
    world.registered(3).await;
}

#[tokio::test(start_paused = true)]
async fn any_conductor_will_do() {
    let mut world = World::without_agents(|_| ()).await;
    world.conductor.ear().deaf = true;
    let second = Arc::new(Listening::default());
    let _serving = serve_conductor(world.network(), 2, &second).await;
    world.start_agent(1).await;
    let heard = wait_for(
        "the second conductor to hear",
        SOON,
        async || match second.ear() {
            ear if !ear.registrations.is_empty() && !ear.heartbeats.is_empty() => Ok(Some(())),
            _ => bail!("it heard nothing"),
        },
    );
    heard.await.unwrap();

    second.ear().deaf = true;
    world.conductor.ear().deaf = false;
    let heard = wait_for("the first conductor to hear", SOON, async || {
        Ok((!world.conductor.ear().heartbeats.is_empty()).then_some(()))
    });
    heard.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_left_over_of_a_finished_migration_is_rolled_back() {
    let mut world = World::new().await;
    world.registered(2).await;
    world.prepare(2).await.unwrap();
    assert_eq!(world.seen(2).await, Sighting::Incoming);

    world.kill_agent(2).await;
    world.start_agent(2).await;
    world.registered(3).await;
    assert_eq!(world.seen(2).await, Sighting::Incoming, "it is under way");

    world.kill_agent(2).await;
    world.conductor.ear().unfinished = vec![Uuid::from_u128(99).into()];
    world.start_agent(2).await;
    let clean = wait_for("the leftovers to go", SOON, async || {
        match world.seen(2).await {
            Sighting::Absent => Ok(Some(())),
            other => bail!("{other:?}"),
        }
    });
    clean.await.unwrap();
    assert_eq!(world.seen(1).await, Sighting::Executing);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_executes_is_no_leftover() {
    let mut world = World::new().await;
    world.registered(2).await;
    world.start_move().await;
    world.ended().await;
    world.conductor.ear().unfinished = vec![];
    world.kill_agent(2).await;
    world.start_agent(2).await;
    world.registered(3).await;
    // Two more heartbeats: the clean-up was tried before the first.
    let before = world.conductor.ear().heartbeats.len();
    let beaten = wait_for("heartbeats", SOON, async || {
        let ear = world.conductor.ear();
        let beats = ear.heartbeats[before..]
            .iter()
            .filter(|beat| beat.host == host(2));
        Ok((beats.count() >= 2).then_some(()))
    });
    beaten.await.unwrap();
    assert_eq!(world.seen(2).await, Sighting::Executing);
}

#[tokio::test(start_paused = true)]
async fn a_source_settles_what_completed_while_it_was_away() {
    for completed in [true, false] {
        let mut world = World::new().await;
        world.registered(2).await;
        world.start_move().await;
        world.ended().await;
        world.reported().await;
        world.kill_agent(1).await;
        world.conductor.ear().unfinished = vec![];
        world.conductor.ear().completed = completed.then_some(MIGRATION).into_iter().collect();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        world.start_agent(1).await;
        world.registered(3).await;
        let last = world.conductor.ear().registrations.last().cloned().unwrap();
        assert_eq!(last.unsettled, [MIGRATION]);

        let before = world.conductor.ear().heartbeats.len();
        let beaten = wait_for(
            "a heartbeat, which comes after the clean-up",
            SOON,
            async || {
                let ear = world.conductor.ear();
                let mut beats = ear.heartbeats[before..].iter();
                Ok(beats.any(|beat| beat.host == host(1)).then_some(()))
            },
        );
        beaten.await.unwrap();
        let journal = Journal::open(world.journal(1), Outlives::Machine).unwrap();
        let settled = journal.find(MIGRATION).unwrap().stage == Stage::Settled;
        assert_eq!(settled, completed, "without proof nothing is removed");
    }
}
