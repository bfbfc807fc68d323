//! Runs of many hosts, and runs that work for the maintenance of one.

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::host::maintenance::{Event as OfMaintenance, Holder, Inventory, State};
use godwit_core::ids::{PlanUuid, RunUuid};
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::plan::request::Target;
use godwit_core::run::{Event, OperationState as Is, RollingState, RunState};
use godwit_core::server::VmState;
use godwit_core::time::Clock as _;
use godwit_store::{FreshIds, Hold, MaintenanceRecord, RunRecord};
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::planned::*;

fn fresh() -> FreshIds {
    FreshIds {
        plan: PlanUuid(new_uuid()),
        run: RunUuid(new_uuid()),
    }
}

fn holder() -> Holder {
    Holder {
        holder: "me".to_owned(),
        reason: None,
        by: "anna".to_owned(),
        since: SystemClock.now(),
        deadline: None,
        immovable: Immovable::Wait,
        return_home: ReturnHome::Never,
    }
}

/// Two hosts, one after the other, whose guests go to the third.
fn two_in_turn(return_home: ReturnHome) -> Wanted {
    let mut wanted = Wanted::of(vec![moves(1, (1, 3)), moves(2, (2, 3))]);
    wanted.target = Target::Rolling {
        hosts: vec![host(1), host(2)],
        max_unavailable: 1,
    };
    wanted.options.return_home = return_home;
    wanted
}

fn rolling(record: &RunRecord) -> Vec<RollingState> {
    let hosts = record.run.rolling.iter().flat_map(|it| &it.hosts);
    hosts.map(|it| it.state).collect()
}

async fn maintenance(cluster: &Cluster, number: usize) -> Option<MaintenanceRecord> {
    let found = cluster.store.maintenance_find(&host(number)).await;
    found.unwrap()
}

async fn state(cluster: &Cluster, number: usize) -> State {
    let found = maintenance(cluster, number).await;
    found.map_or(State::None, |it| it.maintenance.state)
}

/// Its hypervisor says what the host executes, until nothing is there and the run has heard of it.
async fn becomes_ready(cluster: &Cluster, run: RunUuid, number: usize) {
    wait_for("the host to be ready", PATIENCE, async || {
        let now = SystemClock.now();
        let executing = (1..=2).map(server);
        let executing =
            executing.filter(|it| cluster.fabric.whereabouts(*it) == Some(host(number)));
        let seen = OfMaintenance::Seen(Inventory {
            began_at: now,
            executing: executing.collect(),
        });
        let seen = cluster
            .store
            .maintenance_apply(host(number), seen, fresh(), note());
        let _ = seen.await;
        let record = cluster.run_record(run).await;
        let hosts = record.run.rolling.iter().flat_map(|it| &it.hosts);
        let mut hosts = hosts.filter(|it| it.host == host(number));
        let state = hosts.next().map(|it| it.state);
        anyhow::ensure!(state == Some(RollingState::Ready), "{:#?}", record.run);
        Ok(Some(()))
    })
    .await
    .unwrap();
}

on_both! {
    async fn hosts_are_emptied_one_after_the_other_as_somebody_is_done_with_each(made: Made) {
        let cluster = made.with_hosts(&[1, 1, 0]).start().await;
        let run = cluster.run(two_in_turn(ReturnHome::Never)).await;
        becomes_ready(&cluster, run, 1).await;
        let record = cluster.run_record(run).await;
        assert_eq!(rolling(&record), [RollingState::Ready, RollingState::Waiting]);
        assert_eq!(states(&record), [Is::Completed, Is::Waiting]);
        assert_eq!((state(&cluster, 1).await, state(&cluster, 2).await), (State::InMaintenance, State::None));
        let holders = maintenance(&cluster, 1).await.unwrap().maintenance.holders;
        assert_eq!(holders[0].holder, format!("run:{run}"));

        cluster.run_asked(run, Event::HostDone(host(1))).await;
        becomes_ready(&cluster, run, 2).await;
        assert_eq!(state(&cluster, 1).await, State::None);
        let record = cluster.run_record(run).await;
        assert_eq!(rolling(&record), [RollingState::Done, RollingState::Ready]);
        cluster.run_asked(run, Event::HostDone(host(2))).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(cluster.is_on(1, 3).await && cluster.is_on(2, 3).await);
        cluster.is_sound().await;
    }

    async fn a_cancelled_run_releases_what_it_is_emptying(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        made.never_converges(1);
        let cluster = made.start().await;
        let run = cluster.run(two_in_turn(ReturnHome::Now)).await;
        wait_for("the host to be held", PATIENCE, async || {
            Ok((state(&cluster, 1).await == State::Entering).then_some(()))
        })
        .await
        .unwrap();
        cluster.run_reaches(run, "it to move", |it| states(it)[0] == Is::Running).await;
        cluster.run_asked(run, Event::CancelRequested { abort_running: true }).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Cancelled);
        wait_for("the host to be released", PATIENCE, async || {
            Ok((state(&cluster, 1).await == State::None).then_some(()))
        })
        .await
        .unwrap();
        assert_eq!(cluster.migrations_of(2).await, 0);
        cluster.is_sound().await;
    }

    async fn a_conductor_that_dies_meanwhile_neither_holds_twice_nor_forgets(made: Made) {
        let mut cluster = made.with_hosts(&[1, 1, 0]).start().await;
        let run = cluster.run(two_in_turn(ReturnHome::Never)).await;
        for number in [1, 2] {
            let held = async || state(&cluster, number).await != State::None;
            wait_for("the host to be held", PATIENCE, async || Ok(held().await.then_some(())))
                .await
                .unwrap();
            cluster.kill_conductor(1);
            cluster.start_conductor(1);
            becomes_ready(&cluster, run, number).await;
            cluster.kill_conductor(1);
            cluster.run_asked(run, Event::HostDone(host(number))).await;
            cluster.start_conductor(1);
        }
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!((state(&cluster, 1).await, state(&cluster, 2).await), (State::None, State::None));
        assert_eq!((cluster.migrations_of(1).await, cluster.migrations_of(2).await), (1, 1));
        cluster.is_sound().await;
    }

    async fn the_next_host_waits_for_the_guests_of_the_one_before(made: Made) {
        let cluster = made.with_hosts(&[1, 1, 0]).start().await;
        let run = cluster.run(two_in_turn(ReturnHome::Now)).await;
        becomes_ready(&cluster, run, 1).await;
        cluster.hold(&host(3), HoldPoint::BeforeHandover);
        cluster.run_asked(run, Event::HostDone(host(1))).await;
        wait_for("the guest to be on its way home", PATIENCE, async || {
            let unfinished = cluster.store.migrations_unfinished().await?;
            let mut home = unfinished.iter().filter(|it| it.migration.server == server(1));
            Ok(home.next().map(drop))
        })
        .await
        .unwrap();
        let record = cluster.run_record(run).await;
        assert_eq!(rolling(&record), [RollingState::Ready, RollingState::Waiting]);
        cluster.release(&host(3), HoldPoint::BeforeHandover);
        becomes_ready(&cluster, run, 2).await;
        assert!(cluster.is_on(1, 1).await && cluster.is_on(2, 3).await);
        cluster.run_asked(run, Event::HostDone(host(2))).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(cluster.is_on(1, 1).await && cluster.is_on(2, 2).await);
        cluster.is_sound().await;
    }

    /// By hand, whatever the run was about to do there.
    async fn a_run_goes_on_without_a_host_that_somebody_has_released(made: Made) {
        let cluster = made.with_hosts(&[1, 1, 0]).start().await;
        let run = cluster.run(two_in_turn(ReturnHome::Never)).await;
        becomes_ready(&cluster, run, 1).await;
        let released = OfMaintenance::Released {
            holder: format!("run:{run}"),
            return_home: ReturnHome::Never,
        };
        let left = cluster.store.maintenance_apply(host(1), released, fresh(), note());
        left.await.unwrap();
        becomes_ready(&cluster, run, 2).await;
        let record = cluster.run_record(run).await;
        assert_eq!(rolling(&record), [RollingState::Done, RollingState::Ready]);
        cluster.run_asked(run, Event::HostDone(host(2))).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!((state(&cluster, 1).await, state(&cluster, 2).await), (State::None, State::None));
        cluster.is_sound().await;
    }

    async fn what_was_shut_down_for_a_maintenance_is_started_again(made: Made) {
        let cluster = made.with_hosts(&[1]).start().await;
        let holder = Holder {
            immovable: Immovable::ShutdownRestart,
            ..holder()
        };
        let (emptying, hold) = (fresh(), Hold { holder, run: None });
        let held = cluster.store.maintenance_hold(host(1), hold, emptying, note());
        held.await.unwrap();
        let record = cluster.run_ends(emptying.run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(cluster.server(1).await.vm_state, VmState::Stopped);
        wait_for("the maintenance to hear of it", PATIENCE, async || {
            let it = maintenance(&cluster, 1).await.unwrap().maintenance;
            Ok(it.run_ended_at.map(drop))
        })
        .await
        .unwrap();
        let (returning, released) = (fresh(), OfMaintenance::Released {
            holder: "me".to_owned(),
            return_home: ReturnHome::Never,
        });
        let left = cluster.store.maintenance_apply(host(1), released, returning, note());
        left.await.unwrap();
        let record = cluster.run_ends(returning.run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(cluster.server(1).await.vm_state, VmState::Active);
        wait_for("the host to be nobody's", PATIENCE, async || {
            Ok((state(&cluster, 1).await == State::None).then_some(()))
        })
        .await
        .unwrap();
        cluster.is_sound().await;
    }

    async fn a_host_that_is_held_is_emptied_and_its_maintenance_hears_of_it(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        let hold = Hold {
            holder: holder(),
            run: None,
        };
        let fresh = fresh();
        let held = cluster.store.maintenance_hold(host(1), hold, fresh, note());
        held.await.unwrap();
        let record = cluster.run_ends(fresh.run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(cluster.is_on(1, 2).await && cluster.is_on(2, 2).await);
        wait_for("the maintenance to hear of it", PATIENCE, async || {
            let it = maintenance(&cluster, 1).await.unwrap().maintenance;
            Ok((it.work.is_none() && it.run_ended_at.is_some()).then_some(()))
        })
        .await
        .unwrap();
    }
}
