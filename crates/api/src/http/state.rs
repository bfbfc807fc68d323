//! What every request needs.

use std::path::PathBuf;
use std::sync::Arc;

use godwit_core::time::Clock;
use godwit_store::Store;
use url::Url;

use crate::http::auth::Authenticator;
use crate::http::config::{ApiConfig, AuthConfig};
use crate::http::debug::debug_partly;
use crate::http::ids::Ids;
use crate::http::links::LinkRules;
use crate::http::networks::Networks;
use crate::http::observability::HttpMetrics;
use crate::http::policy::PolicySource;
use crate::http::sealing::Sealing;

/// Tells whoever drives migrations that there is something new in the database. Only saves
/// the wait for their next poll; may do nothing.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The parts that the API is made of. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub store: Store,
    pub policy: Arc<PolicySource>,
    pub authenticator: Arc<dyn Authenticator>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Called after each commit that leaves something to do.
    pub wake: Wake,
    pub metrics: HttpMetrics,
    pub config: Arc<ApiConfig>,
    pub(crate) link_rules: Arc<LinkRules>,
    pub(crate) www_authenticate_uri: Option<Arc<str>>,
    /// What seals secrets of others; `None`: there shall be none.
    pub(crate) sealing: Option<Arc<Sealing>>,
    /// What may be called on others' behalf.
    pub(crate) callable: Arc<Networks>,
}

debug_partly!(ApiState { config });

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Links could not be made with it.
    #[error("`api.link_prefix` is not an absolute URL: {0}")]
    LinkPrefix(String),
    #[error("`api.webhooks.sealing_key_file`, {0}: {1}")]
    SealingKey(PathBuf, String),
    #[error("`api.webhooks.allowed_networks`: {0:?} is no network")]
    Network(String),
}

pub struct Parts {
    pub store: Store,
    pub policy: PolicySource,
    pub authenticator: Arc<dyn Authenticator>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Called after each commit that leaves something to do.
    pub wake: Wake,
    pub metrics: HttpMetrics,
}

debug_partly!(Parts {});

impl ApiState {
    /// Puts the parts together.
    pub fn new(config: ApiConfig, auth: &AuthConfig, parts: Parts) -> Result<Self, ConfigError> {
        let prefix = config.link_prefix.as_deref().map(absolute).transpose()?;
        let sealing = config.webhooks.sealing_key_file.as_deref().map(|path| {
            let sealing = Sealing::from_file(path).map(Arc::new);
            sealing.map_err(|cause| ConfigError::SealingKey(path.to_owned(), cause))
        });
        let callable = Networks::parse(&config.webhooks.allowed_networks);
        Ok(Self {
            store: parts.store,
            policy: Arc::new(parts.policy),
            authenticator: parts.authenticator,
            clock: parts.clock,
            ids: parts.ids,
            wake: parts.wake,
            metrics: parts.metrics,
            link_rules: Arc::new(LinkRules {
                prefix,
                scheme_header: config.scheme_header.clone(),
            }),
            www_authenticate_uri: auth.authenticate_uri().map(Arc::from),
            sealing: sealing.transpose()?,
            callable: Arc::new(callable.map_err(ConfigError::Network)?),
            config: Arc::new(config),
        })
    }
}

fn absolute(text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).ok().filter(Url::has_host);
    url.ok_or_else(|| ConfigError::LinkPrefix(text.to_owned()))
}
