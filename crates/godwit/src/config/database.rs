//! Which database.

use std::time::Duration;

use godwit_store::StoreOptions;
use serde::{Deserialize, Deserializer, de::Error};
use url::Url;

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseConfig {
    /// `sqlite:///absolute/path`, or a PostgreSQL connection URI. Without a password: that
    /// stands in a file in PostgreSQL's own format, named by the parameter `passfile`.
    #[serde(deserialize_with = "without_password")]
    pub(crate) url: String,
    /// How many connections at most.
    #[serde(default = "default_pool_size")]
    pub(crate) pool_size: u32,
    /// How long a request waits for one that is free, in seconds.
    #[serde(default = "default_timeout")]
    pub(crate) busy_timeout: u64,
    /// How long one may take to come about, in seconds.
    #[serde(default = "default_timeout")]
    pub(crate) connect_timeout: u64,
}

const fn default_pool_size() -> u32 {
    8
}

const fn default_timeout() -> u64 {
    5
}

impl DatabaseConfig {
    /// The defaults with this URL.
    pub(crate) fn at(url: String) -> Self {
        Self {
            url,
            pool_size: default_pool_size(),
            busy_timeout: default_timeout(),
            connect_timeout: default_timeout(),
        }
    }

    /// As the store takes them.
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions {
            pool_size: self.pool_size,
            busy_timeout: Duration::from_secs(self.busy_timeout),
            connect_timeout: Duration::from_secs(self.connect_timeout),
            ..StoreOptions::default()
        }
    }
}

fn without_password<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    refuse_password(&text).map_err(D::Error::custom)?;
    Ok(text)
}

/// A password in a URL is read by whoever may read the file, or list processes.
pub(crate) fn refuse_password(url: &str) -> Result<(), &'static str> {
    // What is no URL at all is the store's to refuse, with a better reason.
    let has_password = Url::parse(url).is_ok_and(|url| {
        url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password")
    });
    if has_password {
        return Err(
            "the URL must not hold a password; put it into a file and name that with the \
             parameter `passfile`",
        );
    }
    Ok(())
}
