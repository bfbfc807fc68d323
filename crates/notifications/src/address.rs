//! Where a broker is, and how it is known there: what the configuration says, checked once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::config::{Config, TlsConfig};
use crate::sockets::Secured;

/// Where a broker listens if nothing else is said.
const PORT: u16 = 5_672;
const SECURED_PORT: u16 = 5_671;

/// A broker that says nothing for twice as long is gone.
const HEARTBEAT_SECONDS: u16 = 15;

/// The configuration names what cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address leads nowhere.
    #[error("`notifications.url` cannot be used: {0}")]
    Address(&'static str),
    /// There are keys for TLS, and the address is one without.
    #[error("`notifications.tls` is for amqps:// addresses")]
    NotSecured,
    /// A certificate without its key, or a key without its certificate.
    #[error("`notifications.tls` needs both of `cert` and `key`, or neither")]
    Halved,
    /// A file is not there, or is not PEM of the right kind.
    #[error("{path} cannot be read as PEM")]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The password cannot be read.
    #[error("{path} cannot be read")]
    Password {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No certificate could be checked.
    #[error(
        "there are no certificates of authorities on this system; name some as `notifications.tls.ca`"
    )]
    NoAuthorities,
    /// The parts do not fit together.
    #[error("the certificates in `notifications.tls` cannot be used")]
    Tls(#[from] rustls::Error),
}

/// A broker's address.
pub(crate) struct Address {
    /// Without a password, and never `amqps`: what is secured is so below.
    pub(crate) uri: AMQPUri,
    pub(crate) secured: Option<Secured>,
}

impl Address {
    pub(crate) fn new(config: &Config) -> Result<Self, SetupError> {
        let url = Url::parse(&config.url).map_err(|_| SetupError::Address("it is no URL"))?;
        let is_secured = url.scheme() == "amqps";
        let secured = match is_secured {
            true => Some(secured(&url, &config.tls)?),
            false if config.tls == TlsConfig::default() => None,
            false => return Err(SetupError::NotSecured),
        };
        let port = if is_secured { SECURED_PORT } else { PORT };
        let uri = AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: decoded(url.username())?,
                    password: String::new(),
                },
                host: host(&url)?,
                port: url.port().unwrap_or(port),
            },
            vhost: virtual_host(&url)?,
            query: AMQPQueryString {
                heartbeat: Some(HEARTBEAT_SECONDS),
                ..AMQPQueryString::default()
            },
        };
        Ok(Self { uri, secured })
    }
}

fn decoded(text: &str) -> Result<String, SetupError> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| SetupError::Address("it is no UTF-8"))?;
    Ok(decoded.into_owned())
}

fn host(url: &Url) -> Result<String, SetupError> {
    match url.host() {
        // Without its brackets.
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Domain(name)) => decoded(name),
        None => Err(SetupError::Address("it names no host")),
    }
}

/// `/` where none is named, as clients of RabbitMQ have it.
fn virtual_host(url: &Url) -> Result<String, SetupError> {
    match url.path() {
        "" | "/" => Ok("/".to_owned()),
        path => decoded(path.strip_prefix('/').unwrap_or(path)),
    }
}

fn secured(url: &Url, files: &TlsConfig) -> Result<Secured, SetupError> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            let (good, _) = roots.add_parsable_certificates(found);
            if good == 0 {
                return Err(SetupError::NoAuthorities);
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match (&files.cert, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(path)) => {
            let key = PrivateKeyDer::from_pem_file(path).map_err(|source| pem(path, source))?;
            builder.with_client_auth_cert(certificates(cert)?, key)?
        }
        (Some(_), None) | (None, Some(_)) => return Err(SetupError::Halved),
    };
    let name = ServerName::try_from(host(url)?)
        .map_err(|_| SetupError::Address("no certificate can be for its host"))?;
    Ok(Secured {
        connector: TlsConnector::from(Arc::new(config)),
        name,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let failed = |source| pem(path, source);
    CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)
}

fn pem(path: &Path, source: rustls::pki_types::pem::Error) -> SetupError {
    SetupError::Pem {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::new(&Config::at(url.to_owned())).unwrap()
    }

    #[test]
    fn an_address_says_where_and_as_whom() {
        for (url, host, port, vhost, user) in [
            ("amqp://godwit@mq", "mq", 5_672, "/", "godwit"),
            ("amqp://godwit@mq/", "mq", 5_672, "/", "godwit"),
            ("amqp://godwit@mq:99/%2F", "mq", 99, "/", "godwit"),
            ("amqp://a%40b@[::1]/nova", "::1", 5_672, "nova", "a@b"),
            (
                "amqp://godwit@192.0.2.1//x",
                "192.0.2.1",
                5_672,
                "/x",
                "godwit",
            ),
        ] {
            let uri = address(url).uri;
            assert_eq!(
                (uri.authority.host.as_str(), uri.authority.port),
                (host, port)
            );
            assert_eq!(
                (uri.vhost.as_str(), uri.authority.userinfo.username),
                (vhost, user.to_owned())
            );
            assert_eq!(uri.scheme, AMQPScheme::AMQP);
        }
    }

    #[test]
    fn what_is_to_be_secured_never_goes_in_the_clear() {
        let mut config = Config::at("amqps://godwit@mq.example.org".to_owned());
        let authority = tempfile::NamedTempFile::new().unwrap();
        let made = godwit_test_support::ca::TestCa::new().unwrap();
        std::fs::write(authority.path(), made.cert_pem()).unwrap();
        config.tls.ca = Some(authority.path().to_owned());
        let address = Address::new(&config).unwrap();
        assert!(address.secured.is_some());
        assert_eq!(address.uri.authority.port, 5_671);
        config.url = "amqp://godwit@mq.example.org".to_owned();
        let refused = Address::new(&config).err().unwrap();
        assert!(matches!(refused, SetupError::NotSecured), "{refused}");
        config.url = "amqps://godwit@mq.example.org".to_owned();
        config.tls.cert = Some(authority.path().to_owned());
        let refused = Address::new(&config).err().unwrap();
        assert!(matches!(refused, SetupError::Halved), "{refused}");
        config.tls.ca = Some("/nonexistent/ca.pem".into());
        let refused = Address::new(&config).err().unwrap();
        assert!(
            refused.to_string().contains("/nonexistent/ca.pem"),
            "{refused}"
        );
    }
}
