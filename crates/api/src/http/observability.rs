//! What operators see: metrics and health, on an address of their own.
//!
//! Every role serves these, so nothing here knows of the API but [`HttpMetrics`], which counts
//! its requests.

mod http_metrics;
mod openmetrics;
mod server;

pub use self::http_metrics::HttpMetrics;
pub use self::server::{Observed, Readiness, serve};
