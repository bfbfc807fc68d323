//! How the two ends meet, and how each knows who the other is.
//!
//! ```text
//!   Tls       TCP and mTLS; the identity is in the certificate, at both ends
//!   Loopback  TCP without either, loopback addresses only; the identity is claimed
//!   Local     within one process, no port; the identity is how one got hold of the network
//! ```
//!
//! A [`Transport`] is one party's means, for calling and for being called. TLS is done here
//! rather than by tonic, because a connection without a proper identity shall not live long
//! enough to carry a request.

mod accept;
mod address;
mod certificate;
mod connection;
mod dial;
mod listen;
mod local;
mod serve;
mod tls;

pub use address::{Address, InvalidAddress};
pub use dial::Expect;
pub use listen::{ListenError, Listener};
pub use local::{LocalListener, LocalNetwork, NameTaken};
pub use serve::{ServeError, Service, serve};
pub use tls::{Ends, Tls, TlsError, TlsFiles};

pub(crate) use connection::Caller;

use crate::identity::PeerIdentity;

/// The largest message, bytes. Inventories are the large ones: a thousand domains are less
/// than a tenth of this.
pub(crate) const LARGEST_MESSAGE: usize = 16 << 20;

/// The metadata key under which a peer without a certificate claims an identity. Read only on
/// loopback connections of a server that was configured to allow them.
pub(crate) const CLAIM_HEADER: &str = "godwit-peer";

/// One party's means to call and to be called.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Certificates on both sides.
    Tls(Tls),
    /// None, on loopback addresses. Every process of the machine can claim to be anybody:
    /// for development.
    Loopback(PeerIdentity),
    /// Within this process.
    Local(LocalNetwork, PeerIdentity),
}

impl Transport {
    /// Who this party is.
    pub fn identity(&self) -> &PeerIdentity {
        match self {
            Self::Tls(tls) => tls.identity(),
            Self::Loopback(identity) | Self::Local(_, identity) => identity,
        }
    }

    /// Its certificates, if it has any.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Loopback(_) | Self::Local(..) => None,
        }
    }
}
