//! Calls to Keystone: how many, how long, and what their answers mean.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::document::Document;
use super::outage::Outage;
use super::service_user::ServiceUser;
use crate::http::auth::Principal;
use crate::http::config::KeystoneConfig;
use crate::http::outgoing::{self, OutgoingError, Trust};

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Why nobody can say whether a token is good. For the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    #[error("Keystone is down")]
    Down,
    #[error("too many tokens are waiting for Keystone")]
    Busy,
    #[error("Keystone does not answer in time")]
    Late,
    #[error("Keystone cannot be reached: {}", outgoing::with_causes(.0))]
    Unreachable(#[from] reqwest::Error),
    #[error("Keystone answers {0}")]
    Status(StatusCode),
    #[error("Keystone's answer makes no sense")]
    Garbled,
    #[error("the service user's password cannot be read from {path}: {cause}")]
    Password {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("Keystone does not let the service user log in: {0}")]
    LoginRefused(StatusCode),
    #[error("Keystone does not let the service user validate tokens: {0}")]
    NotPermitted(StatusCode),
}

impl Unavailable {
    const fn is_outage(&self) -> bool {
        match self {
            Self::Late | Self::Unreachable(_) => true,
            Self::Down
            | Self::Busy
            | Self::Status(_)
            | Self::Garbled
            | Self::Password { .. }
            | Self::LoginRefused(_)
            | Self::NotPermitted(_) => false,
        }
    }
}

/// A Keystone, and the user it is asked as.
#[derive(Debug)]
pub(super) struct Keystone {
    transport: Transport,
    user: ServiceUser,
    outage: Outage,
    slots: Semaphore,
    timeout: Duration,
}

impl Keystone {
    pub(super) fn new(config: &KeystoneConfig) -> Result<Self, OutgoingError> {
        Ok(Self {
            transport: Transport::new(config)?,
            user: ServiceUser::new(config),
            outage: Outage::default(),
            slots: Semaphore::new(config.calls_at_once),
            timeout: config.timeout,
        })
    }

    /// Who bears `token`; `None` if it is not good.
    pub(super) async fn describe(&self, token: &str) -> Result<Option<Principal>, Unavailable> {
        // What no header can carry is no token.
        let Ok(mut token) = HeaderValue::from_str(token) else {
            return Ok(None);
        };
        token.set_sensitive(true);
        if !self.outage.may_call() {
            return Err(Unavailable::Down);
        }
        let end = Instant::now() + self.timeout;
        let slot = timeout_at(end, self.slots.acquire()).await;
        let _slot = slot.map_err(|_| Unavailable::Busy)?;
        let answer = timeout_at(end, self.validate(&token)).await;
        let answer = answer.unwrap_or(Err(Unavailable::Late));
        match &answer {
            Err(error) if error.is_outage() => self.outage.failed(&error.to_string()),
            Ok(_) | Err(_) => self.outage.answered(),
        }
        answer
    }

    async fn validate(&self, token: &HeaderValue) -> Result<Option<Principal>, Unavailable> {
        let mut service = self.user.token(&self.transport, None).await?;
        let mut response = self.transport.validate(token, service.header()).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // It is the service's own token that is no good any more.
            service = self.user.token(&self.transport, Some(&service)).await?;
            response = self.transport.validate(token, service.header()).await?;
        }
        match response.status() {
            StatusCode::OK => {
                let Document { token } = self.transport.document(response).await?;
                Ok(Some(token.into()))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(Unavailable::NotPermitted(status))
            }
            status => Err(Unavailable::Status(status)),
        }
    }
}

#[derive(Debug)]
pub(super) struct Transport {
    client: Client,
    /// Where tokens are made and validated; the catalog stays away.
    tokens: Url,
}

impl Transport {
    fn new(config: &KeystoneConfig) -> Result<Self, OutgoingError> {
        let trust = Trust {
            ca: config.ca.as_deref(),
            own: None,
        };
        let mut tokens = config.url.clone();
        let path = format!("{}/auth/tokens", tokens.path().trim_end_matches('/'));
        tokens.set_path(&path);
        tokens.set_query(Some("nocatalog"));
        Ok(Self {
            // Tokens are for Keystone, not for whoever it may point to.
            client: outgoing::client(trust, Policy::none())?,
            tokens,
        })
    }

    pub(super) async fn log_in(&self, request: &Value) -> Result<Response, reqwest::Error> {
        let call = self.client.post(self.tokens.clone()).json(request);
        call.send().await
    }

    async fn validate(
        &self,
        token: &HeaderValue,
        service: HeaderValue,
    ) -> Result<Response, reqwest::Error> {
        let call = self.client.get(self.tokens.clone());
        let call = call.header("x-subject-token", token.clone());
        call.header("x-auth-token", service).send().await
    }

    pub(super) async fn document(&self, response: Response) -> Result<Document, Unavailable> {
        let body = outgoing::body(response, LONGEST_ANSWER).await?;
        let body = body.ok_or(Unavailable::Garbled)?;
        serde_json::from_slice(&body).map_err(|_| Unavailable::Garbled)
    }
}
