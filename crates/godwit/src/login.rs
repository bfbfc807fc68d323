//! Whose tokens are good, and who may issue some here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_api::auth::Authenticator;
use godwit_api::auth::jwt::JwtAuthenticator;
use godwit_api::auth::keys::KeySet;
use godwit_api::auth::keystone::KeystoneAuthenticator;
use godwit_api::auth::revocation::Revocations;
use godwit_api::auth::signer::Signer;
use godwit_api::config::{AuthConfig, AuthMode};
use godwit_api::development_identity::DevelopmentIdentity;
use godwit_api::ids::RandomIds;
use godwit_api::observability::HttpMetrics;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::keys;

/// How tokens are checked, and issued where the development identity is served.
pub(crate) struct LogIn {
    authenticator: Arc<dyn Authenticator>,
    issuing: Option<Issuing>,
}

/// What the development identity needs.
struct Issuing {
    signer: Signer,
    lifetime: Duration,
    beyond_loopback: bool,
    verifier: Arc<JwtAuthenticator>,
    revoked: Arc<Revocations>,
}

impl LogIn {
    /// As the configuration says.
    pub(crate) fn configured(config: &Config) -> Result<Self> {
        match config.auth.mode {
            AuthMode::Jwt if config.identity.development => Self::development(config),
            AuthMode::Jwt => Self::jwt(&config.auth),
            AuthMode::Keystone => {
                ensure!(
                    !config.identity.development,
                    "`identity.development` issues tokens that Keystone does not know: \
                     it goes with `auth.mode: jwt`"
                );
                Self::keystone(&config.auth)
            }
        }
    }

    /// Issues tokens with the private key at `path`, and trusts it beside `others`.
    pub(crate) fn issuing(
        others: KeySet,
        auth: &AuthConfig,
        path: &Path,
        lifetime: Duration,
    ) -> Result<Self> {
        let signer = keys::signer(path)?;
        let public = signer.public_key_pem();
        let keys = others.with_pem(&path.display().to_string(), public.as_bytes())?;
        let revoked = Arc::new(Revocations::default());
        let verifier = verifier(keys, auth, &revoked);
        Ok(Self {
            authenticator: Arc::clone(&verifier) as Arc<dyn Authenticator>,
            issuing: Some(Issuing {
                signer,
                lifetime,
                beyond_loopback: false,
                verifier,
                revoked,
            }),
        })
    }

    fn development(config: &Config) -> Result<Self> {
        let private_key = config.identity.private_key.as_deref();
        let path = private_key.context("`identity.development` needs `identity.private_key`")?;
        let lifetime = Duration::from_secs(config.identity.token_lifetime);
        let others = KeySet::load_any(&config.auth)?;
        let mut log_in = Self::issuing(others, &config.auth, path, lifetime)?;
        if let Some(issuing) = &mut log_in.issuing
            && config.identity.beyond_loopback
        {
            tracing::warn!("the development identity lets anybody who reaches it be anybody");
            issuing.beyond_loopback = true;
        }
        Ok(log_in)
    }

    fn jwt(auth: &AuthConfig) -> Result<Self> {
        let revoked = Arc::new(Revocations::default());
        Ok(Self {
            authenticator: verifier(KeySet::load(auth)?, auth, &revoked),
            issuing: None,
        })
    }

    fn keystone(auth: &AuthConfig) -> Result<Self> {
        let keystone = auth.keystone.as_ref();
        let keystone =
            keystone.context("`auth.mode: keystone` needs the section `auth.keystone`")?;
        let (keys, clock) = (KeySet::load_any(auth)?, Arc::new(SystemClock));
        let authenticator = KeystoneAuthenticator::new(keystone, keys, auth.cache_size, clock)
            .context("`auth.keystone`")?;
        Ok(Self {
            authenticator: Arc::new(authenticator),
            issuing: None,
        })
    }

    pub(crate) fn authenticator(&self) -> Arc<dyn Authenticator> {
        Arc::clone(&self.authenticator)
    }

    /// Lets people log in, where tokens are issued.
    pub(crate) fn development_identity(
        &self,
        metrics: &HttpMetrics,
    ) -> Option<DevelopmentIdentity> {
        let issuing = self.issuing.as_ref()?;
        Some(DevelopmentIdentity {
            signer: issuing.signer.clone(),
            verifier: Arc::clone(&issuing.verifier),
            revoked: Arc::clone(&issuing.revoked),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            token_lifetime: issuing.lifetime,
            beyond_loopback: issuing.beyond_loopback,
            metrics: metrics.clone(),
        })
    }
}

fn verifier(keys: KeySet, auth: &AuthConfig, revoked: &Arc<Revocations>) -> Arc<JwtAuthenticator> {
    let (clock, revoked) = (Arc::new(SystemClock), Arc::clone(revoked));
    Arc::new(JwtAuthenticator::new(keys, auth.cache_size, clock, revoked))
}
