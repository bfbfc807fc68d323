//! One span for each request, and one line. Headers are never logged, so tokens are not.
//!
//! A read that went well changes nothing, and there are very many of them: metrics count them,
//! and their lines are for whoever asks for `debug`. All others are `info`. The span is there
//! in any case, so that whatever goes wrong within names its request. Where traces are recorded it is
//! the one that everything which the request leads to is below.

use std::sync::LazyLock;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use godwit_core::trace::TraceContext;
use regex::Regex;
use tracing::Span;
use tracing::field::{self, Empty};
use tracing_actix_web::RootSpanBuilder;

use super::request_id::RequestId;
use super::state::ApiState;

#[derive(Clone, Copy, Debug)]
pub struct RequestLog;

impl RootSpanBuilder for RequestLog {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = RequestId::of(request);
        // Complete from the beginning: what is recorded later costs as much again.
        let span = tracing::info_span!(
            "request",
            request_id = id.map(field::display),
            global_request_id = global_request_id(request),
            method = request.method().as_str(),
            path = request.path(),
            migration = Empty,
        );
        godwit_telemetry::continue_from(&span, callers_trace(request));
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let (status, reads) = match outcome {
            Ok(response) => (response.status(), reads(response.request().method())),
            Err(error) => (error.as_response_error().status_code(), false),
        };
        span.in_scope(|| {
            if reads && went_well(status) {
                tracing::debug!(status = status.as_u16(), "answered");
            } else {
                tracing::info!(status = status.as_u16(), "answered");
            }
        });
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn went_well(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// Where the caller's own work stands in a trace, if that is gone on with here.
fn callers_trace(request: &ServiceRequest) -> Option<TraceContext> {
    let state = request.app_data::<Data<ApiState>>()?;
    if !state.config.continue_traces {
        return None;
    }
    let parent = request.headers().get("traceparent")?;
    parent.to_str().ok()?.parse().ok()
}

/// The id that another service gave to the whole of which this request is a part. It is
/// logged, and nothing else.
fn global_request_id(request: &ServiceRequest) -> Option<&str> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        let form = "^req-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}$";
        Regex::new(form).expect("the pattern is a constant")
    });
    let id = request
        .headers()
        .get("x-openstack-request-id")?
        .to_str()
        .ok()?;
    FORM.is_match(id).then_some(id)
}
