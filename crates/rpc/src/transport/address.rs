//! Where somebody serves, as text in configurations and registrations.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::identity::PeerIdentity;

/// Where to call.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// `https://HOST:PORT`; the certificate must be valid for HOST.
    Tls {
        /// A name or an IP address.
        host: String,
        /// TCP.
        port: u16,
    },
    /// `http://127.0.0.1:PORT` or `http://[::1]:PORT`.
    Loopback(SocketAddr),
    /// `local://ROLE/NAME`, within one process.
    Local(PeerIdentity),
}

/// Text that is not an [`Address`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is not an address: {problem}")]
pub struct InvalidAddress {
    text: String,
    problem: &'static str,
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| InvalidAddress {
            text: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Address, &'static str> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("it begins with neither https://, http:// nor local://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match scheme {
        "https" => {
            let (host, port) = rest.rsplit_once(':').ok_or("it has no port")?;
            let port = port.parse().map_err(|_| "its port is not a number")?;
            let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            let host = bare.unwrap_or(host);
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':');
            if host.is_empty() || !host.bytes().all(plain) {
                return Err("its host is neither a name nor an IP address");
            }
            let host = host.to_owned();
            Ok(Address::Tls { host, port })
        }
        "http" => {
            let address: SocketAddr = rest
                .parse()
                .map_err(|_| "it is not an IP address with a port")?;
            if !address.ip().is_loopback() {
                return Err("without TLS only loopback addresses are allowed");
            }
            Ok(Address::Loopback(address))
        }
        "local" => format!("godwit://{rest}")
            .parse()
            .map(Address::Local)
            .map_err(|_| "it does not go on with ROLE/NAME"),
        _ => Err("its scheme is none of https, http and local"),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { host, port } => match host.parse::<IpAddr>() {
                Ok(ip) => write!(f, "https://{}", SocketAddr::new(ip, *port)),
                Err(_) => write!(f, "https://{host}:{port}"),
            },
            Self::Loopback(address) => write!(f, "http://{address}"),
            Self::Local(identity) => write!(f, "local://{}/{}", identity.role, identity.name),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in [
            "https://10.0.0.7:8776",
            "https://host-1.example.org:8776",
            "https://[fd00::7]:8776",
            "http://127.0.0.1:8776",
            "http://[::1]:8776",
            "local://agent/host-1",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, problem) in [
            ("10.0.0.7:8776", "neither https"),
            ("https://10.0.0.7", "no port"),
            ("https://10.0.0.7:many", "not a number"),
            ("https://:8776", "neither a name"),
            ("https://user@host:8776", "neither a name"),
            ("http://10.0.0.7:8776", "only loopback"),
            ("http://localhost:8776", "not an IP address"),
            ("local://king/arthur", "ROLE/NAME"),
            ("ftp://127.0.0.1:21", "scheme"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
