//! Calling.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::certificate::identity_of;
use super::connection::Wire;
use super::tls::Tls;
use super::{Address, Transport};
use crate::identity::{PeerIdentity, Role};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(5);
const PONG_WITHIN: Duration = Duration::from_secs(5);

/// Connections are made by us; this only fills the `:authority` of requests.
const AUTHORITY: &str = "http://godwit";

/// Whom a caller wants to talk to, whatever answers at the address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expect {
    /// What it is.
    pub role: Role,
    /// Which one; `None`: any.
    pub name: Option<String>,
}

impl Expect {
    /// The agent of this host, and no other.
    pub fn agent(host: &str) -> Self {
        Self {
            role: Role::Agent,
            name: Some(host.to_owned()),
        }
    }

    /// Any conductor.
    pub fn conductor() -> Self {
        Self {
            role: Role::Conductor,
            name: None,
        }
    }

    fn check(&self, found: &PeerIdentity) -> io::Result<()> {
        let named = self.name.as_ref().is_none_or(|name| *name == found.name);
        if found.role == self.role && named {
            return Ok(());
        }
        let any = self.name.as_deref().unwrap_or("*");
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{found} answers instead of godwit://{}/{any}", self.role),
        ))
    }
}

impl Transport {
    /// A channel to `address`; it connects when first used, and again whenever it broke.
    pub(crate) fn dial(&self, address: Address, expect: Expect) -> Channel {
        let transport = self.clone();
        Endpoint::from_static(AUTHORITY)
            .connect_timeout(CONNECT_DEADLINE)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN)
            .connect_with_connector_lazy(service_fn(move |_: Uri| {
                let (transport, address) = (transport.clone(), address.clone());
                let expect = expect.clone();
                async move {
                    let wire = transport.connect(&address, &expect).await?;
                    Ok::<_, io::Error>(TokioIo::new(wire))
                }
            }))
    }

    async fn connect(&self, address: &Address, expect: &Expect) -> io::Result<Box<dyn Wire>> {
        match (self, address) {
            (Self::Tls(tls), Address::Tls { host, port }) => {
                let wire = connect_tls(tls, host, *port, expect).await?;
                Ok(Box::new(wire))
            }
            (Self::Loopback(_), Address::Loopback(address)) => {
                Ok(Box::new(connect_tcp(*address).await?))
            }
            (Self::Local(network, ours), Address::Local(theirs)) => {
                expect.check(theirs)?;
                Ok(Box::new(network.connect(theirs, ours.clone()).await?))
            }
            (Self::Tls(_) | Self::Loopback(_) | Self::Local(..), address) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("{address} cannot be reached as {}", self.identity()),
            )),
        }
    }
}

async fn connect_tcp(address: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

async fn connect_tls(
    tls: &Tls,
    host: &str,
    port: u16,
    expect: &Expect,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let tcp = connect_tcp((host, port)).await?;
    let connector = TlsConnector::from(tls.client());
    let stream = connector.connect(name, tcp).await?;
    let found = identity_of(stream.get_ref().1.peer_certificates()).map_err(io::Error::other)?;
    expect.check(&found)?;
    Ok(stream)
}
