//! Plans, from what somebody asks for to what can be run, or to the reasons why nothing can.

use std::collections::BTreeSet;

use anyhow::ensure;
use godwit_core::event::Event;
use godwit_core::failure::FailureCode;
use godwit_core::host::maintenance::{Event as OfMaintenance, Holder};
use godwit_core::host::scope::Topology;
use godwit_core::ids::{HostName, PlanUuid, RunUuid};
use godwit_core::plan::options::{Affinity, Constraint, Immovable, ReturnHome};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Options, PlanState};
use godwit_core::reason::ReasonCode;
use godwit_core::requester::Requester;
use godwit_core::run::{Event as OfRun, OperationKind, RollingState, RunState};
use godwit_core::server_group::Policy;
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock;
use godwit_store::{
    Actor, ChangeNote, FreshIds, Hold, ManagementChange, NewPlan, NewRun, Placing, PlanDetail,
    PlanStepError, RunRecord, RunStepError, ServiceChange, ServiceStatus,
};
use godwit_test_support::fleet::declared;
use godwit_test_support::wait_for;

use crate::cluster::*;

fn note() -> ChangeNote {
    ChangeNote::new(Actor::Api, SystemClock.now())
}

fn fresh() -> FreshIds {
    FreshIds {
        plan: PlanUuid(new_uuid()),
        run: RunUuid(new_uuid()),
    }
}

fn partial() -> Options {
    Options {
        allow_partial: true,
        ..Options::default()
    }
}

impl Cluster {
    async fn ask_for(&self, target: Target, options: Options) -> PlanUuid {
        let uuid = PlanUuid(new_uuid());
        let new = NewPlan {
            uuid,
            target,
            options,
            sources: Vec::new(),
        };
        self.store.plan_create(new, None, note()).await.unwrap();
        uuid
    }

    async fn plan_in(&self, uuid: PlanUuid, wanted: impl Fn(PlanState) -> bool) -> PlanDetail {
        wait_for("the plan to be made", PATIENCE, async || {
            let found = self.store.plan_find(uuid, None).await?.unwrap();
            let state = found.record.plan.state;
            ensure!(wanted(state), "it is {state}");
            Ok(Some(found))
        })
        .await
        .unwrap()
    }

    async fn plan(&self, target: Target, options: Options) -> PlanDetail {
        let uuid = self.ask_for(target, options).await;
        self.plan_in(uuid, |state| state != PlanState::Initializing)
            .await
    }

    async fn ready(&self, target: Target, options: Options) -> PlanDetail {
        let plan = self.plan(target, options).await;
        let record = &plan.record;
        assert_eq!(record.plan.state, PlanState::Ready, "{record:#?}");
        plan
    }

    async fn aborted(&self, target: Target, options: Options) -> PlanDetail {
        let plan = self.plan(target, options).await;
        assert_eq!(
            plan.record.plan.state,
            PlanState::Aborted,
            "{:#?}",
            plan.record
        );
        assert_eq!(plan.operations, []);
        plan
    }

    /// Somebody holds a host; the run that empties it is promised.
    async fn hold_host(&self, number: usize) -> RunUuid {
        let fresh = fresh();
        let holder = Holder {
            holder: "anna".to_owned(),
            reason: None,
            by: "anna".to_owned(),
            since: SystemClock.now(),
            deadline: None,
            immovable: Immovable::Wait,
            return_home: ReturnHome::Now,
        };
        let hold = Hold { holder, run: None };
        let held = self
            .store
            .maintenance_hold(host(number), hold, fresh, note());
        held.await.unwrap();
        fresh.run
    }

    /// A run ends, if nobody has ended it already.
    async fn ends_run(&self, run: RunUuid) {
        let event = OfRun::CancelRequested {
            abort_running: true,
        };
        let cancelled = self.store.run_apply(run, event, note()).await;
        let ended = matches!(&cancelled, Err(RunStepError::Rejected(_)));
        assert!(cancelled.is_ok() || ended, "{cancelled:?}");
        self.store
            .maintenance_report_end(run, fresh(), note())
            .await
            .unwrap();
    }

    /// The run, once its plan is made.
    async fn planned(&self, run: RunUuid) -> RunRecord {
        wait_for("the run's plan to be made", PATIENCE, async || {
            let found = self.store.run_find(run, None).await?.unwrap();
            let settled = found.planned || found.run.ended_at.is_some();
            Ok(settled.then_some(found))
        })
        .await
        .unwrap()
    }

    async fn sees_it_silent(&self, number: usize) {
        wait_for("the host to be silent", PATIENCE, async || {
            let known = self.store.host_find(&host(number)).await?.unwrap();
            let up = known
                .service
                .is_up(SystemClock.now(), self.config.service_down_time);
            Ok((!up).then_some(()))
        })
        .await
        .unwrap();
    }

    async fn switch(&self, number: usize, status: ServiceStatus) {
        let known = self.store.host_find(&host(number)).await.unwrap().unwrap();
        let change = ServiceChange {
            status: Some(status),
            forced_down: None,
            note: asked("req-off", SystemClock.now()),
        };
        let fine = |_: &_, _: &_| Ok::<_, ()>(());
        let uuid = known.service.uuid;
        self.store.service_update(uuid, change, fine).await.unwrap();
    }

    async fn unmanage(&self, number: usize) {
        let cluster = format!("cluster-{number}");
        let placing = Placing {
            aggregate: new_uuid(),
            by: Requester::default(),
            at: SystemClock.now(),
        };
        let named = cluster.clone();
        let within = move |before: &Topology| {
            let place = Topology {
                cluster: Some(named.clone()),
                ..before.clone()
            };
            Ok::<_, ()>(place)
        };
        let placed = self.store.host_place(&host(number), placing, within).await;
        placed.unwrap();
        let change = ManagementChange {
            managed: false,
            reason: Some("theirs".to_owned()),
            by: Requester::default(),
            at: SystemClock.now(),
        };
        self.store
            .cluster_manage(&cluster, change, any_version)
            .await
            .unwrap();
    }
}

fn destinations(plan: &PlanDetail) -> Vec<&str> {
    let operations = plan.operations.iter();
    operations.map(|it| it.destination.as_str()).collect()
}

fn kinds(plan: &PlanDetail) -> BTreeSet<OperationKind> {
    plan.operations.iter().map(|it| it.kind).collect()
}

fn codes(plan: &PlanDetail) -> BTreeSet<ReasonCode> {
    let blocked = plan.record.blocked.iter();
    let reasons = blocked
        .flat_map(|it| &it.reasons)
        .chain(&plan.record.reasons);
    reasons.map(|it| it.code).collect()
}

fn only(code: ReasonCode) -> BTreeSet<ReasonCode> {
    [code].into()
}

on_both! {
    async fn one_server_goes_to_the_emptiest_host(made: Made) {
        let cluster = made.with_hosts(&[1, 3, 1]).start().await;
        let plan = cluster.ready(Target::Server(server(1), None), Options::default()).await;
        assert_eq!(destinations(&plan), ["host-3"]);
        let (operation, record) = (&plan.operations[0], &plan.record);
        assert_eq!(operation.kind, OperationKind::Live);
        assert_eq!(operation.because[0]["code"], "asked");
        assert_eq!(record.sources, ["host-1"]);
        assert_eq!(record.room[&host(3)], operation.size);
        assert!(operation.size.memory_mb > 0 && operation.estimates.seconds.mid > 0.0);
        let (makespan, bound) = (record.makespan.unwrap(), record.lower_bound.unwrap());
        assert!(bound > 0.0 && bound <= makespan.mid, "{bound} {makespan:?}");
        assert_eq!(record.facts.as_ref().unwrap()["digest"], *record.fingerprint.as_ref().unwrap());
    }

    async fn a_named_destination_is_taken_or_none(made: Made) {
        let mut made = made.with_hosts(&[1, 3, 1]);
        made.host(2).memory_bytes = 4 * GIB;
        made.guest(1).memory_bytes = 2 * GIB;
        let cluster = made.start().await;
        let to = |number| Target::Server(server(1), Some(host(number)));
        let plan = cluster.ready(to(3), Options::default()).await;
        assert_eq!(destinations(&plan), ["host-3"]);
        let plan = cluster.aborted(to(2), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Memory));
        let fix = &plan.record.blocked[0].reasons[0].fix;
        assert_eq!(fix["changes"][0]["target"], "host-2", "{fix}");
        let plan = cluster.aborted(to(1), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::IsSource));
        let plan = cluster.aborted(to(9), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Unknown));
    }

    async fn a_host_is_emptied_and_its_room_is_said(made: Made) {
        let mut made = made.with_hosts(&[4, 0, 1]);
        for number in 1..=4 {
            made.guest(number).memory_bytes = 2 * GIB;
        }
        made.host(2).memory_bytes = 5 * GIB;
        let cluster = made.start().await;
        for target in [Target::Host(host(1)), Target::Maintenance(host(1))] {
            let plan = cluster.ready(target, Options::default()).await;
            assert_eq!(plan.operations.len(), 4);
            assert!(!destinations(&plan).contains(&"host-1"));
            assert_eq!(plan.record.sources, ["host-1"]);
            let room: i64 = plan.record.room.values().map(|it| it.memory_mb).sum();
            assert_eq!(room, 4 * 2_048);
        }
    }

    async fn what_does_not_fit_aborts_unless_the_plan_may_be_partial(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.host(2).memory_bytes = 3 * GIB / 2;
        let cluster = made.start().await;
        let target = || Target::Servers(vec![server(1), server(2)]);
        let plan = cluster.aborted(target(), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Memory));
        assert_eq!((plan.record.blocked.len(), plan.record.makespan), (1, None));
        let plan = cluster.ready(target(), partial()).await;
        assert_eq!((plan.operations.len(), plan.record.blocked.len()), (1, 1));
        // Whoever maintains a host may always leave what cannot go.
        for (immovable, state) in [
            (Immovable::Wait, PlanState::Ready),
            (Immovable::Skip, PlanState::Ready),
        ] {
            let options = Options { immovable, ..Options::default() };
            let plan = cluster.plan(Target::Maintenance(host(1)), options).await;
            assert_eq!((plan.record.plan.state, plan.record.blocked.len()), (state, 1));
            assert_eq!(kinds(&plan), [OperationKind::Live].into());
        }
        let options = Options { immovable: Immovable::ShutdownRestart, ..Options::default() };
        let plan = cluster.ready(Target::Maintenance(host(1)), options).await;
        assert_eq!(kinds(&plan), [OperationKind::Live, OperationKind::Shutdown].into());
        assert_eq!(plan.record.blocked, []);
        cluster.aborted(Target::Host(host(1)), Options::default()).await;
    }

    async fn a_rolling_maintenance_has_its_turns_and_can_be_run(made: Made) {
        let cluster = made.with_hosts(&[3, 1, 0]).start().await;
        let target = Target::Rolling { hosts: vec![host(1), host(2)], max_unavailable: 1 };
        let plan = cluster.ready(target, Options::default()).await;
        // The emptiest begins, as nobody is done before it.
        assert_eq!(plan.record.sources, ["host-2", "host-1"]);
        let again = plan.operations.iter().filter(|it| it.after_done.is_some());
        assert!(again.clone().all(|it| it.after_done == Some(host(2))), "{plan:#?}");
        let new = NewRun { uuid: RunUuid(new_uuid()), host: None, hold: None };
        let nothing = Vec::<()>::new();
        let run = cluster.store.plan_run(plan.record.uuid, new, nothing, note()).await.unwrap();
        let hosts = run.run.rolling.unwrap().hosts;
        let turns: Vec<_> = hosts.iter().map(|it| (it.host.as_str(), it.state)).collect();
        assert_eq!(turns, [("host-2", RollingState::Waiting), ("host-1", RollingState::Waiting)]);
        assert_eq!(run.run.operations.len(), plan.operations.len());
    }

    async fn servers_return_to_the_host_that_they_had_to_leave(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        // So that the run of the maintenance moves nothing by itself.
        cluster.switch(2, ServiceStatus::Disabled { reason: None }).await;
        let emptying = cluster.planned(cluster.hold_host(1).await).await;
        assert_eq!(emptying.run.operations, []);
        cluster.ends_run(emptying.uuid).await;
        cluster.switch(2, ServiceStatus::Enabled).await;
        let moved = cluster.begin(1, to(2)).await.unwrap();
        cluster.reaches(moved, Status::Completed).await;
        // As long as it is held nothing goes there.
        let plan = cluster.ready(Target::ReturnHome(host(1)), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Maintenance));
        let released = OfMaintenance::Released {
            holder: "anna".to_owned(),
            return_home: ReturnHome::Now,
        };
        let fresh = fresh();
        let applied = cluster.store.maintenance_apply(host(1), released, fresh, note());
        applied.await.unwrap();
        let returning = cluster.planned(fresh.run).await;
        let plan = cluster.store.plan_find(returning.plan, None).await.unwrap().unwrap();
        assert_eq!(destinations(&plan), ["host-1"]);
        assert_eq!(plan.operations[0].server, server(1));
        assert_eq!(plan.operations[0].because[0]["code"], "returns_home");
        assert_eq!(plan.record.sources, ["host-2"]);
    }

    async fn nothing_is_planned_for_pools_yet(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let target = Target::Pool { pool: "a".to_owned(), to: "b".to_owned() };
        let plan = cluster.aborted(target, Options::default()).await;
        let failure = plan.record.plan.failure.unwrap();
        assert_eq!(failure.code, FailureCode::NotPlanned);
    }

    async fn a_dead_host_is_evacuated_once_somebody_says_that_it_is_dead(made: Made) {
        let mut cluster = made.with_hosts(&[2, 0]).start().await;
        cluster.die(1);
        cluster.sees_it_silent(1).await;
        for target in [
            Target::Host(host(1)),
            Target::Maintenance(host(1)),
            Target::Rolling { hosts: vec![host(2), host(1)], max_unavailable: 1 },
        ] {
            let plan = cluster.aborted(target, partial()).await;
            let failure = plan.record.plan.failure.as_ref().unwrap();
            assert_eq!(failure.code, FailureCode::SourceNotFenced);
            assert_eq!(codes(&plan), only(ReasonCode::SourceNotFenced));
            let fix = &plan.record.reasons[0].fix;
            assert_eq!(fix["changes"][0]["kind"], "forced-down", "{fix}");
        }
        let plan = cluster.aborted(Target::Server(server(1), None), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::SourceNotFenced));
        let promised = cluster.hold_host(1).await;
        let run = cluster.planned(promised).await;
        assert_eq!(run.run.state, RunState::Failed, "{run:#?}");
        cluster.declare_dead(1, true).await;
        let plan = cluster.ready(Target::Host(host(1)), Options::default()).await;
        assert_eq!(kinds(&plan), [OperationKind::Evacuate].into());
        assert_eq!(destinations(&plan), ["host-2"; 2]);
    }

    async fn a_promised_run_begins_with_its_plan(made: Made) {
        let cluster = made.with_hosts(&[2, 0, 0]).start().await;
        let run = cluster.planned(cluster.hold_host(2).await).await;
        assert_eq!(run.run.operations, []);
        // Hosts that are left at the same time never get each other's servers.
        let run = cluster.planned(cluster.hold_host(1).await).await;
        assert!(run.planned, "{run:#?}");
        let hosts = run.run.operations.iter().map(|it| it.destination.as_str());
        assert_eq!(hosts.collect::<Vec<_>>(), ["host-3"; 2]);
    }

    async fn hard_groups_keep_servers_apart_and_soft_ones_try(made: Made) {
        let mut made = made.with_hosts(&[2, 1]);
        for number in [1, 3] {
            made.guest(number).group = Some(declared(1, Policy::AntiAffinity));
        }
        let cluster = made.start().await;
        let plan = cluster.aborted(Target::Host(host(1)), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::AntiAffinity));
        assert_eq!(plan.record.blocked[0].server, server(1));
        let fix = &plan.record.blocked[0].reasons[0].fix;
        assert_eq!(fix["changes"][0]["kind"], "group-members-on-host", "{fix}");
        let options = Options { affinity: Affinity::BestEffort, ..Options::default() };
        let plan = cluster.ready(Target::Host(host(1)), options).await;
        assert_eq!(plan.operations.len(), 2);
    }

    async fn constraints_are_kept_to(made: Made) {
        let cluster = made.with_hosts(&[3, 0]).start().await;
        let options = Options {
            constraints: vec![Constraint::Before(server(3), server(1))],
            ..Options::default()
        };
        let plan = cluster.ready(Target::Host(host(1)), options).await;
        let of = |number| plan.operations.iter().find(|it| it.server == server(number)).unwrap();
        assert_eq!(of(1).after, [of(3).id]);
        assert_eq!(of(1).because[1]["after"][0], of(3).id.to_string());
    }

    async fn disabled_and_unmanaged_hosts_take_no_part(made: Made) {
        let cluster = made.with_hosts(&[1, 0, 1]).start().await;
        cluster.switch(2, ServiceStatus::Disabled { reason: None }).await;
        let plan = cluster.ready(Target::Host(host(1)), Options::default()).await;
        assert_eq!(destinations(&plan), ["host-3"]);
        cluster.unmanage(3).await;
        let plan = cluster.aborted(Target::Host(host(1)), Options::default()).await;
        assert_eq!(codes(&plan), [ReasonCode::Disabled, ReasonCode::Unmanaged].into());
        let reasons = &plan.record.blocked[0].reasons;
        assert!(reasons.iter().all(|it| it.fix["changes"][0]["request"].is_object()));
        let plan = cluster.aborted(Target::Host(host(3)), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Unmanaged));
    }

    async fn what_is_gone_or_on_its_way_is_said_and_ends_nothing(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        let servers = || Target::Servers(vec![server(1), server(9)]);
        let plan = cluster.aborted(servers(), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Deleted));
        let plan = cluster.ready(servers(), partial()).await;
        assert_eq!((plan.operations.len(), plan.record.blocked[0].server), (1, server(9)));
        let plan = cluster.ready(Target::Server(server(9), None), partial()).await;
        assert_eq!((plan.operations.len(), plan.record.blocked.len()), (0, 1));
        let plan = cluster.aborted(Target::Host(HostName::new("gone").unwrap()), partial()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Unknown));
        let cold = cluster.begin_cold(1).await.unwrap();
        cluster.reaches(cold, Status::Finished).await;
        let plan = cluster.aborted(Target::Host(host(2)), Options::default()).await;
        assert_eq!(codes(&plan), only(ReasonCode::Busy));
        assert!(cluster.ask(cold, Event::RevertRequested).await);
        cluster.reaches(cold, Status::Reverted).await;
        let plan = cluster.ready(Target::Host(host(1)), Options::default()).await;
        assert_eq!(plan.operations.len(), 2);
    }

    async fn a_plan_that_nobody_runs_expires_and_is_never_made_twice(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.conductors = 2;
        let cluster = made.start().await;
        let options = Options { valid_seconds: 1, ..Options::default() };
        let uuid = cluster.ask_for(Target::Host(host(1)), options).await;
        let plan = cluster.plan_in(uuid, |state| state == PlanState::Expired).await;
        assert_eq!(plan.operations.len(), 1);
        let why = godwit_store::NotMade {
            failure: godwit_core::failure::Failure::new(FailureCode::NotPlanned, "Late."),
            reasons: Vec::new(),
        };
        let again = cluster.store.plan_not_made(uuid, why, note()).await;
        assert!(matches!(again, Err(PlanStepError::Rejected(_))), "{again:?}");
        assert_eq!(cluster.store.figures().await.unwrap().effects.len(), 0);
    }

    async fn what_comes_of_plans_is_counted(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.host(2).memory_bytes = 3 * GIB / 2;
        let cluster = made.start().await;
        cluster.aborted(Target::Host(host(1)), Options::default()).await;
        cluster.ready(Target::Host(host(1)), partial()).await;
        wait_for("the metrics to say so", PATIENCE, async || {
            let text = prometheus::TextEncoder::new().encode_to_string(&cluster.registry.gather())?;
            for line in [
                "godwit_plan_outcomes_total{state=\"aborted\"} 1",
                "godwit_plan_outcomes_total{state=\"ready\"} 1",
                "godwit_plan_blockers_total{code=\"memory\"} 2",
                "godwit_plan_making_seconds_count{type=\"host\"} 2",
            ] {
                ensure!(text.contains(line), "{line} is not in {text}");
            }
            Ok(Some(()))
        })
        .await
        .unwrap();
    }
}
