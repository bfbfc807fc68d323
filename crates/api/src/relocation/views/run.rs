//! A run: a plan that is carried out.

use std::collections::HashSet;

use godwit_core::failure::Failure;
use godwit_core::ids::{HostName, MigrationUuid, OperationUuid, PlanUuid, RunUuid};
use godwit_core::plan::options::Priority;
use godwit_core::plan::{Actual, Estimate, PlanKind};
use godwit_core::run::{Operation, OperationState, Revision, RollingState, Run, RunState};
use godwit_core::time::Timestamp;
use godwit_store::{OperationRecord, RunRecord};
use serde::Serialize;

use super::message::MessageView;
use super::operation::{OperationView, end};
use super::plan::SeenServers;
use super::reason::ReasonView;
use super::requester::RequesterView;
use crate::relocation::visibility::Visibility;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "id",
    "plan",
    "state",
    "type",
    "project",
    "actor",
    "priority",
    "deadline",
    "waits_for",
    "waits_for_others",
    "created_at",
    "updated_at",
    "started_at",
    "ended_at",
    "cancel_requested_at",
    "percent",
    "eta_seconds",
    "messages",
    "operations",
    "revisions",
    "estimated_makespan_seconds",
    "makespan_seconds",
    "lower_bound_seconds",
    "hosts",
    "uri",
];

#[derive(Debug, Serialize)]
pub struct RunView<'a> {
    id: RunUuid,
    plan: PlanUuid,
    state: RunState,
    #[serde(rename = "type")]
    kind: PlanKind,
    project: Option<&'a str>,
    /// Who asked for it.
    actor: RequesterView<'a>,
    priority: Priority,
    deadline: Option<Timestamp>,
    waits_for: Vec<RunUuid>,
    /// Does it wait for runs as well that the caller does not see?
    waits_for_others: bool,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    cancel_requested_at: Option<Timestamp>,
    percent: u8,
    eta_seconds: Option<Estimate>,
    messages: Vec<MessageView<'a>>,
    operations: Vec<RunOperationView<'a>>,
    revisions: Vec<RevisionView>,
    estimated_makespan_seconds: Option<Estimate>,
    /// What it was.
    makespan_seconds: Option<f64>,
    lower_bound_seconds: Option<f64>,
    hosts: Vec<RunHostView>,
    uri: String,
}

/// What of a run is shown to a caller.
#[derive(Clone, Debug)]
pub struct Seen {
    pub servers: SeenServers,
    /// Those of the runs that it waits for that he sees; `None`: all.
    pub runs: Option<HashSet<RunUuid>>,
}

impl Seen {
    fn has(&self, run: RunUuid) -> bool {
        self.runs.as_ref().is_none_or(|seen| seen.contains(&run))
    }
}

/// A run without what it consists of.
#[derive(Debug, Serialize)]
pub struct RunSummaryView<'a> {
    id: RunUuid,
    plan: PlanUuid,
    state: RunState,
    #[serde(rename = "type")]
    kind: PlanKind,
    project: Option<&'a str>,
    priority: Priority,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    cancel_requested_at: Option<Timestamp>,
    percent: u8,
    eta_seconds: Option<Estimate>,
}

impl<'a> RunSummaryView<'a> {
    pub fn new(record: &'a RunRecord, sees: Visibility<'_>) -> Self {
        let (run, owner) = (&record.run, record.by.project.as_deref());
        Self {
            id: record.uuid,
            plan: record.plan,
            state: run.state,
            kind: run.kind,
            project: sees.of_project(owner, owner),
            priority: record.priority,
            created_at: record.created_at,
            started_at: run.started_at,
            cancel_requested_at: run.cancel_requested_at,
            percent: run.progress.percent(),
            eta_seconds: record.eta,
        }
    }
}

/// An operation, and what comes of it.
#[derive(Debug, Serialize)]
struct RunOperationView<'a> {
    #[serde(flatten)]
    planned: OperationView<'a>,
    state: OperationState,
    migration: Option<MigrationUuid>,
    attempts: u32,
    reasons: Vec<ReasonView>,
    actual: Actual,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl<'a> RunOperationView<'a> {
    fn new(
        (operation, record): (&Operation, &'a OperationRecord),
        shown: &HashSet<OperationUuid>,
        owner: Option<&str>,
        sees: Visibility<'_>,
    ) -> Self {
        let planned = OperationView::new(&record.planned, owner, sees).among(shown);
        let failure = operation.failure.iter();
        let how = (operation.kind, operation.migration.is_some());
        Self {
            planned: planned.towards((operation.kind, &operation.destination), owner, sees),
            state: operation.state,
            migration: operation.migration,
            attempts: operation.attempts,
            reasons: failure
                .map(|it| ReasonView::of_operation(it, how, sees))
                .collect(),
            actual: record.actual.unwrap_or_default(),
            started_at: record.started_at,
            ended_at: record.ended_at,
        }
    }
}

/// A change of what was planned.
#[derive(Debug, Serialize)]
struct RevisionView {
    operation: OperationUuid,
    from: Option<String>,
    to: Option<String>,
    reasons: Vec<ReasonView>,
    at: Timestamp,
}

impl RevisionView {
    fn new(revision: &Revision, run: &Run, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let kind = run.operation(revision.operation).map(|it| it.kind);
        let end = |name: &str| kind.and_then(|kind| end(kind, name, owner, sees));
        let because = revision.because.iter();
        // Who was sent elsewhere before its move began was sent by another code.
        let of_kind = |it: &Failure| match kind {
            Some(kind) => ReasonView::of_operation(it, (kind, true), sees),
            None => ReasonView::failed(it, sees),
        };
        Self {
            operation: revision.operation,
            from: end(&revision.from),
            to: end(&revision.to),
            reasons: because.map(of_kind).collect(),
            at: revision.at,
        }
    }
}

/// A host of a run of many hosts.
#[derive(Debug, Serialize)]
struct RunHostView {
    host: Option<String>,
    state: RollingState,
}

impl<'a> RunView<'a> {
    pub fn new(record: &'a RunRecord, sees: Visibility<'_>, seen: &Seen, uri: String) -> Self {
        let (run, owner) = (&record.run, record.by.project.as_deref());
        let operations = run.operations.iter().zip(&record.operations);
        let operations = operations.filter(|(it, _)| seen.servers.has(it.server));
        let shown: HashSet<OperationUuid> = operations.clone().map(|(it, _)| it.id).collect();
        let waits_for = record.waits_for.iter().copied();
        let waits_for: Vec<RunUuid> = waits_for.filter(|it| seen.has(*it)).collect();
        let is_seen = |revision: &&Revision| {
            let operation = run.operation(revision.operation);
            operation.is_some_and(|it| seen.servers.has(it.server))
        };
        let revisions = run.revisions.iter().filter(is_seen);
        let hosts = run.rolling.iter().flat_map(|rolling| &rolling.hosts);
        let host = |host: &HostName| sees.host(owner, host.as_str());
        Self {
            id: record.uuid,
            plan: record.plan,
            state: run.state,
            kind: run.kind,
            project: sees.of_project(owner, owner),
            actor: RequesterView::new(&record.by, sees),
            priority: record.priority,
            deadline: run.deadline,
            waits_for_others: waits_for.len() < record.waits_for.len(),
            waits_for,
            created_at: record.created_at,
            updated_at: record.updated_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            cancel_requested_at: run.cancel_requested_at,
            percent: run.progress.percent(),
            eta_seconds: record.eta,
            messages: MessageView::all(&record.messages, sees),
            operations: operations
                .map(|it| RunOperationView::new(it, &shown, owner, sees))
                .collect(),
            revisions: revisions
                .map(|it| RevisionView::new(it, run, owner, sees))
                .collect(),
            estimated_makespan_seconds: record.makespan,
            makespan_seconds: run
                .started_at
                .zip(run.ended_at)
                .map(|(start, end)| end.since(start).as_secs_f64()),
            lower_bound_seconds: record.lower_bound,
            hosts: hosts
                .map(|it| RunHostView {
                    host: host(&it.host),
                    state: it.state,
                })
                .collect(),
            uri,
        }
    }
}
