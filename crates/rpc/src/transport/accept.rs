//! Letting TCP connections in.
//!
//! Handshakes run beside each other, each with a deadline, and only so many at a time: one
//! peer that connects and says nothing keeps nobody else out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

use super::certificate::identity_of;
use super::connection::{Caller, Connection};
use super::tls::Tls;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
const HANDSHAKES_AT_A_TIME: usize = 128;
const ACCEPTED_AHEAD: usize = 64;

/// Accepting fails when the process is out of file descriptors; it is tried again after this.
const BREATHER: Duration = Duration::from_millis(200);

pub(super) fn accept_plain(
    listener: TcpListener,
) -> impl Stream<Item = io::Result<Connection>> + Send {
    accept(listener, async |tcp| {
        Ok(Connection::new(tcp, Caller::Unproved))
    })
}

pub(super) fn accept_tls(
    listener: TcpListener,
    tls: Tls,
) -> impl Stream<Item = io::Result<Connection>> + Send {
    accept(listener, move |tcp| {
        let acceptor = TlsAcceptor::from(tls.server());
        async move {
            let stream = acceptor.accept(tcp).await?;
            let identity = identity_of(stream.get_ref().1.peer_certificates());
            let identity = identity.map_err(io::Error::other)?;
            Ok(Connection::new(stream, Caller::Proved(identity)))
        }
    })
}

fn accept<H, F>(listener: TcpListener, handshake: H) -> ReceiverStream<io::Result<Connection>>
where
    H: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<Connection>> + Send + 'static,
{
    let (accepted, connections) = mpsc::channel(ACCEPTED_AHEAD);
    tokio::spawn(async move {
        tokio::select! {
            () = accepted.closed() => {}
            () = accept_forever(listener, handshake, &accepted) => {}
        }
    });
    ReceiverStream::new(connections)
}

async fn accept_forever<H, F>(
    listener: TcpListener,
    handshake: H,
    accepted: &mpsc::Sender<io::Result<Connection>>,
) where
    H: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<Connection>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(HANDSHAKES_AT_A_TIME));
    loop {
        let (tcp, from) = match listener.accept().await {
            Ok(arrived) => arrived,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BREATHER).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%from, %error, "cannot switch off Nagle's algorithm");
        }
        let (accepted, connection) = (accepted.clone(), handshake(tcp));
        tokio::spawn(async move {
            let connection = tokio::time::timeout(HANDSHAKE_DEADLINE, connection).await;
            drop(place);
            match connection {
                // Nobody to send it to: the server is stopping.
                Ok(Ok(connection)) => drop(accepted.send(Ok(connection)).await),
                Ok(Err(error)) => tracing::warn!(%from, %error, "refused a connection"),
                Err(_) => tracing::warn!(%from, "a handshake took too long"),
            }
        });
    }
}
