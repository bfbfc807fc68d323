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
use crate::nova::call::PathIds;
use crate::nova::error::ApiError;
use crate::nova::microversion::Microversion;
use crate::nova::negotiation::negotiate;
use crate::nova::reply::{self, Reply, Spoken};
use crate::nova::root::{Place, Root, split_project};
use crate::nova::routes::{self, Route};
use crate::nova::views::version::{Choices, VersionDocument, VersionList};

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
    match Place::of(&path) {
        Place::Top => (
            "/",
            document(request, Reply::json(&VersionList::new(&base()))),
        ),
        // The filter for cross-origin requests answers these, before anything else looks.
        Place::Elsewhere | Place::Below(..) if request.method() == Method::OPTIONS => {
            ("other", HttpResponse::Ok().finish())
        }
        Place::Elsewhere => {
            let choices = Choices::new(&base(), request.path());
            let reply = Reply::json_with(actix_web::http::StatusCode::MULTIPLE_CHOICES, &choices);
            ("other", document(request, reply))
        }
        Place::Document(root) => {
            let mut response = root_document(request, root, &base());
            reply::set_request_id(&mut response, &request_id(request));
            (root.segment(), response)
        }
        Place::Below(root, rest) => {
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
    let reply = || {
        document(
            request,
            Reply::json(&VersionDocument::new(root, base, root)),
        )
    };
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
            reply::set_version(&mut response, Spoken::Version(version));
            response
        }
        Err(version) => stages::not_spoken(&version),
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
    let Some((route, ids)) = find(request, project, path) else {
        let head = request.method() == Method::HEAD;
        return ("other", reply::no_such_route(request.headers(), head));
    };
    let negotiated = match root {
        Root::Legacy => Ok(Microversion::MIN),
        Root::Current => negotiate(request.headers()),
    };
    let version = match negotiated {
        Ok(version) => version,
        Err(version) => return (template(route), stages::not_spoken(&version)),
    };
    let handled = stages::handle(stages::Routed {
        request,
        payload,
        state,
        root,
        project,
        route,
        ids,
        version,
        request_id,
        principal: Arc::clone(&principal),
    });
    let mut response = match handled.await {
        Ok(reply) => reply.into_response(request.headers()),
        Err(Stop::Fault(error)) => stages::failed(&error),
        // The limiter stands before everything that knows versions.
        Err(Stop::TooLarge) => return (template(route), reply::too_large(request.headers())),
    };
    if root == Root::Current {
        reply::set_version(&mut response, Spoken::Version(version));
    }
    (template(route), response)
}

/// What a route counts under.
fn template(route: Option<&'static Route>) -> &'static str {
    route.map_or("/{project_id}/", |route| route.path)
}

/// The route of a path; `None` in it is the version's document below a project.
fn find(
    request: &HttpRequest,
    project: Option<&str>,
    path: &str,
) -> Option<(Option<&'static Route>, PathIds)> {
    if project.is_some() && path == "/" {
        return Some((None, PathIds::default()));
    }
    let (route, ids) = routes::find(request.method(), path)?;
    Some((Some(route), ids))
}

fn request_id(request: &HttpRequest) -> String {
    RequestId::of(request).map_or_else(|| format!("req-{}", Uuid::nil()), |id| id.to_string())
}
