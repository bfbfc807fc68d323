//! Whose tokens are good, and who may issue some here.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use godwit_api::auth::jwt::JwtAuthenticator;
use godwit_api::auth::keys::KeySet;
use godwit_api::auth::revocation::Revocations;
use godwit_api::auth::signer::Signer;
use godwit_api::config::AuthConfig;
use godwit_api::development_identity::DevelopmentIdentity;
use godwit_api::ids::RandomIds;
use godwit_api::observability::HttpMetrics;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::keys;

/// How tokens are checked, and issued where the development identity is served.
pub(crate) struct LogIn {
    verifier: Arc<JwtAuthenticator>,
    revoked: Arc<Revocations>,
    issuing: Option<(Signer, Duration)>,
}

impl LogIn {
    /// As the configuration says.
    pub(crate) fn configured(config: &Config) -> Result<Self> {
        if !config.identity.development {
            let keys = KeySet::load(&config.auth)?;
            return Ok(Self::new(keys, &config.auth, None));
        }
        let private_key = config.identity.private_key.as_deref();
        let path = private_key.context("`identity.development` needs `identity.private_key`")?;
        let lifetime = Duration::from_secs(config.identity.token_lifetime);
        let configured = !config.auth.public_keys.is_empty() || config.auth.jwks.is_some();
        let others = if configured {
            KeySet::load(&config.auth)?
        } else {
            KeySet::default()
        };
        Self::issuing(others, &config.auth, path, lifetime)
    }

    /// Issues tokens with the private key at `path`, and trusts it beside `others`.
    pub(crate) fn issuing(
        others: KeySet,
        auth: &AuthConfig,
        path: &std::path::Path,
        lifetime: Duration,
    ) -> Result<Self> {
        let pair = keys::read(path)?;
        let public = pair.public_key_pem();
        let keys = others.with_pem(&path.display().to_string(), public.as_bytes())?;
        let signer = keys::signer(path)?;
        Ok(Self::new(keys, auth, Some((signer, lifetime))))
    }

    fn new(keys: KeySet, auth: &AuthConfig, issuing: Option<(Signer, Duration)>) -> Self {
        let revoked = Arc::new(Revocations::default());
        let clock = Arc::new(SystemClock);
        let verifier = JwtAuthenticator::new(keys, auth.cache_size, clock, Arc::clone(&revoked));
        Self {
            verifier: Arc::new(verifier),
            revoked,
            issuing,
        }
    }

    /// Checks tokens.
    pub(crate) fn verifier(&self) -> Arc<JwtAuthenticator> {
        Arc::clone(&self.verifier)
    }

    /// Lets people log in, where tokens are issued.
    pub(crate) fn development_identity(
        &self,
        metrics: &HttpMetrics,
    ) -> Option<DevelopmentIdentity> {
        let (signer, token_lifetime) = self.issuing.clone()?;
        Some(DevelopmentIdentity {
            signer,
            verifier: self.verifier(),
            revoked: Arc::clone(&self.revoked),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            token_lifetime,
            metrics: metrics.clone(),
        })
    }
}
