//! Stop, start and reboot: what becomes of them when hosts and conductors die.

use std::time::Duration;

use anyhow::ensure;
use godwit_compute_agent::drivers::simulated::{Fault, Power, Step};
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::power::PowerAction;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock;
use godwit_store::{NewPower, Server};
use godwit_test_support::wait_for;

use crate::cluster::*;

/// What the API does with it, but for its checks.
async fn ask(cluster: &Cluster, action: PowerAction) -> String {
    let request_id = format!("req-{}", new_uuid());
    let new = NewPower {
        server: server(1),
        action,
        note: asked(&request_id, SystemClock.now()),
    };
    let check = move |server: &Server| {
        let launched = server.launched_at.is_some();
        action.check(server.vm_state, server.task_state, launched)
    };
    cluster.store.power_begin(new, check).await.unwrap();
    request_id
}

/// Until nothing is done to it, and the action that was asked for has this result.
async fn ends(cluster: &Cluster, request_id: &str, result: &str) -> Server {
    wait_for("the action to end", PATIENCE, async || {
        let is = cluster.server(1).await;
        ensure!(is.task_state.is_none(), "{:?}", is.task_state);
        let store = &cluster.store;
        let action = store
            .instance_action_find(server(1), request_id)
            .await?
            .unwrap();
        let steps = store.instance_action_events(action.id).await?;
        let results: Vec<_> = steps.iter().map(|step| step.result.as_deref()).collect();
        ensure!(results == [Some(result)], "{steps:?}");
        ensure!(store.figures().await?.power.is_empty());
        Ok(Some(is))
    })
    .await
    .unwrap()
}

async fn done(cluster: &Cluster, action: PowerAction) -> (VmState, PowerState) {
    let request_id = ask(cluster, action).await;
    let is = ends(cluster, &request_id, "Success").await;
    (is.vm_state, is.power_state)
}

/// Until the command has come to host 1.
async fn arrives(cluster: &Cluster) {
    let page = format!("host-1/power/{}.json", server(1));
    let page = cluster.directory.path().join(page);
    wait_for("the agent to write it down", PATIENCE, async || {
        Ok(page.exists().then_some(()))
    })
    .await
    .unwrap();
}

async fn has_task(cluster: &Cluster, task: TaskState) {
    wait_for("the task", PATIENCE, async || {
        let is = cluster.server(1).await.task_state;
        ensure!(is == Some(task), "{is:?}");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

const OFF: (VmState, PowerState) = (VmState::Stopped, PowerState::Shutdown);
const ON: (VmState, PowerState) = (VmState::Active, PowerState::Running);

on_both! {
    async fn a_server_is_stopped_started_and_rebooted(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        assert_eq!(done(&cluster, PowerAction::Stop).await, OFF);
        assert_eq!(cluster.fabric.power_of(server(1)), Some(Power::Off));
        assert_eq!(done(&cluster, PowerAction::Start).await, ON);
        assert_eq!(done(&cluster, PowerAction::SoftReboot).await, ON);
        assert_eq!(done(&cluster, PowerAction::HardReboot).await, ON);
        assert_eq!(cluster.fabric.starts_of(server(1)), Some(3));
        assert_eq!(cluster.fabric.power_of(server(1)), Some(Power::On));
        cluster.is_sound().await;
        // And it moves as it did before.
        let uuid = cluster.begin(1, to(2)).await.unwrap();
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
        assert_eq!(done(&cluster, PowerAction::Stop).await, OFF);
        cluster.is_sound().await;
    }

    async fn what_its_user_does_from_within_is_followed(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.fabric.set_power(server(1), Power::Off);
        wait_for("the record to follow", PATIENCE, async || {
            let is = cluster.server(1).await;
            ensure!((is.vm_state, is.power_state) == OFF, "{is:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
        assert_eq!(done(&cluster, PowerAction::Start).await, ON);
        cluster.is_sound().await;
    }

    async fn whoever_dies_a_reboot_is_done_once(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        let mut starts = 0;
        for point in [HoldPoint::BeforePower, HoldPoint::PoweredOff, HoldPoint::Powered] {
            for (agent, conductor) in [(true, false), (false, true), (true, true)] {
                cluster.hold(&host(1), point);
                let request_id = ask(&cluster, PowerAction::SoftReboot).await;
                has_task(&cluster, TaskState::RebootStarted).await;
                arrives(&cluster).await;
                if conductor {
                    cluster.kill_conductor(1);
                }
                if agent {
                    cluster.kill_agent(&host(1));
                }
                cluster.release(&host(1), point);
                if agent {
                    cluster.start_agent(&host(1));
                }
                if conductor {
                    cluster.start_conductor(1);
                }
                let is = ends(&cluster, &request_id, "Success").await;
                assert_eq!((is.vm_state, is.power_state), ON);
                starts += 1;
                assert_eq!(cluster.fabric.starts_of(server(1)), Some(starts), "{point:?}");
            }
        }
        cluster.is_sound().await;
    }

    async fn what_fails_is_told(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let fail = |step| {
            let failure = Failure::new(FailureCode::HypervisorError, "It does not.");
            cluster.fabric.inject(&host(1), step, Fault::Fail(failure));
        };
        fail(Step::PowerOff);
        let request_id = ask(&cluster, PowerAction::Stop).await;
        let is = ends(&cluster, &request_id, "Error").await;
        assert_eq!((is.vm_state, is.power_state), ON);

        fail(Step::PowerOn);
        let request_id = ask(&cluster, PowerAction::HardReboot).await;
        let is = ends(&cluster, &request_id, "Error").await;
        assert_eq!((is.vm_state, is.power_state), (VmState::Error, PowerState::Shutdown));
        assert_eq!(is.fault.unwrap().message, "It does not.");
        assert_eq!(done(&cluster, PowerAction::HardReboot).await, ON);
        cluster.is_sound().await;
    }

    async fn a_host_that_never_answers_has_a_deadline(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        // Long enough for what comes after it, on a slow machine.
        made.config.time_limits.power = Duration::from_secs(10);
        let mut cluster = made.start().await;
        cluster.kill_agent(&host(1));
        let request_id = ask(&cluster, PowerAction::Stop).await;
        let is = ends(&cluster, &request_id, "Error").await;
        assert_eq!((is.vm_state, is.power_state), ON, "nobody knows better");
        cluster.start_agent(&host(1));
        assert_eq!(done(&cluster, PowerAction::Stop).await, OFF);
    }

    async fn a_host_that_was_declared_dead_is_not_waited_for(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.kill_agent(&host(1));
        cluster.declare_dead(1, true).await;
        let request_id = ask(&cluster, PowerAction::HardReboot).await;
        let is = ends(&cluster, &request_id, "Error").await;
        assert_eq!((is.vm_state, is.power_state), ON);
    }

    async fn an_evacuated_server_is_started(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        // Whatever was asked of a host that died is over.
        cluster.kill_agent(&host(1));
        let asked = ask(&cluster, PowerAction::SoftReboot).await;
        cluster.fabric.power(&host(1), false);
        cluster.declare_dead(1, true).await;
        let uuid = cluster.evacuate(1, true).await.unwrap();
        cluster.reaches(uuid, Status::Done).await;
        let is = ends(&cluster, &asked, "Error").await;
        assert_eq!((is.vm_state, is.power_state), OFF);
        assert_eq!(done(&cluster, PowerAction::Start).await, ON);
        assert_eq!(cluster.fabric.whereabouts(server(1)), Some(host(2)));
        assert_eq!(cluster.fabric.power_of(server(1)), Some(Power::On));

        cluster.fabric.power(&host(1), true);
        cluster.start_agent(&host(1));
        cluster.declare_dead(1, false).await;
        cluster.ends(uuid).await;
        cluster.is_sound().await;
    }
}
