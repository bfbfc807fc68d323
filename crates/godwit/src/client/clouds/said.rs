//! What clouds.yaml, variables and options say of one cloud.

use serde_json::Value;

use super::{LogIn, Named, Scope};
use crate::cli::access::Secret;
use crate::client::failure::Failure;

/// What is said of one cloud.
pub(super) struct Said(pub(super) Value);

impl Said {
    /// A key of `auth`, or beside it, however it is spelt.
    pub(super) fn get(&self, keys: &[&str]) -> Option<String> {
        let found = keys.iter().find_map(|key| {
            let dashed = key.replace('_', "-");
            let places = [self.0.get("auth"), Some(&self.0)];
            let mut places = places.into_iter().flatten();
            places.find_map(|it| {
                it.get(key)
                    .or_else(|| it.get(&dashed))
                    .filter(|it| !it.is_null())
            })
        })?;
        match found {
            Value::String(text) => Some(text.clone()),
            // An id of digits, as YAML reads it.
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
        .filter(|text| !text.is_empty())
    }

    pub(super) fn truth(&self, key: &str) -> Option<bool> {
        let text = self.get(&[key])?;
        Some(matches!(
            text.to_lowercase().as_str(),
            "true" | "1" | "yes" | "on"
        ))
    }

    pub(super) fn wanted(&self, keys: &[&str]) -> Result<String, Failure> {
        let name = keys.first().copied().unwrap_or_default();
        self.get(keys).ok_or_else(|| {
            Failure::Access(format!("nobody says `{name}` (OS_{})", name.to_uppercase()))
        })
    }

    /// Of a cloud with many the first, unless one is chosen.
    pub(super) fn region(&self) -> Option<String> {
        let first = || {
            let first = self.0.get("regions")?.get(0)?;
            let name = first.get("name").unwrap_or(first).as_str()?;
            Some(name.to_owned())
        };
        self.get(&["region_name"]).or_else(first)
    }

    fn named(&self, subject: &str, id: &[&str], name: &[&str]) -> Named {
        let of_domain = |what: &str| {
            let own = format!("{subject}_domain_{what}");
            let default = format!("default_domain_{what}");
            self.get(&[&own, &format!("domain_{what}"), &default])
        };
        let (mut domain_id, domain_name) = (of_domain("id"), of_domain("name"));
        if domain_id.is_none() && domain_name.is_none() {
            domain_id = self
                .get(&["default_domain"])
                .or_else(|| Some("default".to_owned()));
        }
        Named {
            id: self.get(id),
            name: self.get(name),
            domain_id,
            domain_name,
        }
    }

    fn scope(&self) -> Scope {
        if self.get(&["system_scope"]).is_some() {
            return Scope::System;
        }
        let project = self.named(
            "project",
            &["project_id", "tenant_id"],
            &["project_name", "tenant_name"],
        );
        if project.id.is_some() || project.name.is_some() {
            return Scope::Project(project);
        }
        let (id, name) = (self.get(&["domain_id"]), self.get(&["domain_name"]));
        match id.is_some() || name.is_some() {
            true => Scope::Domain { id, name },
            false => Scope::Nothing,
        }
    }

    pub(super) fn log_in(&self) -> Result<LogIn, Failure> {
        let secret = |keys: &[&str]| self.wanted(keys).map(Secret);
        let user = || self.named("user", &["user_id"], &["username", "user_name"]);
        match self.auth_type().as_str() {
            "password" | "v3password" => {
                let user = user();
                if user.id.is_none() && user.name.is_none() {
                    self.wanted(&["username"])?;
                }
                Ok(LogIn::Password {
                    user,
                    password: secret(&["password"])?,
                    scope: self.scope(),
                })
            }
            "token" | "v3token" => Ok(LogIn::Token {
                token: secret(&["token", "auth_token"])?,
                scope: self.scope(),
            }),
            "v3applicationcredential" | "application_credential" => {
                let credential = Named {
                    id: self.get(&["application_credential_id"]),
                    name: self.get(&["application_credential_name"]),
                    ..Named::default()
                };
                if credential.id.is_none() && credential.name.is_none() {
                    self.wanted(&["application_credential_id"])?;
                }
                Ok(LogIn::ApplicationCredential {
                    credential,
                    user: user(),
                    secret: secret(&["application_credential_secret"])?,
                })
            }
            "admin_token" => Ok(LogIn::Given {
                token: secret(&["token"])?,
                endpoint: self.wanted(&["endpoint", "url"])?,
            }),
            other => Err(Failure::Access(format!(
                "there is no way here to log in by {other:?}: there are password, token, \
                 v3applicationcredential and admin_token"
            ))),
        }
    }

    /// Who says nothing means what the rest fits.
    fn auth_type(&self) -> String {
        let said = self.get(&["auth_type"]);
        let has = |key| self.get(&[key]).is_some();
        match said.as_deref() {
            Some(said) if said != "password" || has("password") => said.to_owned(),
            _ if has("application_credential_secret") => "v3applicationcredential".to_owned(),
            _ if has("token") && has("endpoint") && !has("auth_url") => "admin_token".to_owned(),
            _ if has("token") && !has("password") => "token".to_owned(),
            _ => "password".to_owned(),
        }
    }
}
