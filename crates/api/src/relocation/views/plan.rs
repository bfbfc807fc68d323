//! A plan: the moves that it consists of, and what it cannot move.

use std::collections::HashSet;

use godwit_core::ids::{OperationUuid, PlanUuid, RunUuid, ServerUuid};
use godwit_core::plan::options::Priority;
use godwit_core::plan::{Estimate, PlanKind, PlanState};
use godwit_core::time::Timestamp;
use godwit_store::{Blocked, PlanDetail, PlanRecord};
use serde::Serialize;

use super::message::MessageView;
use super::operation::OperationView;
use super::reason::ReasonView;
use super::requester::RequesterView;
use crate::relocation::visibility::Visibility;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "id",
    "state",
    "type",
    "project",
    "actor",
    "reason",
    "priority",
    "deadline",
    "sources",
    "created_at",
    "updated_at",
    "valid_until",
    "fingerprint",
    "percent",
    "eta_seconds",
    "messages",
    "operations",
    "blocked",
    "reasons",
    "makespan_seconds",
    "lower_bound_seconds",
    "runs",
    "uri",
];

#[derive(Debug, Serialize)]
pub struct PlanView<'a> {
    id: PlanUuid,
    state: PlanState,
    #[serde(rename = "type")]
    kind: PlanKind,
    project: Option<&'a str>,
    /// Who asked for it.
    actor: RequesterView<'a>,
    reason: Option<&'a str>,
    priority: Priority,
    deadline: Option<Timestamp>,
    sources: Vec<String>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    fingerprint: Option<&'a str>,
    percent: u8,
    /// Nobody knows how long a planner takes.
    eta_seconds: Option<Estimate>,
    messages: Vec<MessageView<'a>>,
    operations: Vec<OperationView<'a>>,
    blocked: Vec<BlockedView>,
    reasons: Vec<ReasonView>,
    makespan_seconds: Option<Estimate>,
    lower_bound_seconds: Option<f64>,
    runs: Vec<RunUuid>,
    uri: String,
}

/// A server that it cannot move.
#[derive(Debug, Serialize)]
pub struct BlockedView {
    server: ServerUuid,
    reasons: Vec<ReasonView>,
}

impl BlockedView {
    fn new(blocked: &Blocked, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let reasons = blocked.reasons.iter();
        Self {
            server: blocked.server,
            reasons: reasons
                .map(|it| ReasonView::written(it, owner, sees))
                .collect(),
        }
    }
}

/// The servers of a plan or a run that the caller sees: those of his project.
#[derive(Clone, Debug, Default)]
pub struct SeenServers(Option<HashSet<ServerUuid>>);

impl SeenServers {
    /// Every one.
    pub const ALL: Self = Self(None);

    /// Only these.
    pub fn only(servers: HashSet<ServerUuid>) -> Self {
        Self(Some(servers))
    }

    pub fn has(&self, server: ServerUuid) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.contains(&server))
    }
}

impl<'a> PlanView<'a> {
    pub fn new(
        detail: &'a PlanDetail,
        sees: Visibility<'_>,
        seen: &SeenServers,
        uri: String,
    ) -> Self {
        let PlanDetail {
            record,
            operations,
            run,
        } = detail;
        let (plan, options) = (&record.plan, &record.options);
        let owner = record.by.project.as_deref();
        let operations = operations.iter().filter(|it| seen.has(it.server));
        let shown: HashSet<OperationUuid> = operations.clone().map(|it| it.id).collect();
        let blocked = record.blocked.iter().filter(|it| seen.has(it.server));
        Self {
            id: record.uuid,
            state: plan.state,
            kind: record.kind(),
            project: sees.of_project(owner, owner),
            actor: RequesterView::new(&record.by, sees),
            // Free text, as operators write it.
            reason: sees.of_hosts(options.reason.as_deref()),
            priority: options.priority(record.kind()),
            deadline: options.deadline,
            sources: sources(record, sees),
            created_at: record.created_at,
            updated_at: record.updated_at,
            valid_until: plan.valid_until,
            fingerprint: record.fingerprint.as_deref(),
            percent: percent(plan.state),
            eta_seconds: None,
            messages: MessageView::all(&record.messages, sees),
            operations: operations
                .map(|it| OperationView::new(it, owner, sees).among(&shown))
                .collect(),
            blocked: blocked
                .map(|it| BlockedView::new(it, owner, sees))
                .collect(),
            reasons: reasons(record, sees),
            makespan_seconds: record.makespan,
            lower_bound_seconds: record.lower_bound,
            runs: run.iter().copied().collect(),
            uri,
        }
    }
}

/// Hosts; or pools, which may be called after hosts.
fn sources(record: &PlanRecord, sees: Visibility<'_>) -> Vec<String> {
    let owner = record.by.project.as_deref();
    let seen = |name: &String| match record.kind() {
        PlanKind::Pool => sees.of_hosts(Some(name.clone())),
        PlanKind::Server
        | PlanKind::Servers
        | PlanKind::Host
        | PlanKind::Maintenance
        | PlanKind::Rolling
        | PlanKind::ReturnHome => sees.host(owner, name),
    };
    record.sources.iter().filter_map(seen).collect()
}

/// Why it was aborted.
fn reasons(record: &PlanRecord, sees: Visibility<'_>) -> Vec<ReasonView> {
    let owner = record.by.project.as_deref();
    let written = record.reasons.iter();
    let mut reasons: Vec<ReasonView> = written
        .map(|it| ReasonView::written(it, owner, sees))
        .collect();
    if let (Some(failure), true) = (&record.plan.failure, reasons.is_empty()) {
        reasons.push(ReasonView::failed(failure, sees));
    }
    reasons
}

/// How far it is made.
const fn percent(state: PlanState) -> u8 {
    match state {
        PlanState::Initializing | PlanState::Aborted => 0,
        PlanState::Ready | PlanState::Expired => 100,
    }
}
