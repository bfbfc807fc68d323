//! The single checks on a request's way.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing::{Instrument, Span};

use crate::http::auth::Principal;
use crate::http::body::{self, BodyError};
use crate::http::links::Base;
use crate::http::policy::Policy;
use crate::http::query::{NotUtf8, Query};
use crate::http::state::ApiState;
use crate::nova::body::{action, check_content_type};
use crate::nova::call::{Call, PathIds};
use crate::nova::error::ApiError;
use crate::nova::links::Links;
use crate::nova::microversion::Microversion;
use crate::nova::negotiation::NotSpoken;
use crate::nova::reply::{self, Reply, Spoken};
use crate::nova::root::Root;
use crate::nova::routes::{Action, Answer, Does, Route, Versions};
use crate::nova::schema::body::edition;
use crate::nova::schema::query::QuerySchema;
use crate::nova::schema::{Strictness, check};
use crate::nova::views::version::VersionDocument;

/// A path as the router sees it: decoded, each byte a character as WSGI has it, repeated slashes
/// made one.
pub(super) fn normalized(path: &str) -> Cow<'_, str> {
    let decoded: Cow<'_, str> = if path.contains('%') {
        percent_decode_str(path).map(char::from).collect()
    } else {
        path.into()
    };
    if !decoded.contains("//") {
        return decoded;
    }
    let mut single = String::with_capacity(decoded.len());
    for c in decoded.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    single.into()
}

/// The answer to a request that failed. What nobody but the operator may know goes to the log.
pub(super) fn failed(error: &ApiError) -> HttpResponse {
    match error {
        ApiError::Internal(cause) => tracing::error!(error = %cause, "the request failed"),
        ApiError::Unavailable(cause) => tracing::warn!(error = %cause, "the service is busy"),
        _ => {}
    }
    reply::fault(error)
}

/// The answer to a request for a version that is not spoken.
pub(super) fn not_spoken(version: &NotSpoken) -> HttpResponse {
    match version {
        NotSpoken::Malformed(text) => reply::fault(&ApiError::BadRequest(format!(
            "API Version String {text} is of invalid format. Must be of format \
             MajorNum.MinorNum."
        ))),
        NotSpoken::Unsupported(text) => {
            let mut response = reply::fault(&ApiError::NotAcceptable(format!(
                "Version {text} is not supported by the API. Minimum is {} and maximum is {}.",
                Microversion::MIN,
                Microversion::MAX
            )));
            reply::set_version(&mut response, Spoken::InVain(text));
            response
        }
    }
}

/// A request that has its route and its version.
pub(super) struct Routed<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) payload: &'a mut Payload,
    pub(super) state: &'a Data<ApiState>,
    pub(super) root: Root,
    /// The project in the URL.
    pub(super) project: Option<&'a str>,
    /// `None`: the version's document below a project.
    pub(super) route: Option<&'static Route>,
    pub(super) ids: PathIds,
    pub(super) version: Microversion,
    pub(super) request_id: &'a str,
    pub(super) principal: Arc<Principal>,
}

/// Why a request goes no further.
pub(super) enum Stop {
    Fault(ApiError),
    TooLarge,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Fault(error)
    }
}

/// The checks behind the version, and the handler.
pub(super) async fn handle(mut routed: Routed<'_>) -> Result<Reply, Stop> {
    check_content_type(routed.request.headers())?;
    let Some(route) = routed.route else {
        check_project(&routed)?;
        let base = Base::of(routed.request, &routed.state.link_rules);
        return Ok(Reply::json(&VersionDocument::new(
            routed.root,
            &base,
            routed.root,
        ))?);
    };
    match &route.does {
        Does::Handle {
            versions,
            query,
            handler,
        } => {
            check_project(&routed)?;
            check_version(*versions, routed.version)?;
            let query = read_query(&routed, *query)?;
            Ok(perform(routed, route, query, Work::Handle(*handler)).await?)
        }
        Does::Write {
            versions,
            body,
            handler,
        } => {
            let value = read_document(&mut routed).await?;
            check_project(&routed)?;
            check_version(*versions, routed.version)?;
            let schema = edition(body, routed.version);
            check(schema, &value, None, strictness(routed.root)).map_err(ApiError::invalid_body)?;
            let work = Work::Act(*handler, value);
            Ok(perform(routed, route, Query::default(), work).await?)
        }
        Does::Act(actions) => {
            let (action, value) = read_action(&mut routed, actions).await?;
            check_project(&routed)?;
            check_version(action.versions, routed.version)?;
            let schema = edition(action.body, routed.version);
            check(schema, &value, Some(action.name), strictness(routed.root))
                .map_err(ApiError::invalid_body)?;
            let work = Work::Act(action.handler, value);
            Ok(perform(routed, route, Query::default(), work).await?)
        }
    }
}

fn check_version(versions: Versions, version: Microversion) -> Result<(), ApiError> {
    if versions.contain(version) {
        return Ok(());
    }
    Err(ApiError::no_such_resource())
}

async fn read_body(routed: &mut Routed<'_>) -> Result<Bytes, Stop> {
    let config = &routed.state.config;
    let body = body::read(routed.payload, config.max_body_bytes, config.body_timeout).await;
    body.map_err(|error| match error {
        BodyError::TooLarge => Stop::TooLarge,
        BodyError::Incomplete => ApiError::malformed_body().into(),
    })
}

/// A body as a whole. None at all is null, and for the schema to judge.
async fn read_document(routed: &mut Routed<'_>) -> Result<Value, Stop> {
    let body = read_body(routed).await?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(&body).map_err(|_| ApiError::malformed_body())?)
}

async fn read_action(
    routed: &mut Routed<'_>,
    actions: &'static [Action],
) -> Result<(&'static Action, Value), Stop> {
    let body = read_body(routed).await?;
    let (name, value) = action(&body)?;
    let unknown = || ApiError::BadRequest(format!("There is no such action: {name}"));
    let action = actions
        .iter()
        .find(|action| action.name == name)
        .ok_or_else(unknown)?;
    Ok((action, value))
}

/// A project in the URL must be the token's, for everybody.
fn check_project(routed: &Routed<'_>) -> Result<(), ApiError> {
    let own = routed.principal.project_id.as_deref();
    match routed.project {
        Some(named) if Some(named) != own => Err(ApiError::BadRequest(format!(
            "Malformed request URL: URL's project_id '{named}' doesn't match Context's \
             project_id '{}'",
            own.unwrap_or("None")
        ))),
        _ => Ok(()),
    }
}

fn strictness(root: Root) -> Strictness {
    match root {
        Root::Legacy => Strictness::Lenient,
        Root::Current => Strictness::AsWritten,
    }
}

fn read_query(routed: &Routed<'_>, schema: Option<&QuerySchema>) -> Result<Query, ApiError> {
    let Some(schema) = schema else {
        return Ok(Query::default());
    };
    let mut query = Query::parse(routed.request.query_string())
        .map_err(|NotUtf8| ApiError::BadRequest("Query string is not UTF-8 encoded".to_owned()))?;
    schema
        .apply(&mut query, routed.version, strictness(routed.root))
        .map_err(ApiError::invalid_query)?;
    Ok(query)
}

/// What is left to do.
enum Work {
    Handle(for<'a> fn(&'a Call) -> Answer<'a>),
    Act(for<'a> fn(&'a Call, &'a Value) -> Answer<'a>, Value),
}

impl Work {
    async fn done(self, arrived: Arrived) -> Result<Reply, ApiError> {
        let call = arrived.call();
        match self {
            Self::Handle(handler) => handler(&call).await,
            Self::Act(handler, value) => handler(&call, &value).await,
        }
    }
}

/// Hands the request to its handler. One whose rules may ask another service is handled on a
/// thread where it stops nobody else.
async fn perform(
    routed: Routed<'_>,
    route: &'static Route,
    query: Query,
    work: Work,
) -> Result<Reply, ApiError> {
    let arrived = Arrived::new(routed, route, query);
    if !arrived.policy.asks(route.all_rules()) {
        return work.done(arrived).await;
    }
    let slots = Arc::clone(&arrived.state.policy.slots);
    let slot = slots.try_acquire_owned().map_err(|_| ApiError::Crowded)?;
    let (here, span) = (Handle::current(), Span::current());
    let handled = spawn_blocking(move || {
        let _slot = slot;
        here.block_on(work.done(arrived).instrument(span))
    });
    handled.await.map_err(ApiError::internal)?
}

/// A request at its handler's door, with what is known of it before policy is asked.
struct Arrived {
    state: Data<ApiState>,
    route: &'static Route,
    version: Microversion,
    ids: PathIds,
    query: Query,
    links: Links,
    request_id: String,
    principal: Arc<Principal>,
    policy: Arc<Policy>,
}

impl Arrived {
    fn new(routed: Routed<'_>, route: &'static Route, query: Query) -> Self {
        let Routed {
            request,
            state,
            root,
            ids,
            version,
            request_id,
            principal,
            ..
        } = routed;
        let base = Base::of(request, &state.link_rules);
        let project = principal.project_id.as_deref();
        Self {
            links: Links::new(base, root, request.path(), &query, project),
            policy: state.policy.current(),
            state: state.clone(),
            request_id: request_id.to_owned(),
            route,
            version,
            ids,
            query,
            principal,
        }
    }

    /// The call. Decides whether the caller is an administrator, which may take asking.
    fn call(self) -> Call {
        Call {
            decided: self.principal.decided(&self.policy),
            links: self.links,
            state: self.state,
            request_id: self.request_id,
            route: self.route,
            version: self.version,
            ids: self.ids,
            query: self.query,
            principal: self.principal,
            policy: self.policy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn paths_are_decoded_and_their_slashes_single() {
        for (path, expected) in [
            ("/v2.1//servers", "/v2.1/servers"),
            ("///", "/"),
            ("/v2.1/servers/%2e%2e/x", "/v2.1/servers/../x"),
            ("/a%2F%2Fb", "/a/b"),
            ("/%ff/%c3%a9", "/ÿ/Ã©"),
        ] {
            assert_eq!(normalized(path), expected);
        }
    }
}
