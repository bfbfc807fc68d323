//! What an operator can set of an agent. Every field has a default that works, but for the
//! host's name, the conductors and the means to talk to them; spans are seconds.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use godwit_core::ids::HostName;
use godwit_core::seconds;
use godwit_rpc::transport::{Address, TlsFiles};
use serde::{Deserialize, Serialize};

use crate::holds::HoldPoint;

/// The section `agent` of the configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The compute service's host name; what the certificate has to say, too.
    pub host: HostName,
    /// Where the agent serves. Default 0.0.0.0:8776.
    #[serde(default = "Config::default_listen")]
    pub listen: SocketAddr,
    /// Where its metrics and health are served. Default 127.0.0.1:9776.
    #[serde(default = "Config::default_metrics")]
    pub metrics: SocketAddr,
    /// The name or IP address under which conductors reach it; the certificate has to be valid
    /// for it. Default: the address of `listen`, which must then be a particular one.
    #[serde(default)]
    pub advertise: Option<String>,
    /// The conductors, tried in turn; any one will do.
    pub conductors: Vec<Address>,
    /// Certificates. Absent only with `insecure_loopback`.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// No certificates; loopback addresses only. For development.
    #[serde(default)]
    pub insecure_loopback: bool,
    /// Where the journal lives: synced, and private to this agent.
    /// Default /var/lib/godwit/agent.
    #[serde(default = "Config::default_state_dir")]
    pub state_dir: PathBuf,
    /// How an agent goes about it.
    #[serde(default)]
    pub pace: Pace,
    /// Moments to hold open, for tests; see [`HoldPoint`].
    #[serde(default)]
    pub holds: BTreeMap<HoldPoint, PathBuf>,
    #[cfg(feature = "libvirt")]
    #[serde(default)]
    pub libvirt: crate::drivers::libvirt::LibvirtConfig,
}

impl Config {
    fn default_listen() -> SocketAddr {
        (Ipv4Addr::UNSPECIFIED, 8776).into()
    }

    fn default_metrics() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 9776).into()
    }

    fn default_state_dir() -> PathBuf {
        "/var/lib/godwit/agent".into()
    }
}

/// How often an agent does what it does unasked, and how long it waits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// How often a move under way is looked at. Default 0.5.
    #[serde(with = "seconds")]
    pub progress_interval: Duration,
    /// A move that sends no byte for this long is aborted, unless it is past the switch to
    /// post-copy. 0: never. Default 120.
    #[serde(with = "seconds")]
    pub stall_timeout: Duration,
    /// How often the whole inventory is sent, whether something changed or not. Default 60.
    #[serde(with = "seconds")]
    pub inventory_interval: Duration,
    /// Changes of domains are sent together when they come within this. Default 0.25.
    #[serde(with = "seconds")]
    pub change_delay: Duration,
    /// The pauses between attempts to reach a conductor begin here. Default 0.25.
    #[serde(with = "seconds")]
    pub retry_first: Duration,
    /// The pauses between attempts to reach a conductor end here. Default 5.
    #[serde(with = "seconds")]
    pub retry_longest: Duration,
    /// How long the preparation of a destination may take. Default 600.
    #[serde(with = "seconds")]
    pub prepare_timeout: Duration,
    /// How long any other step may take before it is given up, to be repeated. Default 60.
    #[serde(with = "seconds")]
    pub step_timeout: Duration,
    /// How long a step that was told to stop may take to do so. Default 10.
    #[serde(with = "seconds")]
    pub cancel_grace: Duration,
    /// How long the journal remembers what is over, to refuse late commands. Default a week.
    #[serde(with = "seconds")]
    pub remember: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            progress_interval: Duration::from_millis(500),
            stall_timeout: Duration::from_secs(120),
            inventory_interval: Duration::from_secs(60),
            change_delay: Duration::from_millis(250),
            retry_first: Duration::from_millis(250),
            retry_longest: Duration::from_secs(5),
            prepare_timeout: Duration::from_secs(600),
            step_timeout: Duration::from_secs(60),
            cancel_grace: Duration::from_secs(10),
            remember: Duration::from_secs(7 * 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"{"host": "host-1", "conductors": ["https://c1.example.org:8777"],
        "tls": {"ca": "/ca.pem", "cert": "/host-1.pem", "key": "/host-1.key"}}"#;

    #[test]
    fn little_has_to_be_said() {
        let config: Config = serde_json::from_str(LEAST).unwrap();
        assert_eq!(config.pace, Pace::default());
        assert_eq!(config.listen.port(), 8776);
    }

    #[test]
    fn what_is_unknown_or_makes_no_sense_is_refused() {
        for (from, to) in [
            ("\"tls\"", "\"tsl\": 1, \"tls\""),
            ("\"tls\"", "\"pace\": {\"stall_timeout\": -1}, \"tls\""),
            ("\"tls\"", "\"holds\": {\"never\": \"/x\"}, \"tls\""),
            ("https://c1", "http://c1"),
            ("\"host-1\",", "\"host 1\","),
        ] {
            let text = LEAST.replacen(from, to, 1);
            assert_ne!(text, LEAST);
            assert!(serde_json::from_str::<Config>(&text).is_err(), "{text}");
        }
    }
}
