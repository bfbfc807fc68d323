//! `/plans`: moves that are seen before they happen.
//!
//! ```text
//!   POST /plans ─► body ─► names ─► row, effect `make` ─► 201
//! ```
//!
//! A plan is of the project that asked for it. Who sees one project sees of its plans the servers
//! of that project, and acts on those that are about nothing else.

mod named;
mod wanted;

use std::collections::{BTreeSet, HashSet};

use actix_web::http::StatusCode;
use actix_web::http::header::EntityTag;
use godwit_core::ids::{PlanUuid, ServerUuid};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Options, PlanKind, PlanState};
use godwit_core::time::Timestamp;
use godwit_policy::Target as PolicyTarget;
use godwit_store::{
    ChangeNote, Listed, Message, NewPlan, PlanCreateError, PlanDeleteError, PlanDetail, PlanFilter,
    PlanPage,
};
use serde_json::Value;

pub(super) use self::wanted::LONGEST_REASON;
use super::call::Call;
use super::etag;
use super::fields::members;
use super::page::{PARTS_MAX, Page};
use super::params::{number, words};
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::message::TIMES_PASSED;
use super::views::plan::{FIELDS, PlanView, SeenServers};
use super::visibility::Visibility;
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
    call.caller.enforce_own(rules::PLANS_LIST)?;
    let (page, sees) = (Page::read(&call.params, FIELDS)?, call.sees());
    let after = page.marker.map(place).transpose()?;
    let Some(filter) = filter(call, sees)? else {
        return call.list(Vec::<()>::new(), None, page.with_total.then_some(0));
    };
    let store = &call.state.store;
    let part = PlanPage {
        limit: page.limit,
        after,
        operations: page.wants("operations").then_some(PARTS_MAX),
    };
    let Listed {
        items: found,
        goes_on,
    } = store.plan_list(&filter, part).await?;
    let total = match page.with_total {
        true => Some(store.plan_count(&filter).await?),
        false => None,
    };
    let last = found.last().filter(|_| goes_on);
    let next = last.map(|last| call.next("marker", &last.record.id.to_string()));
    let seen = seen_servers(call, found.iter().flat_map(servers_of)).await?;
    let items = found
        .iter()
        .map(|it| page.select(&view(call, it, &seen)))
        .collect::<Result<Vec<_>, _>>()?;
    call.list(items, next, total)
}

pub async fn show(call: &Call) -> Answer {
    let page = Page::read(&call.params, FIELDS)?;
    let detail = find(call, rules::PLANS_SHOW).await?;
    let seen = seen_servers(call, servers_of(&detail)).await?;
    let reply = Reply::json(&page.select(&view(call, &detail, &seen))?)?;
    Ok(reply.tagged(version(&detail)))
}

/// 201 with the plan, which is being made from now on.
pub async fn create(call: &Call) -> Answer {
    call.caller.enforce_own(rules::PLANS_CREATE)?;
    let (target, options) = wanted::read(&call.body)?;
    let named = named::look_up(call, rules::PLANS_CREATE, (&target, &options)).await?;
    check(call, (&target, &options), &named.servers)?;
    ask_for(call, (target, options), named.sources, None).await
}

/// 201 with a new plan for the same wish. What was to be done by a time that has passed is to be done
/// without one, which the plan says.
pub async fn remake(call: &Call) -> Answer {
    no_fields(call)?;
    let PlanDetail { record, .. } = find_own(call, rules::PLANS_REMAKE).await?;
    let (target, options) = (record.target, record.options);
    let (options, passed) = options.asked_again(call.state.clock.now());
    // Where its servers are by now is for the plan to see.
    let of_constraints = options.constraints.iter().flat_map(|it| it.servers());
    let servers = target.servers().iter().copied();
    let servers = servers.chain(of_constraints).collect();
    check(call, (&target, &options), &servers)?;
    ask_for(
        call,
        (target, options),
        record.sources,
        left_out(call, &passed),
    )
    .await
}

/// What whoever asks for a plan anew is told of times that had passed.
fn left_out(call: &Call, passed: &[(&str, Timestamp)]) -> Option<Message> {
    let times = passed.iter().map(|(name, time)| format!("{name} ({time})"));
    let times: Vec<String> = times.collect();
    (!times.is_empty()).then(|| Message {
        code: TIMES_PASSED.to_owned(),
        text: format!("Left out, as it had passed: {}.", times.join(", ")),
        at: call.state.clock.now(),
    })
}

/// 204. One that has been run says of its run what that does, and stays.
pub async fn delete(call: &Call) -> Answer {
    let detail = find_own(call, rules::PLANS_DELETE).await?;
    etag::check(&call.headers, &version(&detail))?;
    match detail.record.plan.state {
        PlanState::Aborted | PlanState::Expired => return Err(ended()),
        PlanState::Initializing | PlanState::Ready => {}
    }
    let generation = detail.record.plan.generation;
    let named = etag::names_one(&call.headers).then_some(generation);
    let note = ChangeNote::requested(&call.note());
    let store = &call.state.store;
    let deleted = store.plan_delete(detail.record.uuid, named, note).await;
    deleted.map_err(|error| match error {
        PlanDeleteError::NotFound => no_such_plan(),
        PlanDeleteError::HasRun => Problem::new(Code::PlanAlreadyRun, "It has a run. Cancel that."),
        PlanDeleteError::Changed => Problem::new(
            Code::PreconditionFailed,
            "It has changed just now. Read it again.",
        ),
        PlanDeleteError::Store(error) => error.into(),
    })?;
    Ok(Reply::empty())
}

/// What the body of a request for a plan asks for, as [`create`] reads it.
///
/// # Errors
/// Everything that is wrong with it, whatever the fleet is like.
pub fn asked(body: &Value) -> Result<(Target, Options), String> {
    wanted::read(body).map_err(|problem| problem.detail().to_owned())
}

fn ended() -> Problem {
    Problem::new(Code::AlreadyEnded, "It was aborted, or has expired.")
}

pub(super) fn no_such_plan() -> Problem {
    Problem::not_found("such plan")
}

/// A request that says everything with its path.
pub(super) fn no_fields(call: &Call) -> Result<(), Problem> {
    match &call.body {
        Value::Null => Ok(()),
        body => members(body, &[]).map(|_| ()),
    }
}

/// Do the options fit what is asked for, which is about these servers?
fn check(
    call: &Call,
    (target, options): (&Target, &Options),
    servers: &BTreeSet<ServerUuid>,
) -> Result<(), Problem> {
    let wrong = options.check(target, servers, call.state.clock.now());
    let problem = wrong.err().and_then(Problem::invalid);
    problem.map_or(Ok(()), Err)
}

async fn ask_for(
    call: &Call,
    (target, options): (Target, Options),
    sources: Vec<String>,
    message: Option<Message>,
) -> Answer {
    let state = &call.state;
    let most = state.config.quotas.open_plans;
    let new = NewPlan {
        uuid: PlanUuid(state.ids.uuid()),
        target,
        options,
        sources,
    };
    let note = ChangeNote {
        message,
        ..ChangeNote::requested(&call.note())
    };
    let made = state.store.plan_create(new, Some(most.into()), note).await;
    let record = made.map_err(|error| match error {
        PlanCreateError::TooMany(_) => {
            let detail = format!("A project may have {most} plans that are open or being run.");
            Problem::new(Code::QuotaExceeded, detail)
        }
        PlanCreateError::NotYet => {
            let detail = "No plan is made before the upgrade has ended. Try again later.";
            Problem::new(Code::Unavailable, detail)
        }
        PlanCreateError::Store(error) => error.into(),
    })?;
    (state.wake)();
    let detail = PlanDetail {
        record,
        operations: Vec::new(),
        run: None,
    };
    let reply = Reply::json(&view(call, &detail, &SeenServers::ALL))?;
    let reply = reply.made(StatusCode::CREATED, address(call, detail.record.uuid));
    Ok(reply.tagged(version(&detail)))
}

fn address(call: &Call, plan: PlanUuid) -> String {
    call.address_of(&format!("/plans/{plan}"))
}

fn view<'a>(call: &Call, detail: &'a PlanDetail, seen: &SeenServers) -> PlanView<'a> {
    let uri = address(call, detail.record.uuid);
    PlanView::new(detail, call.sees(), seen, uri)
}

pub(super) fn version(detail: &PlanDetail) -> EntityTag {
    etag::of_generation(detail.record.plan.generation)
}

/// The plan that the path names, if `rule` allows the caller to see it.
pub(super) async fn find(call: &Call, rule: &'static str) -> Result<PlanDetail, Problem> {
    call.caller.enforce_own(rule)?;
    let uuid = read_uuid(&call.ids.id).ok_or_else(no_such_plan)?;
    let store = &call.state.store;
    let found = store.plan_find(PlanUuid(uuid), call.sees().project).await?;
    let detail = found.ok_or_else(no_such_plan)?;
    let target = PolicyTarget::of_project(detail.record.by.project.as_deref());
    call.caller.enforce(rule, &target)?;
    Ok(detail)
}

/// The same, if the caller may act on it.
pub(super) async fn find_own(call: &Call, rule: &'static str) -> Result<PlanDetail, Problem> {
    let detail = find(call, rule).await?;
    if call.sees().project.is_none() {
        return Ok(detail);
    }
    let target = &detail.record.target;
    let all: BTreeSet<ServerUuid> = target.servers().iter().copied().collect();
    let seen = seen_servers(call, all.iter().copied()).await?;
    match named::empties(target) || !all.iter().all(|it| seen.has(*it)) {
        true => Err(Problem::new(
            Code::Forbidden,
            "It is about servers of other projects as well.",
        )),
        false => Ok(detail),
    }
}

fn servers_of(detail: &PlanDetail) -> impl Iterator<Item = ServerUuid> + '_ {
    let moved = detail.operations.iter().map(|it| it.server);
    moved.chain(detail.record.blocked.iter().map(|it| it.server))
}

/// Those of these servers that the caller sees.
pub(super) async fn seen_servers(
    call: &Call,
    servers: impl Iterator<Item = ServerUuid>,
) -> Result<SeenServers, Problem> {
    let Some(own) = call.sees().project else {
        return Ok(SeenServers::ALL);
    };
    let servers: BTreeSet<ServerUuid> = servers.collect();
    let places = call.state.store.server_places(servers).await?;
    let seen = places.into_iter().filter(|(_, it)| it.project == own);
    let seen: HashSet<ServerUuid> = seen.map(|(server, _)| server).collect();
    Ok(SeenServers::only(seen))
}

/// Where a page ends: at the id of its last plan.
fn place(marker: &str) -> Result<i64, Problem> {
    number(marker).ok_or_else(|| Problem::input("?marker", "It is none that a list gave."))
}

/// What the query asks for; `None` where the caller sees nothing of it.
fn filter(call: &Call, sees: Visibility<'_>) -> Result<Option<PlanFilter>, Problem> {
    let params = &call.params;
    let states = words(PlanState::ALL.iter().map(|it| it.as_str()));
    let state = params.parse("state", &states, |text| text.parse::<PlanState>().ok())?;
    let kinds = words(PlanKind::ALL.iter().map(|it| it.as_str()));
    let kind = params.parse("type", &kinds, |text| text.parse::<PlanKind>().ok())?;
    let asked = params.get("project");
    if let (Some(asked), Some(own)) = (asked, sees.project)
        && asked != own
    {
        return Ok(None);
    }
    Ok(Some(PlanFilter {
        state,
        kind,
        project: sees.project.or(asked).map(str::to_owned),
    }))
}
