//! Commands, in the order in which they should come and in others.

use godwit_compute_agent::drivers::simulated::{Fault, Step};
use godwit_compute_agent::holds::HoldPoint;
use godwit_compute_agent::journal::{Journal, Outlives};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::{ForceMeans, Prepare, Rank, RollBack};
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::progress::{Outcome, WatchEvent};
use godwit_rpc::refusal::Refusal;

use crate::parties::*;

#[tokio::test(start_paused = true)]
async fn a_guest_moves() {
    let world = World::new().await;
    world.start_move().await;
    let heard = world.watch().await.unwrap();
    let (last, before) = heard.split_last().unwrap();
    let WatchEvent::Ended(ended) = last else {
        panic!("the last word is {last:?}")
    };
    assert_eq!(ended.outcome, Outcome::HandedOver);
    let sent = before.iter().map(|event| match event {
        WatchEvent::Progress(progress) => progress.memory.processed,
        other => panic!("unexpected: {other:?}"),
    });
    let sent: Vec<_> = sent.collect();
    assert!(sent.len() > 5 && sent.is_sorted(), "{sent:?}");

    let report = world.reported().await;
    assert_eq!(report.ended, *ended);
    assert_eq!((report.host, report.sequence), (host(1), 3));

    for number in [2, 1, 2, 1] {
        world.agent(number).finish(command(5, 1)).await.unwrap();
    }
    assert_eq!(world.seen(1).await, Sighting::Absent);
    assert_eq!(world.seen(2).await, Sighting::Executing);
    assert_eq!(world.ended().await, *ended, "who asks later hears the same");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_older_is_refused() {
    let world = World::with(busy).await;
    world.start_move().await;
    world.agent(1).abort(command(7, 2)).await.unwrap();
    let newest = Rank {
        sequence: 7,
        epoch: 2,
    };
    let stale = Refusal::Stale { newest };
    assert_eq!(refusal(world.start(3, 9).await), stale);
    assert_eq!(refusal(world.agent(1).abort(command(7, 1)).await), stale);
    let forced = world.agent(1).force_complete(command(6, 1)).await;
    assert_eq!(refusal(forced), stale);
    world.agent(1).abort(command(7, 2)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_sent_again_is_no_second_move() {
    let world = World::new().await;
    world.start_move().await;
    world.start(3, 1).await.unwrap();
    world.start(3, 2).await.unwrap();
    assert_eq!(world.ended().await.outcome, Outcome::HandedOver);
    world.start(3, 3).await.unwrap();
    assert_eq!(world.seen(2).await, Sighting::Executing);
    world.reported().await;
    assert_eq!(world.conductor.ear().reports.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_a_move_at_its_source() {
    let world = World::with(busy).await;
    world.start_move().await;
    world.agent(1).abort(command(5, 1)).await.unwrap();
    assert_eq!(world.ended().await.outcome, Outcome::Cancelled);
    for number in [2, 1] {
        world.roll_back(number, 6).await.unwrap();
    }
    assert_eq!(world.seen(1).await, Sighting::Executing);
    assert_eq!(world.seen(2).await, Sighting::Absent);
}

#[tokio::test(start_paused = true)]
async fn an_abort_before_the_start_is_an_outcome_and_nothing_starts() {
    let world = World::new().await;
    world.prepare(2).await.unwrap();
    world.agent(1).abort(command(5, 1)).await.unwrap();
    assert_eq!(world.reported().await.ended.outcome, Outcome::Cancelled);
    assert_eq!(world.ended().await.outcome, Outcome::Cancelled);
    let late = refusal(world.start(3, 1).await);
    assert!(matches!(late, Refusal::Stale { .. }), "{late}");
    assert_eq!(world.seen(1).await, Sighting::Executing);
}

#[tokio::test(start_paused = true)]
async fn an_abort_reaches_a_start_that_is_held() {
    let world = World::new().await;
    world.prepare(2).await.unwrap();
    world.hold(1, HoldPoint::BeforeStart);
    let (started, aborted) = tokio::join!(world.start(3, 1), async {
        let known = godwit_test_support::wait_for("the start", SOON, async || {
            let journal = Journal::open(world.journal(1), Outlives::Machine)?;
            Ok(journal.find(MIGRATION))
        });
        known.await.unwrap();
        world.agent(1).abort(command(5, 1)).await
    });
    assert!(matches!(refusal(started), Refusal::Stale { .. }));
    aborted.unwrap();
    assert_eq!(world.reported().await.ended.outcome, Outcome::Cancelled);
    assert_eq!(world.seen(1).await, Sighting::Executing);
}

#[tokio::test(start_paused = true)]
async fn a_roll_back_stops_a_preparation_that_is_held_or_hangs() {
    for hangs in [false, true] {
        let world = World::new().await;
        if hangs {
            world.fabric.inject(&host(2), Step::Prepare, Fault::Hang);
        } else {
            world.hold(2, HoldPoint::Prepared);
        }
        let (prepared, rolled_back) = tokio::join!(world.prepare(2), async {
            let known = godwit_test_support::wait_for("the preparation", SOON, async || {
                let journal = Journal::open(world.journal(2), Outlives::Machine)?;
                Ok(journal.find(MIGRATION))
            });
            known.await.unwrap();
            world.roll_back(2, 3).await
        });
        assert!(matches!(refusal(prepared), Refusal::Stale { .. }));
        rolled_back.unwrap();
        assert_eq!(world.seen(2).await, Sighting::Absent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_preparation_sent_again_joins_the_one_under_way() {
    let world = World::new().await;
    world.hold(2, HoldPoint::BeforePrepare);
    let (first, second, ()) = tokio::join!(world.prepare(2), world.prepare(2), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        world.release(2, HoldPoint::BeforePrepare);
    });
    first.unwrap();
    second.unwrap();
    assert_eq!(world.seen(2).await, Sighting::Incoming);
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_says_why_and_may_be_tried_again() {
    let world = World::new().await;
    world.prepare(2).await.unwrap();
    let failure = Failure::new(FailureCode::HypervisorError, "no");
    let fault = Fault::Fail(failure.clone());
    world.fabric.inject(&host(1), Step::Start, fault);
    assert_eq!(refusal(world.start(3, 1).await), Refusal::Failed(failure));
    world.fabric.inject(&host(1), Step::Start, Fault::LoseLink);
    assert!(refusal(world.start(3, 1).await).is_passing());
    world.start(3, 2).await.unwrap();
    assert_eq!(world.ended().await.outcome, Outcome::HandedOver);
}

#[tokio::test(start_paused = true)]
async fn post_copy_is_told_once_also_to_who_comes_later() {
    let world = World::with(busy).await;
    world.start_move().await;
    let means = world.agent(1).force_complete(command(5, 1)).await.unwrap();
    assert_eq!(means, ForceMeans::PostCopy);
    let too_late = world.agent(1).abort(command(6, 1)).await;
    assert_eq!(refusal(too_late), Refusal::TooLate);
    for _ in 0..2 {
        let mut events = world.agent(1).watch(MIGRATION, SERVER).await.unwrap();
        let reported =
            async { while events.next().await.unwrap() != Some(WatchEvent::PostCopyStarted) {} };
        tokio::time::timeout(world.pace.progress_interval * 2, reported)
            .await
            .unwrap();
    }
    let heard = world.watch().await.unwrap();
    let reported = heard
        .iter()
        .filter(|event| **event == WatchEvent::PostCopyStarted);
    assert_eq!(reported.count(), 1);
    assert_eq!(world.reported().await.ended.outcome, Outcome::HandedOver);
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_to_steer_without_a_move() {
    let world = World::new().await;
    let forced = world.agent(1).force_complete(command(1, 1)).await;
    assert_eq!(refusal(forced), Refusal::NoJob);
    let heard = world.watch().await.unwrap();
    assert_eq!(heard, [WatchEvent::Unknown]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_confirm_the_guest_says_so() {
    let world = World::with(busy).await;
    world.start_move().await;
    world.fabric.interrupt_at_handover(SERVER);
    assert_eq!(
        world.watch().await.unwrap().last(),
        Some(&WatchEvent::Unknown)
    );
    assert_eq!(world.seen(1).await, Sighting::HandedOver);
    let refused = refusal(world.roll_back(1, 6).await);
    assert!(matches!(refused, Refusal::Failed(_)), "{refused}");
    let resume = RollBack {
        command: command(6, 1),
        resume: true,
    };
    world.agent(1).roll_back(resume).await.unwrap();
    assert_eq!(world.seen(1).await, Sighting::Executing);
}

#[tokio::test(start_paused = true)]
async fn commands_of_anybody_else_or_for_anybody_else_are_refused() {
    let world = World::new().await;
    let other = PeerIdentity::new(Role::Agent, "host-2");
    let refused = refusal(world.agent_as(1, other).finish(command(1, 1)).await);
    assert!(matches!(refused, Refusal::Forbidden(_)), "{refused}");

    let mut elsewhere = command(1, 1);
    elsewhere.what.source = host(8);
    elsewhere.what.destination = host(9);
    let refused = refusal(world.agent(1).finish(elsewhere).await);
    assert!(matches!(refused, Refusal::Forbidden(_)), "{refused}");

    let guest = world.guest().await;
    let prepare = Prepare {
        command: command(2, 1),
        guest,
    };
    let refused = refusal(world.agent(1).prepare(prepare).await);
    assert!(matches!(refused, Refusal::Forbidden(_)), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn steps_and_outcomes_are_counted() {
    let world = World::new().await;
    world.start_move().await;
    world.ended().await;
    world.reported().await;
    let families = world.registry.gather();
    let names: Vec<_> = families
        .iter()
        .map(prometheus::proto::MetricFamily::name)
        .collect();
    for name in [
        "godwit_agent_step_seconds",
        "godwit_agent_moves_ended_total",
        "godwit_agent_registered",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}
