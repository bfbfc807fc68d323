//! Plans: asked for, made, run, expired, deleted, listed and forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use godwit_core::effect::{PlanEffect, Subject};
use godwit_core::event_type::EventKind;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, OperationUuid, PlanUuid};
use godwit_core::plan::options::Constraint;
use godwit_core::plan::request::Target;
use godwit_core::plan::{Estimate, Estimates, Options, PlanKind, PlanState, Rejected};
use godwit_core::reason::{Reason, ReasonCode, WrittenReason};
use godwit_core::resources::Resources;
use godwit_core::run::OperationKind;
use godwit_store::{
    Actor, Blocked, ChangeNote, Claimed, EventQuery, EventSubject, EventTypes, LoggedEvent,
    Message, NewPlan, NotMade, PlanCreateError, PlanDeleteError, PlanDetail, PlanFilter, PlanMade,
    PlanPage, PlanRecord, PlanStepError, PlannedOperation, SubjectEvent,
};
use serde_json::json;
use uuid::Uuid;

use crate::bench::{Bench, ROOM, asked, at, host, server};

pub(crate) fn plan(number: u128) -> PlanUuid {
    PlanUuid(Uuid::from_u128(0x91a0 << 112 | number))
}

pub(crate) fn operation(number: u128) -> OperationUuid {
    OperationUuid(Uuid::from_u128(0x09e7 << 112 | number))
}

/// Of a conductor, for the outcome of an effect that it holds or of none.
pub(crate) fn by_conductor(second: i64) -> ChangeNote {
    ChangeNote::new(Actor::Conductor, at(second))
}

pub(crate) fn by_user(second: i64) -> ChangeNote {
    ChangeNote::requested(&asked("req-1", at(second)))
}

/// The live move of the server of this number from one host to another.
pub(crate) fn moves(number: u128, source: &str, destination: &str) -> PlannedOperation {
    let estimate = |mid| Estimate {
        low: mid / 2.0,
        mid,
        high: mid * 2.0,
    };
    PlannedOperation {
        id: operation(number),
        kind: OperationKind::Live,
        server: server(number),
        source: source.to_owned(),
        destination: destination.to_owned(),
        after: Vec::new(),
        after_done: None,
        because: json!([{"code": "host_is_emptied"}]),
        estimates: Estimates {
            bytes: estimate(2e9),
            seconds: estimate(10.5),
            downtime_seconds: estimate(0.2),
        },
        size: ROOM,
    }
}

/// What a planner made: these operations, which need room on these hosts.
pub(crate) fn made(operations: Vec<PlannedOperation>, room: &[(&str, i64)]) -> PlanMade {
    let times = |n: i64| Resources {
        vcpus: ROOM.vcpus * n,
        memory_mb: ROOM.memory_mb * n,
        disk_gb: ROOM.disk_gb * n,
    };
    let room = room.iter().map(|(name, n)| (host(name), times(*n)));
    PlanMade {
        sources: vec!["a".to_owned()],
        fingerprint: "0123456789abcdef".to_owned(),
        facts: json!([{"code": "server-host", "is": "a"}]),
        room: room.collect(),
        operations,
        blocked: Vec::new(),
        makespan: Some(Estimate {
            low: 8.0,
            mid: 10.25,
            high: 20.0,
        }),
        lower_bound: Some(9.125),
    }
}

pub(crate) fn blocked(number: u128) -> Blocked {
    let reason = Reason::new(ReasonCode::Memory, "host b has too little memory");
    Blocked {
        server: server(number),
        reasons: vec![WrittenReason::from(&reason)],
    }
}

pub(crate) fn new_plan(number: u128, target: Target) -> NewPlan {
    NewPlan {
        uuid: plan(number),
        target,
        options: Options::default(),
        sources: Vec::new(),
    }
}

impl Bench {
    pub(crate) async fn ask_for(&self, new: NewPlan, second: i64) -> PlanRecord {
        let created = self.store.plan_create(new, None, by_user(second));
        created.await.unwrap()
    }

    /// A plan to empty host a, which is ready at second 20.
    pub(crate) async fn plan_ready(&self, number: u128, made: PlanMade) -> PlanRecord {
        self.ask_for(new_plan(number, Target::Host(host("a"))), 10)
            .await;
        let ready = self.store.plan_made(plan(number), made, by_conductor(20));
        ready.await.unwrap()
    }

    pub(crate) async fn plan(&self, number: u128) -> PlanDetail {
        let found = self.store.plan_find(plan(number), None).await;
        found.unwrap().unwrap()
    }

    /// Everything that may be claimed.
    pub(crate) async fn outbox(&self) -> Vec<Claimed> {
        let lease = Duration::from_secs(5);
        let claimed = self.store.effects_claim("me", at(999), lease, 100);
        claimed.await.unwrap()
    }

    /// The events about something, in their order.
    pub(crate) async fn told(&self, subject: EventSubject) -> Vec<SubjectEvent> {
        let query = EventQuery {
            after: None,
            subject: Some(subject),
            ..EventQuery::after(0, 999)
        };
        let page = self.store.events_page(&query).await.unwrap();
        let line = |event| match event {
            LoggedEvent::Plan { line, .. }
            | LoggedEvent::Run { line, .. }
            | LoggedEvent::Maintenance { line, .. } => line,
            other => panic!("{other:?}"),
        };
        page.events.into_iter().map(|it| line(it.event)).collect()
    }

    pub(crate) async fn names_told(&self, subject: EventSubject) -> Vec<String> {
        let told = self.told(subject).await;
        told.into_iter().map(|it| it.name).collect()
    }

    async fn made_by(&self, number: u128, made: PlanMade, second: i64) -> PlanRecord {
        let made = self
            .store
            .plan_made(plan(number), made, by_conductor(second));
        made.await.unwrap()
    }
}

fn listed(details: &[PlanDetail]) -> Vec<PlanUuid> {
    details.iter().map(|it| it.record.uuid).collect()
}

fn plans(numbers: &[u128]) -> Vec<PlanUuid> {
    numbers.iter().map(|it| plan(*it)).collect()
}

async fn list(bench: &Bench, filter: PlanFilter, after: Option<i64>, limit: i64) -> Vec<PlanUuid> {
    let page = PlanPage {
        limit,
        after,
        operations: None,
    };
    listed(&bench.store.plan_list(&filter, page).await.unwrap().items)
}

on_both! {
    async fn a_plan_is_asked_for_made_and_read_back(bench: Bench) {
        let options = Options {
            constraints: vec![Constraint::NotTogether(vec![server(1), server(2)])],
            holder: Some("me".to_owned()),
            deadline: Some(at(500)),
            ..Options::default()
        };
        let new = NewPlan {
            options: options.clone(),
            ..new_plan(1, Target::Servers(vec![server(1), server(2)]))
        };
        let record = bench.ask_for(new, 10).await;
        assert_eq!(record, bench.plan(1).await.record, "it is what was written");
        assert_eq!((record.plan.state, record.kind()), (PlanState::Initializing, PlanKind::Servers));
        assert_eq!(record.options, options);
        assert_eq!(record.by, asked("req-1", at(0)).requester());
        assert_eq!(record.created_at, at(10));
        bench.assert_sound().await;

        let outbox = bench.outbox().await;
        assert_eq!(outbox.len(), 1);
        assert_eq!(outbox[0].subject, Subject::Plan(plan(1), PlanEffect::Make));
        let mut second = moves(2, "a", "c");
        second.after = vec![operation(1)];
        second.after_done = None;
        let operations = vec![moves(1, "a", "b"), second];
        let note = ChangeNote {
            performed: Some(outbox[0].lease),
            message: Some(Message {
                code: "made".to_owned(),
                text: "It took a second.".to_owned(),
                at: at(20),
            }),
            ..by_conductor(20)
        };
        let made = made(operations.clone(), &[("b", 1), ("c", 1)]);
        let ready = bench.store.plan_made(plan(1), made.clone(), note.clone()).await.unwrap();
        let detail = bench.plan(1).await;
        assert_eq!(detail.record, ready, "it is what was written");
        assert_eq!(detail.operations, operations);
        assert_eq!(detail.run, None);
        assert_eq!(ready.plan.state, PlanState::Ready);
        assert_eq!(ready.plan.valid_until, Some(at(620)));
        assert_eq!(ready.fingerprint, Some(made.fingerprint.clone()));
        assert_eq!((ready.facts, ready.room), (Some(made.facts.clone()), made.room.clone()));
        assert_eq!((ready.makespan, ready.lower_bound), (made.makespan, made.lower_bound));
        assert_eq!(ready.messages, [note.message.clone().unwrap()]);
        assert!(bench.outbox().await.is_empty());
        bench.assert_sound().await;

        let again = bench.store.plan_made(plan(1), made, note).await.unwrap_err();
        let expected = Rejected::OutOfPlace { state: PlanState::Ready, event: "made" };
        assert!(matches!(again, PlanStepError::Rejected(it) if it == expected), "{again:?}");
        assert_eq!(bench.store.plan_find(plan(2), None).await.unwrap(), None);
        let of = |project| bench.store.plan_find(plan(1), Some(project));
        let own = detail.record.by.project.clone().unwrap();
        assert!(of(&own).await.unwrap().is_some());
        assert!(of("other").await.unwrap().is_none());
    }

    async fn what_happens_to_a_plan_is_told_to_whom_it_concerns(bench: Bench) {
        bench.plan_ready(1, made(vec![moves(1, "a", "b")], &[("b", 1)])).await;
        let told = bench.told(EventSubject::Plan(plan(1))).await;
        let names: Vec<_> = told.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["requested", "made"]);
        assert_eq!((told[0].sequence, told[1].sequence), (1, 2));
        assert_eq!(told[0].actor, "api");
        assert_eq!(told[0].request_id.as_deref(), Some("req-1"));
        assert_eq!(told[0].detail, json!({"to": "initializing", "type": "host"}));
        let detail = json!({"from": "initializing", "to": "ready", "blocked": 0});
        assert_eq!((told[1].actor.as_str(), &told[1].detail), ("conductor", &detail));

        let query = |project: &str, kind| EventQuery {
            project: Some(project.to_owned()),
            hosts: false,
            types: Some(EventTypes { kinds: vec![kind], names: vec![] }),
            ..EventQuery::after(0, 99)
        };
        let own = bench.plan(1).await.record.by.project.unwrap();
        for (query, count) in [
            (query(&own, EventKind::Plan), 2),
            (query("other", EventKind::Plan), 0),
            (query(&own, EventKind::Run), 0),
        ] {
            let page = bench.store.events_page(&query).await.unwrap();
            assert_eq!(page.events.len(), count, "{query:?}");
            assert!(page.events.iter().all(|it| query.wants(it)));
            let all = bench.store.events_page(&EventQuery::after(0, 99)).await.unwrap();
            let wanted = all.events.iter().filter(|it| query.wants(it)).count();
            assert_eq!(wanted, count, "streams choose as pages do");
        }
    }

    /// One of the release before would read no events any more, and claim nothing.
    async fn there_are_no_plans_until_everybody_knows_them(bench: Bench) {
        let new = || new_plan(1, Target::Host(host("a")));
        bench.sql("DELETE FROM event_kinds WHERE kind = 'plan'");
        let early = bench.store.plan_create(new(), None, by_user(10)).await;
        assert!(matches!(early, Err(PlanCreateError::NotYet)), "{early:?}");
        assert_eq!(bench.store.plan_find(plan(1), None).await.unwrap(), None);
        bench.sql("INSERT INTO event_kinds (kind) VALUES ('plan')");
        bench.ask_for(new(), 10).await;
    }

    /// As a later release may ask for.
    async fn effects_that_nobody_knows_are_left_alone(bench: Bench) {
        bench.ask_for(new_plan(1, Target::Host(host("a"))), 10).await;
        bench.sql("UPDATE effects SET subject_kind = 'later'");
        assert!(bench.outbox().await.is_empty());
        bench.sql("UPDATE effects SET subject_kind = 'plan'");
        assert_eq!(bench.outbox().await.len(), 1);
    }

    async fn blocked_servers_abort_a_plan_that_may_not_be_partial(bench: Bench) {
        for (number, allow_partial) in [(1, false), (2, true)] {
            let new = NewPlan {
                options: Options { allow_partial, ..Options::default() },
                ..new_plan(number, Target::Host(host("a")))
            };
            bench.ask_for(new, 10).await;
            let plan = PlanMade {
                blocked: vec![blocked(8), blocked(9)],
                ..made(vec![moves(number, "a", "b")], &[("b", 1)])
            };
            bench.made_by(number, plan, 20).await;
        }
        let (aborted, partial) = (bench.plan(1).await, bench.plan(2).await);
        assert_eq!(aborted.record.plan.state, PlanState::Aborted);
        assert_eq!((aborted.record.ended_at, aborted.operations.len()), (Some(at(20)), 0));
        assert_eq!(partial.record.plan.state, PlanState::Ready);
        assert_eq!((partial.record.ended_at, partial.operations.len()), (None, 1));
        for it in [aborted, partial] {
            assert_eq!(it.record.blocked, [blocked(8), blocked(9)]);
        }
        bench.assert_sound().await;
    }

    async fn a_plan_that_cannot_be_made_says_why(bench: Bench) {
        bench.ask_for(new_plan(1, Target::Host(host("a"))), 10).await;
        let why = NotMade {
            failure: Failure::new(FailureCode::SourceNotFenced, "a is silent."),
            reasons: blocked(1).reasons,
        };
        let record = bench.store.plan_not_made(plan(1), why.clone(), by_conductor(20)).await;
        let record = record.unwrap();
        assert_eq!(record, bench.plan(1).await.record);
        assert_eq!(record.plan.state, PlanState::Aborted);
        assert_eq!(record.plan.failure, Some(why.failure));
        assert_eq!(record.reasons, why.reasons);
        let told = bench.told(EventSubject::Plan(plan(1))).await;
        assert_eq!(told[1].detail["failure"]["code"], "source-not-fenced");
        bench.assert_sound().await;
    }

    async fn operations_that_wait_for_each_other_are_no_plan(bench: Bench) {
        bench.ask_for(new_plan(1, Target::Host(host("a"))), 10).await;
        let mut operations = vec![moves(1, "a", "b"), moves(2, "a", "b")];
        operations[0].after = vec![operation(2)];
        operations[1].after = vec![operation(1)];
        let circle = bench.store.plan_made(plan(1), made(operations, &[]), by_conductor(20)).await;
        assert!(matches!(circle, Err(PlanStepError::Circle(_))), "{circle:?}");
        assert_eq!(bench.plan(1).await.record.plan.state, PlanState::Initializing);
        assert_eq!(bench.outbox().await.len(), 1, "it can still be made otherwise");
    }

    async fn time_ends_a_plan(bench: Bench) {
        bench.ask_for(new_plan(1, Target::Host(host("a"))), 10).await;
        bench.plan_ready(2, made(vec![], &[])).await;
        let overdue = async |second| bench.store.plans_overdue(at(second), 9).await.unwrap();
        assert!(overdue(609).await.is_empty());
        let early = bench.store.plan_expire(plan(2), by_conductor(619)).await.unwrap_err();
        assert!(matches!(early, PlanStepError::Rejected(Rejected::TooEarly)), "{early:?}");
        assert_eq!(overdue(610).await, [plan(1)]);
        assert_eq!(overdue(620).await, [plan(1), plan(2)]);
        for number in [1, 2] {
            bench.store.plan_expire(plan(number), by_conductor(620)).await.unwrap();
        }
        assert!(overdue(9_999).await.is_empty());
        let states = [bench.plan(1).await, bench.plan(2).await].map(|it| it.record.plan.state);
        assert_eq!(states, [PlanState::Aborted, PlanState::Expired]);
        assert!(bench.outbox().await.is_empty(), "nobody makes it any more");
        bench.assert_sound().await;
    }

    async fn a_project_has_so_many_open_plans_and_no_more(bench: Bench) {
        let create = async |number| {
            let new = new_plan(number, Target::Host(host("a")));
            bench.store.plan_create(new, Some(2), by_user(10)).await
        };
        create(1).await.unwrap();
        create(2).await.unwrap();
        let refused = create(3).await;
        assert!(matches!(refused, Err(PlanCreateError::TooMany(2))), "{refused:?}");
        bench.made_by(1, PlanMade { blocked: vec![blocked(1)], ..made(vec![], &[]) }, 20).await;
        create(3).await.unwrap();
    }

    async fn a_plan_is_deleted_with_its_operations_and_stays_in_the_log(bench: Bench) {
        let record = bench.plan_ready(1, made(vec![moves(1, "a", "b")], &[("b", 1)])).await;
        bench.ask_for(new_plan(2, Target::Host(host("a"))), 10).await;
        let delete = async |number, generation| {
            bench.store.plan_delete(plan(number), generation, by_user(30)).await
        };
        let changed = delete(1, Some(record.plan.generation - 1)).await;
        assert!(matches!(changed, Err(PlanDeleteError::Changed)), "{changed:?}");
        delete(1, Some(record.plan.generation)).await.unwrap();
        delete(2, None).await.unwrap();
        let gone = delete(1, None).await;
        assert!(matches!(gone, Err(PlanDeleteError::NotFound)), "{gone:?}");
        assert_eq!(bench.store.plan_find(plan(1), None).await.unwrap(), None);
        assert_eq!(bench.texts("SELECT uuid AS text FROM operations"), Vec::<String>::new());
        assert!(bench.outbox().await.is_empty(), "nobody makes it any more");
        let late = bench.store.plan_made(plan(2), made(vec![], &[]), by_conductor(40)).await;
        assert!(matches!(late, Err(PlanStepError::NotFound)), "{late:?}");
        let told = bench.names_told(EventSubject::Plan(plan(1))).await;
        assert_eq!(told, ["requested", "made", "deleted"]);
        assert!(bench.store.plans_overdue(at(9_999), 9).await.unwrap().is_empty());
        bench.assert_sound().await;
    }

    async fn lists_go_on_where_they_stopped(bench: Bench) {
        for number in 1..=4 {
            bench.ask_for(new_plan(number, Target::Host(host("a"))), 10).await;
        }
        let other = NewPlan { ..new_plan(5, Target::Server(server(1), None)) };
        let mut note = by_user(10);
        note.by.project = Some("other".to_owned());
        bench.store.plan_create(other, None, note).await.unwrap();
        bench.made_by(2, made(vec![moves(1, "a", "b")], &[("b", 1)]), 20).await;
        bench.store.plan_delete(plan(3), None, by_user(30)).await.unwrap();

        let all = PlanFilter::default;
        assert_eq!(list(&bench, all(), None, 9).await, plans(&[5, 4, 2, 1]));
        assert_eq!(list(&bench, all(), None, 2).await, plans(&[5, 4]));
        let marker = bench.plan(4).await.record.id;
        assert_eq!(list(&bench, all(), Some(marker), 9).await, plans(&[2, 1]));
        assert!(list(&bench, all(), None, 0).await.is_empty());
        let own = bench.plan(1).await.record.by.project;
        for (filter, expected) in [
            (PlanFilter { state: Some(PlanState::Ready), ..all() }, plans(&[2])),
            (PlanFilter { kind: Some(PlanKind::Server), ..all() }, plans(&[5])),
            (PlanFilter { project: own.clone(), ..all() }, plans(&[4, 2, 1])),
            (PlanFilter { project: Some("no\0ne".to_owned()), ..all() }, plans(&[])),
            (
                PlanFilter {
                    project: own,
                    kind: Some(PlanKind::Host),
                    state: Some(PlanState::Initializing),
                },
                plans(&[4, 1]),
            ),
        ] {
            assert_eq!(list(&bench, filter.clone(), None, 9).await, expected, "{filter:?}");
            let count = bench.store.plan_count(&filter).await.unwrap();
            assert_eq!(usize::try_from(count).unwrap(), expected.len());
        }
        let page = PlanPage { limit: 9, after: None, operations: Some(1) };
        let ready = PlanFilter { state: Some(PlanState::Ready), ..all() };
        let found = bench.store.plan_list(&ready, page).await.unwrap();
        assert_eq!(found.items, [bench.plan(2).await]);
    }

    /// What a page costs is bounded by what it shows, and nothing is left out for good.
    async fn a_page_ends_where_it_has_enough_operations(bench: Bench) {
        for (number, operations) in [(1, 1), (2, 3), (3, 0), (4, 2)] {
            let operations = (0..operations).map(|it| moves(number * 10 + it, "a", "b")).collect();
            bench.plan_ready(number, made(operations, &[("b", 9)])).await;
        }
        let (mut after, mut pages) = (None, Vec::new());
        loop {
            let page = PlanPage { limit: 3, after, operations: Some(3) };
            let listed = bench.store.plan_list(&PlanFilter::default(), page).await.unwrap();
            after = listed.items.last().map(|it| it.record.id);
            let sizes = listed.items.iter().map(|it| it.operations.len());
            pages.push(sizes.collect::<Vec<_>>());
            if !listed.goes_on {
                break;
            }
        }
        assert_eq!(pages, [vec![2, 0, 3], vec![1]]);
        let page = PlanPage { limit: 3, after: None, operations: Some(1) };
        let listed = bench.store.plan_list(&PlanFilter::default(), page).await.unwrap();
        assert_eq!((listed.items.len(), listed.goes_on), (1, true));
        let page = PlanPage { limit: 4, after: None, operations: None };
        let listed = bench.store.plan_list(&PlanFilter::default(), page).await.unwrap();
        assert_eq!((listed.items.len(), listed.goes_on), (4, false));
    }

    async fn a_large_plan_is_written_whole_and_in_order(bench: Bench) {
        let operations: Vec<_> = (1..=2_345).map(|it| moves(it, "a", "b")).collect();
        bench.plan_ready(1, made(operations.clone(), &[("b", 9)])).await;
        assert_eq!(bench.plan(1).await.operations, operations);
    }

    async fn what_is_over_is_forgotten_once_its_events_have_expired(bench: Bench) {
        bench.plan_ready(1, made(vec![moves(1, "a", "b")], &[("b", 1)])).await;
        bench.store.plan_delete(plan(1), None, by_user(30)).await.unwrap();
        bench.plan_ready(2, made(vec![moves(2, "a", "b")], &[("b", 1)])).await;
        bench.store.plan_expire(plan(2), by_conductor(620)).await.unwrap();
        bench.ask_for(new_plan(3, Target::Host(host("a"))), 700).await;
        let prune = async |second, limit| bench.store.plans_prune(at(second), limit).await.unwrap();
        assert_eq!(prune(900, 9).await, 0, "its events can be read");
        bench.store.events_expire(at(650), 99).await.unwrap();
        assert_eq!(prune(29, 9).await, 0, "it is not over for long enough");
        assert_eq!(prune(900, 1).await, 1);
        assert_eq!(prune(900, 9).await, 1);
        assert_eq!(prune(900, 9).await, 0);
        let left = bench.texts("SELECT uuid AS text FROM plans");
        assert_eq!(left, [plan(3).to_string()]);
        for table in ["operations", "effects"] {
            let rows = bench.texts(&format!("SELECT CAST(id AS TEXT) AS text FROM {table}"));
            assert_eq!(rows.len(), usize::from(table == "effects"), "{table}");
        }
        bench.assert_sound().await;
    }
}

/// Room by host, for whoever claims it.
pub(crate) fn capacity(hosts: &[(&str, i64)]) -> BTreeMap<HostName, Resources> {
    made(Vec::new(), hosts).room
}
