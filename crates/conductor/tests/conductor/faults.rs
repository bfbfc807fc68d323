//! Every fault that a simulated hypervisor can have, at every step, on either side.
//!
//! Whatever goes wrong, the migration ends, the server is active on exactly one host, and the
//! record says which and why.

use std::time::Duration;

use godwit_compute_agent::drivers::simulated::{Fault, Step};
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;
use godwit_test_support::wait_for;

use crate::cluster::*;

/// What a user does meanwhile.
#[derive(Clone, Copy, PartialEq, Debug)]
enum User {
    Waits,
    Aborts,
    Forces,
}

fn faults() -> [Fault; 3] {
    let failure = Failure::new(FailureCode::HypervisorError, "The hypervisor says no.");
    [Fault::Fail(failure), Fault::Hang, Fault::LoseLink]
}

/// The sides on which a step is taken.
fn sides(step: Step) -> &'static [usize] {
    match step {
        Step::CheckSource | Step::Start | Step::Move | Step::ForceComplete | Step::Abort => &[1],
        Step::CheckDestination | Step::Prepare => &[2],
        Step::Finish | Step::RollBack => &[1, 2],
        Step::CheckBoot | Step::Boot | Step::Withdraw | Step::PowerOff | Step::PowerOn => {
            panic!("no step of a live migration")
        }
    }
}

/// How a move to a named host ends when this strikes it once and nobody interferes: what passes
/// is tried again, what was looked into and failed is final.
fn without_interference(step: Step, fault: &Fault) -> &'static [Status] {
    let passes = !matches!(fault, Fault::Fail(_));
    match step {
        Step::CheckSource | Step::Prepare | Step::Finish if passes => &[Status::Completed],
        // A start is not repeated while it may have had an effect.
        Step::Start if passes => &[Status::Completed, Status::Failed],
        // Another host may be as good as one that does not answer; here none was allowed.
        Step::CheckSource | Step::CheckDestination => &[Status::Error],
        Step::Prepare | Step::Start | Step::Move => &[Status::Failed],
        Step::Finish => &[Status::Completed],
        Step::ForceComplete | Step::Abort | Step::RollBack => panic!("nobody asked for it"),
        Step::CheckBoot | Step::Boot | Step::Withdraw | Step::PowerOff | Step::PowerOn => {
            panic!("no step of a live migration")
        }
    }
}

async fn every_fault(made: Made, user: User, steps: &[Step]) {
    let mut made = made.with_hosts(&[1, 0]);
    made.pace.step_timeout = Duration::from_millis(300);
    made.pace.prepare_timeout = Duration::from_millis(300);
    made.pace.stall_timeout = Duration::from_millis(300);
    made.pace.cancel_grace = Duration::from_millis(100);
    // Nobody dies here: on a slow machine a lease that ran out would have a step struck twice.
    made.config.lease = Duration::from_secs(30);
    if user != User::Waits {
        made.never_converges(1);
        // What goes wrong past the switch to post-copy is a case of its own.
        for number in [1, 2] {
            made.host(number).post_copy = false;
        }
    }
    let cluster = made.start().await;
    for step in steps {
        for side in sides(*step) {
            for fault in faults() {
                one(&cluster, user, *step, *side, fault).await;
            }
        }
    }
}

async fn one(cluster: &Cluster, user: User, step: Step, side: usize, fault: Fault) {
    let what = format!("{user:?} {step:?} {side} {fault:?}");
    // The server is wherever the last case left it; the sides are counted from there.
    let here = cluster.server(1).await.host.unwrap();
    let (source, destination) = if here == host(1) { (1, 2) } else { (2, 1) };
    let struck = if side == 1 { source } else { destination };
    let unhindered = (user == User::Waits).then(|| without_interference(step, &fault));
    cluster.fabric.inject(&host(struck), step, fault);

    let uuid = cluster.begin(1, to(destination)).await.unwrap();
    let event = match user {
        User::Waits => None,
        User::Aborts => Some(Event::AbortRequested),
        User::Forces => Some(Event::ForceCompleteRequested),
    };
    if let Some(event) = event {
        wait_for("it to run, or to end", PATIENCE, async || {
            let status = cluster.record(uuid).await.migration.status();
            Ok((status == Status::Running || status.is_terminal()).then_some(()))
        })
        .await
        .unwrap();
        cluster.ask(uuid, event).await;
        if user == User::Forces {
            // A force that the hypervisor refuses is no end; nobody else would end this move.
            wait_for("it to end, or the refusal", PATIENCE, async || {
                let ended = cluster.record(uuid).await.migration.status().is_terminal();
                let log = cluster.log(uuid).await;
                let refused = log.iter().any(|line| line.starts_with("force_refused"));
                if refused && !ended {
                    cluster.ask(uuid, Event::AbortRequested).await;
                }
                anyhow::ensure!(ended || refused, "{what}: {log:#?}");
                Ok(Some(()))
            })
            .await
            .unwrap();
        }
    }
    let record = cluster.ends(uuid).await;
    let log = cluster.log(uuid).await;
    let status = record.migration.status();
    let expected: &[Status] = match user {
        User::Waits => &[Status::Completed, Status::Failed, Status::Error],
        User::Aborts => &[Status::Cancelled, Status::Completed, Status::Failed],
        User::Forces => &[Status::Completed, Status::Cancelled, Status::Failed],
    };
    assert!(expected.contains(&status), "{what}: {status} {log:#?}");
    if let Some(wanted) = unhindered {
        assert!(wanted.contains(&status), "{what}: {status} {log:#?}");
    }
    let failed = status != Status::Completed;
    assert_eq!(
        record.migration.failure.is_some(),
        failed,
        "{what}: {log:#?}"
    );
    let server = cluster.server(1).await;
    assert_eq!(server.vm_state, VmState::Active, "{what}: {log:#?}");
    let at = if failed { source } else { destination };
    assert_eq!(server.host, Some(host(at)), "{what}: {log:#?}");
    cluster.fabric.release();
    cluster.is_sound().await;
}

on_both! {
    async fn while_nobody_interferes(made: Made) {
        let steps = [
            Step::CheckSource,
            Step::CheckDestination,
            Step::Prepare,
            Step::Start,
            Step::Move,
            Step::Finish,
        ];
        every_fault(made, User::Waits, &steps).await;
    }

    async fn while_a_user_aborts(made: Made) {
        let steps = [Step::Start, Step::Move, Step::Abort, Step::RollBack];
        every_fault(made, User::Aborts, &steps).await;
    }

    async fn while_a_user_forces(made: Made) {
        let steps = [Step::Start, Step::Move, Step::ForceComplete, Step::Finish];
        every_fault(made, User::Forces, &steps).await;
    }

    async fn a_link_that_is_lost_past_post_copy_loses_the_server(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        made.speed = 2.0;
        let cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(uuid, Status::Running).await;
        cluster.ask(uuid, Event::ForceCompleteRequested).await;
        cluster.reaches(uuid, Status::RunningPostCopy).await;
        cluster.fabric.connect(&host(2), false);
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Error);
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::GuestLost);
        assert_eq!(cluster.server(1).await.vm_state, VmState::Error);
        let open = cluster.store.discrepancy_list_open().await.unwrap();
        assert_eq!(open[0].subject.kind, godwit_core::discrepancy::DiscrepancyKind::GuestNowhere);
        assert_eq!(cluster.store.check_invariants().await.unwrap(), []);
    }

    async fn a_failed_move_whose_destination_stays_silent_ends_and_says_so(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.config.time_limits.rollback = Duration::from_secs(1);
        made.never_converges(1);
        let mut cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(uuid, Status::Running).await;
        cluster.kill_agent(&host(2));
        cluster.ask(uuid, Event::AbortRequested).await;
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Cancelled);
        let open = cluster.store.discrepancy_list_open().await.unwrap();
        assert_eq!(open.len(), 1, "{open:?}");
        assert_eq!(open[0].subject.kind, godwit_core::discrepancy::DiscrepancyKind::DestinationNotClean);
        // It cleans up when it comes back.
        cluster.start_agent(&host(2));
        cluster.is_sound().await;
    }
}
