//! The way of every request below `/relocation/v1`:
//!
//! ```text
//!  size 413 ─► token 401, 503 ─► route 404, 405 ─► query 400 ─► body 408, 413, 415, 400
//!    ─► key 400, 409, 422 ─► handler
//! ```
//!
//! Whatever stops one is a problem document, and carries the request's id.

use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use godwit_store::KeyedRequest;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::call::Call;
use super::document;
use super::params::Params;
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::{self, ByCaller, Handler, Operation, PathIds, Takes};
use super::streams::Streams;
use crate::http::auth::Principal;
use crate::http::body::{self, declares_more_than};
use crate::http::caller::Caller;
use crate::http::idempotency::{self, Begun, Said};
use crate::http::links::Base;
use crate::http::request_id::RequestId;
use crate::http::state::ApiState;
use crate::http::token::authenticate;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// Answers any request below the root.
pub async fn entry(
    request: HttpRequest,
    payload: web::Payload,
    state: Data<ApiState>,
    streams: Data<Streams>,
) -> HttpResponse {
    let begin = Instant::now();
    let id = RequestId::text(&request);
    let mut payload = payload.into_inner();
    let (template, answer) = answer(&request, &mut payload, &state, streams).await;
    let mut response = match answer {
        Ok(reply) => reply.into_response(),
        Err(problem) => problem.into_response(&id),
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let status = response.status();
    state
        .metrics
        .observe(template, request.method(), status, begin.elapsed());
    response
}

/// The answer, and the route template that it counts under.
async fn answer(
    request: &HttpRequest,
    payload: &mut Payload,
    state: &Data<ApiState>,
    streams: Data<Streams>,
) -> (&'static str, Result<Reply, Problem>) {
    // What is not UTF-8 is no path of ours.
    let path = percent_decode_str(request.path()).decode_utf8();
    let path = path.unwrap_or_default();
    let found = routes::find(request.method(), &path);
    let template = found
        .as_ref()
        .map_or("other", |(operation, _)| operation.route.path);
    let answered = async {
        if declares_more_than(state.config.max_body_bytes, request.headers()) {
            let detail = format!("Send at most {} bytes.", state.config.max_body_bytes);
            return Err(Problem::new(Code::PayloadTooLarge, detail));
        }
        let principal = match &found {
            Some((operation, _)) if operation.is_open() => None,
            Some(_) | None => Some(authenticate(request, state).await?),
        };
        let (operation, ids) = found.ok_or_else(|| no_such_route(&path))?;
        let params = Params::read(request.query_string(), keys(operation))?;
        match (operation.handler, principal) {
            (Handler::Open(answer), _) => Ok(answer()),
            (Handler::Caller(handler), Some(principal)) => {
                let read = read_body(request, payload, state, operation).await?;
                let keyed = keyed(request, state, operation, &principal, &read)?;
                let asked = Asked {
                    body: document(&read)?,
                    headers: request.headers().clone(),
                    base: Base::of(request, &state.link_rules).to_string(),
                    path: request.path().to_owned(),
                    request_id: RequestId::text(request),
                    streams,
                    operation,
                    handler,
                    principal,
                    params,
                    ids,
                };
                once(state, asked, keyed).await
            }
            (Handler::Caller(_), None) => Err(Problem::internal("nobody was authenticated")),
        }
    };
    (template, answered.await)
}

/// 404, and 405 where the path takes other methods.
fn no_such_route(path: &str) -> Problem {
    let methods = routes::methods(path);
    if methods.is_empty() {
        return Problem::not_found("such path");
    }
    let methods: Vec<&str> = methods.into_iter().map(Method::as_str).collect();
    let methods = methods.join(", ");
    Problem::new(Code::MethodNotAllowed, format!("It takes {methods}."))
        .with_header(header::ALLOW, methods)
}

fn keys(operation: &Operation) -> &'static [&'static str] {
    match operation.takes {
        Takes::Query(keys) => keys,
        Takes::Body => &[],
    }
}

/// The body, where the route takes one.
async fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
    state: &ApiState,
    operation: &Operation,
) -> Result<Bytes, Problem> {
    match operation.takes {
        Takes::Query(_) => Ok(Bytes::new()),
        Takes::Body => {
            check_content_type(request.headers())?;
            let config = &state.config;
            let read = body::read(payload, config.max_body_bytes, config.body_timeout);
            Ok(read.await?)
        }
    }
}

/// Is the body JSON by its type? One without a type is taken for that.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let named = value.to_str().unwrap_or_default();
    let named = named.split(';').next().unwrap_or_default().trim();
    match named.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Problem::new(
            Code::UnsupportedMediaType,
            "Send application/json.",
        )),
    }
}

/// A body as a whole. None at all is null.
fn document(body: &[u8]) -> Result<Value, Problem> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    document::read(body)
        .map_err(|error| Problem::input("#", format!("It cannot be read: {error}.")))
}

/// The request, if it changes something and has a key.
fn keyed(
    request: &HttpRequest,
    state: &ApiState,
    operation: &Operation,
    principal: &Principal,
    body: &[u8],
) -> Result<Option<KeyedRequest>, Problem> {
    let method = &operation.route.method;
    if method == Method::GET {
        return Ok(None);
    }
    let said = Said {
        headers: request.headers(),
        route: format!("{method} {}", operation.route.path),
        path: request.path(),
        query: request.query_string(),
        body,
        promise: 202,
    };
    Ok(said.keyed(state, principal)?)
}

/// What a well-formed request asks for.
struct Asked {
    operation: &'static Operation,
    handler: ByCaller,
    principal: Arc<Principal>,
    streams: Data<Streams>,
    ids: PathIds,
    params: Params,
    headers: HeaderMap,
    body: Value,
    request_id: String,
    base: String,
    path: String,
}

/// Does what is asked for; of requests with the same key the first.
async fn once(
    state: &Data<ApiState>,
    asked: Asked,
    keyed: Option<KeyedRequest>,
) -> Result<Reply, Problem> {
    let Some(request) = keyed else {
        return perform(state.clone(), asked).await;
    };
    let first = match idempotency::begin(state, request).await? {
        Begun::First(first) => first,
        Begun::Again(answer) => return Reply::again(answer),
    };
    let result = perform(first.state.clone(), asked).await;
    // What was made is answered with a document; a problem behind it is not kept.
    let answer = result.as_ref().ok().map(Reply::kept);
    match first.end(answer).await? {
        Some(answer) => Reply::again(answer),
        None => result,
    }
}

/// Hands the request to its handler.
async fn perform(state: Data<ApiState>, asked: Asked) -> Result<Reply, Problem> {
    let Asked {
        operation,
        handler,
        principal,
        streams,
        ids,
        params,
        headers,
        body,
        request_id,
        base,
        path,
    } = asked;
    let policy = state.policy.current();
    let asks = policy.asks(&operation.route);
    let source = Arc::clone(&state.policy);
    let work = move || async move {
        let call = Call {
            caller: Caller::new(principal, policy, &operation.route),
            state,
            streams,
            ids,
            request_id,
            params,
            headers,
            body,
            base,
            path,
        };
        handler(&call).await
    };
    source.perform(asks, work).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json() {
        assert_eq!(document(b"").unwrap(), Value::Null);
        assert_eq!(document(b"{\"a\": 1}").unwrap()["a"], 1);
        let deep = b"[".repeat(10_000);
        let twice = br#"{"a": 1, "a": 1}"#;
        for bad in [&b"{"[..], b"NaN", b"\xff", b"{} {}", &deep, twice] {
            assert_eq!(document(bad).unwrap_err().code(), Code::InvalidInput);
        }
    }

    #[test]
    fn by_their_type_as_well() {
        let checked = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            check_content_type(&headers).err().map(|it| it.code())
        };
        assert_eq!(checked("application/json"), None);
        assert_eq!(checked("Application/JSON; charset=utf-8"), None);
        for bad in ["", "text/plain", "application/x-www-form-urlencoded"] {
            assert_eq!(checked(bad), Some(Code::UnsupportedMediaType), "{bad}");
        }
        assert_eq!(check_content_type(&HeaderMap::new()), Ok(()));
    }
}
