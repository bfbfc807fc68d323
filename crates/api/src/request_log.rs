//! One span and one line for each request. Headers are never logged, so tokens are not.

use std::sync::LazyLock;

use actix_web::Error;
use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use regex::Regex;
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_actix_web::{RequestId, RootSpanBuilder};

/// Makes the span of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestLog;

impl RootSpanBuilder for RequestLog {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().copied();
        let span = tracing::info_span!(
            "request",
            request_id = Empty,
            global_request_id = Empty,
            method = %request.method(),
            path = request.path(),
            route = Empty,
            migration = Empty,
        );
        if let Some(id) = id {
            span.record("request_id", display(format_args!("req-{}", *id)));
        }
        if let Some(id) = global_request_id(request) {
            span.record("global_request_id", id);
        }
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.in_scope(|| tracing::info!(status = status.as_u16(), "answered"));
    }
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
