//! The watchdog.

use godwit_compute_agent::drivers::simulated::{Fault, Step};
use godwit_core::failure::FailureCode;
use godwit_core::recovery::Sighting;
use godwit_rpc::progress::Outcome;

use crate::parties::*;

fn stalls(world: &World) -> f64 {
    let families = world.registry.gather();
    let mut families = families.iter();
    let stalls = families.find(|family| family.name() == "godwit_agent_moves_stalled_total");
    stalls.unwrap().get_metric()[0].get_counter().get_value()
}

#[tokio::test(start_paused = true)]
async fn a_move_that_sends_nothing_is_aborted() {
    let world = World::new().await;
    world.fabric.inject(&host(1), Step::Move, Fault::Hang);
    let began = tokio::time::Instant::now();
    world.start_move().await;
    let Outcome::Failed(failure) = world.reported().await.ended.outcome else {
        panic!("not failed")
    };
    assert_eq!(failure.code, FailureCode::Stalled);
    let limit = world.pace.stall_timeout;
    assert!(
        (limit..limit * 2).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(world.seen(1).await, Sighting::Executing);
}

#[tokio::test(start_paused = true)]
async fn a_slow_move_is_no_stall() {
    let world = World::with(|fleet| {
        for host in &mut fleet.hosts {
            host.link_bytes_per_second = 1024;
        }
    })
    .await;
    world.start_move().await;
    tokio::time::sleep(world.pace.stall_timeout * 5).await;
    assert_eq!(world.seen(1).await, Sighting::Moving);
}

#[tokio::test(start_paused = true)]
async fn an_abort_of_a_user_is_no_stall() {
    let world = World::new().await;
    world.fabric.inject(&host(1), Step::Move, Fault::Hang);
    world.start_move().await;
    tokio::time::sleep(world.pace.stall_timeout / 2).await;
    world.agent(1).abort(command(5, 1)).await.unwrap();
    assert_eq!(world.reported().await.ended.outcome, Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn past_the_switch_to_post_copy_nothing_is_aborted() {
    let mut world = World::with(|fleet| {
        busy(fleet);
        for host in &mut fleet.hosts {
            host.link_bytes_per_second = 1;
        }
    })
    .await;
    world.pace.stall_timeout = std::time::Duration::from_millis(400);
    world.kill_agent(1).await;
    world.start_agent(1).await;
    world.start_move().await;
    world.agent(1).force_complete(command(5, 1)).await.unwrap();
    tokio::time::sleep(SOON).await;
    assert_eq!(world.seen(2).await, Sighting::Executing);
    assert_eq!(world.seen(1).await, Sighting::HandedOver);
    assert!(world.conductor.ear().reports.is_empty());
    assert_eq!(stalls(&world), 0.0, "the watchdog did not even try");
}
