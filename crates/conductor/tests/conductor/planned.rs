//! Plans that are ready without anybody having planned: what a run is to carry out, as a test wants it.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use godwit_core::ids::{HostName, OperationUuid, PlanUuid, RunUuid};
use godwit_core::plan::options::Constraint;
use godwit_core::plan::request::Target;
use godwit_core::plan::{Estimate, Estimates, Options, PlanState};
use godwit_core::resources::Resources;
use godwit_core::run::{Event, OperationKind, OperationState, OperationState as Is, RunState};
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock as _;
use godwit_store::{
    Actor, ChangeNote, MigrationFilter, MigrationPage, NewPlan, NewRun, PlanDetail, PlanMade,
    PlanStepError, PlannedOperation, RunRecord,
};
use godwit_test_support::wait_for;
use serde_json::json;

use crate::cluster::*;
use crate::released::{execute, texts};

/// What is to be run.
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) options: Options,
    pub(crate) operations: Vec<PlannedOperation>,
    /// Guests of a size that there is to be room for, beside those that have been there.
    pub(crate) room: Vec<(usize, i64)>,
}

fn estimate(mid: f64) -> Estimate {
    Estimate {
        low: mid / 2.0,
        mid,
        high: mid * 2.0,
    }
}

/// What a guest of these tests takes.
pub(crate) const SIZE: Resources = Resources {
    vcpus: 1,
    memory_mb: 1_024,
    disk_gb: 0,
};

/// One thing to do with the server of this number.
pub(crate) fn operation(
    kind: OperationKind,
    number: usize,
    (source, destination): (usize, usize),
) -> PlannedOperation {
    PlannedOperation {
        id: OperationUuid(new_uuid()),
        kind,
        server: server(number),
        source: host(source).to_string(),
        destination: host(destination).to_string(),
        after: Vec::new(),
        after_done: None,
        because: json!([]),
        estimates: Estimates {
            bytes: estimate(1e9),
            seconds: estimate(2.0),
            downtime_seconds: estimate(0.1),
        },
        size: SIZE,
    }
}

/// Its live move.
pub(crate) fn moves(number: usize, ends: (usize, usize)) -> PlannedOperation {
    operation(OperationKind::Live, number, ends)
}

impl Wanted {
    /// These moves, with room for all of them at the same time.
    pub(crate) fn of(operations: Vec<PlannedOperation>) -> Self {
        let mut room: BTreeMap<usize, i64> = BTreeMap::new();
        for it in operations.iter().filter(|it| it.source != it.destination) {
            let number = it.destination.trim_start_matches("host-").parse().unwrap();
            *room.entry(number).or_default() += 1;
        }
        Self {
            target: Target::Servers(operations.iter().map(|it| it.server).collect()),
            options: Options::default(),
            operations,
            room: room.into_iter().collect(),
        }
    }

    pub(crate) fn keeps_to(mut self, constraint: Constraint) -> Self {
        self.options.constraints.push(constraint);
        self
    }

    fn made(&self) -> PlanMade {
        let times = |count: i64| Resources {
            vcpus: SIZE.vcpus * count,
            memory_mb: SIZE.memory_mb * count,
            disk_gb: 0,
        };
        let room = self.room.iter();
        PlanMade {
            sources: Vec::new(),
            fingerprint: "0123456789abcdef".to_owned(),
            facts: json!([]),
            room: room.map(|(at, count)| (host(at), times(*count))).collect(),
            operations: self.operations.clone(),
            blocked: Vec::new(),
            makespan: Some(estimate(10.0)),
            lower_bound: Some(1.0),
        }
    }
}

pub(crate) fn note() -> ChangeNote {
    ChangeNote::requested(&asked("req-run", SystemClock.now()))
}

impl Cluster {
    /// A plan as a conductor makes it.
    pub(crate) async fn plan_of(&self, target: Target, options: Options) -> PlanDetail {
        let uuid = PlanUuid(new_uuid());
        let new = NewPlan {
            uuid,
            target,
            options,
            sources: Vec::new(),
        };
        self.store.plan_create(new, None, note()).await.unwrap();
        wait_for("the plan to be made", PATIENCE, async || {
            let found = self.store.plan_find(uuid, None).await?.unwrap();
            let made = found.record.plan.state != PlanState::Initializing;
            Ok(made.then_some(found))
        })
        .await
        .unwrap()
    }

    /// Has a plan made, and runs it.
    pub(crate) async fn carry_out(&self, target: Target, options: Options) -> RunUuid {
        let plan = self.plan_of(target, options).await.record;
        assert_eq!(plan.plan.state, PlanState::Ready, "{plan:#?}");
        self.run_plan(plan.uuid).await
    }

    async fn run_plan(&self, plan: PlanUuid) -> RunUuid {
        let new = NewRun {
            uuid: RunUuid(new_uuid()),
            host: None,
            hold: None,
        };
        let (run, nothing) = (new.uuid, Vec::<()>::new());
        let begun = self.store.plan_run(plan, new, nothing, note()).await;
        begun.unwrap();
        run
    }

    /// Until a conductor has found that a run lacks room, and has not given it up.
    pub(crate) async fn lacks_room(&self, run: RunUuid) {
        let lacks = format!(
            "SELECT uuid AS text FROM runs WHERE uuid = '{run}' AND short_since IS NOT NULL"
        );
        wait_for("the run to lack room", PATIENCE, async || {
            let record = self.run_record(run).await;
            ensure!(record.run.ended_at.is_none(), "{:#?}", record.run);
            let found = texts(&self.url, &lacks);
            Ok((!found.is_empty()).then_some(()))
        })
        .await
        .unwrap();
    }

    /// Somebody deletes a server behind everybody's back.
    pub(crate) async fn delete(&self, number: usize) {
        let server = server(number);
        let gone = format!("UPDATE servers SET deleted_at = created_at WHERE uuid = '{server}'");
        execute(&self.url, &gone);
    }

    /// Runs what is wanted. A conductor that makes the plan by itself is quicker at times: then
    /// another one is asked for.
    pub(crate) async fn run(&self, wanted: Wanted) -> RunUuid {
        let plan = wait_for("a plan to be ready", PATIENCE, async || {
            let plan = PlanUuid(new_uuid());
            let new = NewPlan {
                uuid: plan,
                target: wanted.target.clone(),
                options: wanted.options.clone(),
                sources: Vec::new(),
            };
            self.store.plan_create(new, None, note()).await?;
            let ready = ChangeNote::new(Actor::Conductor, SystemClock.now());
            match self.store.plan_made(plan, wanted.made(), ready).await {
                Ok(_) => Ok(Some(plan)),
                Err(PlanStepError::Rejected(_)) => Ok(None),
                Err(error) => bail!("{error}"),
            }
        });
        let plan = plan.await.unwrap();
        self.run_plan(plan).await
    }

    pub(crate) async fn run_record(&self, run: RunUuid) -> RunRecord {
        let found = self.store.run_find(run, None).await;
        found.unwrap().unwrap()
    }

    pub(crate) async fn run_reaches(
        &self,
        run: RunUuid,
        what: &str,
        is: impl Fn(&RunRecord) -> bool,
    ) -> RunRecord {
        let reached = wait_for(what, PATIENCE, async || {
            let record = self.run_record(run).await;
            ensure!(is(&record), "it is {:#?}", record.run);
            Ok(Some(record))
        });
        reached.await.unwrap()
    }

    pub(crate) async fn run_ends(&self, run: RunUuid) -> RunRecord {
        self.run_reaches(run, "the run to end", |it| it.run.ended_at.is_some())
            .await
    }

    pub(crate) async fn run_is(&self, run: RunUuid, state: RunState) -> RunRecord {
        let what = format!("the run to be {state}");
        self.run_reaches(run, &what, |it| it.run.state == state)
            .await
    }

    /// Somebody asks for it.
    pub(crate) async fn run_asked(&self, run: RunUuid, event: Event) -> RunRecord {
        let applied = self.store.run_apply(run, event, note()).await;
        applied.unwrap()
    }

    /// How often a migration of this server has begun.
    pub(crate) async fn migrations_of(&self, number: usize) -> usize {
        let filter = MigrationFilter {
            server: Some(server(number)),
            ..MigrationFilter::default()
        };
        let page = MigrationPage {
            limit: 100,
            after: None,
            timeline: false,
        };
        let found = self.store.migration_detail_list(&filter, page).await;
        found.unwrap().len()
    }

    pub(crate) async fn is_on(&self, number: usize, at: usize) -> bool {
        self.server(number).await.host == Some(host(at))
    }
}

pub(crate) fn states(record: &RunRecord) -> Vec<OperationState> {
    let operations = record.run.operations.iter();
    operations.map(|it| it.state).collect()
}

pub(crate) fn destinations(record: &RunRecord) -> Vec<HostName> {
    let operations = record.run.operations.iter();
    let name = |it: &godwit_core::run::Operation| HostName::new(it.destination.clone()).unwrap();
    operations.map(name).collect()
}

pub(crate) fn cancel(abort_running: bool) -> Event {
    Event::CancelRequested { abort_running }
}

pub(crate) fn runs(record: &RunRecord, place: usize) -> bool {
    record.run.operations[place].state == Is::Running
}

/// Until the migration of an operation is under way.
pub(crate) async fn moves_now(cluster: &Cluster, run: RunUuid, place: usize) {
    let record = cluster
        .run_reaches(run, "it to move", |it| runs(it, place))
        .await;
    let migration = record.run.operations[place].migration.unwrap();
    cluster.reaches(migration, Status::Running).await;
}
