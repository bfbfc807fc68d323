//! How receivers are called: only where that is allowed, whatever a name leads to by now, and
//! nowhere that an answer would send a call on to.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use url::{Host, Url};

use crate::http::config::WebhookConfig;
use crate::http::networks::Networks;
use crate::http::outgoing::{self, OutgoingError, Trust};

/// How long a name is looked up for somebody who waits.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Where a URL leads.
pub(super) enum Address {
    Is(IpAddr),
    Named(String),
    Nowhere,
}

impl Address {
    pub(super) fn of(url: &Url) -> Self {
        match url.host() {
            Some(Host::Ipv4(address)) => Self::Is(address.into()),
            Some(Host::Ipv6(address)) => Self::Is(address.into()),
            Some(Host::Domain(name)) => Self::Named(name.to_owned()),
            None => Self::Nowhere,
        }
    }

    /// May it be called, as far as it is known? A name that leads nowhere now may do so later.
    pub(super) async fn is_allowed(&self, networks: &Networks) -> bool {
        let name = match self {
            Self::Is(address) => return networks.allow(*address),
            Self::Named(name) => name,
            Self::Nowhere => return false,
        };
        let found = tokio::net::lookup_host((name.as_str(), 0));
        match tokio::time::timeout(LOOK_UP, found).await {
            Ok(Ok(mut found)) => found.all(|it| networks.allow(it.ip())),
            Ok(Err(_)) | Err(_) => true,
        }
    }
}

/// Why a call did not arrive. Its words tell nothing of what is behind the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// It was answered, but not with success.
    Answered(u16),
    TimedOut,
    Unreachable,
    Forbidden,
}

impl Failure {
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(status),
            Self::TimedOut | Self::Unreachable | Self::Forbidden => None,
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Answered(status) if (300..400).contains(&status) => {
                format!("It was answered with {status}, and redirects are not followed.")
            }
            Self::Answered(status) => format!("It was answered with {status}."),
            Self::TimedOut => "There was no answer in time.".to_owned(),
            Self::Unreachable => "The receiver cannot be reached.".to_owned(),
            Self::Forbidden => "The address leads to what is not public.".to_owned(),
        }
    }
}

/// Finds the addresses of a name, and keeps to itself those that may not be called.
struct Resolver(Arc<Networks>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let networks = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found = found.map_err(|error| Box::new(error) as Box<dyn Error + Send + Sync>)?;
            let allowed: Vec<SocketAddr> = found.filter(|it| networks.allow(it.ip())).collect();
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Calls receivers.
#[derive(Clone)]
pub(super) struct Caller {
    client: Client,
    networks: Arc<Networks>,
    timeout: Duration,
}

/// A call.
pub(super) struct Message<'a> {
    pub(super) url: &'a str,
    pub(super) id: &'a str,
    pub(super) timestamp: i64,
    pub(super) signature: &'a str,
    pub(super) body: String,
}

impl Caller {
    pub(super) fn new(
        config: &WebhookConfig,
        networks: Arc<Networks>,
    ) -> Result<Self, OutgoingError> {
        let trust = Trust {
            ca: config.ca.as_deref(),
            own: None,
        };
        let builder = outgoing::builder(trust, Policy::none())?
            .dns_resolver(Arc::new(Resolver(Arc::clone(&networks))));
        Ok(Self {
            client: outgoing::made(builder)?,
            networks,
            timeout: config.timeout,
        })
    }

    /// Calls, and says with which status it arrived. The answer's body is of no interest.
    pub(super) async fn call(&self, message: Message<'_>) -> Result<u16, Failure> {
        let url = Url::parse(message.url).map_err(|_| Failure::Unreachable)?;
        // Names are for the resolver, who is not asked about addresses.
        if let Address::Is(address) = Address::of(&url)
            && !self.networks.allow(address)
        {
            return Err(Failure::Forbidden);
        }
        let request = self
            .client
            .post(url)
            .timeout(self.timeout)
            .header("content-type", "application/json")
            .header("user-agent", concat!("godwit/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp.to_string())
            .header("webhook-signature", message.signature)
            .body(message.body);
        let answer = request
            .send()
            .await
            .map_err(|error| match error.is_timeout() {
                true => Failure::TimedOut,
                false => Failure::Unreachable,
            })?;
        let status: StatusCode = answer.status();
        match status.is_success() {
            true => Ok(status.as_u16()),
            false => Err(Failure::Answered(status.as_u16())),
        }
    }
}
