//! The way of every request, in the order that Nova checks things (`contract: http.md §4`):
//!
//! ```text
//!  size 413 ─► token 401 ─► router 404 ─► version 400/406 ─► type 415 ─► action 400/404
//!    ─► project in the URL 400 ─► method in this version 404 ─► schema 400 ─► handler
//! ```
//!
//! The order is part of the contract: it decides which of two faults a request gets.

mod stages;

use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use self::stages::{Stop, normalized};
use crate::http::body::declares_more_than;
use crate::http::links::Base;
use crate::http::request_id::RequestId;
use crate::http::state::ApiState;
use crate::http::token::authenticate;
use crate::nova::error::ApiError;
use crate::nova::microversion::Microversion;
use crate::nova::negotiation::negotiate;
use crate::nova::reply::{self, NamedVersion, Reply};
use crate::nova::root::{PathKind, Root, split_project};
use crate::nova::routes;
use crate::nova::views::version::{Choices, Version};

/// Answers any request to the API's address.
pub async fn entry(
    request: HttpRequest,
    payload: web::Payload,
    state: Data<ApiState>,
) -> HttpResponse {
    let begin = Instant::now();
    let mut payload = payload.into_inner();
    let (template, response) = answer(&request, &mut payload, &state).await;
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
) -> (&'static str, HttpResponse) {
    let path = normalized(request.path());
    let base = || Base::of(request, &state.link_rules);
    match PathKind::of(&path) {
        PathKind::Versions => (
            "/",
            document(
                request,
                Reply::document("versions", &Version::list(&base())),
            ),
        ),
        // The filter for cross-origin requests answers these, before anything else looks.
        PathKind::Other | PathKind::Resource(..) if request.method() == Method::OPTIONS => {
            ("other", HttpResponse::Ok().finish())
        }
        PathKind::Other => {
            let choices = Choices::new(&base(), request.path());
            let reply = Reply::json_with(actix_web::http::StatusCode::MULTIPLE_CHOICES, &choices);
            ("other", document(request, reply))
        }
        PathKind::VersionDocument(root) => {
            let mut response = root_document(request, root, &base());
            reply::set_request_id(&mut response, &request_id(request));
            (root.segment(), response)
        }
        PathKind::Resource(root, rest) => {
            let id = request_id(request);
            let (template, mut response) = below(request, payload, state, root, rest, &id).await;
            reply::set_request_id(&mut response, &id);
            (template, response)
        }
    }
}

fn document(request: &HttpRequest, reply: Result<Reply, ApiError>) -> HttpResponse {
    match reply {
        Ok(reply) => reply.into_response(request.headers()),
        Err(error) => stages::failed(&error),
    }
}

/// A version's own document: for any method, without a token, but not in any version.
fn root_document(request: &HttpRequest, root: Root, base: &Base) -> HttpResponse {
    let version = Version::document(root, base, root);
    let reply = || document(request, Reply::document("version", &version));
    match root {
        Root::Legacy => reply(),
        Root::Current => versioned(request, |_| reply()),
    }
}

/// Negotiates, and puts the outcome on the answer.
fn versioned(
    request: &HttpRequest,
    answer: impl FnOnce(Microversion) -> HttpResponse,
) -> HttpResponse {
    match negotiate(request.headers()) {
        Ok(version) => {
            let mut response = answer(version);
            reply::set_version(&mut response, NamedVersion::Negotiated(version));
            response
        }
        Err(version) => stages::version_refused(&version),
    }
}

async fn below(
    request: &HttpRequest,
    payload: &mut Payload,
    state: &Data<ApiState>,
    root: Root,
    rest: &str,
    request_id: &str,
) -> (&'static str, HttpResponse) {
    if declares_more_than(state.config.max_body_bytes, request.headers()) {
        return ("other", reply::too_large(request.headers()));
    }
    let principal = match authenticate(request, state).await {
        Ok(principal) => principal,
        Err(response) => return ("other", response),
    };
    let (project, path) = split_project(rest);
    let found = match (project, path) {
        // A project alone leads to the version's document.
        (Some(_), "/") => None,
        _ => match routes::find(request.method(), path) {
            Some(found) => Some(found),
            None => {
                let head = request.method() == Method::HEAD;
                return ("other", reply::no_such_route(request.headers(), head));
            }
        },
    };
    let template = match &found {
        Some(found) => found.first.route.path,
        None => "/{project_id}/",
    };
    let negotiated = match root {
        Root::Legacy => Ok(Microversion::MIN),
        Root::Current => negotiate(request.headers()),
    };
    let version = match negotiated {
        Ok(version) => version,
        Err(version) => return (template, stages::version_refused(&version)),
    };
    let handled = stages::handle(stages::Routed {
        request,
        payload,
        state,
        root,
        project,
        found,
        version,
        request_id,
        principal: Arc::clone(&principal),
    });
    let mut response = match handled.await {
        Ok(reply) => reply.into_response(request.headers()),
        Err(Stop::Fault(error)) => stages::failed(&error),
        // The limiter stands before everything that knows versions.
        Err(Stop::TooLarge) => return (template, reply::too_large(request.headers())),
    };
    if root == Root::Current {
        reply::set_version(&mut response, NamedVersion::Negotiated(version));
    }
    (template, response)
}

fn request_id(request: &HttpRequest) -> String {
    RequestId::of(request).map_or_else(|| format!("req-{}", Uuid::nil()), |id| id.to_string())
}
