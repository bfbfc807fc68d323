//! `/runs`: plans that are carried out.
//!
//! ```text
//!   POST /plans/{id}/runs ─► has the inventory changed? ─► row, effect `drive` ─► 202
//! ```
//!
//! What is asked of a run is asked in the transaction that decides whether it still can be.

mod begin;

use actix_web::http::StatusCode;
use actix_web::http::header::EntityTag;
use godwit_core::ids::{HostName, OperationUuid, RunUuid, ServerUuid};
use godwit_core::plan::PlanKind;
use godwit_core::run::{Event, Rejected, RunState};
use godwit_policy::Target as PolicyTarget;
use godwit_store::{ChangeNote, RunFilter, RunPage, RunRecord, RunStepError};
use serde_json::Value;

pub use self::begin::create;
pub(super) use self::begin::{fresh, not_yet};
use super::call::Call;
use super::etag;
use super::fields::Fields;
use super::page::Page;
use super::params::{number, words};
use super::plans::{no_fields, seen_servers};
use super::problem::{Code, Problem, sentence};
use super::reply::Reply;
use super::routes::Answer;
use super::views::plan::SeenServers;
use super::views::run::{FIELDS, RunView};
use super::visibility::Visibility;
use super::{hosts, rules};
use crate::http::ids::read_uuid;

/// The keys of a list's query.
pub const KEYS: &[&str] = &[
    "limit",
    "marker",
    "fields",
    "with_total",
    "state",
    "type",
    "project",
];

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::RUNS_LIST)?;
    let (page, sees) = (Page::read(&call.params, FIELDS)?, call.sees());
    let after = page.marker.map(place).transpose()?;
    let Some(filter) = filter(call, sees)? else {
        return call.list(Vec::<()>::new(), None, page.with_total.then_some(0));
    };
    let store = &call.state.store;
    let one_more = RunPage {
        limit: page.limit + 1,
        after,
        operations: page.wants("operations") || page.wants("revisions"),
    };
    let mut found = store.run_list(&filter, one_more).await?;
    let total = match page.with_total {
        true => Some(store.run_count(&filter).await?),
        false => None,
    };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let goes_on = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| goes_on);
    let next = last.map(|last| call.next("marker", &last.id.to_string()));
    let seen = seen_servers(call, found.iter().flat_map(servers_of)).await?;
    let items = found
        .iter()
        .map(|it| page.select(&view(call, it, &seen)))
        .collect::<Result<Vec<_>, _>>()?;
    call.list(items, next, total)
}

pub async fn show(call: &Call) -> Answer {
    let page = Page::read(&call.params, FIELDS)?;
    let record = find(call, rules::RUNS_SHOW).await?;
    let seen = seen_servers(call, servers_of(&record)).await?;
    let reply = Reply::json(&page.select(&view(call, &record, &seen))?)?;
    Ok(reply.tagged(version(&record)))
}

/// 202 with the run, of which nothing new begins.
pub async fn cancel(call: &Call) -> Answer {
    let record = find_own(call, rules::RUNS_CANCEL).await?;
    let abort_running = match &call.body {
        Value::Null => false,
        body => {
            let mut fields = Fields::of(body, &["abort_running"])?;
            let abort_running = fields.truth("abort_running");
            fields.done()?;
            abort_running.unwrap_or_default()
        }
    };
    apply(call, &record, Event::CancelRequested { abort_running }).await
}

/// 202 with the run, which leaves the operation out.
pub async fn skip(call: &Call) -> Answer {
    no_fields(call)?;
    let record = find_own(call, rules::RUNS_SKIP).await?;
    let operation = read_uuid(&call.ids.operation).map(OperationUuid);
    let operation = operation.ok_or_else(|| Problem::not_found("such operation"))?;
    apply(call, &record, Event::SkipRequested(operation)).await
}

/// 202 with the run, which gives the host its guests back.
pub async fn finish_host(call: &Call) -> Answer {
    no_fields(call)?;
    let record = find_own(call, rules::RUNS_FINISH_HOST).await?;
    let no_such = || Problem::not_found("such host of this run");
    let host = hosts::named(call).ok_or_else(no_such)?;
    let is_one = |named: &HostName| *named == host;
    let rolling = record.run.rolling.iter().flat_map(|it| &it.hosts);
    if !rolling.map(|it| &it.host).any(is_one) {
        return Err(no_such());
    }
    apply(call, &record, Event::HostDone(host)).await
}

/// It is not the version any more that was read.
#[derive(Debug)]
struct Changed;

async fn apply(call: &Call, record: &RunRecord, event: Event) -> Answer {
    etag::check(&call.headers, &version(record))?;
    let read = etag::names_one(&call.headers).then_some(record.run.generation);
    let note = ChangeNote::requested(&call.note());
    let store = &call.state.store;
    let applied = store.run_step(record.uuid, note, move |run| {
        match read.is_none_or(|read| read == run.run.generation) {
            true => Ok(vec![event.clone().into()]),
            false => Err(Changed),
        }
    });
    let applied = applied.await;
    applied.map_err(|error| match error {
        RunStepError::NotFound => no_such_run(),
        RunStepError::Refused(Changed) => Problem::new(
            Code::PreconditionFailed,
            "It has changed just now. Read it again.",
        ),
        RunStepError::Rejected(rejected) => refused(&rejected),
        RunStepError::Store(error) => error.into(),
    })?;
    (call.state.wake)();
    // With its revisions.
    let found = store.run_find(record.uuid, None).await?;
    accepted(call, &found.ok_or_else(no_such_run)?).await
}

/// Core says no.
fn refused(rejected: &Rejected) -> Problem {
    let detail = match rejected {
        Rejected::UnknownOperation(_) => return Problem::not_found("such operation"),
        Rejected::Host { .. } => "The run is not so far with the host, or done with it.".to_owned(),
        Rejected::OutOfPlace { state, .. } => format!("The run is {state}."),
        Rejected::Ended(_)
        | Rejected::Operation(_)
        | Rejected::NotStartable(_)
        | Rejected::OtherKind(..)
        | Rejected::RevisedTooOften(_)
        | Rejected::TooEarly => sentence(&rejected.to_string()),
    };
    let code = rejected.code().and_then(|code| code.parse().ok());
    Problem::new(code.unwrap_or(Code::WrongState), detail)
}

/// 202 with the run, and where it is.
async fn accepted(call: &Call, record: &RunRecord) -> Answer {
    let seen = seen_servers(call, servers_of(record)).await?;
    let reply = Reply::json(&view(call, record, &seen))?;
    let reply = reply.made(StatusCode::ACCEPTED, address(call, record.uuid));
    Ok(reply.tagged(version(record)))
}

pub(super) fn no_such_run() -> Problem {
    Problem::not_found("such run")
}

pub(super) fn address(call: &Call, run: RunUuid) -> String {
    call.address_of(&format!("/runs/{run}"))
}

fn view<'a>(call: &Call, record: &'a RunRecord, seen: &SeenServers) -> RunView<'a> {
    RunView::new(record, call.sees(), seen, address(call, record.uuid))
}

fn version(record: &RunRecord) -> EntityTag {
    etag::of_generation(record.run.generation)
}

/// The run that the path names, if `rule` allows the caller to see it.
async fn find(call: &Call, rule: &'static str) -> Result<RunRecord, Problem> {
    call.caller.enforce_own(rule)?;
    let uuid = read_uuid(&call.ids.id).ok_or_else(no_such_run)?;
    let store = &call.state.store;
    let found = store.run_find(RunUuid(uuid), call.sees().project).await?;
    let record = found.ok_or_else(no_such_run)?;
    let target = PolicyTarget::of_project(record.by.project.as_deref());
    call.caller.enforce(rule, &target)?;
    Ok(record)
}

/// The same, if the caller may act on it.
async fn find_own(call: &Call, rule: &'static str) -> Result<RunRecord, Problem> {
    let record = find(call, rule).await?;
    let of_servers = match record.run.kind {
        PlanKind::Server | PlanKind::Servers => true,
        PlanKind::Host
        | PlanKind::Maintenance
        | PlanKind::Rolling
        | PlanKind::Pool
        | PlanKind::ReturnHome => false,
    };
    let seen = seen_servers(call, servers_of(&record)).await?;
    let own = of_servers && servers_of(&record).all(|it| seen.has(it));
    match call.sees().project.is_none() || own {
        true => Ok(record),
        false => Err(Problem::new(
            Code::Forbidden,
            "It is about servers of other projects as well.",
        )),
    }
}

fn servers_of(record: &RunRecord) -> impl Iterator<Item = ServerUuid> + '_ {
    record.run.operations.iter().map(|it| it.server)
}

/// Where a page ends: at the id of its last run.
fn place(marker: &str) -> Result<i64, Problem> {
    number(marker).ok_or_else(|| Problem::input("?marker", "It is none that a list gave."))
}

/// What the query asks for; `None` where the caller sees nothing of it.
fn filter(call: &Call, sees: Visibility<'_>) -> Result<Option<RunFilter>, Problem> {
    let params = &call.params;
    let states = words(RunState::ALL.iter().map(|it| it.as_str()));
    let state = params.parse("state", &states, |text| text.parse::<RunState>().ok())?;
    let kinds = words(PlanKind::ALL.iter().map(|it| it.as_str()));
    let kind = params.parse("type", &kinds, |text| text.parse::<PlanKind>().ok())?;
    let asked = params.get("project");
    if let (Some(asked), Some(own)) = (asked, sees.project)
        && asked != own
    {
        return Ok(None);
    }
    Ok(Some(RunFilter {
        state,
        kind,
        project: sees.project.or(asked).map(str::to_owned),
    }))
}
