//! Every fault at every step of a cold move and of an evacuation, on either side: the server
//! ends as the request wants it or as it was, and exactly one host executes it.

use std::time::Duration;

use godwit_compute_agent::driver::Driver;
use godwit_compute_agent::drivers::simulated::{Fault, Power, Step};
use godwit_compute_agent::holds::Holds;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;
use godwit_test_support::wait_for;

use crate::cluster::*;

/// What a user does once the server awaits confirmation.
#[derive(Clone, Copy, PartialEq, Debug)]
enum User {
    Confirms,
    Reverts,
}

/// One fault, and where it strikes: side 1 is the source.
#[derive(Clone, Debug)]
struct Strike {
    step: Step,
    side: usize,
    fault: Fault,
}

fn faults() -> [Fault; 3] {
    let failure = Failure::new(FailureCode::HypervisorError, "The hypervisor says no.");
    [Fault::Fail(failure), Fault::Hang, Fault::LoseLink]
}

fn strikes(steps: &[(Step, &[usize])]) -> Vec<Strike> {
    let sides = steps
        .iter()
        .flat_map(|(step, sides)| sides.iter().map(move |side| (*step, *side)));
    let each = |(step, side)| faults().map(|fault| Strike { step, side, fault });
    sides.flat_map(each).collect()
}

/// How far a cold move with this fault gets: what passes is tried again, what was looked into
/// and failed is undone.
fn arrives(strike: &Strike) -> &'static [Status] {
    let passes = !matches!(strike.fault, Fault::Fail(_));
    match strike.step {
        Step::CheckSource | Step::Prepare if passes => &[Status::Finished],
        // A start is not repeated while it may have had an effect.
        Step::Start | Step::Move | Step::Boot if passes => &[Status::Finished, Status::Error],
        // Another host may be as good as one that does not answer; here there is none.
        Step::CheckSource
        | Step::CheckDestination
        | Step::Prepare
        | Step::Start
        | Step::Move
        | Step::Boot => &[Status::Error],
        Step::Finish | Step::Withdraw | Step::RollBack => &[Status::Finished],
        Step::ForceComplete | Step::Abort | Step::CheckBoot | Step::PowerOff | Step::PowerOn => {
            panic!("no step of a cold move")
        }
    }
}

fn impatient(made: Made) -> Made {
    let mut made = made.with_hosts(&[1, 0]);
    made.pace.step_timeout = Duration::from_millis(300);
    made.pace.prepare_timeout = Duration::from_millis(300);
    made.config.time_limits.stopping = Duration::from_secs(10);
    // Nobody dies here: on a slow machine a lease that ran out would have a step struck twice.
    made.config.lease = Duration::from_secs(30);
    made
}

async fn every_cold_move(made: Made, user: User, power: Power, steps: &[(Step, &[usize])]) {
    let mut made = impatient(made);
    made.guest(1).power = power;
    let cluster = made.start().await;
    let was = match power {
        Power::Off => VmState::Stopped,
        Power::On | Power::Paused => VmState::Active,
    };
    wait_for("the server to be known as it is", PATIENCE, async || {
        Ok((cluster.server(1).await.vm_state == was).then_some(()))
    })
    .await
    .unwrap();
    for strike in strikes(steps) {
        cold_move(&cluster, user, was, strike).await;
    }
}

async fn cold_move(cluster: &Cluster, user: User, was: VmState, strike: Strike) {
    let what = format!("{user:?} {strike:?}");
    let power = cluster.fabric.power_of(server(1));
    // The server is wherever the last case left it; the sides are counted from there.
    let here = cluster.server(1).await.host.unwrap();
    let there = if here == host(1) { host(2) } else { host(1) };
    let struck = if strike.side == 1 { &here } else { &there };
    cluster
        .fabric
        .inject(struck, strike.step, strike.fault.clone());

    let uuid = cluster.begin_cold(1).await.unwrap();
    let arrived = wait_for("it to wait for somebody, or to end", PATIENCE, async || {
        let status = cluster.record(uuid).await.migration.status();
        Ok((status == Status::Finished || status.is_terminal()).then_some(status))
    });
    let arrived = arrived.await.unwrap();
    let log = cluster.log(uuid).await;
    assert!(
        arrives(&strike).contains(&arrived),
        "{what}: {arrived} {log:#?}"
    );
    let ends_as = match (arrived, user) {
        (Status::Finished, User::Confirms) => {
            assert!(cluster.ask(uuid, Event::ConfirmRequested).await);
            Status::Confirmed
        }
        (Status::Finished, User::Reverts) => {
            assert!(cluster.ask(uuid, Event::RevertRequested).await);
            Status::Reverted
        }
        (ended, _) => ended,
    };
    let record = cluster.ends(uuid).await;
    let log = cluster.log(uuid).await;
    assert_eq!(record.migration.status(), ends_as, "{what}: {log:#?}");
    let failed = ends_as == Status::Error;
    assert_eq!(
        record.migration.failure.is_some(),
        failed,
        "{what}: {log:#?}"
    );

    let home = if ends_as == Status::Confirmed {
        &there
    } else {
        &here
    };
    let server = cluster.server(1).await;
    assert_eq!(server.host.as_ref(), Some(home), "{what}: {log:#?}");
    assert_eq!(server.vm_state, was, "{what}: {log:#?}");
    assert_eq!(
        cluster.fabric.power_of(server.uuid),
        power,
        "{what}: {log:#?}"
    );
    cluster.fabric.release();
    nothing_is_left(cluster, home, &what).await;
    cluster.is_sound().await;
}

/// A host that does not have the guest has nothing of it.
async fn nothing_is_left(cluster: &Cluster, home: &HostName, what: &str) {
    for name in cluster.fabric.hosts() {
        let driver = cluster.fabric.driver(&name, Holds::default()).unwrap();
        let domains = driver.domains().await.unwrap();
        let there = domains.iter().any(|domain| domain.server == server(1));
        assert_eq!(there, name == *home, "{what}: {name} {domains:?}");
    }
}

async fn every_evacuation(made: Made, steps: &[(Step, &[usize])]) {
    let mut cluster = impatient(made).start().await;
    for strike in strikes(steps) {
        let what = format!("{strike:?}");
        let here = cluster.server(1).await.host.unwrap();
        let there = if here == host(1) { host(2) } else { host(1) };
        cluster.kill_agent(&here);
        cluster.fabric.power(&here, false);
        let number = if here == host(1) { 1 } else { 2 };
        cluster.declare_dead(number, true).await;
        let struck = if strike.side == 1 { &here } else { &there };
        cluster
            .fabric
            .inject(struck, strike.step, strike.fault.clone());
        let mut uuid = cluster.evacuate(1, false).await.unwrap();
        let first = wait_for("it to be done, or to fail", PATIENCE, async || {
            let status = cluster.record(uuid).await.migration.status();
            Ok((status.has_ended()).then_some(status))
        });
        let first = first.await.unwrap();
        let log = cluster.log(uuid).await;
        if first == Status::Done {
            assert_ne!(strike.step, Step::CheckBoot, "{what}: {log:#?}");
        } else {
            // Nothing was started; what passes, or is over, is tried again by whoever asked.
            assert_ne!(strike.step, Step::Withdraw, "{what}: {log:#?}");
            let server = cluster.server(1).await;
            assert_eq!(server.vm_state, VmState::Error, "{what}: {log:#?}");
            assert_eq!(server.host.as_ref(), Some(&here), "{what}: {log:#?}");
            cluster.fabric.release();
            uuid = cluster.evacuate(1, false).await.unwrap();
            cluster.reaches(uuid, Status::Done).await;
        }
        let server = cluster.server(1).await;
        let state = (server.vm_state, server.host.as_ref());
        assert_eq!(state, (VmState::Active, Some(&there)), "{what}: {log:#?}");
        assert_eq!(
            cluster.fabric.power_of(server.uuid),
            Some(Power::On),
            "{what}"
        );
        cluster.come_back(number);
        cluster.declare_dead(number, false).await;
        let ended = cluster.ends(uuid).await.migration.status();
        assert_eq!(
            ended,
            Status::Completed,
            "{what}: {:#?}",
            cluster.log(uuid).await
        );
        cluster.fabric.release();
        cluster.all_are_up().await;
        nothing_is_left(&cluster, &there, &what).await;
        cluster.is_sound().await;
    }
}

const FORWARD: [(Step, &[usize]); 6] = [
    (Step::CheckSource, &[1]),
    (Step::CheckDestination, &[2]),
    (Step::Prepare, &[2]),
    (Step::Start, &[1]),
    (Step::Move, &[1]),
    (Step::Boot, &[2]),
];

on_both! {
    async fn on_the_way_to_the_destination(made: Made) {
        every_cold_move(made, User::Confirms, Power::On, &FORWARD).await;
    }

    async fn while_a_move_is_confirmed(made: Made) {
        let steps: [(Step, &[usize]); 1] = [(Step::Finish, &[1, 2])];
        every_cold_move(made, User::Confirms, Power::On, &steps).await;
    }

    async fn while_a_move_is_taken_back(made: Made) {
        let steps: [(Step, &[usize]); 2] = [(Step::Withdraw, &[2]), (Step::RollBack, &[1])];
        every_cold_move(made, User::Reverts, Power::On, &steps).await;
    }

    async fn of_a_guest_that_is_off(made: Made) {
        let steps: [(Step, &[usize]); 5] = [
            (Step::Start, &[1]),
            (Step::Move, &[1]),
            (Step::Boot, &[2]),
            (Step::Withdraw, &[2]),
            (Step::RollBack, &[1]),
        ];
        every_cold_move(made, User::Reverts, Power::Off, &steps).await;
    }

    async fn of_an_evacuation(made: Made) {
        let steps: [(Step, &[usize]); 3] =
            [(Step::CheckBoot, &[2]), (Step::Boot, &[2]), (Step::Withdraw, &[1])];
        every_evacuation(made, &steps).await;
    }
}
