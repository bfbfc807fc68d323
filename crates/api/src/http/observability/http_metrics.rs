//! Requests by route template, method and status; never by path or id, so that there are only
//! so many series however many clients there are.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus::{
    HistogramVec, IntCounterVec, Registry, register_histogram_vec_with_registry,
    register_int_counter_vec_with_registry,
};

/// Counts requests. Clones count together.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

/// From half a millisecond to the half minute that a synchronous pre-check may take.
const BUCKETS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

impl HttpMetrics {
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = register_int_counter_vec_with_registry!(
            "godwit_http_requests_total",
            "HTTP requests that were answered.",
            &["route", "method", "status"],
            registry
        )?;
        let seconds = register_histogram_vec_with_registry!(
            "godwit_http_request_seconds",
            "How long HTTP requests took.",
            &["route", "method"],
            BUCKETS.to_vec(),
            registry
        )?;
        Ok(Self { requests, seconds })
    }

    pub fn observe(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = label(method);
        self.requests
            .with_label_values(&[route, method, status.as_str()])
            .inc();
        self.seconds
            .with_label_values(&[route, method])
            .observe(took.as_secs_f64());
    }
}

/// A client may make up methods; they count as one.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
