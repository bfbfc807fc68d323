//! Tokens that requests carry, and how a server is told to check them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use godwit_api::auth::claims::Claims;
use godwit_core::time::Clock as _;
use godwit_test_support::keystone::{Keystone, Scope, TokenProvider};
use godwit_test_support::token::TokenKey;
use serde_json::{Value, json};

use crate::clock::SystemClock;
use crate::fleet;

/// Longer than any measurement.
const LIFETIME: Duration = Duration::from_secs(86_400);

/// Who makes the tokens.
pub(crate) enum Tokens {
    /// We do: they are JSON Web Tokens.
    Jwt,
    /// A real Keystone: its are Fernet tokens. Each is asked about once and then remembered.
    Keystone(Box<Keystone>),
}

impl Tokens {
    /// Sets a Keystone up.
    pub(crate) async fn of_keystone() -> Result<Self> {
        let keystone = Keystone::start(TokenProvider::Fernet, LIFETIME).await?;
        Ok(Self::Keystone(Box::new(keystone)))
    }

    /// For tables.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::Keystone(_) => "Keystone",
        }
    }

    /// A token of an administrator, and the file that lets a server check it.
    pub(crate) async fn issue(&self, directory: &Path) -> Result<(String, PathBuf)> {
        let (token, auth) = match self {
            Self::Jwt => {
                let key = TokenKey::new()?;
                let public = key.write_public(directory, "tokens")?;
                (own(&key)?, json!({ "public_keys": [public] }))
            }
            Self::Keystone(keystone) => {
                let token = keystone.log_in("admin", Scope::Project("admin")).await?;
                (token, asking(keystone)?)
            }
        };
        let path = directory.join("auth.json");
        std::fs::write(&path, auth.to_string())?;
        Ok((token, path))
    }
}

fn own(key: &TokenKey) -> Result<String> {
    let now = SystemClock.now();
    key.sign(&Claims {
        sub: Some("operator".to_owned()),
        project_id: Some(fleet::OPERATIONS.to_owned()),
        roles: ["admin", "manager", "member", "reader"]
            .map(str::to_owned)
            .to_vec(),
        ..Claims::lasting(now, now.plus(LIFETIME))
    })
}

fn asking(keystone: &Keystone) -> Result<Value> {
    Ok(json!({
        "mode": "keystone",
        "keystone": {
            "url": keystone.url(),
            "username": "godwit",
            "password_file": keystone.service_password()?,
            "cache_time": LIFETIME.as_secs(),
        },
    }))
}
