//! What an operator can set. Every field has a default that works; spans are seconds.

mod keystone;
mod remote;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use godwit_core::resources::AllocationRatios;
use godwit_core::retention::Retention;
use serde::{Deserialize, Serialize};

pub use self::keystone::KeystoneConfig;
pub use self::remote::{ContentType, RemoteConfig};
use crate::http::seconds;

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
    /// Below 2.14, does the answer to an evacuation name a password? Nova's `[api]
    /// enable_instance_password`; default true.
    pub enable_instance_password: bool,
    /// How long a migration may look for a destination. Default 300.
    #[serde(with = "seconds")]
    pub accepted_limit: Duration,
    /// What a project may have of what lasts.
    pub quotas: QuotaConfig,
    /// Calling those who want to know of events.
    pub webhooks: WebhookConfig,
    /// How much more than it has a host may be given; set from the section `conductor`, which
    /// decides by it.
    #[serde(skip)]
    pub allocation_ratios: AllocationRatios,
    /// How long answers to requests with an idempotency key are kept; set from the section
    /// `retention`, which the conductor has, too.
    #[serde(skip)]
    pub retention: Retention,
    /// Does a request go on with the trace that its caller names in `traceparent`? Set from the
    /// section `traces`, which every role has.
    #[serde(skip)]
    pub continue_traces: bool,
}

/// The section `api.webhooks`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// A file with the key that secrets are sealed with, 32 bytes in base64, the same for all
    /// processes; absent: there are no webhooks.
    pub sealing_key_file: Option<PathBuf>,
    /// Networks that may be called beside the public ones, such as `10.1.0.0/16`.
    pub allowed_networks: Vec<String>,
    /// How long an answer may take. Default 15.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// A file with the certificates that receivers' own are checked with, PEM; absent: those of
    /// the system.
    pub ca: Option<PathBuf>,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            sealing_key_file: None,
            allowed_networks: Vec::new(),
            timeout: Duration::from_secs(15),
            ca: None,
        }
    }
}

/// The section `api.quotas`: how much of something a project may have. Who wants more gets 403,
/// `quota-exceeded`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaConfig {
    /// Streams of events that are open in one process. Default 100.
    pub streams: usize,
    /// Webhooks. Default 10.
    pub webhooks: u32,
    /// Plans that are being made, may be run, or are being run. Default 100.
    pub open_plans: u32,
    /// Servers that a plan names, or that are on the hosts that it empties. Default 10,000.
    pub servers_a_plan: usize,
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            streams: 100,
            webhooks: 10,
            open_plans: 100,
            servers_a_plan: 10_000,
        }
    }
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
            enable_instance_password: true,
            accepted_limit: Duration::from_secs(300),
            quotas: QuotaConfig::default(),
            webhooks: WebhookConfig::default(),
            allocation_ratios: AllocationRatios::default(),
            retention: Retention::default(),
            continue_traces: false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// By their signature: they carry user, project and roles.
    #[default]
    Jwt,
    Keystone,
}

/// The section `auth`: whose tokens are good.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// How tokens are checked. Default `jwt`.
    pub mode: AuthMode,
    /// Files with a public key each, PEM: ECDSA P-256, RSA or Ed25519. In mode `keystone`: those
    /// of Keystone's that sign JWS tokens, if it makes such; others are then not asked about.
    pub public_keys: Vec<PathBuf>,
    /// A file with a JSON Web Key Set.
    pub jwks: Option<PathBuf>,
    /// Most tokens remembered, so that they are checked once. Default 10 000.
    pub cache_size: u64,
    /// Where clients without a token are sent; absent: Keystone's address, or the development
    /// identity's place.
    pub www_authenticate_uri: Option<String>,
    /// The Keystone that is asked in mode `keystone`.
    pub keystone: Option<KeystoneConfig>,
}

impl AuthConfig {
    /// Where clients without a token are sent, as far as the configuration tells.
    pub fn authenticate_uri(&self) -> Option<&str> {
        let keystone = match self.mode {
            AuthMode::Jwt => None,
            AuthMode::Keystone => self.keystone.as_ref(),
        };
        let own = self.www_authenticate_uri.as_deref();
        own.or_else(|| keystone.map(|keystone| keystone.url.as_str()))
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            mode: AuthMode::default(),
            public_keys: Vec::new(),
            jwks: None,
            cache_size: 10_000,
            www_authenticate_uri: None,
            keystone: None,
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
    /// Asking other services: the checks `http:` and `https:`.
    pub remote: RemoteConfig,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            file: None,
            directories: Vec::new(),
            enforce_new_defaults: true,
            default_rule: "default".to_owned(),
            check_interval: Duration::from_millis(100),
            remote: RemoteConfig::default(),
        }
    }
}
