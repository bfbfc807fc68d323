//! Processes that die at the worst moments, and come back.

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::event::Event;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::status::MigrationStatus as Status;
use godwit_test_support::wait_for;

use crate::cluster::*;

/// Who dies.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Victim {
    Conductor,
    Source,
    Destination,
    Everybody,
}

const VICTIMS: [Victim; 4] = [
    Victim::Conductor,
    Victim::Source,
    Victim::Destination,
    Victim::Everybody,
];

impl Victim {
    fn includes(self, other: Self) -> bool {
        self == other || self == Self::Everybody
    }
}

fn kill_and_restart(cluster: &mut Cluster, victim: Victim, source: &HostName, dest: &HostName) {
    if victim.includes(Victim::Conductor) {
        cluster.kill_conductor(1);
    }
    for (agent, host) in [(Victim::Source, source), (Victim::Destination, dest)] {
        if victim.includes(agent) {
            cluster.kill_agent(host);
        }
    }
    for (agent, host) in [(Victim::Source, source), (Victim::Destination, dest)] {
        if victim.includes(agent) {
            cluster.start_agent(host);
        }
    }
    if victim.includes(Victim::Conductor) {
        cluster.start_conductor(1);
    }
}

pub(crate) async fn has_event(cluster: &Cluster, uuid: MigrationUuid, name: &str) {
    wait_for(name, PATIENCE, async || {
        let log = cluster.log(uuid).await;
        let found = log.iter().any(|line| line.split(' ').next() == Some(name));
        anyhow::ensure!(found, "{log:?}");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

/// The side that comes to a moment, and the last event before it.
fn moment(point: HoldPoint) -> (Victim, &'static str) {
    match point {
        HoldPoint::BeforePrepare | HoldPoint::Prepared => (Victim::Destination, "admitted"),
        HoldPoint::BeforeStart | HoldPoint::Started | HoldPoint::BeforeHandover => {
            (Victim::Source, "prepared")
        }
        HoldPoint::BeforeFinish => (Victim::Destination, "handed_over"),
        HoldPoint::BeforeRollback => (Victim::Destination, "move_cancelled"),
        HoldPoint::BeforeBoot
        | HoldPoint::Booted
        | HoldPoint::BeforeWithdraw
        | HoldPoint::BeforePower
        | HoldPoint::PoweredOff
        | HoldPoint::Powered => panic!("no live migration comes to {point:?}"),
    }
}

/// Kills each victim in turn while the moment is held, and expects every migration to end, and
/// the next one to work.
async fn at_a_moment(made: Made, point: HoldPoint) {
    let mut cluster = made.with_hosts(&[1, 0]).start().await;
    for victim in VICTIMS {
        let source = cluster.server(1).await.host.unwrap();
        let dest = if source == host(1) { host(2) } else { host(1) };
        let (side, event) = moment(point);
        let held = if side == Victim::Source {
            &source
        } else {
            &dest
        };
        cluster.hold(held, point);
        let aborts = point == HoldPoint::BeforeRollback;
        if aborts {
            cluster.hold(&source, HoldPoint::BeforeHandover);
        }
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        if aborts {
            cluster.reaches(uuid, Status::Running).await;
            cluster.ask(uuid, Event::AbortRequested).await;
        }
        has_event(&cluster, uuid, event).await;
        kill_and_restart(&mut cluster, victim, &source, &dest);
        cluster.release(held, point);
        let record = cluster.ends(uuid).await;
        let log = cluster.log(uuid).await;
        let status = record.migration.status();
        let expected: &[Status] = if aborts {
            &[Status::Cancelled]
        } else if victim == Victim::Conductor {
            // Nothing happened to the hosts, so nothing happens to the move.
            &[Status::Completed]
        } else {
            &[Status::Completed, Status::Failed]
        };
        assert!(
            expected.contains(&status),
            "{point:?} {victim:?}: {status} {log:#?}"
        );
        if aborts {
            cluster.release(&source, HoldPoint::BeforeHandover);
        }
        cluster.is_sound().await;
    }
    let uuid = cluster.begin(1, anywhere()).await.unwrap();
    assert_eq!(
        cluster.ends(uuid).await.migration.status(),
        Status::Completed
    );
    cluster.is_sound().await;
}

/// Kills the conductor as soon as each event is in the log: between any two of its steps.
async fn after_each_event(made: Made, events: &[&str], aborts: bool) {
    let mut made = made.with_hosts(&[1, 0]);
    if aborts {
        made.never_converges(1);
    }
    let mut cluster = made.start().await;
    for event in events {
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let asks = async {
            if aborts {
                cluster.reaches(uuid, Status::Running).await;
                cluster.ask(uuid, Event::AbortRequested).await;
            }
        };
        tokio::join!(asks, has_event(&cluster, uuid, event));
        cluster.kill_conductor(1);
        cluster.start_conductor(1);
        let status = cluster.ends(uuid).await.migration.status();
        let expected = if aborts {
            Status::Cancelled
        } else {
            Status::Completed
        };
        assert_eq!(status, expected, "{event}: {:#?}", cluster.log(uuid).await);
        cluster.is_sound().await;
    }
}

on_both! {
    async fn before_the_preparation(made: Made) {
        at_a_moment(made, HoldPoint::BeforePrepare).await;
    }

    async fn after_the_preparation(made: Made) {
        at_a_moment(made, HoldPoint::Prepared).await;
    }

    async fn before_the_start(made: Made) {
        at_a_moment(made, HoldPoint::BeforeStart).await;
    }

    async fn after_the_start(made: Made) {
        at_a_moment(made, HoldPoint::Started).await;
    }

    async fn before_the_hand_over(made: Made) {
        at_a_moment(made, HoldPoint::BeforeHandover).await;
    }

    async fn before_the_confirmation(made: Made) {
        at_a_moment(made, HoldPoint::BeforeFinish).await;
    }

    async fn before_the_roll_back(made: Made) {
        at_a_moment(made, HoldPoint::BeforeRollback).await;
    }

    async fn between_any_two_events(made: Made) {
        let events = ["requested", "placed", "admitted", "prepared", "handed_over"];
        after_each_event(made, &events, false).await;
    }

    async fn between_any_two_events_of_an_abort(made: Made) {
        let events = ["placed", "admitted", "prepared", "abort_requested", "move_cancelled"];
        after_each_event(made, &events, true).await;
    }
}
