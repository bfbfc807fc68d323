//! Which Keystone is asked about tokens, and as whom.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use url::Url;

use crate::http::seconds;

/// The section `auth.keystone`: read in mode `keystone`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeystoneConfig {
    /// Keystone's address with its version, such as `https://keystone.example.org:5000/v3`.
    #[serde(serialize_with = "address", deserialize_with = "read_address")]
    pub url: Url,
    /// A file with the certificates that Keystone's own is to be checked with, PEM; absent:
    /// those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The service user, who must be allowed to validate tokens: with the role `service`.
    pub username: String,
    /// The file with its password. Read at each login, so that it can be changed.
    pub password_file: PathBuf,
    /// The name of the user's domain. Default `Default`.
    #[serde(default = "default_domain")]
    pub user_domain: String,
    /// The name of the project that the user logs in to. Default `service`.
    #[serde(default = "default_project")]
    pub project: String,
    /// The name of the project's domain. Default `Default`.
    #[serde(default = "default_domain")]
    pub project_domain: String,
    /// How long an answer counts: a token that is revoked is known to be so after this time.
    /// Default 300, as Nova's.
    #[serde(default = "default_cache_time", with = "seconds")]
    pub cache_time: Duration,
    /// How long an answer may take. Default 10.
    #[serde(default = "default_timeout", with = "seconds")]
    pub timeout: Duration,
    /// How many calls may be under way. Default 16.
    #[serde(default = "default_calls_at_once")]
    pub calls_at_once: usize,
}

fn address<S: Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(url.as_str())
}

fn read_address<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    let url = Url::parse(&text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    url.filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| D::Error::custom("an http or https URL without a user is needed"))
}

fn default_domain() -> String {
    "Default".to_owned()
}

fn default_project() -> String {
    "service".to_owned()
}

const fn default_cache_time() -> Duration {
    Duration::from_secs(300)
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

const fn default_calls_at_once() -> usize {
    16
}

impl KeystoneConfig {
    /// A Keystone at `url`, asked as `username`; the rest is as nobody said otherwise.
    pub fn new(url: Url, username: &str, password_file: PathBuf) -> Self {
        Self {
            url,
            ca: None,
            username: username.to_owned(),
            password_file,
            user_domain: default_domain(),
            project: default_project(),
            project_domain: default_domain(),
            cache_time: default_cache_time(),
            timeout: default_timeout(),
            calls_at_once: default_calls_at_once(),
        }
    }
}
