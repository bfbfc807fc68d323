//! How policy asks other services.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http::seconds;

/// How a question to another service is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ContentType {
    /// As a form whose values are JSON.
    #[default]
    #[serde(rename = "application/x-www-form-urlencoded")]
    Form,
    #[serde(rename = "application/json")]
    Json,
}

/// The section `policy.remote`: the checks `http:` and `https:`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemoteConfig {
    /// How a question is written. Default `application/x-www-form-urlencoded`; oslo.policy's
    /// `remote_content_type`.
    pub content_type: ContentType,
    /// How long an answer may take; without one the rule denies. Default 60, as oslo.policy's
    /// `remote_timeout`.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// How many requests may be deciding by asking; more are answered with 503. Default 64.
    pub requests_at_once: usize,
    /// A file with the certificates that the services' own are checked with, PEM; absent: those
    /// of the system. They are always checked.
    pub ca: Option<PathBuf>,
    /// A file with the certificate that is shown to services, PEM; goes with `key`.
    pub cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            content_type: ContentType::default(),
            timeout: Duration::from_secs(60),
            requests_at_once: 64,
            ca: None,
            cert: None,
            key: None,
        }
    }
}
