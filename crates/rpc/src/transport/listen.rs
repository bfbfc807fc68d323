//! Being called.

use std::io;
use std::net::SocketAddr;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;

use super::accept::{accept_plain, accept_tls};
use super::connection::Connection;
use super::local::{LocalListener, NameTaken};
use super::tls::Tls;
use super::{Address, Transport};
use crate::identity::PeerIdentity;

/// A party cannot be called where it wants to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The socket cannot be opened.
    #[error("cannot listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Without TLS, and not a loopback address.
    #[error("refusing to listen on {0} without TLS: it is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The name is taken in this process.
    #[error(transparent)]
    NameTaken(#[from] NameTaken),
}

/// An open door.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tls(TcpListener, Tls),
    Loopback(TcpListener),
    Local(LocalListener),
}

impl Transport {
    /// Opens the door: at `address` (port 0: any free one), or under this party's name where
    /// the transport stays within the process.
    pub async fn listen(&self, address: SocketAddr) -> Result<Listener, ListenError> {
        let bind = async || {
            let bound = TcpListener::bind(address).await;
            bound.map_err(|source| ListenError::Bind { address, source })
        };
        Ok(Listener(match self {
            Self::Tls(tls) => Kind::Tls(bind().await?, tls.clone()),
            Self::Loopback(_) if !address.ip().is_loopback() => {
                return Err(ListenError::NotLoopback(address));
            }
            Self::Loopback(_) => Kind::Loopback(bind().await?),
            Self::Local(network, identity) => Kind::Local(network.listen(identity.clone())?),
        }))
    }
}

impl Listener {
    /// The address under which others reach this door from this machine; what `advertise`
    /// (a name or an IP address) makes of it for other machines.
    pub fn address(&self, advertise: Option<&str>) -> io::Result<Address> {
        Ok(match &self.0 {
            Kind::Tls(listener, _) => {
                let bound = listener.local_addr()?;
                Address::Tls {
                    host: advertise.map_or_else(|| bound.ip().to_string(), str::to_owned),
                    port: bound.port(),
                }
            }
            Kind::Loopback(listener) => Address::Loopback(listener.local_addr()?),
            Kind::Local(listener) => Address::Local(PeerIdentity::clone(&listener.name)),
        })
    }

    pub(super) fn connections(self) -> BoxStream<'static, io::Result<Connection>> {
        match self.0 {
            Kind::Tls(listener, tls) => accept_tls(listener, tls).boxed(),
            Kind::Loopback(listener) => accept_plain(listener).boxed(),
            Kind::Local(listener) => ReceiverStream::new(listener.arriving).map(Ok).boxed(),
        }
    }
}
