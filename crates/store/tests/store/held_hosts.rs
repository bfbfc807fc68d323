//! What may still execute on a host that somebody holds, and what proves that nothing does.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use godwit_core::effect::Subject;
use godwit_core::event::Event as OfMigration;
use godwit_core::host::maintenance::{Event, Inventory, State};
use godwit_core::migration::{EvacuationRequest, LiveRequest};
use godwit_core::plan::options::Affinity;
use godwit_core::plan::options::Immovable;
use godwit_core::power::{Outcome, PowerAction};
use godwit_core::server::{PowerState, VmState};
use godwit_store::{
    BeginError, CommitError, Hold, MaintenanceRecord, NewEvacuation, NewLiveMigration, NewPower,
    Sighted, StepError,
};

use crate::bench::{
    Bench, anybody, asked, at, host, new_evacuation, new_migration, note_for, placed, server,
};
use crate::maintenance::{fresh, hold, one_move};
use crate::plans::{by_conductor, moves};

const LEASE: Duration = Duration::from_secs(5);

fn mine() -> Hold {
    hold("me", Immovable::Wait)
}

impl Bench {
    /// Host a says what it executes, asked after the maintenance was read as it is in `before`.
    async fn says(
        &self,
        before: &MaintenanceRecord,
        guests: &[u128],
        second: i64,
    ) -> MaintenanceRecord {
        let seen = Sighted {
            host: host("a"),
            counts_after: before.maintenance.evidence.counts_after,
            inventory: Inventory {
                began_at: at(second),
                executing: guests.iter().map(|it| server(*it)).collect(),
            },
        };
        let number = 9_000 + u128::try_from(second).unwrap();
        let taken = self
            .store
            .maintenance_see(seen, fresh(number), by_conductor(second));
        taken.await.unwrap().unwrap()
    }

    async fn is_empty(&self, second: i64) -> MaintenanceRecord {
        let before = self.maintenance("a").await;
        self.says(&before, &[], second).await
    }

    /// Host a is held, and what was to empty it has found nothing to do.
    async fn is_held_and_settled(&self) {
        self.holds(mine(), 1, 30).await;
        self.plan_comes_to_nothing(1).await;
        self.reports_end(1, 2, 45).await;
    }

    async fn is_safe(&self) {
        self.is_held_and_settled().await;
        self.is_empty(50).await;
        let safe = self.is_empty(51).await;
        assert!(safe.maintenance.safe_to_reboot());
    }

    async fn asks_power(
        &self,
        action: PowerAction,
        second: i64,
    ) -> Result<(), BeginError<Infallible>> {
        let new = NewPower {
            server: server(1),
            action,
            note: asked(&format!("req-{second}"), at(second)),
        };
        self.store.power_begin(new, anybody).await
    }

    /// Whoever performs what was asked of server 1 is through with it.
    async fn powers(&self, seen: PowerState, second: i64) {
        let claimed = self.store.effects_claim("me", at(second), LEASE, 99).await;
        for claimed in claimed.unwrap() {
            if let Subject::Server(uuid, action) = claimed.subject {
                let claimed = claimed.about((uuid, action));
                let done = Outcome::Done(seen);
                self.store
                    .power_start(claimed, at(second))
                    .await
                    .unwrap()
                    .unwrap();
                assert!(
                    self.store
                        .power_conclude(claimed, done, at(second))
                        .await
                        .unwrap()
                );
            }
        }
    }

    async fn in_flight(&self, second: i64) -> u32 {
        let counted = self
            .store
            .maintenance_recount(host("a"), fresh(99), by_conductor(second));
        counted.await.unwrap();
        self.maintenance("a")
            .await
            .maintenance
            .evidence
            .placements_in_flight
    }

    /// Nothing arrives at host a by that migration.
    async fn is_turned_away(&self, number: u128) {
        let late = self
            .apply(number, placed("a"), note_for(&placed("a"), at(35)))
            .await;
        let refused = matches!(
            &late,
            Err(StepError::Commit(CommitError::InMaintenance { host: it, .. })) if *it == host("a")
        );
        assert!(refused, "{late:?}");
        self.assert_sound().await;
    }
}

on_both! {
    async fn no_cold_move_arrives_at_a_held_host(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 1)]).await;
        bench.holds(mine(), 1, 30).await;
        bench.begin_cold(1).await;
        bench.is_turned_away(1).await;
    }

    /// Nova's scheduler is passed over, and its switch of the host; the maintenance is not.
    async fn no_forced_move_arrives_at_a_held_host(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 1)]).await;
        bench.holds(mine(), 1, 30).await;
        let request = LiveRequest { host: Some(host("a")), forced: true, ..crate::bench::anywhere() };
        let new = NewLiveMigration { request, ..new_migration(1, at(31)) };
        bench.store.server_begin_live_migration(new, anybody).await.unwrap();
        bench.is_turned_away(1).await;
    }

    async fn no_evacuation_arrives_at_a_held_host(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 2)]).await;
        bench.holds(mine(), 1, 30).await;
        bench.evacuate(1).await;
        bench.is_turned_away(1).await;
        let request = EvacuationRequest {
            host: Some(host("a")),
            forced: true,
            was: VmState::Active,
            end_stopped: false,
            affinity: Affinity::Strict,
        };
        let new = NewEvacuation { request, ..new_evacuation(2, at(31)) };
        bench.store.evacuation_begin(new, anybody).await.unwrap();
        bench.is_turned_away(2).await;
    }

    /// What a run had planned before somebody held its destination.
    async fn no_operation_of_a_run_arrives_at_a_held_host(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 1)]).await;
        bench.run_running(7, crate::plans::made(vec![moves(1, "b", "a")], &[("a", 1)])).await;
        bench.holds(mine(), 1, 30).await;
        bench.begins(7, 1, 31).await.unwrap();
        bench.is_turned_away(1).await;
    }

    /// As lxd's 17170 has it: two hosts evacuate onto each other.
    async fn of_two_hosts_that_enter_at_once_neither_gets_what_the_other_has(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 1)]).await;
        bench.holds(mine(), 1, 30).await;
        let held = bench.store.maintenance_hold(host("b"), mine(), fresh(2), by_conductor(30));
        held.await.unwrap();
        for (number, to) in [(1, "b"), (2, "a")] {
            bench.begin(number).await;
            let late = bench.apply(number, placed(to), note_for(&placed(to), at(35))).await;
            let held = matches!(
                &late,
                Err(StepError::Commit(CommitError::InMaintenance { host: it, .. }))
                    if *it == host(to)
            );
            assert!(held, "{late:?}");
        }
        bench.assert_sound().await;
    }

    /// It goes back to where it was when it is reverted.
    async fn a_cold_move_away_counts_until_it_is_confirmed_or_reverted(bench: Bench) {
        for (number, reverts) in [(1, false), (2, true)] {
            if number == 1 {
                bench.fleet(&[("a", 2), ("b", 0)]).await;
            }
            bench.begin_cold(number).await;
            if number == 1 {
                bench.holds(mine(), 1, 30).await;
            }
            assert_eq!(bench.in_flight(31).await, 1, "it may fail, and start again here");
            bench.drive(number, [placed("b")]).await;
            bench.drive(number, [OfMigration::Prepared, OfMigration::SourceStopped]).await;
            assert_eq!(bench.in_flight(32).await, 1);
            bench.drive(number, [OfMigration::Booted]).await;
            assert_eq!(bench.in_flight(33).await, 1, "it waits for its confirmation");
            let before = bench.maintenance("a").await;
            let said = bench.says(&before, &[], 34).await;
            assert_ne!(said.maintenance.state, State::Empty);
            let note = asked("req-9", at(40));
            let store = &bench.store;
            if reverts {
                store.resize_revert(server(number), note, anybody).await.unwrap();
                assert_eq!(bench.in_flight(41).await, 1, "it is on its way back");
            } else {
                store.resize_confirm(server(number), note, anybody).await.unwrap();
                bench.drive(number, [OfMigration::Finished { clean: true }]).await;
                assert_eq!(bench.in_flight(41).await, 0);
            }
        }
        bench.assert_sound().await;
    }

    async fn a_start_makes_nothing_that_was_seen_count_any_more(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.is_held_and_settled().await;
        assert_eq!(bench.is_empty(50).await.maintenance.state, State::Empty);
        bench.asks_power(PowerAction::Start, 52).await.unwrap();
        let starting = bench.maintenance("a").await.maintenance;
        assert_eq!(starting.evidence.placements_in_flight, 1);
        assert_eq!(starting.state, State::Entering);
        assert!(!starting.evidence.counts(), "in the transaction that accepts it");
        for second in [53, 54, 55] {
            let said = bench.is_empty(second).await.maintenance;
            assert!(!said.safe_to_reboot() && said.state == State::Entering);
        }
        bench.powers(PowerState::Running, 56).await;
        let started = bench.is_empty(57).await.maintenance;
        assert!(!started.evidence.counts(), "it was begun before anybody knew that it is over");
        let before = bench.maintenance("a").await;
        let seen = bench.says(&before, &[1], 58).await.maintenance;
        assert_eq!(seen.state, State::Entering);
        assert!(seen.work.is_some(), "it is moved away");
        bench.assert_sound().await;
    }

    /// Whoever was told that a host is safe may have pulled the plug already.
    async fn nothing_is_started_on_a_host_that_is_said_to_be_safe(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.is_safe().await;
        for action in [PowerAction::Start, PowerAction::SoftReboot, PowerAction::HardReboot] {
            let refused = bench.asks_power(action, 60).await;
            assert!(matches!(refused, Err(BeginError::InMaintenance)), "{refused:?}");
        }
        assert_eq!(bench.server(1).await.task_state, None);
        assert!(bench.maintenance("a").await.maintenance.safe_to_reboot());
        bench.releases("me", 3, 61).await;
        bench.asks_power(PowerAction::Start, 62).await.unwrap();
        bench.assert_sound().await;
    }

    async fn a_start_that_was_asked_for_before_is_counted_and_a_stop_is_not(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.asks_power(PowerAction::Start, 20).await.unwrap();
        let held = bench.holds(mine(), 1, 30).await.maintenance;
        assert_eq!(held.evidence.placements_in_flight, 1);
        bench.powers(PowerState::Running, 31).await;
        assert_eq!(bench.in_flight(32).await, 0);
        bench.asks_power(PowerAction::Stop, 33).await.unwrap();
        assert_eq!(bench.in_flight(34).await, 0);
    }

    async fn what_was_asked_before_something_could_arrive_is_not_taken(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.is_held_and_settled().await;
        let before = bench.is_empty(50).await;
        bench.asks_power(PowerAction::Start, 52).await.unwrap();
        bench.powers(PowerState::Running, 52).await;
        bench.in_flight(52).await;
        let between = bench.maintenance("a").await;
        // By a clock that is ahead: it was begun before, whatever it says.
        let late = bench.says(&before, &[], 99).await;
        assert_eq!(late, between);
    }

    /// As radar's 1785 has it: "drained" when requests were accepted, not when the host was empty.
    async fn a_guest_that_somebody_started_beside_us_keeps_a_host_from_being_empty(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0)]).await;
        bench.is_held_and_settled().await;
        let before = bench.maintenance("a").await;
        let seen = bench.says(&before, &[77], 50).await.maintenance;
        assert_eq!((seen.state, seen.evidence.guests_seen()), (State::Entering, Some(1)));
        assert!(seen.work.is_some(), "it is looked for");
    }

    /// As harvester's 8856 and 2539 have it: empty, and not said to be.
    async fn a_host_that_never_had_a_guest_is_said_to_be_safe(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0)]).await;
        bench.is_safe().await;
        bench.assert_sound().await;
    }

    /// Nobody who holds nothing is asked for anything, and a host that is left is not judged.
    async fn what_nobody_holds_takes_no_inventory(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0)]).await;
        let seen = Sighted {
            host: host("a"),
            counts_after: at(1),
            inventory: Inventory { began_at: at(2), executing: BTreeSet::new() },
        };
        let note = by_conductor(3);
        let taken = bench.store.maintenance_see(seen.clone(), fresh(1), note.clone()).await;
        assert_eq!(taken.unwrap(), None);
        bench.holds(mine(), 1, 30).await;
        bench.releases("me", 2, 31).await;
        assert_eq!(bench.store.maintenance_see(seen, fresh(3), note).await.unwrap(), None);
    }

    async fn a_held_host_says_by_whom_and_its_switch_is_as_it_was(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 0)]).await;
        let holders = async || {
            let load = bench.store.host_load(&host("a")).await.unwrap().unwrap();
            assert!(!load.switch.disabled && load.because.is_empty());
            let all = bench.store.host_loads().await.unwrap();
            assert_eq!(all[0].holders, load.holders);
            let held = bench.store.maintenance_holders().await.unwrap();
            assert_eq!(held.get(&host("a")).cloned().unwrap_or_default(), load.holders);
            load.holders.into_iter().map(|it| it.holder).collect::<Vec<_>>()
        };
        assert!(holders().await.is_empty());
        bench.holds(mine(), 1, 30).await;
        assert_eq!(holders().await, ["me"]);
        bench.releases("me", 2, 40).await;
        assert!(holders().await.is_empty(), "it is on its way out");
    }

    /// As ProxLB's 232 has it: the balancer moves servers back.
    async fn whom_a_maintenance_has_moved_is_at_home_until_somebody_else_moves_it(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0), ("c", 0)]).await;
        bench.holds(mine(), 1, 30).await;
        bench.planned(1, one_move()).await;
        bench.moves_one(1, 1).await;
        let elsewhere = async || {
            let record = bench.maintenance("a").await;
            let standings = bench.store.maintenance_standings(&record).await.unwrap();
            let gone = standings.into_iter().filter(|(_, it)| it.host != Some(host("a")));
            let said = gone.map(|(server, it)| {
                (server, it.host.unwrap(), it.by_maintenance)
            });
            said.collect::<Vec<_>>()
        };
        assert_eq!(elsewhere().await, [(server(1), host("b"), true)]);
        let new = NewLiveMigration {
            uuid: crate::bench::migration(50),
            ..new_migration(1, at(60))
        };
        bench.store.server_begin_live_migration(new, anybody).await.unwrap();
        assert_eq!(elsewhere().await, [(server(1), host("b"), true)], "it has not gone yet");
        let way = [
            placed("c"),
            OfMigration::Admitted,
            OfMigration::Prepared,
            OfMigration::HandedOver,
            OfMigration::Finished { clean: true },
        ];
        bench.drive(50, way).await;
        assert_eq!(elsewhere().await, [(server(1), host("c"), false)]);
        let gone = Event::ServerLeft { server: server(1), by_maintenance: false };
        let left = bench.applies(gone, 3, 70).await.maintenance;
        assert_eq!(left.home, BTreeSet::from([server(2)]));
        assert!(elsewhere().await.is_empty());
    }

    /// As xen-api's 7145 has it: a wrong reason for five years. Of a blocker that is tried again the
    /// reasons are those of the last try.
    async fn a_blocker_is_blocked_for_what_it_was_found_to_be_last(bench: Bench) {
        let blocked_by = |text: &str| {
            let mut blocked = crate::plans::blocked(1);
            blocked.reasons[0].text = text.to_owned();
            godwit_store::PlanMade { blocked: vec![blocked], ..crate::plans::made(vec![], &[]) }
        };
        let reasons = async || {
            let record = bench.maintenance("a").await;
            let of_blocker: &[_] = &record.reasons[&server(1)];
            of_blocker.iter().map(|it| it.text.clone()).collect::<Vec<_>>()
        };
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::ShutdownRestart), 1, 30).await;
        bench.planned(1, blocked_by("no memory")).await;
        bench.reports_end(1, 2, 50).await;
        assert_eq!(reasons().await, ["no memory"]);
        bench.applies(Event::RetryDue, 2, 110).await;
        bench.planned(2, blocked_by("no such pool")).await;
        bench.reports_end(2, 3, 120).await;
        assert_eq!(reasons().await, ["no such pool"]);
    }
}
