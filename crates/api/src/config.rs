//! What an operator can set. Every field has a default that works; spans are seconds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seconds;

/// The section `api` of the configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where the API is served. Default `127.0.0.1:8774`; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where metrics and health are served. Default `127.0.0.1:9774`.
    pub metrics: SocketAddr,
    /// Threads that answer requests; absent: one for each processor.
    pub workers: Option<usize>,
    /// Most connections open at one time, for each worker. Default 25 000.
    pub max_connections: usize,
    /// Most items in a list. Nova's `[api] max_limit`; default 1000.
    pub max_limit: i64,
    /// Most bytes in a request's body. Nova's `max_request_body_size`; default 114 688.
    pub max_body_bytes: usize,
    /// How long a request's body may take to arrive. Default 30.
    #[serde(with = "seconds")]
    pub body_timeout: Duration,
    /// How long a request's head may take to arrive. Default 5.
    #[serde(with = "seconds")]
    pub head_timeout: Duration,
    /// Replaces scheme, host and the beginning of the path in every link. Nova's
    /// `compute_link_prefix`.
    pub link_prefix: Option<String>,
    /// A header that names the scheme of the original request, such as `X-Forwarded-Proto`.
    /// To be set only behind a proxy that overwrites it. Nova's `secure_proxy_ssl_header`.
    pub scheme_header: Option<String>,
    /// After how long without a sign of life a service counts as down. Default 60.
    #[serde(with = "seconds")]
    pub service_down_time: Duration,
    /// Below 2.34 the answer to a live migration waits for its pre-checks; for so long at
    /// most. Default 60.
    #[serde(with = "seconds")]
    pub precheck_wait: Duration,
    /// How often the pre-checks' outcome is looked for. Default 0.05.
    #[serde(with = "seconds")]
    pub precheck_poll: Duration,
    /// How long a migration may look for a destination. Default 300.
    #[serde(with = "seconds")]
    pub accepted_limit: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8774)),
            metrics: SocketAddr::from(([127, 0, 0, 1], 9774)),
            workers: None,
            max_connections: 25_000,
            max_limit: 1_000,
            max_body_bytes: 114_688,
            body_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(5),
            link_prefix: None,
            scheme_header: None,
            service_down_time: Duration::from_secs(60),
            precheck_wait: Duration::from_secs(60),
            precheck_poll: Duration::from_millis(50),
            accepted_limit: Duration::from_secs(300),
        }
    }
}

/// The section `auth`: whose tokens are good.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Files with a public key each, PEM: ECDSA P-256, RSA or Ed25519.
    pub public_keys: Vec<PathBuf>,
    /// A file with a JSON Web Key Set.
    pub jwks: Option<PathBuf>,
    /// Most tokens remembered as good, so that their signature is checked once. Default 10 000.
    pub cache_size: u64,
    /// Where clients without a token are sent; absent: the development identity's place.
    pub www_authenticate_uri: Option<String>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            public_keys: Vec::new(),
            jwks: None,
            cache_size: 10_000,
            www_authenticate_uri: None,
        }
    }
}

/// The section `policy`: who may do what.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// A file with rules that override the defaults; read again when it changes. One that does
    /// not exist overrides nothing.
    pub file: Option<PathBuf>,
    /// Directories with more of them; the files of each in the order of their names, later
    /// ones win.
    pub directories: Vec<PathBuf>,
    /// Do the predecessors of changed defaults no longer count? Default true.
    pub enforce_new_defaults: bool,
    /// The rule that stands in for one that does not exist. Default `default`.
    pub default_rule: String,
    /// How often the files are looked at, at most. Default 0.1.
    #[serde(with = "seconds")]
    pub check_interval: Duration,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            file: None,
            directories: Vec::new(),
            enforce_new_defaults: true,
            default_rule: "default".to_owned(),
            check_interval: Duration::from_millis(100),
        }
    }
}
