//! Runs: they wait for room, begin and end operations, are cancelled, and are forgotten.

use godwit_core::effect::{RunEffect, Subject};
use godwit_core::event::Event as OfMigration;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::RunUuid;
use godwit_core::plan::options::{Fallback, Priority};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Actual, Estimate, NotRunnable, Options, PlanKind};
use godwit_core::run::{
    Event, OperationKind, OperationState, Outcome, Progress, Rejected, Rolling, RunState,
};
use godwit_core::status::MigrationStatus;
use godwit_store::{
    BeginError, EventSubject, NewLiveMigration, NewMigration, NewPlan, NewRun, OperationBeginError,
    OperationStart, PlanDeleteError, PlanMade, PlanRunError, RoomAnswer, RunFilter, RunPage,
    RunPart, RunProgress, RunRecord, RunStep, RunStepError, RunningOperation, Server,
};
use uuid::Uuid;

use crate::bench::{
    Bench, anybody, at, host, migration, new_cold, new_migration, note_for, placed,
};
use crate::plans::{
    blocked, by_conductor, by_user, capacity, made, moves, new_plan, operation, plan,
};

mod kept;

pub(crate) fn run(number: u128) -> RunUuid {
    RunUuid(Uuid::from_u128(0x1200 << 112 | number))
}

pub(crate) fn new_run(number: u128) -> NewRun {
    NewRun {
        uuid: run(number),
        host: None,
        hold: None,
    }
}

pub(crate) fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "It did not work.")
}

/// What each of the hosts of these tests may give: ten servers of theirs.
pub(crate) const TEN: &[(&str, i64)] = &[("a", 10), ("b", 10), ("c", 10), ("d", 10)];

impl Bench {
    /// The run of a plan, of the same number, to empty host a, which waits for room from second 30.
    pub(crate) async fn run_pending(&self, number: u128, made: PlanMade) -> RunRecord {
        self.plan_ready(number, made).await;
        let nothing = Vec::<()>::new();
        let begun = self
            .store
            .plan_run(plan(number), new_run(number), nothing, by_user(30));
        begun.await.unwrap()
    }

    pub(crate) async fn claim(&self, number: u128, capacities: &[(&str, i64)]) -> RoomAnswer {
        let answer = self
            .store
            .run_claim_room(run(number), capacity(capacities), by_conductor(40));
        answer.await.unwrap()
    }

    /// The same once it has all the room that it wants.
    pub(crate) async fn run_running(&self, number: u128, made: PlanMade) -> RunRecord {
        self.run_pending(number, made).await;
        match self.claim(number, TEN).await {
            RoomAnswer::Claimed(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn run(&self, number: u128) -> RunRecord {
        let found = self.store.run_find(run(number), None).await;
        found.unwrap().unwrap()
    }

    pub(crate) async fn happens(&self, number: u128, event: Event, second: i64) -> RunRecord {
        let before = self.run(number).await;
        let applied = self
            .store
            .run_apply_part(run(number), event, by_conductor(second));
        let part = applied.await.unwrap();
        self.is_what_was_written(before, part).await
    }

    /// What a step has returned is what is there now.
    pub(crate) async fn is_what_was_written(&self, before: RunRecord, part: RunPart) -> RunRecord {
        let found = self.store.run_find(before.uuid, None).await;
        let found = found.unwrap().unwrap();
        let mut record = part.onto(before).expect("it is of that version");
        // A step only adds to them.
        record.run.revisions.clone_from(&found.run.revisions);
        assert_eq!(found, record, "it is what was written");
        found
    }

    /// Begins the operation of this number with the live migration of the same number.
    pub(crate) async fn begins(
        &self,
        number: u128,
        of: u128,
        second: i64,
    ) -> Result<RunRecord, OperationBeginError<std::convert::Infallible>> {
        let before = self.run(number).await;
        let start = OperationStart::Live(new_migration(of, at(second)));
        let begun = self.store.operation_begin(
            run(number),
            operation(of),
            start,
            anybody,
            by_conductor(second),
        );
        let part = begun.await?;
        Ok(self.is_what_was_written(before, part).await)
    }

    /// What runs hold, as `RUN HOST MEMORY`.
    pub(crate) fn held(&self) -> Vec<String> {
        self.texts(
            "SELECT substr(r.uuid, length(r.uuid)) || ' ' || c.host || ' '
                    || CAST(c.memory_mb AS TEXT) AS text
             FROM run_claims c JOIN runs r ON r.id = c.run_id ORDER BY r.id, c.host",
        )
    }

    pub(crate) async fn verbs(&self) -> Vec<RunEffect> {
        let outbox = self.outbox().await;
        let verb = |subject| match subject {
            Subject::Run(_, effect) => Some(effect),
            _ => None,
        };
        outbox
            .into_iter()
            .filter_map(|it| verb(it.subject))
            .collect()
    }
}

/// Two live moves from a to b.
pub(crate) fn two() -> PlanMade {
    made(vec![moves(1, "a", "b"), moves(2, "a", "b")], &[("b", 2)])
}

fn states(record: &RunRecord) -> Vec<OperationState> {
    record.run.operations.iter().map(|it| it.state).collect()
}

/// The whole way of a live migration.
fn way(destination: &str) -> [OfMigration; 5] {
    [
        placed(destination),
        OfMigration::Admitted,
        OfMigration::Prepared,
        OfMigration::HandedOver,
        OfMigration::Finished { clean: true },
    ]
}

on_both! {
    async fn every_attempt_of_an_operation_is_its_runs(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0), ("c", 0)]).await;
        bench.run_running(1, two()).await;
        bench.begins(1, 1, 41).await.unwrap();
        let why = failure(FailureCode::NoValidHost);
        let refused = OfMigration::NotPlaced(why.clone());
        let note = note_for(&refused, at(45));
        bench.apply(1, refused, note).await.unwrap();
        let failed = Event::OperationEnded(operation(1), Outcome::Failed(why));
        bench.happens(1, failed, 50).await;
        let live = OperationKind::Live;
        bench.happens(1, Event::OperationRevised(operation(1), "c".to_owned(), live), 51).await;
        let again = NewMigration { uuid: migration(9), ..new_migration(1, at(60)) };
        let start = OperationStart::Live(again);
        let begun = bench.store.operation_begin(run(1), operation(1), start, anybody, by_conductor(60));
        begun.await.unwrap();
        for number in [1, 9] {
            let of_migration = bench.store.run_of_migration(migration(number)).await.unwrap();
            assert_eq!(of_migration, Some((run(1), operation(1))), "attempt {number}");
            let key = godwit_store::MigrationKey::Uuid(migration(number));
            let detail = bench.store.migration_detail(key, None).await.unwrap().unwrap();
            assert_eq!(detail.run.map(|it| it.run), Some(run(1)), "attempt {number}");
        }
        bench.assert_sound().await;
    }

    async fn what_an_operation_has_become_is_read_as_such(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0), ("c", 0)]).await;
        let options = Options { fallback: Fallback::Cold, ..Options::default() };
        let wish = NewPlan { options: options.clone(), ..new_plan(1, Target::Servers(Vec::new())) };
        bench.store.plan_create(wish, None, by_user(1)).await.unwrap();
        bench.store.plan_made(plan(1), two(), by_conductor(2)).await.unwrap();
        let nothing = Vec::<()>::new();
        bench.store.plan_run(plan(1), new_run(1), nothing, by_user(3)).await.unwrap();
        bench.claim(1, TEN).await;
        let cold = OperationKind::Cold;
        bench.happens(1, Event::OperationRevised(operation(1), "c".to_owned(), cold), 51).await;
        let record = bench.run(1).await;
        assert_eq!((record.options.clone(), record.run.fallback), (options, Fallback::Cold));
        assert_eq!(record.run.operations[0].kind, cold);
        assert_eq!(record.operations[0].planned.kind, OperationKind::Live);
        // A live move is not what it does any more.
        let begun = bench.begins(1, 1, 60).await;
        assert!(matches!(begun, Err(OperationBeginError::Otherwise(_))), "{begun:?}");
        let start = OperationStart::Cold(new_cold(1, at(60)));
        let begun = bench.store.operation_begin(run(1), operation(1), start, anybody, by_conductor(60));
        begun.await.unwrap();
        let running = bench.store.operations_running(Some(run(1))).await.unwrap();
        assert_eq!(running[0].kind, cold);
        bench.assert_sound().await;
    }

    async fn a_run_goes_from_its_plan_to_its_end(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        let pending = bench.run_pending(1, two()).await;
        assert_eq!(pending, bench.run(1).await, "it is what was written");
        assert_eq!((pending.run.state, pending.run.kind), (RunState::Pending, PlanKind::Host));
        assert_eq!((pending.plan, pending.priority), (plan(1), Priority::Drain));
        assert_eq!(pending.makespan.map(|it| it.mid), Some(10.25));
        assert_eq!(pending.lower_bound, Some(9.125));
        assert_eq!(pending.run.operations[0].weight, 11);
        assert_eq!(bench.plan(1).await.run, Some(run(1)));
        assert_eq!(bench.verbs().await, [RunEffect::Drive]);
        assert_eq!(bench.store.runs_pending().await.unwrap(), [run(1)]);
        bench.assert_sound().await;

        let RoomAnswer::Claimed(running) = bench.claim(1, TEN).await else { panic!() };
        assert_eq!(*running, bench.run(1).await);
        assert_eq!((running.run.state, running.run.started_at), (RunState::Running, Some(at(40))));
        assert_eq!(bench.held(), ["1 b 4096"]);
        bench.assert_sound().await;

        bench.begins(1, 1, 41).await.unwrap();
        let record = bench.run(1).await;
        assert_eq!(states(&record), [OperationState::Running, OperationState::Waiting]);
        assert_eq!(record.run.operations[0].migration, Some(migration(1)));
        assert_eq!(record.operations[0].started_at, Some(at(41)));
        assert_eq!(bench.record(1).await.migration.status(), MigrationStatus::Accepted);
        let of_migration = bench.store.run_of_migration(migration(1)).await.unwrap();
        assert_eq!(of_migration, Some((run(1), operation(1))));
        bench.assert_sound().await;

        let version = bench.store.run_version(run(1)).await.unwrap().unwrap();
        assert_eq!((version.state, version.generation), (RunState::Running, record.run.generation));
        assert_eq!(bench.store.run_version(run(9)).await.unwrap(), None);
        let key = godwit_store::MigrationKey::Uuid(migration(1));
        let detail = bench.store.migration_detail(key, None).await.unwrap().unwrap();
        assert_eq!(detail.run.map(|it| it.run), Some(run(1)));

        bench.drive(1, way("b")).await;
        let running = bench.store.operations_running(None).await.unwrap();
        assert_eq!(running.len(), 1);
        assert_eq!((running[0].run, running[0].operation), (run(1), operation(1)));
        assert_eq!(running[0].outcome(), Some(Outcome::Completed));
        // The clock of the migration's steps stands at 20.
        assert_eq!(running[0].actual(at(99)).seconds, Some(0.0));
        let step = RunStep {
            event: Event::OperationEnded(operation(1), Outcome::Completed),
            actual: Some(Actual { bytes: Some(7), ..Actual::default() }),
        };
        bench.store.run_apply(run(1), step, by_conductor(50)).await.unwrap();
        let record = bench.run(1).await;
        assert_eq!(record.operations[0].actual.unwrap().bytes, Some(7));
        assert_eq!(record.operations[0].ended_at, Some(at(50)));
        assert_eq!(record.run.progress.percent(), 50);
        bench.assert_sound().await;

        let event = Event::OperationRefused(operation(2), failure(FailureCode::PowerState));
        let ended = bench.happens(1, event, 60).await;
        assert_eq!((ended.run.state, ended.run.ended_at), (RunState::Partial, Some(at(60))));
        assert_eq!(bench.held(), [""; 0]);
        bench.assert_sound().await;
        let told = bench.names_told(EventSubject::Run(run(1))).await;
        let expected = [
            "requested",
            "room_claimed",
            "operation_begun",
            "operation_ended",
            "operation_refused",
        ];
        assert_eq!(told, expected);
        let told = bench.told(EventSubject::Run(run(1))).await;
        assert_eq!(told[3].detail["outcome"], "completed");
        assert_eq!(told[3].detail["operation"], operation(1).to_string());
        assert_eq!(told[4].detail["failure"]["code"], "power-state");
        assert_eq!((&told[4].detail["from"], &told[4].detail["to"]), (&"running".into(), &"partial".into()));
        let over = bench.store.run_apply(run(1), Event::RoomClaimed, by_conductor(70)).await;
        let rejected = matches!(over, Err(RunStepError::Rejected(Rejected::Ended(RunState::Partial))));
        assert!(rejected, "{over:?}");
    }

    async fn a_plan_is_run_once_in_time_and_on_an_unchanged_inventory(bench: Bench) {
        bench.plan_ready(1, two()).await;
        let begin = async |number, new, differences, second| {
            let begun = bench.store.plan_run(plan(number), new_run(new), differences, by_user(second));
            begun.await.map(|it| it.uuid)
        };
        let stale = begin(1, 1, vec!["server-host"], 30).await;
        let Err(PlanRunError::NotRunnable(NotRunnable::Stale(why))) = stale else { panic!() };
        assert_eq!(why, ["server-host"]);
        let expired = begin(1, 1, vec![], 620).await;
        assert!(matches!(expired, Err(PlanRunError::NotRunnable(NotRunnable::Expired))));
        assert!(matches!(begin(2, 1, vec![], 30).await, Err(PlanRunError::NotFound)));
        assert_eq!(bench.store.run_find(run(1), None).await.unwrap(), None);
        assert_eq!(begin(1, 1, vec![], 30).await.unwrap(), run(1));
        let again = begin(1, 2, vec![], 31).await;
        assert!(matches!(again, Err(PlanRunError::NotRunnable(NotRunnable::AlreadyRun))));
        assert!(bench.store.plans_overdue(at(9_999), 9).await.unwrap().is_empty());
        let deleted = bench.store.plan_delete(plan(1), None, by_user(40)).await;
        assert!(matches!(deleted, Err(PlanDeleteError::HasRun)), "{deleted:?}");
        bench.ask_for(new_plan(3, Target::Host(host("a"))), 10).await;
        let early = begin(3, 3, vec![], 30).await;
        assert!(matches!(early, Err(PlanRunError::NotRunnable(NotRunnable::NotReady(_)))));
        bench.assert_sound().await;
    }

    async fn an_operation_begins_with_its_migration_or_neither_does(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.run_running(1, two()).await;
        bench.begin(1).await;
        let busy = bench.begins(1, 1, 41).await;
        assert!(matches!(busy, Err(OperationBeginError::Start(BeginError::NotFree))), "{busy:?}");
        assert_eq!(states(&bench.run(1).await), [OperationState::Waiting; 2]);
        let check = |_: &Server| Err("no");
        let begin = async |of: u128, start| {
            let begun = bench.store.operation_begin(run(1), operation(of), start, check, by_conductor(42));
            begun.await.map(|it| it.record().uuid)
        };
        let live = |of, number| {
            let new: NewLiveMigration = new_migration(of, at(42));
            OperationStart::Live(NewLiveMigration { uuid: migration(number), ..new })
        };
        let refused = begin(2, live(2, 2)).await;
        assert!(matches!(refused, Err(OperationBeginError::Start(BeginError::Refused("no")))));
        let otherwise = begin(2, live(1, 2)).await;
        assert!(matches!(otherwise, Err(OperationBeginError::Otherwise(it)) if it == operation(2)));
        let otherwise = begin(2, OperationStart::Nothing).await;
        assert!(matches!(otherwise, Err(OperationBeginError::Otherwise(_))));
        let unknown = begin(9, live(2, 2)).await;
        let rejected = Rejected::UnknownOperation(operation(9));
        assert!(matches!(unknown, Err(OperationBeginError::Step(RunStepError::Rejected(it))) if it == rejected));
        assert_eq!(bench.store.migration_find(migration(2)).await.unwrap(), None);
        let gone = bench.store.operation_begin(run(2), operation(2), live(2, 2), anybody, by_conductor(42));
        assert!(matches!(gone.await, Err(OperationBeginError::Step(RunStepError::NotFound))));
        bench.assert_sound().await;
    }

    async fn what_one_attempt_came_to_is_not_said_of_another(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.run_running(1, two()).await;
        bench.begins(1, 1, 41).await.unwrap();
        let mut running = bench.store.operations_running(Some(run(1))).await.unwrap();
        let running = running.pop().unwrap();
        let now = bench.run(1).await;
        assert!(running.runs_in(&now));
        let began_again = RunningOperation { started_at: Some(at(42)), ..running.clone() };
        assert!(!began_again.runs_in(&now));
        let of_another = RunningOperation { migration: None, ..running };
        assert!(!of_another.runs_in(&now));
    }

    async fn what_has_not_begun_never_begins_once_it_is_cancelled(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 0)]).await;
        let three = (1..=3).map(|it| moves(it, "a", "b")).collect();
        bench.run_running(1, made(three, &[("b", 3)])).await;
        bench.begins(1, 1, 41).await.unwrap();
        let cancel = |abort_running| Event::CancelRequested { abort_running };
        let record = bench.happens(1, cancel(false), 50).await;
        assert_eq!(record.run.state, RunState::Cancelling);
        assert_eq!(record.run.cancel_requested_at, Some(at(50)));
        assert_eq!(bench.verbs().await, [RunEffect::Drive]);
        let late = bench.begins(1, 2, 51).await;
        assert!(matches!(late, Err(OperationBeginError::Step(_))), "{late:?}");
        assert_eq!(bench.store.migration_find(migration(2)).await.unwrap(), None);
        let record = bench.happens(1, cancel(true), 52).await;
        assert!(record.run.operations[0].aborting);
        let running = bench.store.operations_running(Some(run(1))).await.unwrap();
        assert!(running.len() == 1 && running[0].aborting);
        assert!(bench.verbs().await.contains(&RunEffect::Abort));
        let aborted = Outcome::Cancelled(failure(FailureCode::Aborted));
        let record = bench.happens(1, Event::OperationEnded(operation(1), aborted), 60).await;
        assert_eq!(record.run.state, RunState::Cancelled);
        assert_eq!(states(&record), [OperationState::Cancelled; 3]);
        let ended: Vec<_> = record.operations.iter().map(|it| it.ended_at).collect();
        assert_eq!(ended, [Some(at(60)), Some(at(50)), Some(at(50))]);
        assert_eq!(bench.held(), [""; 0]);
    }

    async fn several_steps_are_written_together_or_not_at_all(bench: Bench) {
        bench.run_running(1, two()).await;
        let skip = |of| RunStep::from(Event::SkipRequested(operation(of)));
        let steps = async |steps: Vec<RunStep>| {
            let done = bench.store.run_step(run(1), by_conductor(50), move |record| {
                assert_eq!(record.run.state, RunState::Running);
                Ok::<_, &str>(steps.clone())
            });
            done.await
        };
        let refused = steps(vec![skip(1), skip(1)]).await;
        assert!(matches!(refused, Err(RunStepError::Rejected(_))), "{refused:?}");
        assert_eq!(states(&bench.run(1).await), [OperationState::Waiting; 2]);
        let record = steps(vec![skip(1), skip(2)]).await.unwrap();
        assert_eq!(states(&record), [OperationState::Skipped; 2]);
        let told = bench.names_told(EventSubject::Run(run(1))).await;
        assert_eq!(told[2..], ["skip_requested", "skip_requested"]);
        let no = bench.store.run_step(run(1), by_conductor(60), |_| Err("no")).await;
        assert!(matches!(no, Err(RunStepError::Refused("no"))), "{no:?}");
        bench.assert_sound().await;
    }

    async fn a_deadline_ends_what_has_not_begun(bench: Bench) {
        let new = NewPlan {
            options: Options { deadline: Some(at(100)), ..Options::default() },
            ..new_plan(1, Target::Host(host("a")))
        };
        bench.ask_for(new, 10).await;
        bench.store.plan_made(plan(1), two(), by_conductor(20)).await.unwrap();
        let nothing = Vec::<()>::new();
        bench.store.plan_run(plan(1), new_run(1), nothing, by_user(30)).await.unwrap();
        bench.claim(1, TEN).await;
        let overdue = async |second| bench.store.runs_overdue(at(second), 9).await.unwrap();
        assert!(overdue(99).await.is_empty());
        assert_eq!(overdue(100).await, [run(1)]);
        let record = bench.happens(1, Event::DeadlinePassed, 100).await;
        assert_eq!(record.run.state, RunState::Partial);
        assert!(record.run.is_late && overdue(999).await.is_empty());
        bench.assert_sound().await;
    }

    async fn a_rolling_run_keeps_how_far_it_is_with_each_host(bench: Bench) {
        let target = Target::Rolling { hosts: vec![host("a"), host("b")], max_unavailable: 1 };
        bench.ask_for(new_plan(1, target), 10).await;
        let mut second = moves(2, "b", "a");
        second.after_done = Some(host("a"));
        let operations = vec![moves(1, "a", "c"), second];
        let plan_made = made(operations, &[("c", 1)]);
        bench.store.plan_made(plan(1), plan_made, by_conductor(20)).await.unwrap();
        let nothing = Vec::<()>::new();
        bench.store.plan_run(plan(1), new_run(1), nothing, by_user(30)).await.unwrap();
        let begun = bench.run(1).await;
        assert_eq!(begun.run.rolling, Some(Rolling::of([host("a"), host("b")], 1)));
        assert_eq!(begun.run.operations[1].after_done, Some(host("a")));
        bench.claim(1, TEN).await;
        assert_eq!(bench.verbs().await, [RunEffect::Drive, RunEffect::Hold]);
        for event in [
            Event::SkipRequested(operation(1)),
            Event::HostReady(host("a")),
            Event::HostDone(host("a")),
        ] {
            bench.happens(1, event, 50).await;
        }
        // Effects on hosts keep their order, and nobody has performed the first.
        let outbox = bench.texts("SELECT effect AS text FROM effects WHERE subject_kind = 'run' ORDER BY id");
        assert_eq!(outbox, ["drive", "hold", "release"]);
        assert!(bench.verbs().await.is_empty());
        bench.assert_sound().await;
    }

    async fn effects_on_hosts_come_one_after_the_other_and_others_when_they_want(bench: Bench) {
        bench.run_running(1, two()).await;
        let effect = |sequence: u32, verb| {
            bench.sql(&format!(
                "INSERT INTO effects (subject_kind, subject_id, sequence, effect, created_at, not_before)
                 SELECT 'run', id, {sequence}, '{verb}', created_at, created_at FROM runs"
            ));
        };
        for (sequence, verb) in [(2, "hold"), (3, "replan"), (4, "release"), (5, "abort")] {
            effect(sequence, verb);
        }
        let mut claimed = bench.outbox().await;
        claimed.retain(|it| matches!(it.subject, Subject::Run(..)));
        let verbs: Vec<_> = claimed.iter().map(|it| it.subject.verb()).collect();
        assert_eq!(verbs, ["drive", "hold", "replan", "abort"]);
        assert!(bench.store.effect_done(claimed[1].lease, at(50)).await.unwrap());
        assert_eq!(bench.verbs().await, [RunEffect::Release]);
    }

}
