//! What runs come to that work for hosts: beside each other, cancelled, ended too early, not able to start
//! again what was shut down.

use std::collections::BTreeMap;
use std::time::Duration;

use godwit_core::effect::Subject;
use godwit_core::failure::FailureCode;
use godwit_core::host::maintenance::{Event, Left, Maintenance, Purpose, Rejected, State};
use godwit_core::ids::OperationUuid;
use godwit_core::plan::Options;
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::plan::request::Target;
use godwit_core::power::{Outcome as Seen, PowerAction};
use godwit_core::run::{
    Event as OfRun, OperationKind, OperationState, Outcome, RollingState, RunState,
};
use godwit_core::server::PowerState;
use godwit_store::{
    ChangeNote, MaintenanceError, NewRun, NotMade, OperationStart, PlanMade, PlannedOperation,
    RoomAnswer,
};

use crate::bench::{Bench, anybody, asked, at, host, server};
use crate::maintenance::{fresh, hold, one_move};
use crate::plans::{by_conductor, by_user, capacity, made, moves, new_plan, operation, plan};
use crate::runs::{failure, run};

const CANCEL: OfRun = OfRun::CancelRequested {
    abort_running: false,
};

fn power_operation(number: u128, kind: OperationKind) -> OperationUuid {
    operation(if kind == OperationKind::Start { 20 } else { 0 } + number)
}

fn power(number: u128, kind: OperationKind) -> PlanMade {
    let operation = PlannedOperation {
        id: power_operation(number, kind),
        kind,
        ..moves(number, "a", "a")
    };
    made(vec![operation], &[])
}

fn released(name: &str, return_home: ReturnHome) -> Event {
    Event::Released {
        holder: name.to_owned(),
        return_home,
    }
}

impl Bench {
    /// A run that has all room carries out a power action: it is off at the end.
    async fn carries_out_power(&self, number: u128, of: u128, outcome: Outcome) {
        let done = outcome == Outcome::Completed;
        let kind = match done {
            true => OperationKind::Shutdown,
            false => OperationKind::Start,
        };
        let id = power_operation(of, kind);
        let start = OperationStart::Power(godwit_store::NewPower {
            server: server(of),
            action: if done {
                PowerAction::Stop
            } else {
                PowerAction::Start
            },
            note: asked(&format!("req-{number}"), at(42)),
        });
        let begun = self
            .store
            .operation_begin(run(number), id, start, anybody, by_conductor(42));
        begun.await.unwrap();
        let off = PowerState::Shutdown;
        let seen = match &outcome {
            Outcome::Completed => Seen::Done(off),
            Outcome::Failed(why) | Outcome::Cancelled(why) | Outcome::Skipped(why) => {
                Seen::Failed(why.clone(), off)
            }
        };
        let outbox = self.outbox().await;
        let claimed = outbox.iter().find_map(|it| match it.subject {
            Subject::Server(uuid, action) => Some(it.about((uuid, action))),
            Subject::Migration(..) | Subject::Plan(..) | Subject::Run(..) => None,
        });
        let concluded = self.store.power_conclude(claimed.unwrap(), seen, at(43));
        assert!(concluded.await.unwrap());
        let ended = OfRun::OperationEnded(id, outcome);
        self.happens(number, ended, 44).await;
    }

    /// Host a was held with `shutdown_restart`, its guest was shut down, and nobody holds it any more:
    /// run 2 is to start it again.
    async fn shut_down_and_left(&self) {
        self.fleet(&[("a", 1), ("b", 0)]).await;
        self.holds(hold("me", Immovable::ShutdownRestart), 1, 30)
            .await;
        self.planned(1, power(1, OperationKind::Shutdown)).await;
        self.claim(1, &[]).await;
        self.carries_out_power(1, 1, Outcome::Completed).await;
        let held = self.reports_end(1, 9, 44).await;
        assert!(held.maintenance.shut_down().eq([server(1)]));
        self.applies(released("me", ReturnHome::Never), 2, 50).await;
    }

    /// The rolling run has ended.
    async fn rolling_state(&self, name: &str) -> Option<RollingState> {
        let record = self.run(1).await;
        let mut hosts = record.run.rolling.iter().flat_map(|it| &it.hosts);
        hosts.find(|it| it.host == host(name)).map(|it| it.state)
    }

    async fn claims_at(&self, number: u128, capacities: &[(&str, i64)], later: u64) -> RoomAnswer {
        let note = ChangeNote {
            at: at(40).plus(Duration::from_secs(later)),
            ..by_conductor(40)
        };
        let answer = self
            .store
            .run_claim_room(run(number), capacity(capacities), note);
        answer.await.unwrap()
    }
}

fn obstacles(it: &Maintenance) -> Vec<godwit_core::ids::ServerUuid> {
    it.obstacles().collect()
}

on_both! {
    async fn what_could_not_be_started_again_is_seen_and_tried_until_it_runs(bench: Bench) {
        bench.shut_down_and_left().await;
        bench.planned(2, power(1, OperationKind::Start)).await;
        bench.claim(2, &[]).await;
        let failed = Outcome::Failed(failure(FailureCode::ComputeServiceUnavailable));
        bench.carries_out_power(2, 1, failed).await;
        let record = bench.reports_end(2, 9, 60).await;
        assert_eq!(record.maintenance.state, State::Leaving);
        assert_eq!(obstacles(&record.maintenance), [server(1)]);
        assert_eq!(record.reasons[&server(1)][0].text, "It did not work.");
        assert_eq!(record.maintenance.retry_at, Some(at(120)));
        assert_eq!(bench.store.maintenances_active().await.unwrap().len(), 1);
        assert!(bench.store.maintenances_to_retry(at(119), 9).await.unwrap().is_empty());
        assert_eq!(bench.store.maintenances_to_retry(at(120), 9).await.unwrap(), [host("a")]);
        let again = bench.applies(Event::RetryDue, 3, 120).await;
        let work = again.maintenance.work.unwrap();
        assert_eq!((work.run, work.purpose), (run(3), Purpose::Returning));
        assert_eq!(bench.plan(3).await.record.target, Target::ReturnHome(host("a")));
        let why = NotMade { failure: failure(FailureCode::NotPlanned), reasons: vec![] };
        bench.store.plan_not_made(plan(3), why, by_conductor(121)).await.unwrap();
        let record = bench.reports_end(3, 9, 130).await;
        assert_eq!(record.maintenance.retry_at, Some(at(250)), "twice as long");
        assert_eq!(record.reasons[&server(1)][0].text, "It did not work.");
        bench.assert_sound().await;

        // It is off as ever: whoever says otherwise was late.
        let runs = Event::NoLongerShutDown(server(1));
        let as_before = bench.applies(runs.clone(), 4, 140).await;
        assert_eq!(as_before.maintenance.state, State::Leaving);
        let standing = bench.store.maintenance_standings(&as_before).await.unwrap();
        assert!(standing[&server(1)].is_off);
        bench.sql("UPDATE servers SET vm_state = 'active'");
        let standing = bench.store.maintenance_standings(&as_before).await.unwrap();
        let departure = as_before.maintenance.departure(&host("a"), server(1), &standing[&server(1)]);
        assert_eq!(departure, Some(runs.clone()));
        assert_eq!(bench.applies(runs, 4, 150).await.maintenance.state, State::None);
    }

    async fn nobody_waits_for_a_server_that_was_deleted_while_it_was_off(bench: Bench) {
        bench.shut_down_and_left().await;
        let why = NotMade { failure: failure(FailureCode::NotPlanned), reasons: vec![] };
        bench.store.plan_not_made(plan(2), why, by_conductor(51)).await.unwrap();
        let record = bench.reports_end(2, 9, 60).await;
        assert_eq!(record.maintenance.state, State::Leaving);
        bench.sql("UPDATE servers SET deleted_at = created_at, vm_state = 'deleted'");
        let standing = bench.store.maintenance_standings(&record).await.unwrap();
        let gone = record.maintenance.departure(&host("a"), server(1), &standing[&server(1)]);
        assert_eq!(bench.applies(gone.unwrap(), 4, 150).await.maintenance.state, State::None);
    }

    async fn a_cancelled_way_home_says_so_of_whom_it_did_not_start(bench: Bench) {
        bench.shut_down_and_left().await;
        bench.planned(2, power(1, OperationKind::Start)).await;
        bench.store.run_apply(run(2), CANCEL, by_user(55)).await.unwrap();
        let record = bench.reports_end(2, 9, 60).await;
        assert_eq!((record.maintenance.state, record.maintenance.retry_at), (State::Leaving, None));
        assert_eq!(obstacles(&record.maintenance), [server(1)]);
        let user = by_user(55).by.user.unwrap();
        let text = &record.reasons[&server(1)][0].text;
        assert!(text.contains(&format!("cancelled by {user}")), "{text}");
    }

    /// As kubevirt's 4557 has it: double migration in one drain.
    async fn a_plan_that_is_run_on_a_held_host_is_known_to_its_maintenance(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::ShutdownRestart), 1, 30).await;
        bench.planned(1, one_move()).await;
        bench.ask_for(new_plan(5, Target::Maintenance(host("a"))), 10).await;
        let off = PlannedOperation { kind: OperationKind::Shutdown, ..moves(2, "a", "a") };
        bench.store.plan_made(plan(5), made(vec![off], &[]), by_conductor(20)).await.unwrap();
        let holder = hold("you", Immovable::ShutdownRestart).holder;
        let new = NewRun { uuid: run(5), host: Some(host("a")), hold: Some((holder, fresh(6))) };
        bench.store.plan_run(plan(5), new, Vec::<()>::new(), by_user(35)).await.unwrap();
        let joined = bench.maintenance("a").await.maintenance;
        assert_eq!(joined.work.unwrap().run, run(1));
        assert!(joined.empties(run(5)) && joined.next.is_none());
        bench.claim(5, &[]).await;
        bench.carries_out_power(5, 2, Outcome::Completed).await;
        bench.assert_sound().await;
        let told = bench.reports_end(5, 7, 60).await.maintenance;
        assert!(told.shut_down().eq([server(2)]));
        assert_eq!(told.work.unwrap().run, run(1), "it goes on");
        bench.moves_one(1, 1).await;
        let over = bench.reports_end(1, 8, 70).await.maintenance;
        assert!(over.work.is_none() && over.shut_down().eq([server(2)]));
        bench.applies(released("you", ReturnHome::Never), 10, 80).await;
        let left = bench.applies(released("me", ReturnHome::Never), 11, 81).await.maintenance;
        assert_eq!(left.work.map(|it| it.purpose), Some(Purpose::Returning));
        bench.assert_sound().await;
    }

    async fn a_run_that_has_ended_holds_nothing(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.rolls(&["a"], one_move()).await;
        bench.happens(1, CANCEL, 45).await;
        let late = bench.holds_by_run("a", &Options::default()).await.maintenance;
        assert_eq!((late.state, late.holders.len()), (State::None, 0));
        bench.assert_sound().await;
    }

    async fn what_was_held_for_a_run_and_released_is_not_held_again(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.rolls(&["a"], one_move()).await;
        let held = bench.holds_by_run("a", &Options::default()).await;
        let own = held.maintenance.holders[0].holder.clone();
        assert!(bench.run(1).await.run.rolling.unwrap().hosts[0].held);
        bench.applies(released(&own, ReturnHome::Never), 7, 50).await;
        let again = bench.holds_by_run("a", &Options::default()).await.maintenance;
        assert!(again.holders.is_empty());
        bench.happens(1, OfRun::HostReleased(host("a")), 55).await;
        let record = bench.run(1).await;
        assert_eq!(record.run.operations[0].state, OperationState::Skipped);
        let ids = [fresh(8), fresh(9)];
        let of = (run(1), host("a"));
        let over = bench.store.maintenance_release_by_run(of, ReturnHome::Never, ids, by_conductor(60));
        assert_eq!(over.await.unwrap().unwrap().maintenance.state, State::None);
        bench.happens(1, OfRun::HostReturned(host("a")), 61).await;
        assert_eq!(bench.rolling_state("a").await, Some(RollingState::Done));
        bench.assert_sound().await;
    }

    /// Whatever made it wait for a run that is over.
    async fn a_host_that_waits_for_a_run_that_is_over_can_be_released(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.rolls(&["a"], one_move()).await;
        let held = bench.holds_by_run("a", &Options::default()).await;
        let own = held.maintenance.holders[0].holder.clone();
        bench.happens(1, CANCEL, 45).await;
        let left = bench.applies(released(&own, ReturnHome::Never), 7, 50).await;
        assert_eq!(left.maintenance.state, State::None);
    }

    async fn what_somebody_cancels_waits_for_whoever_asks_for_it_again(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::Skip), 1, 30).await;
        bench.planned(1, one_move()).await;
        bench.claims(1).await;
        bench.store.run_apply(run(1), CANCEL, by_user(45)).await.unwrap();
        let record = bench.reports_end(1, 9, 50).await;
        assert_eq!(obstacles(&record.maintenance), [server(1), server(2)], "planned for or not");
        let user = by_user(45).by.user.unwrap();
        assert_eq!(record.maintenance.cancelled_by, Some(user.clone()));
        for number in [1, 2] {
            let text = &record.reasons[&server(number)][0].text;
            assert!(text.contains(&format!("cancelled by {user}")), "{text}");
        }
        assert!(bench.store.maintenances_to_retry(at(9_999), 9).await.unwrap().is_empty());
        let early = Event::RetryDue;
        let refused = bench.store.maintenance_apply(host("a"), early, fresh(3), by_conductor(9_999));
        let refused = refused.await;
        let too_early = matches!(refused, Err(MaintenanceError::Rejected(Rejected::TooEarly)));
        assert!(too_early, "{refused:?}");
        bench.assert_sound().await;
        let again = bench.holds(hold("me", Immovable::Skip), 4, 60).await.maintenance;
        assert_eq!((again.work.unwrap().run, again.cancelled_by), (run(4), None));
        bench.assert_sound().await;
    }

    /// The maintenance of a host cancels its run when the host is left: that is what was asked for.
    async fn whoever_leaves_a_host_has_cancelled_nothing(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        bench.planned(1, one_move()).await;
        bench.claims(1).await;
        bench.releases("me", 2, 50).await;
        let home = bench.reports_end(1, 3, 51).await.maintenance;
        assert_eq!(home.cancelled_by, None);
        assert_eq!(home.left, BTreeMap::<_, Left>::new());
        assert_eq!(home.work.map(|it| it.purpose), Some(Purpose::Returning));
    }

    async fn guests_return_idly_when_nobody_else_waits_however_long_that_takes(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 1)]).await;
        bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        bench.planned(1, one_move()).await;
        bench.moves_one(1, 1).await;
        bench.reports_end(1, 9, 51).await;
        bench.applies(released("me", ReturnHome::Idle), 2, 55).await;
        let back = PlannedOperation { id: operation(7), ..moves(1, "b", "a") };
        bench.planned(2, made(vec![back], &[("a", 1)])).await;
        // Nothing that they need is the other's.
        let other = PlannedOperation { id: operation(8), ..moves(2, "b", "c") };
        bench.run_pending(3, made(vec![other], &[("c", 1)])).await;
        let waits = RoomAnswer::WaitsFor([run(3)].into());
        let hosts = [("a", 9), ("b", 9), ("c", 9)];
        for later in [0, 3_600, 86_400] {
            assert_eq!(bench.claims_at(2, &hosts, later).await, waits, "it does not age");
        }
        assert_eq!(bench.run(2).await.waits_for, [run(3)]);
        let answer = bench.claims_at(3, &hosts, 86_400).await;
        assert!(matches!(answer, RoomAnswer::Claimed(_)), "{answer:?}");
        let answer = bench.claims_at(2, &hosts, 86_401).await;
        assert!(matches!(answer, RoomAnswer::Claimed(_)), "{answer:?}");
        bench.assert_sound().await;
    }

    /// The run moves one of its guests once more, and goes on when they are back.
    async fn a_way_home_does_not_wait_for_the_rolling_run_that_waits_for_it(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 1)]).await;
        let once_more = PlannedOperation { id: operation(7), after: vec![operation(1)], ..moves(1, "b", "c") };
        let rolling = made(vec![moves(1, "a", "b"), once_more], &[("b", 1), ("c", 1)]);
        bench.rolls(&["a", "b"], rolling).await;
        bench.holds_by_run("a", &Options::default()).await;
        bench.carries_out(1, 1).await;
        bench.happens(1, OfRun::HostDone(host("a")), 50).await;
        let ids = [fresh(8), fresh(2)];
        let of = (run(1), host("a"));
        let left = bench.store.maintenance_release_by_run(of, ReturnHome::Now, ids, by_conductor(51));
        let left = left.await.unwrap().unwrap().maintenance;
        let way = left.work.unwrap();
        assert_eq!((way.run, way.purpose), (run(2), Purpose::Returning));
        let back = PlannedOperation { id: operation(9), ..moves(1, "b", "a") };
        bench.planned(2, made(vec![back], &[("a", 1)])).await;
        // Somebody else comes before it, and waits for the rolling run.
        let same = PlannedOperation { id: operation(10), ..moves(1, "b", "c") };
        bench.run_pending(3, made(vec![same], &[("c", 1)])).await;
        bench.sql("UPDATE runs SET priority = 'emergency' WHERE kind = 'host'");
        let hosts = [("a", 9), ("b", 9), ("c", 9)];
        assert_eq!(bench.claims_at(3, &hosts, 20).await, RoomAnswer::WaitsFor([run(1)].into()));
        let answer = bench.claims_at(2, &hosts, 21).await;
        assert!(matches!(answer, RoomAnswer::Claimed(_)), "{answer:?}");
        assert_eq!(bench.run(1).await.run.state, RunState::Running);
        bench.assert_sound().await;
    }
}
