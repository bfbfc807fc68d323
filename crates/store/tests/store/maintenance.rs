//! The maintenance of hosts: held, emptied by a run, seen to be empty, released, and home again.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::effect::{PlanEffect, RunEffect, Subject};
use godwit_core::event::Event as OfMigration;
use godwit_core::failure::FailureCode;
use godwit_core::host::maintenance::{Event, Holder, Inventory, Left, Purpose, Rejected, State};
use godwit_core::ids::RunUuid;
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Estimate, Options, PlanKind, PlanState};
use godwit_core::power::PowerAction;
use godwit_core::run::{Event as OfRun, OperationKind, Outcome, Progress, RunState};
use godwit_store::{
    ChangeNote, CommitError, EventSubject, FreshIds, Hold, MaintenanceError, MaintenanceRecord,
    MaintenanceRequestError, NewPower, NotMade, OperationStart, PlanMade, RoomAnswer, RunProgress,
    RunRecord, StepError,
};

use crate::bench::{Bench, anybody, asked, at, host, note_for, placed, server};
use crate::plans::{blocked, by_conductor, by_user, made, moves, operation, plan};
use crate::runs::{failure, run};

mod of_runs;

pub(crate) fn fresh(number: u128) -> FreshIds {
    FreshIds {
        plan: plan(number),
        run: run(number),
    }
}

pub(crate) fn hold(name: &str, immovable: Immovable) -> Hold {
    Hold {
        holder: Holder {
            holder: name.to_owned(),
            reason: Some("a new kernel".to_owned()),
            by: "anna".to_owned(),
            since: at(30),
            deadline: None,
            immovable,
            return_home: ReturnHome::Never,
        },
        run: None,
    }
}

impl Bench {
    /// Somebody holds host a; a run that has to be made, and its plan, have this number.
    pub(crate) async fn holds(&self, wanted: Hold, number: u128, second: i64) -> MaintenanceRecord {
        let held = self
            .store
            .maintenance_hold(host("a"), wanted, fresh(number), by_user(second));
        let record = held.await.unwrap();
        assert_eq!(
            record,
            self.maintenance("a").await,
            "it is what was written"
        );
        record
    }

    pub(crate) async fn maintenance(&self, name: &str) -> MaintenanceRecord {
        let found = self.store.maintenance_find(&host(name)).await;
        found.unwrap().unwrap()
    }

    pub(crate) async fn applies(
        &self,
        event: Event,
        number: u128,
        second: i64,
    ) -> MaintenanceRecord {
        let note = by_conductor(second);
        let applied = self
            .store
            .maintenance_apply(host("a"), event, fresh(number), note);
        let record = applied.await.unwrap();
        assert_eq!(
            record,
            self.maintenance("a").await,
            "it is what was written"
        );
        record
    }

    pub(crate) async fn releases(
        &self,
        name: &str,
        number: u128,
        second: i64,
    ) -> MaintenanceRecord {
        let event = Event::Released {
            holder: name.to_owned(),
            return_home: ReturnHome::Now,
        };
        self.applies(event, number, second).await
    }

    async fn sees(&self, guests: &[u128], second: i64) -> MaintenanceRecord {
        let inventory = Inventory {
            began_at: at(second),
            executing: guests.iter().map(|it| server(*it)).collect(),
        };
        self.applies(Event::Seen(inventory), 99, second).await
    }

    /// The plan of a promised run is made.
    pub(crate) async fn planned(&self, number: u128, made: PlanMade) -> RunRecord {
        let planned = self.store.plan_made(plan(number), made, by_conductor(40));
        planned.await.unwrap();
        self.run(number).await
    }

    /// There is nothing for it to do.
    pub(crate) async fn plan_comes_to_nothing(&self, number: u128) {
        self.planned(number, made(vec![], &[])).await;
        let RoomAnswer::Claimed(ended) = self.claim(number, &[]).await else {
            panic!("nobody else is there");
        };
        assert_eq!(ended.run.state, RunState::Completed);
    }

    /// A run that has all room begins with an operation, which is done at once.
    pub(crate) async fn moves_one(&self, number: u128, of: u128) -> RunRecord {
        self.claims(number).await;
        self.carries_out(number, of).await
    }

    /// There is enough room.
    pub(crate) async fn claims(&self, number: u128) {
        let answer = self.claim(number, crate::runs::TEN).await;
        assert!(matches!(answer, RoomAnswer::Claimed(_)), "{answer:?}");
    }

    /// An operation begins and is done at once.
    pub(crate) async fn carries_out(&self, number: u128, of: u128) -> RunRecord {
        let new = crate::bench::new_migration(of, at(41));
        let begun = self.store.operation_begin(
            run(number),
            operation(of),
            OperationStart::Live(new),
            anybody,
            by_conductor(41),
        );
        begun.await.unwrap();
        let way = [
            placed("b"),
            OfMigration::Admitted,
            OfMigration::Prepared,
            OfMigration::HandedOver,
            OfMigration::Finished { clean: true },
        ];
        self.drive(of, way).await;
        let event = OfRun::OperationEnded(operation(of), Outcome::Completed);
        self.happens(number, event, 50).await
    }

    /// The rolling run 1 of these hosts has all room, and holds none of them yet.
    pub(crate) async fn rolls(&self, hosts: &[&str], made: PlanMade) {
        let target = Target::Rolling {
            hosts: hosts.iter().map(|it| host(it)).collect(),
            max_unavailable: 2,
        };
        let new = godwit_store::NewPlan {
            options: Options {
                allow_partial: true,
                ..Options::default()
            },
            ..crate::plans::new_plan(1, target)
        };
        self.ask_for(new, 10).await;
        let planned = self.store.plan_made(plan(1), made, by_conductor(20));
        planned.await.unwrap();
        let nothing = Vec::<()>::new();
        let begun = self
            .store
            .plan_run(plan(1), crate::runs::new_run(1), nothing, by_user(30));
        begun.await.unwrap();
        self.claims(1).await;
    }

    /// It holds one of its hosts.
    pub(crate) async fn holds_by_run(&self, name: &str, options: &Options) -> MaintenanceRecord {
        let of = (run(1), host(name));
        let held = self
            .store
            .maintenance_hold_by_run(of, options, fresh(2), by_conductor(40));
        held.await.unwrap()
    }

    /// Whoever performs what its end asks for.
    pub(crate) async fn reports_end(
        &self,
        number: u128,
        next: u128,
        second: i64,
    ) -> MaintenanceRecord {
        let outbox = self.outbox().await;
        let wanted = Subject::Run(run(number), RunEffect::ReportEnd);
        let claimed = outbox.iter().find(|it| it.subject == wanted).unwrap();
        let note = ChangeNote {
            performed: Some(claimed.lease),
            ..by_conductor(second)
        };
        let told = self
            .store
            .maintenance_report_end(run(number), fresh(next), note);
        let record = told.await.unwrap().unwrap();
        assert!(
            !self
                .store
                .effect_done(claimed.lease, at(second))
                .await
                .unwrap(),
            "it is done"
        );
        record
    }
}

fn work(record: &MaintenanceRecord) -> Option<(RunUuid, Purpose)> {
    record.maintenance.work.map(|it| (it.run, it.purpose))
}

pub(crate) fn one_move() -> PlanMade {
    made(vec![moves(1, "a", "b")], &[("b", 1)])
}

on_both! {
    async fn a_host_is_emptied_seen_to_be_and_gets_its_guests_back(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        assert_eq!(bench.store.maintenance_find(&host("a")).await.unwrap(), None);
        let held = bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        assert_eq!(held.maintenance.state, State::Entering);
        assert_eq!(held.maintenance.home, BTreeSet::from([server(1)]));
        assert_eq!(work(&held), Some((run(1), Purpose::Emptying)));
        // The run is there before its plan is.
        let promised = bench.run(1).await;
        assert_eq!((promised.run.state, promised.planned), (RunState::Pending, false));
        assert_eq!((promised.host.clone(), promised.run.kind), (Some(host("a")), PlanKind::Maintenance));
        let asked_for = bench.plan(1).await;
        assert_eq!(asked_for.record.target, Target::Maintenance(host("a")));
        assert_eq!((asked_for.record.plan.state, asked_for.run), (PlanState::Initializing, Some(run(1))));
        assert!(bench.store.runs_pending().await.unwrap().is_empty(), "it is not planned");
        let outbox = bench.outbox().await;
        assert_eq!(outbox.len(), 1);
        assert_eq!(outbox[0].subject, Subject::Plan(plan(1), PlanEffect::Make));
        bench.assert_sound().await;

        let begun = bench.planned(1, one_move()).await;
        assert!(begun.planned && begun.run.operations.len() == 1);
        assert!(bench.plan(1).await.record.plan.has_run);
        let ended = bench.moves_one(1, 1).await;
        assert_eq!(ended.run.state, RunState::Completed);
        bench.assert_sound().await;
        let entering = bench.reports_end(1, 2, 51).await;
        assert_eq!((work(&entering), entering.maintenance.state), (None, State::Entering));
        assert_eq!(bench.sees(&[], 60).await.maintenance.state, State::Empty);
        let safe = bench.sees(&[], 70).await;
        assert_eq!(safe.maintenance.state, State::InMaintenance);
        assert!(safe.maintenance.safe_to_reboot());
        let active = bench.store.maintenances_active().await.unwrap();
        assert_eq!(active, [safe]);
        bench.assert_sound().await;

        let leaving = bench.releases("me", 2, 80).await;
        assert_eq!(leaving.maintenance.state, State::Leaving);
        assert_eq!(work(&leaving), Some((run(2), Purpose::Returning)));
        assert_eq!(bench.plan(2).await.record.target, Target::ReturnHome(host("a")));
        let home = made(vec![], &[]);
        bench.planned(2, home).await;
        let RoomAnswer::Claimed(ended) = bench.claim(2, &[]).await else { panic!() };
        assert_eq!(ended.run.state, RunState::Completed);
        let over = bench.reports_end(2, 3, 90).await;
        assert_eq!(over.maintenance.state, State::None);
        assert!(bench.store.maintenances_active().await.unwrap().is_empty());
        bench.assert_sound().await;
        let told = bench.names_told(EventSubject::Maintenance(host("a"))).await;
        let expected = ["held", "planned", "run_ended", "seen", "seen", "released", "run_ended"];
        assert_eq!(told, expected);
        let told = bench.told(EventSubject::Maintenance(host("a"))).await;
        assert_eq!(told[4].detail["safe_to_reboot"], true);
        assert_eq!(told[0].detail["reason"], "a new kernel");
    }

    /// Whatever was decided a moment before.
    async fn nothing_arrives_at_a_host_that_somebody_holds(bench: Bench) {
        bench.fleet(&[("a", 0), ("b", 2)]).await;
        bench.begin(1).await;
        bench.apply(1, placed("a"), note_for(&placed("a"), at(25))).await.unwrap();
        let held = bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        assert_eq!(held.maintenance.evidence.placements_in_flight, 1, "it was on its way");
        bench.begin(2).await;
        let late = bench.apply(2, placed("a"), note_for(&placed("a"), at(35))).await;
        let refused = matches!(
            &late,
            Err(StepError::Commit(CommitError::InMaintenance { host: it, holders }))
                if *it == host("a") && *holders == ["me"]
        );
        assert!(refused, "{late:?}");
        let recount = async |second| {
            let note = by_conductor(second);
            bench.store.maintenance_recount(host("a"), fresh(9), note).await.unwrap()
        };
        assert_eq!(recount(36).await, None, "it is as it was");
        for event in [OfMigration::AbortRequested, OfMigration::CancelledUnstarted] {
            bench.drive(1, [event]).await;
        }
        let counted = recount(40).await.unwrap();
        assert_eq!(counted.maintenance.evidence.placements_in_flight, 0);
        assert_eq!(recount(41).await, None);
        bench.assert_sound().await;

        bench.releases("me", 2, 50).await;
        bench.store.plan_not_made(
            plan(1),
            NotMade { failure: failure(FailureCode::TimedOut), reasons: vec![] },
            by_conductor(51),
        ).await.unwrap();
        bench.apply(2, placed("a"), note_for(&placed("a"), at(60))).await.unwrap();
    }

    async fn leaving_cancels_what_has_not_started_at_once(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        let two = made(vec![moves(1, "a", "b"), moves(2, "a", "b")], &[("b", 2)]);
        bench.planned(1, two).await;
        bench.claim(1, &[("b", 9)]).await;
        let leaving = bench.releases("me", 2, 50).await;
        assert_eq!(leaving.maintenance.state, State::Leaving);
        let run = bench.run(1).await;
        assert_eq!(run.run.state, RunState::Cancelled, "nothing of it ran");
        assert_eq!(run.run.cancel_requested_at, Some(at(50)));
        bench.assert_sound().await;
        // Its guests are at home, so nobody has to bring them there: but that is for a plan to say.
        let left = bench.reports_end(1, 3, 51).await;
        assert_eq!(work(&left).map(|it| it.1), Some(Purpose::Returning));
    }

    async fn a_host_has_come_as_far_as_the_runs_before_the_one_at_work(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        let percent = async |record: &MaintenanceRecord| {
            let progress = bench.store.maintenance_progress(record).await.unwrap();
            (progress.progress.map(Progress::percent), progress.eta)
        };
        let held = bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        assert_eq!((percent(&held).await, held.requests), ((Some(0), None), 1));
        let two = made(vec![moves(1, "a", "b"), moves(2, "a", "b")], &[("b", 2)]);
        bench.planned(1, two).await;
        bench.claim(1, &[("b", 9)]).await;
        let eta = Some(Estimate { low: 1.0, mid: 2.0, high: 3.0 });
        let progress = Progress::NONE.raised_to(60);
        let is_under_way = bench.store.run_progress(RunProgress { run: run(1), progress, eta }).await;
        assert!(is_under_way.unwrap());
        assert_eq!(percent(&held).await, (Some(60), eta));
        bench.happens(1, OfRun::CancelRequested { abort_running: false }, 50).await;
        let blocked = bench.reports_end(1, 2, 51).await;
        assert_eq!((percent(&blocked).await, blocked.requests), ((Some(60), None), 1));
        let retried = bench.holds(hold("me", Immovable::Wait), 2, 200).await;
        assert_eq!(work(&retried), Some((run(2), Purpose::Emptying)));
        assert_eq!(percent(&retried).await, (Some(60), None), "the second run begins with nothing");
        let left = bench.releases("me", 3, 210).await;
        assert_eq!((left.maintenance.state, left.requests), (State::Leaving, 3));
        assert_eq!(percent(&left).await, (Some(0), None), "it is another way");
        bench.assert_sound().await;
    }

    /// How far it is with all of its hosts says nothing of one.
    async fn of_a_run_of_many_nobody_knows_how_far_it_is_with_a_host(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.run_running(1, made(vec![moves(1, "a", "b")], &[("b", 1)])).await;
        bench.sql("UPDATE runs SET rolling = '{\"hosts\": [], \"max_unavailable\": 1}', percent = 50");
        let by_run = Hold { run: Some(run(1)), ..hold("run", Immovable::Wait) };
        let held = bench.holds(by_run, 2, 50).await;
        assert_eq!(work(&held), Some((run(1), Purpose::Emptying)));
        let progress = bench.store.maintenance_progress(&held).await.unwrap();
        assert_eq!((progress.progress, progress.eta), (None, None));
    }

    /// What is refused in the transaction leaves everything as it is.
    async fn whoever_asks_may_refuse_what_is_there(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let enter = async |name: &str, requests: i64| {
            let wanted = hold(name, Immovable::Wait);
            let check = move |it: &MaintenanceRecord| match it.requests == requests {
                true => Ok(()),
                false => Err(it.requests),
            };
            let entered = bench.store.maintenance_enter(host("a"), wanted, fresh(1), by_user(30), check);
            entered.await
        };
        assert_eq!(enter("me", 0).await.unwrap().requests, 1);
        let refused = enter("you", 0).await;
        assert!(matches!(refused, Err(MaintenanceRequestError::Refused(1))), "{refused:?}");
        assert_eq!(bench.maintenance("a").await.maintenance.holders.len(), 1);
        let leave = async |name: &str, is_fine: bool| {
            let check = move |_: &MaintenanceRecord| if is_fine { Ok(()) } else { Err("no") };
            let whom = (host("a"), name.to_owned());
            bench.store.maintenance_leave(whom, None, fresh(2), by_user(40), check).await
        };
        let refused = leave("me", false).await;
        assert!(matches!(refused, Err(MaintenanceRequestError::Refused("no"))), "{refused:?}");
        let unknown = leave("you", true).await;
        assert!(
            matches!(
                unknown,
                Err(MaintenanceRequestError::Maintenance(MaintenanceError::Rejected(
                    Rejected::HolderUnknown(_)
                )))
            ),
            "{unknown:?}"
        );
        let left = leave("me", true).await.unwrap();
        assert_eq!((left.requests, left.maintenance.return_home), (2, ReturnHome::Never));
        bench.assert_sound().await;
    }

    async fn a_promised_run_can_be_cancelled_and_its_plan_comes_to_nothing(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        let event = OfRun::CancelRequested { abort_running: false };
        let cancelled = bench.happens(1, event, 35).await;
        assert_eq!(cancelled.run.state, RunState::Cancelled);
        assert_eq!(bench.planned(1, one_move()).await.run.state, RunState::Cancelled);
        assert!(bench.plan(1).await.record.plan.has_run, "nobody else runs it");
        assert!(bench.store.plans_overdue(at(9_999), 9).await.unwrap().is_empty());
        bench.assert_sound().await;
        let record = bench.reports_end(1, 2, 50).await;
        assert_eq!((work(&record), record.maintenance.state), (None, State::Entering));
        assert_eq!(record.maintenance.blockers().collect::<Vec<_>>(), [server(1)]);
        let why = &record.reasons[&server(1)][0];
        assert!(why.text.contains("cancelled by somebody"), "{why:?}");
        assert_eq!(record.maintenance.retry_at, None, "until somebody asks for it");
        bench.assert_sound().await;
    }

    async fn a_plan_that_is_not_made_ends_the_run_that_waits_for_it(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.holds(hold("me", Immovable::ShutdownRestart), 1, 30).await;
        let plan = PlanMade { blocked: vec![blocked(1)], ..made(vec![], &[]) };
        let ended = bench.planned(1, plan).await;
        assert_eq!((ended.run.state, ended.planned), (RunState::Failed, false));
        bench.assert_sound().await;
        let record = bench.reports_end(1, 2, 50).await;
        assert_eq!(record.maintenance.left, BTreeMap::from([(server(1), Left::Blocked)]));
        assert_eq!(record.reasons, BTreeMap::from([(server(1), blocked(1).reasons)]));
        assert_eq!(record.maintenance.retry_at, Some(at(110)));
        let retry = async |second| bench.store.maintenances_to_retry(at(second), 9).await.unwrap();
        assert!(retry(109).await.is_empty());
        assert_eq!(retry(110).await, [host("a")]);
        let again = bench.applies(Event::RetryDue, 2, 110).await;
        assert_eq!(work(&again), Some((run(2), Purpose::Emptying)));
        assert_eq!(bench.run(2).await.host, Some(host("a")));
        bench.assert_sound().await;
    }

    async fn whoever_cannot_leave_is_a_blocker_with_its_reasons_until_it_has_left(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        let plan = PlanMade { blocked: vec![blocked(2)], ..one_move() };
        bench.planned(1, plan).await;
        let planned = bench.maintenance("a").await;
        assert_eq!(planned.maintenance.blockers().collect::<Vec<_>>(), [server(2)]);
        assert_eq!(planned.reasons, BTreeMap::from([(server(2), blocked(2).reasons)]));
        let ended = bench.moves_one(1, 1).await;
        assert_eq!(ended.run.state, RunState::Partial);
        let ended = bench.reports_end(1, 2, 51).await;
        assert_eq!(ended.maintenance.left, planned.maintenance.left);
        let event = Event::ServerLeft { server: server(2), by_maintenance: false };
        let left = bench.applies(event, 3, 60).await;
        assert!(left.maintenance.left.is_empty() && left.reasons.is_empty());
        bench.assert_sound().await;
    }

    async fn nothing_is_shut_down_unless_every_holder_has_asked_for_it(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.holds(hold("me", Immovable::ShutdownRestart), 1, 30).await;
        let mut shutdown = moves(1, "a", "a");
        shutdown.kind = OperationKind::Shutdown;
        bench.planned(1, made(vec![shutdown], &[])).await;
        bench.claim(1, &[]).await;
        let stop = async |second| {
            let start = OperationStart::Power(NewPower {
                server: server(1),
                action: PowerAction::Stop,
                note: asked("req-2", at(second)),
            });
            let note = by_conductor(second);
            let begun = bench.store.operation_begin(run(1), operation(1), start, anybody, note);
            begun.await.map(drop).map_err(|error| error.to_string())
        };
        bench.holds(hold("other", Immovable::Wait), 2, 35).await;
        assert!(stop(36).await.is_err());
        assert_eq!(bench.server(1).await.task_state, None);
        assert_eq!(bench.run(1).await.run.state, RunState::Cancelled, "it is planned anew");
        bench.assert_sound().await;
    }

    async fn whoever_does_not_hold_it_releases_nothing(bench: Bench) {
        bench.fleet(&[("a", 0)]).await;
        let event = Event::Released { holder: "me".to_owned(), return_home: ReturnHome::Never };
        let refused = bench.store.maintenance_apply(host("a"), event.clone(), fresh(1), by_user(30));
        let refused = refused.await.unwrap_err();
        let unknown = matches!(
            &refused,
            MaintenanceError::Rejected(Rejected::HolderUnknown(it)) if it == "me"
        );
        assert!(unknown, "{refused:?}");
        assert_eq!(bench.store.maintenance_find(&host("a")).await.unwrap(), None, "it leaves nothing");
    }

    async fn home_is_where_a_server_was_when_its_host_entered_first(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 1)]).await;
        bench.holds(hold("me", Immovable::Wait), 1, 30).await;
        bench.planned(1, one_move()).await;
        bench.moves_one(1, 1).await;
        let held = bench.store.maintenance_hold(host("b"), hold("me", Immovable::Wait), fresh(2), by_user(60));
        assert_eq!(held.await.unwrap().maintenance.home, BTreeSet::from([server(2)]));
    }

}
