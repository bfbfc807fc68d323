//! Recording what happens as spans.

use std::path::PathBuf;
use std::time::Duration;

use godwit_core::seconds;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::refuse_password;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "traces"),
    allow(dead_code, reason = "it is refused without being looked at")
)]
pub(crate) struct TracesConfig {
    /// Where an OpenTelemetry collector takes OTLP over HTTP, such as `http://127.0.0.1:4318`.
    #[serde(deserialize_with = "http_without_password")]
    pub(crate) endpoint: String,
    /// A file with the certificates that the collector's is checked with, PEM; absent: the system's.
    #[serde(default)]
    pub(crate) ca: Option<PathBuf>,
    /// How many of the traces that begin here are recorded, from 0 to 1. Default 1.
    #[serde(default = "all", deserialize_with = "share")]
    pub(crate) sampled: f64,
    /// Does a request go on with the trace that its caller names? Whether it is recorded is then the
    /// caller's to say, too. Default true.
    #[serde(default = "yes")]
    pub(crate) continue_callers: bool,
    /// How often spans that have ended are sent. Default 5.
    #[serde(
        default = "often",
        serialize_with = "seconds::serialize",
        deserialize_with = "seconds::positive"
    )]
    pub(crate) interval: Duration,
}

const fn all() -> f64 {
    1.0
}

const fn yes() -> bool {
    true
}

const fn often() -> Duration {
    Duration::from_secs(5)
}

fn http_without_password<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    refuse_password(&text).map_err(D::Error::custom)?;
    let is_http = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_http {
        return Err(D::Error::custom("an http or https URL is wanted"));
    }
    Ok(text)
}

fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(from)?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(D::Error::custom("a number from 0 to 1 is wanted"))
}
