//! The single checks on a request's way.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use godwit_store::{KeptAnswer, KeyedRequest};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{ApiError, ApiState, Base, Microversion, Root, Version};
use crate::http::auth::Principal;
use crate::http::body::{self, BodyError};
use crate::http::caller::Caller;
use crate::http::idempotency::{self, Begun, Said};
use crate::http::query::{NotUtf8, Query};
use crate::http::route::Route;
use crate::nova::body::{action, check_content_type};
use crate::nova::call::{Call, PathIds};
use crate::nova::links::Links;
use crate::nova::negotiation::VersionError;
use crate::nova::reply::{self, NamedVersion, Reply};
use crate::nova::routes::{Found, Operation, Takes};
use crate::nova::schema::body::edition;
use crate::nova::schema::query::QuerySchema;
use crate::nova::schema::{Strictness, check};

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
pub(super) fn version_refused(version: &VersionError) -> HttpResponse {
    match version {
        VersionError::Malformed(text) => reply::fault(&ApiError::BadRequest(format!(
            "API Version String {text} is of invalid format. Must be of format \
             MajorNum.MinorNum."
        ))),
        VersionError::Unsupported(text) => {
            let mut response = reply::fault(&ApiError::NotAcceptable(format!(
                "Version {text} is not supported by the API. Minimum is {} and maximum is {}.",
                Microversion::MIN,
                Microversion::MAX
            )));
            reply::set_version(&mut response, NamedVersion::Refused(text));
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
    pub(super) project: Option<&'a str>,
    /// `None`: the version's document below a project.
    pub(super) found: Option<Found>,
    pub(super) version: Microversion,
    pub(super) request_id: &'a str,
    pub(super) principal: Arc<Principal>,
}

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
    let Some(Found { first, all, ids }) = routed.found.take() else {
        check_project(&routed)?;
        let base = Base::of(routed.request, &routed.state.link_rules);
        let version = Version::document(routed.root, &base, routed.root);
        return Ok(Reply::document("version", &version)?);
    };
    let mut read = Bytes::new();
    let (operation, body) = match first.takes {
        Takes::Query(_) => (first, Value::Null),
        Takes::Body(_) => (first, read_document(&mut routed).await?),
        Takes::Action(..) => {
            read = read_body(&mut routed).await?;
            let (name, value) = action(&read)?;
            let named = all.iter().find(|it| it.action() == Some(&name));
            let unknown = || ApiError::BadRequest(format!("There is no such action: {name}"));
            (*named.ok_or_else(unknown)?, value)
        }
    };
    check_project(&routed)?;
    if !operation.versions.contain(routed.version) {
        return Err(ApiError::no_such_resource().into());
    }
    let query = match operation.takes {
        Takes::Query(schema) => read_query(&routed, schema)?,
        Takes::Body(editions) | Takes::Action(_, editions) => {
            let schema = edition(editions, routed.version);
            check(schema, &body, operation.action(), strictness(routed.root))
                .map_err(ApiError::invalid_body)?;
            Query::default()
        }
    };
    let keyed = match operation.takes {
        Takes::Query(_) | Takes::Body(_) => None,
        Takes::Action(..) => keyed(&routed, operation, &read)?,
    };
    let asked = Asked {
        operation,
        ids,
        query,
        body,
    };
    Ok(once(routed, asked, keyed).await?)
}

/// The request, if it has a key.
fn keyed(
    routed: &Routed<'_>,
    operation: &Operation,
    body: &[u8],
) -> Result<Option<KeyedRequest>, ApiError> {
    let Route { method, path, .. } = &operation.route;
    let said = Said {
        headers: routed.request.headers(),
        route: format!("{method} /v2.1{path}"),
        path: routed.request.path(),
        query: routed.request.query_string(),
        body,
        promise: operation.answers.as_u16(),
    };
    Ok(said.keyed(routed.state, &routed.principal)?)
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

/// What a valid request asks for.
struct Asked {
    operation: &'static Operation,
    ids: PathIds,
    query: Query,
    body: Value,
}

/// Does what is asked for; of requests with the same key the first.
async fn once(
    routed: Routed<'_>,
    asked: Asked,
    keyed: Option<KeyedRequest>,
) -> Result<Reply, ApiError> {
    let state = routed.state.clone();
    let Some(request) = keyed else {
        return perform(routed, asked, state).await;
    };
    let first = match idempotency::begin(&state, request).await? {
        Begun::First(first) => first,
        Begun::Again(answer) => return again(answer),
    };
    let result = perform(routed, asked, first.state.clone()).await;
    let answer = match &result {
        Ok(reply) => Some(reply.kept()),
        Err(error) => error.kept(),
    };
    match first.end(answer).await? {
        Some(answer) => again(answer),
        None => result,
    }
}

/// An answer that was given before.
fn again(answer: KeptAnswer) -> Result<Reply, ApiError> {
    match ApiError::again(&answer) {
        Some(fault) => Err(fault),
        None => Reply::again(answer),
    }
}

/// Hands the request to its handler.
async fn perform(
    routed: Routed<'_>,
    asked: Asked,
    state: Data<ApiState>,
) -> Result<Reply, ApiError> {
    let Asked {
        operation,
        ids,
        query,
        body,
    } = asked;
    let principal = routed.principal;
    let base = Base::of(routed.request, &state.link_rules);
    let (path, project) = (routed.request.path(), principal.project_id.as_deref());
    let links = Links::new(base, routed.root, path, &query, project);
    let (version, request_id) = (routed.version, routed.request_id.to_owned());
    let policy = state.policy.current();
    let asks = policy.asks(&operation.route);
    let source = Arc::clone(&state.policy);
    let work = move || async move {
        let call = Call {
            caller: Caller::new(principal, policy, &operation.route),
            state,
            version,
            ids,
            query,
            body,
            links,
            request_id,
        };
        (operation.handler)(&call).await
    };
    source.perform(asks, work).await?
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
