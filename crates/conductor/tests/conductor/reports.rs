//! What others got wrong when hosts were drained, each from somebody's hold to the end of the runs that
//! follow from it, with the number of the public report.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use godwit_compute_agent::drivers::simulated::Power;
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::host::maintenance::{Event as OfMaintenance, Holder, Maintenance, State};
use godwit_core::ids::{HostName, PlanUuid, RunUuid};
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::reason::ReasonCode;
use godwit_core::resources::AllocationRatios;
use godwit_core::run::{OperationState as Is, RunState};
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

impl Cluster {
    /// Somebody holds a host; the run that empties it.
    async fn drains(&self, number: usize, who: &str, immovable: Immovable) -> RunUuid {
        let (fresh, holder) = (
            fresh(),
            Holder {
                holder: who.to_owned(),
                reason: Some("a new kernel".to_owned()),
                by: "anna".to_owned(),
                since: SystemClock.now(),
                deadline: None,
                immovable,
                return_home: ReturnHome::Now,
            },
        );
        let hold = Hold { holder, run: None };
        let held = self
            .store
            .maintenance_hold(host(number), hold, fresh, note());
        held.await.unwrap();
        fresh.run
    }

    /// Somebody is done with a host; the run that brings its guests back.
    async fn leaves(&self, number: usize, who: &str) -> RunUuid {
        let (fresh, released) = (
            fresh(),
            OfMaintenance::Released {
                holder: who.to_owned(),
                return_home: ReturnHome::Now,
            },
        );
        let left = self
            .store
            .maintenance_apply(host(number), released, fresh, note());
        left.await.unwrap();
        fresh.run
    }

    async fn maintained(&self, number: usize) -> MaintenanceRecord {
        let found = self.store.maintenance_find(&host(number)).await;
        found.unwrap().unwrap()
    }

    async fn becomes(&self, number: usize, what: &str, is: impl Fn(&Maintenance) -> bool) {
        wait_for(what, PATIENCE, async || {
            let it = self.maintained(number).await.maintenance;
            ensure!(is(&it), "{it:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
    }

    async fn is_nobodys(&self, number: usize) {
        self.becomes(number, "nobody to hold it", |it| it.state == State::None)
            .await;
    }

    /// The run, once it has ended, which has moved each server once, and started or stopped none.
    async fn moves_each_once(&self, run: RunUuid, servers: &[usize]) -> RunRecord {
        let record = self.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        for number in servers {
            assert_eq!(self.migrations_of(*number).await, 1, "of server {number}");
            self.never_stopped(*number);
        }
        record
    }

    fn never_stopped(&self, number: usize) {
        let guest = server(number);
        let power = (self.fabric.power_of(guest), self.fabric.starts_of(guest));
        assert_eq!(power, (Some(Power::On), Some(0)), "server {number}");
    }

    async fn places(&self, servers: impl IntoIterator<Item = usize>) -> Vec<HostName> {
        let mut places = Vec::new();
        for number in servers {
            places.extend(self.server(number).await.host);
        }
        places
    }
}

/// Two guests, of which one fits nowhere else.
fn with_one_that_fits_nowhere(made: Made) -> Made {
    let mut made = made.with_hosts(&[2, 0]);
    made.guest(2).memory_bytes = 8 * GIB;
    made.host(2).memory_bytes = 4 * GIB;
    made
}

on_both! {
    /// As harvester's 8856 and 2539 have it: empty, and not said to be.
    async fn a_host_that_is_empty_is_said_to_be(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        cluster.moves_each_once(run, &[1, 2]).await;
        cluster.becomes(1, "it to be said", Maintenance::safe_to_reboot).await;
        let it = cluster.maintained(1).await.maintenance;
        assert_eq!((it.state, it.evidence.guests_seen()), (State::InMaintenance, Some(0)));
    }

    /// As kubevirt's 9585 has it: leaving does not cancel the drain.
    async fn whoever_leaves_ends_the_drain(made: Made) {
        let mut made = made.with_hosts(&[3, 0]);
        made.config.slots.per_source = 1;
        let cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        cluster.run_reaches(run, "it to move", |it| {
            it.run.in_state(Is::Running).count() == 1 && it.run.operations.len() == 3
        })
        .await;
        cluster.leaves(1, "me").await;
        let record = cluster.run_record(run).await;
        assert_eq!(record.run.in_state(Is::Waiting).count(), 0, "as soon as it is left");
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Cancelled);
        cluster.is_nobodys(1).await;
        for number in 1..=3 {
            assert!(cluster.is_on(number, 1).await, "it is there, or there again");
        }
        let begun = [cluster.migrations_of(1).await, cluster.migrations_of(2).await];
        let all = begun.iter().sum::<usize>() + cluster.migrations_of(3).await;
        assert!(all <= 2, "no more than one, there and back");
        cluster.is_sound().await;
    }

    /// As kubevirt's 4557 has it: double migration in one drain.
    async fn a_drain_moves_each_server_once_whoever_holds_the_host_as_well(made: Made) {
        let mut made = made.with_hosts(&[4, 0, 0]);
        made.conductors = 2;
        made.config.slots.per_source = 1;
        let cluster = made.start().await;
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        cluster.run_reaches(run, "it to move", |it| !it.run.operations.is_empty()).await;
        cluster.drains(1, "you", Immovable::Wait).await;
        cluster.moves_each_once(run, &[1, 2, 3, 4]).await;
        cluster.becomes(1, "it to be empty", Maintenance::safe_to_reboot).await;
        for number in 1..=4 {
            assert_eq!(cluster.migrations_of(number).await, 1);
        }
    }

    /// As cloudstack's 11286, 3720, 3707 and 12045 have it: maintenance stops servers.
    async fn nothing_is_stopped_that_cannot_be_moved(made: Made) {
        let mut made = with_one_that_fits_nowhere(made);
        made.never_converges(1);
        made.config.time_limits.completion_per_gib = Duration::from_secs(1);
        let cluster = made.start().await;
        for (who, immovable) in [("me", Immovable::Wait), ("you", Immovable::Skip)] {
            cluster.drains(1, who, immovable).await;
            cluster.becomes(1, "a run to have tried", |it| {
                it.work.is_none() && it.run_ended_at.is_some() && it.left.len() == 2
            })
            .await;
            cluster.never_stopped(1);
            cluster.never_stopped(2);
        }
        assert_eq!(cluster.places([1, 2]).await, [host(1), host(1)]);
        assert!(!cluster.maintained(1).await.maintenance.safe_to_reboot());
    }

    /// As cloudstack's 2493 has it: maintenance entered with servers still on it.
    async fn a_host_with_a_server_on_it_is_not_in_maintenance(made: Made) {
        let cluster = with_one_that_fits_nowhere(made).start().await;
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Partial, "{:#?}", record.run);
        cluster.becomes(1, "its run to be reported", |it| it.run_ended_at.is_some()).await;
        let it = cluster.maintained(1).await.maintenance;
        assert_eq!((it.state, it.safe_to_reboot()), (State::Entering, false));
        assert_eq!(it.left.keys().copied().collect::<Vec<_>>(), [server(2)]);
        assert!(cluster.is_on(1, 2).await);
        cluster.never_stopped(2);
    }

    /// As lxd's 17170 has it: two hosts evacuate onto each other.
    async fn two_hosts_that_are_drained_at_once_get_nothing_of_each_other(made: Made) {
        let mut made = made.with_hosts(&[2, 2, 0]);
        made.conductors = 2;
        let cluster = made.start().await;
        let first = cluster.drains(1, "me", Immovable::Wait);
        let second = cluster.drains(2, "me", Immovable::Wait);
        let (first, second) = futures::future::join(first, second).await;
        cluster.moves_each_once(first, &[1, 2]).await;
        cluster.moves_each_once(second, &[3, 4]).await;
        assert_eq!(cluster.places(1..=4).await, vec![host(3); 4]);
        for number in [1, 2] {
            cluster.becomes(number, "it to be empty", Maintenance::safe_to_reboot).await;
        }
    }

    /// As lxd's 15877 has it: restore during evacuation.
    async fn guests_return_that_were_on_their_way_when_the_host_was_left(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        cluster.run_reaches(run, "both to move", |it| it.run.in_state(Is::Running).count() == 2)
            .await;
        cluster.leaves(1, "me").await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert!(record.run.operations.iter().all(|it| it.state == Is::Completed), "{record:#?}");
        cluster.is_nobodys(1).await;
        assert_eq!(cluster.places([1, 2]).await, [host(1), host(1)]);
        for number in [1, 2] {
            assert_eq!(cluster.migrations_of(number).await, 2, "there and back");
            cluster.never_stopped(number);
        }
        cluster.is_sound().await;
    }

    /// As xen-api's 7145 has it: a wrong reason for five years.
    async fn what_cannot_leave_says_what_it_lacks_and_nothing_else(made: Made) {
        let cluster = with_one_that_fits_nowhere(made).start().await;
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        cluster.run_ends(run).await;
        cluster.becomes(1, "its run to be reported", |it| it.run_ended_at.is_some()).await;
        let reasons = cluster.maintained(1).await.reasons;
        let of_it: BTreeSet<_> = reasons[&server(2)].iter().map(|it| it.code).collect();
        assert_eq!(of_it, BTreeSet::from([ReasonCode::Memory]));
        let evidence = &reasons[&server(2)][0].evidence;
        assert_eq!(evidence["needed_mib"], 8 * 1_024, "{evidence}");
        assert_eq!(reasons.len(), 1);
    }

    /// As xen-orchestra's 10260 has it: return home onto full hosts.
    async fn who_does_not_fit_at_home_any_more_stays_and_the_rest_returns(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.guest(2).memory_bytes = 2 * GIB;
        made.host(1).memory_bytes = 4 * GIB;
        let mut cluster = made.start().await;
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        cluster.moves_each_once(run, &[1, 2]).await;
        cluster.becomes(1, "it to be empty", Maintenance::safe_to_reboot).await;
        // Less of it may be given by now.
        cluster.kill_conductor(1);
        cluster.config.allocation_ratios = AllocationRatios {
            memory: 0.6,
            ..AllocationRatios::default()
        };
        cluster.start_conductor(1);
        let returning = cluster.leaves(1, "me").await;
        let record = cluster.run_ends(returning).await;
        assert_eq!(record.run.state, RunState::Partial, "{:#?}", record.run);
        cluster.is_nobodys(1).await;
        let mut places = cluster.places([1, 2]).await;
        places.sort();
        assert_eq!(places, [host(1), host(2)]);
        let plan = cluster.store.plan_find(record.plan, None).await.unwrap().unwrap();
        let codes: Vec<_> = plan.record.blocked[0].reasons.iter().map(|it| it.code).collect();
        assert_eq!(codes, [ReasonCode::Memory]);
        cluster.is_sound().await;
    }

    /// As proxcenter-ui's 338 has it: one destination for all until it falls over.
    async fn the_servers_of_a_host_are_spread_over_the_others(made: Made) {
        let cluster = made.with_hosts(&[6, 0, 0, 0]).start().await;
        let run = cluster.drains(1, "me", Immovable::Wait).await;
        cluster.moves_each_once(run, &[1, 2, 3, 4, 5, 6]).await;
        let places = cluster.places(1..=6).await;
        for number in 2..=4 {
            assert_eq!(places.iter().filter(|it| **it == host(number)).count(), 2, "{places:?}");
        }
    }
}
