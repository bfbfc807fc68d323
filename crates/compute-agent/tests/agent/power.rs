//! Servers that are stopped, started and rebooted by an agent that may die meanwhile.

use godwit_compute_agent::drivers::simulated::{Fault, Power as GuestPower, Step};
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::power::PowerAction;
use godwit_core::server::PowerState;
use godwit_rpc::command::{MoveKind, Power, Powered, Rank};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_test_support::fleet::rpc::power;
use godwit_test_support::fleet::server;

use crate::parties::*;

impl World {
    async fn power(&self, action: PowerAction, sequence: i64) -> Result<Powered, CallError> {
        self.agent(1).power(power(action, sequence, 1)).await
    }

    fn starts(&self) -> i64 {
        self.fabric.starts_of(SERVER).unwrap()
    }

    /// Sends it, and lets go of it at once.
    async fn power_in_vain(&self, action: PowerAction, sequence: i64) {
        let cut = tokio::time::timeout(SOON / 100, self.power(action, sequence)).await;
        assert!(cut.is_err(), "it is held: {cut:?}");
    }
}

fn done(power_state: PowerState) -> Powered {
    Powered {
        power_state,
        failure: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_stopped_and_started_as_often_as_it_is_asked() {
    let world = World::new().await;
    for _ in 0..2 {
        let stopped = world.power(PowerAction::Stop, 5).await.unwrap();
        assert_eq!(stopped, done(PowerState::Shutdown));
    }
    assert_eq!(world.fabric.power_of(SERVER), Some(GuestPower::Off));
    for _ in 0..2 {
        let started = world.power(PowerAction::Start, 6).await.unwrap();
        assert_eq!(started, done(PowerState::Running));
    }
    assert_eq!(world.starts(), 1);
    let late = refusal(world.power(PowerAction::Stop, 5).await);
    let newest = Rank {
        sequence: 6,
        epoch: 1,
    };
    assert_eq!(late, Refusal::Stale { newest });
    assert_eq!(world.fabric.power_of(SERVER), Some(GuestPower::On));
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_comes_again_is_done_once() {
    let mut world = World::new().await;
    for action in [PowerAction::SoftReboot, PowerAction::HardReboot] {
        let (before, sequence) = (world.starts(), world.starts() + 10);
        for _ in 0..2 {
            let rebooted = world.power(action, sequence).await.unwrap();
            assert_eq!(rebooted, done(PowerState::Running));
        }
        world.kill_agent(1).await;
        world.start_agent(1).await;
        let by_another = world.agent(1).power(power(action, sequence, 2)).await;
        assert_eq!(by_another.unwrap(), done(PowerState::Running));
        assert_eq!(world.starts(), before + 1);
    }
    let off = world.power(PowerAction::Stop, 100).await;
    off.unwrap();
    world.power(PowerAction::HardReboot, 101).await.unwrap();
    assert_eq!(world.fabric.power_of(SERVER), Some(GuestPower::On));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_in_the_middle_of_a_reboot_does_what_is_left_of_it() {
    for point in [
        HoldPoint::BeforePower,
        HoldPoint::PoweredOff,
        HoldPoint::Powered,
    ] {
        let mut world = World::new().await;
        world.hold(1, point);
        world.power_in_vain(PowerAction::SoftReboot, 5).await;
        world.kill_agent(1).await;
        world.release(1, point);
        world.start_agent(1).await;
        let rebooted = world.power(PowerAction::SoftReboot, 5).await.unwrap();
        assert_eq!(rebooted, done(PowerState::Running));
        assert_eq!(world.starts(), 1, "{point:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hard_reboot_cuts_short_what_hangs() {
    let world = World::new().await;
    world.fabric.inject(&host(1), Step::PowerOff, Fault::Hang);
    let agent = world.agent(1);
    let soft = tokio::spawn(async move { agent.power(power(PowerAction::SoftReboot, 5, 1)).await });
    tokio::time::sleep(SOON / 100).await;
    let hard = world.power(PowerAction::HardReboot, 6).await.unwrap();
    assert_eq!(hard, done(PowerState::Running));
    let newest = Rank {
        sequence: 6,
        epoch: 1,
    };
    assert_eq!(refusal(soft.await.unwrap()), Refusal::Stale { newest });
    assert_eq!(world.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_answer_and_stays_the_same() {
    let world = World::new().await;
    let failure = Failure::new(FailureCode::BootFailed, "The disk is gone.");
    let fault = Fault::Fail(failure.clone());
    world.fabric.inject(&host(1), Step::PowerOn, fault);
    for _ in 0..2 {
        let failed = world.power(PowerAction::HardReboot, 5).await.unwrap();
        assert_eq!(failed.failure, Some(failure.clone()));
        assert_eq!(failed.power_state, PowerState::Shutdown);
    }
    assert_eq!(world.starts(), 0);
    let stranger = Power {
        server: server(9),
        ..power(PowerAction::Stop, 5, 1)
    };
    let server = stranger.server;
    let unknown = refusal(world.agent(1).power(stranger).await);
    assert_eq!(unknown, Refusal::UnknownServer(server));
}

/// A command that is late must not start a guest that a cold move took away.
#[tokio::test(start_paused = true)]
async fn what_a_move_took_away_is_not_started_here() {
    let mut world = World::new().await;
    world.kind = MoveKind::Cold;
    world.start_move().await;
    world.ended().await;
    for (sequence, action) in [(5, PowerAction::Start), (6, PowerAction::HardReboot)] {
        let answer = world.power(action, sequence).await.unwrap();
        let failure = answer.failure.unwrap();
        assert!(
            failure.message.contains("took the server away"),
            "{failure}"
        );
    }
    assert_eq!(world.fabric.power_of(SERVER), Some(GuestPower::Off));
}
