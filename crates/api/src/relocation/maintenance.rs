//! `/hosts/{host}/maintenance`: who holds a host, and whether it may be switched off.
//!
//! ```text
//!   POST ─► held, nothing arrives ─► the run that empties it
//!   DELETE ─► released ─► by nobody any more: the run that brings its servers home
//! ```

use actix_web::http::StatusCode;
use actix_web::http::header::EntityTag;
use godwit_core::host::maintenance::{
    Holder, Maintenance, Purpose, Rejected, State, Work, is_of_run,
};
use godwit_core::ids::HostName;
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::plan::request::HOLDER_MAX;
use godwit_core::time::Timestamp;
use godwit_store::{
    ChangeNote, Hold, LeftReasons, MaintenanceError, MaintenanceProgress, MaintenanceRecord,
    MaintenanceRequestError,
};
use serde_json::Value;

use super::call::Call;
use super::etag;
use super::fields::Fields;
use super::page::Page;
use super::params::words;
use super::plans::LONGEST_REASON;
use super::problem::{Code, Problem, sentence};
use super::reply::Reply;
use super::routes::Answer;
use super::runs::{self, fresh, not_yet};
use super::views::maintenance::{FIELDS, MaintenanceView};
use super::{hosts, rules};

/// The keys of the query by which a host is left.
pub const LEAVE_KEYS: &[&str] = &["holder", "return_home"];

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::MAINTENANCE_SHOW)?;
    let page = Page::read(&call.params, FIELDS)?;
    let host = known_or_held(call).await?;
    let (store, now) = (&call.state.store, call.state.clock.now());
    let Some(record) = store.maintenance_find(&host).await? else {
        // What nobody has ever held is as what nobody holds.
        let none = Maintenance::none(now);
        let (nothing, progress) = (LeftReasons::new(), MaintenanceProgress::default());
        let view = MaintenanceView::new((&none, &nothing), &progress, call.sees(), now);
        return Ok(Reply::json(&page.select(&view)?)?.tagged(version(0, &[])?));
    };
    let progress = store.maintenance_progress(&record).await?;
    let view = MaintenanceView::of(&record, &progress, call.sees(), now);
    Ok(Reply::json(&page.select(&view)?)?.tagged(version_of(&record)?))
}

/// 202 with the maintenance, and where the run is that empties the host.
pub async fn enter(call: &Call) -> Answer {
    call.caller.enforce_own(rules::MAINTENANCE_ENTER)?;
    let host = known(call).await?;
    let wanted = Wanted::read(&call.body, call.state.clock.now())?;
    let user = call.caller.user_id().unwrap_or_default();
    let hold = Hold {
        holder: Holder {
            holder: wanted.holder.unwrap_or_else(|| user.to_owned()),
            reason: wanted.reason,
            by: user.to_owned(),
            since: call.state.clock.now(),
            deadline: wanted.deadline,
            immovable: wanted.immovable,
            return_home: wanted.return_home,
        },
        run: None,
    };
    let note = ChangeNote::requested(&call.note());
    let store = &call.state.store;
    let held = store.maintenance_enter(host, hold, fresh(call), note, unchanged(call));
    let record = held.await.map_err(refused)?;
    (call.state.wake)();
    accepted(call, &record).await
}

/// 202 with the maintenance, and where the way home is; 204 where there is none, or others hold on.
pub async fn leave(call: &Call) -> Answer {
    call.caller.enforce_own(rules::MAINTENANCE_LEAVE)?;
    let host = known_or_held(call).await?;
    let user = call.caller.user_id().unwrap_or_default();
    let holder = call.params.get("holder").unwrap_or(user).to_owned();
    let expected = words(ReturnHome::ALL.iter().map(|it| it.as_str()));
    let return_home = call.params.parse("return_home", &expected, |text| {
        text.parse::<ReturnHome>().ok()
    })?;
    let note = ChangeNote::requested(&call.note());
    let (store, check) = (&call.state.store, unchanged(call));
    let left = store.maintenance_leave((host, holder), return_home, fresh(call), note, check);
    let record = left.await.map_err(refused)?;
    (call.state.wake)();
    match is_on_its_way_home(&record.maintenance) {
        true => accepted(call, &record).await,
        false => Ok(Reply::empty()),
    }
}

/// Is it still the version that the caller read? Asked in the transaction that changes it.
fn unchanged(call: &Call) -> impl Fn(&MaintenanceRecord) -> Result<(), Problem> + Send + 'static {
    let headers = call.headers.clone();
    move |record| etag::check(&headers, &version_of(record)?)
}

/// Does a run bring servers home, or will one?
fn is_on_its_way_home(it: &Maintenance) -> bool {
    let returns = |work: &Work| work.purpose == Purpose::Returning;
    it.holders.is_empty() && it.next.or(it.work).as_ref().is_some_and(returns)
}

async fn accepted(call: &Call, record: &MaintenanceRecord) -> Answer {
    let progress = call.state.store.maintenance_progress(record).await?;
    let now = call.state.clock.now();
    let reply = Reply::json(&MaintenanceView::of(record, &progress, call.sees(), now))?;
    let address = match record.maintenance.run_at_work() {
        Some(work) => runs::address(call, work.run),
        // It is empty already, or its run is made once the one before it has ended.
        None => call.address_of(&format!("/hosts/{}/maintenance", record.host)),
    };
    let reply = reply.made(StatusCode::ACCEPTED, address);
    Ok(reply.tagged(version_of(record)?))
}

fn refused(error: MaintenanceRequestError<Problem>) -> Problem {
    let error = match error {
        MaintenanceRequestError::Refused(problem) => return problem,
        MaintenanceRequestError::Store(error) => return error.into(),
        MaintenanceRequestError::Maintenance(error) => error,
    };
    match error {
        MaintenanceError::Rejected(rejected) => {
            let code = match rejected {
                Rejected::HolderUnknown(_) => Code::HolderUnknown,
                Rejected::OutOfPlace {
                    state: State::None, ..
                } => Code::HolderUnknown,
                Rejected::OtherRun(_) | Rejected::TooEarly | Rejected::OutOfPlace { .. } => {
                    Code::WrongState
                }
            };
            Problem::new(code, sentence(&rejected.to_string()))
        }
        MaintenanceError::NotYet => not_yet(),
        MaintenanceError::Store(error) => error.into(),
    }
}

/// The host that the path names.
async fn known(call: &Call) -> Result<HostName, Problem> {
    let no_such = || Problem::not_found("such host");
    let host = hosts::named(call).ok_or_else(no_such)?;
    let known = call.state.store.hosts_known([host.clone()]).await?;
    known.into_iter().next().ok_or_else(no_such)
}

/// The same, also where the service of a host was deleted while somebody held it, or while it is being
/// left.
async fn known_or_held(call: &Call) -> Result<HostName, Problem> {
    let found = known(call).await;
    let (Err(_), Some(host)) = (&found, hosts::named(call)) else {
        return found;
    };
    let record = call.state.store.maintenance_find(&host).await?;
    let held = record.is_some_and(|it| it.maintenance.state != State::None);
    if held { Ok(host) } else { found }
}

fn version_of(record: &MaintenanceRecord) -> Result<EntityTag, Problem> {
    version(record.requests, &record.maintenance.holders)
}

/// Of what callers ask for: who holds the host, and how often that was changed, so that no two who
/// held it in turn have one version. What is seen of it changes all the time, and is in nobody's way.
fn version(requests: i64, holders: &[Holder]) -> Result<EntityTag, Problem> {
    etag::of_content(&(requests, holders))
}

/// What somebody who holds a host asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    reason: Option<String>,
    immovable: Immovable,
    return_home: ReturnHome,
    deadline: Option<Timestamp>,
    holder: Option<String>,
}

impl Wanted {
    fn read(body: &Value, now: Timestamp) -> Result<Self, Problem> {
        const FIELDS: &[&str] = &["reason", "immovable", "return_home", "deadline", "holder"];
        let nothing = Value::Object(serde_json::Map::new());
        let body = if body.is_null() { &nothing } else { body };
        let mut fields = Fields::of(body, FIELDS)?;
        let immovable = fields.word("immovable", Immovable::ALL, |it| it.as_str());
        let return_home = fields.word("return_home", ReturnHome::ALL, |it| it.as_str());
        let wanted = Self {
            reason: fields.short_text("reason", LONGEST_REASON),
            immovable: immovable.unwrap_or(Immovable::Wait),
            return_home: return_home.unwrap_or(ReturnHome::Never),
            deadline: fields.time("deadline"),
            holder: fields.short_text("holder", HOLDER_MAX),
        };
        if wanted.deadline.is_some_and(|deadline| deadline <= now) {
            fields.wrong("deadline", "It has passed.");
        }
        if wanted.holder.as_deref().is_some_and(is_of_run) {
            fields.wrong("holder", "Names that begin with run: are those of runs.");
        }
        fields.done()?;
        Ok(wanted)
    }
}
