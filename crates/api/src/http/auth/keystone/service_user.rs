//! The user as whom this service asks Keystone, and its token.
//!
//! Logging in happens when the first token is to be validated, again in the last quarter of the
//! service token's life, and whenever Keystone refuses it before. Where several calls need a new
//! one at the same time, one logs in and the others wait for it. A login that was refused is not
//! tried again for a while: Keystone may lock accounts that guess.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::call::{Transport, Unavailable};
use super::document::Document;
use crate::http::config::KeystoneConfig;
use crate::http::debug::debug_partly;

/// How long a refused login stands.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) struct ServiceUser {
    username: String,
    password_file: PathBuf,
    user_domain: String,
    project: String,
    project_domain: String,
    login: Mutex<Login>,
}

enum Login {
    NotYet,
    Done(ServiceToken),
    Refused { until: Instant, status: StatusCode },
}

/// The service's own token: opaque, and never shown.
#[derive(Clone)]
pub(super) struct ServiceToken {
    value: HeaderValue,
    renew_at: Instant,
}

impl ServiceToken {
    pub(super) fn header(&self) -> HeaderValue {
        self.value.clone()
    }
}

debug_partly!(ServiceUser { username });

impl ServiceUser {
    pub(super) fn new(config: &KeystoneConfig) -> Self {
        Self {
            username: config.username.clone(),
            password_file: config.password_file.clone(),
            user_domain: config.user_domain.clone(),
            project: config.project.clone(),
            project_domain: config.project_domain.clone(),
            login: Mutex::new(Login::NotYet),
        }
    }

    /// A token to ask with; another one than `refused`.
    pub(super) async fn token(
        &self,
        transport: &Transport,
        refused: Option<&ServiceToken>,
    ) -> Result<ServiceToken, Unavailable> {
        let mut login = self.login.lock().await;
        let now = Instant::now();
        match &*login {
            Login::Done(token)
                if now < token.renew_at && refused.is_none_or(|it| it.value != token.value) =>
            {
                return Ok(token.clone());
            }
            Login::Refused { until, status } if now < *until => {
                return Err(Unavailable::LoginRefused(*status));
            }
            Login::NotYet | Login::Done(_) | Login::Refused { .. } => {}
        }
        match self.log_in(transport).await {
            Ok(token) => {
                *login = Login::Done(token.clone());
                tracing::info!(user = self.username, "logged in to Keystone");
                Ok(token)
            }
            Err(error) => {
                if let Unavailable::LoginRefused(status) = error {
                    let until = Instant::now() + PAUSE;
                    *login = Login::Refused { until, status };
                }
                Err(error)
            }
        }
    }

    async fn log_in(&self, transport: &Transport) -> Result<ServiceToken, Unavailable> {
        let file = &self.password_file;
        let text = tokio::fs::read_to_string(file).await;
        let password = text.map_err(|cause| Unavailable::Password {
            path: file.clone(),
            cause,
        })?;
        let asked_at = Instant::now();
        let response = transport.log_in(&self.request(password.trim_end())).await?;
        if response.status() != StatusCode::CREATED {
            return Err(match response.status() {
                status if status.is_client_error() => Unavailable::LoginRefused(status),
                status => Unavailable::Status(status),
            });
        }
        let value = response.headers().get("x-subject-token").cloned();
        let mut value = value.ok_or(Unavailable::Garbled)?;
        value.set_sensitive(true);
        let Document { token } = transport.document(response).await?;
        let lifetime = (token.expires_at - token.issued_at).to_std();
        let lifetime = lifetime.map_err(|_| Unavailable::Garbled)?;
        Ok(ServiceToken {
            value,
            renew_at: asked_at + lifetime / 4 * 3,
        })
    }

    fn request(&self, password: &str) -> Value {
        json!({"auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {
                    "name": self.username,
                    "domain": {"name": self.user_domain},
                    "password": password,
                }},
            },
            "scope": {"project": {
                "name": self.project,
                "domain": {"name": self.project_domain},
            }},
        }})
    }
}
