//! What an operator can set. Spans are seconds.

use std::path::PathBuf;
use std::time::Duration;

use godwit_core::seconds;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// The section `notifications` of the configuration. Without it nobody is told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker: `amqp://USER@HOST[:PORT][/VHOST]`, or `amqps` for TLS. Without a password.
    #[serde(deserialize_with = "address")]
    pub url: String,
    /// A file with the password; read at each connection. Absent: an empty one.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The topic exchange. Default `nova`: Nova's `control_exchange`.
    #[serde(default = "default_exchange", deserialize_with = "word")]
    pub exchange: String,
    /// Each notification goes to all of these, with its priority behind a point. Default
    /// `versioned_notifications`: Nova's `versioned_notifications_topics`.
    #[serde(default = "default_topics", deserialize_with = "words")]
    pub topics: Vec<String>,
    /// Are the exchange and its queues to outlive the broker's process? Has to be what others who
    /// declare them say. Default false, as `amqp_durable_queues` of oslo.messaging.
    #[serde(default)]
    pub durable: bool,
    /// For `amqps`.
    #[serde(default)]
    pub tls: TlsConfig,
    /// How long the broker may take: to let us in, and to say that it has what was sent. Default 10.
    #[serde(
        default = "default_timeout",
        serialize_with = "seconds::serialize",
        deserialize_with = "seconds::positive"
    )]
    pub timeout: Duration,
    /// The pauses between two attempts.
    #[serde(default)]
    pub retries: Retries,
}

/// How the broker is known, and how it knows us.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificates that the broker's is checked with, PEM; absent: those of the system.
    pub ca: Option<PathBuf>,
    /// Shown to the broker, PEM, with `key`.
    pub cert: Option<PathBuf>,
    /// Of `cert`.
    pub key: Option<PathBuf>,
}

/// How long to pause.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// After the first attempt. It doubles with each. Default 1.
    #[serde(
        serialize_with = "seconds::serialize",
        deserialize_with = "seconds::positive"
    )]
    pub first: Duration,
    /// At most. Default 30.
    #[serde(
        serialize_with = "seconds::serialize",
        deserialize_with = "seconds::positive"
    )]
    pub longest: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        }
    }
}

impl Retries {
    /// The pause after `attempts` attempts in vain (the first is 1). `jitter`, from 0 to 1,
    /// shortens it by up to a half.
    pub(crate) fn pause(&self, attempts: u32, jitter: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let doubled = self.first.saturating_mul(1_u32 << doublings);
        let pause = doubled.min(self.longest);
        pause.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
    }
}

impl Config {
    /// The defaults, for the broker at this address.
    pub fn at(url: String) -> Self {
        Self {
            url,
            password_file: None,
            exchange: default_exchange(),
            topics: default_topics(),
            durable: false,
            tls: TlsConfig::default(),
            timeout: default_timeout(),
            retries: Retries::default(),
        }
    }
}

fn default_exchange() -> String {
    "nova".to_owned()
}

fn default_topics() -> Vec<String> {
    vec!["versioned_notifications".to_owned()]
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

/// The longest name that leaves a queue's room for its priority, within what AMQP has.
const LONGEST_NAME: usize = 200;

fn check_word<E: Error>(word: String) -> Result<String, E> {
    let fits = (1..=LONGEST_NAME).contains(&word.len());
    if fits && word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(word);
    }
    let text = format!("it has to be 1 to {LONGEST_NAME} letters, digits and signs");
    Err(E::custom(text))
}

fn word<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    check_word(String::deserialize(from)?)
}

fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    if words.is_empty() {
        return Err(D::Error::custom("there has to be one at least"));
    }
    words.into_iter().map(check_word).collect()
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    refuse(&text).map_err(D::Error::custom)?;
    Ok(text)
}

/// What is wrong with an address. Never shows any of it, as there may be a password in it.
fn refuse(text: &str) -> Result<(), &'static str> {
    let Ok(url) = Url::parse(text) else {
        return Err("it is no URL, such as amqp://USER@HOST:5672/VHOST");
    };
    if url.password().is_some() {
        return Err(
            "the URL must not hold a password; put it into a file and name that as `password_file`",
        );
    }
    if !matches!(url.scheme(), "amqp" | "amqps") {
        return Err("it has to begin with amqp:// or amqps://");
    }
    if url.host_str().is_none_or(str::is_empty) || url.username().is_empty() {
        return Err("it has to name a user and a host, as in amqp://USER@HOST");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("nothing may follow the virtual host");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(config: Value) -> Result<Config, String> {
        serde_json::from_value(config).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_enough() {
        let url = "amqp://godwit@mq.example.org";
        assert_eq!(read(json!({"url": url})), Ok(Config::at(url.to_owned())));
        let written = serde_json::to_value(Config::at(url.to_owned())).unwrap();
        assert_eq!(read(written), Ok(Config::at(url.to_owned())));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_secret_is_shown() {
        for (change, says) in [
            (json!({"url": "amqp://godwit:hunter2@mq/"}), "password_file"),
            (json!({"url": "rabbit://godwit@mq/"}), "amqps://"),
            (json!({"url": "amqp://mq/"}), "a user"),
            (
                json!({"url": "amqp://godwit@mq/?hunter2=1"}),
                "virtual host",
            ),
            (json!({"url": "hunter2"}), "no URL"),
            (json!({"exchange": ""}), "1 to 200"),
            (json!({"exchange": "a b"}), "1 to 200"),
            (json!({"topics": []}), "one at least"),
            (json!({"topics": ["a", ""]}), "1 to 200"),
            (json!({"timeout": 0}), "more than 0"),
            (json!({"retries": {"first": 0}}), "more than 0"),
            (json!({"tls": {"verify": false}}), "unknown field `verify`"),
            (json!({"driver": "noop"}), "unknown field `driver`"),
        ] {
            let mut config = json!({"url": "amqp://godwit@mq"});
            let (Value::Object(config), Value::Object(change)) = (&mut config, change) else {
                panic!("two objects");
            };
            config.extend(change);
            let error = read(Value::Object(config.clone())).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retries = Retries::default();
        let pauses = [0, 1, 2, 5, 6, u32::MAX].map(|n| retries.pause(n, 0.0).as_secs());
        assert_eq!(pauses, [1, 1, 2, 16, 30, 30]);
        assert_eq!(retries.pause(1, 7.0), Duration::from_millis(500));
    }
}
