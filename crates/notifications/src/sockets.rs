//! How the connection to a broker is made: plain, or with TLS by the one implementation that this
//! program has anyway. lapin's own would bring another dozen crates along, and, built without them,
//! takes `amqps` for plain.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::Reactor;
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use rustls::pki_types::ServerName;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who has to be at the other end.
#[derive(Clone)]
pub(crate) struct Secured {
    pub(crate) connector: TlsConnector,
    pub(crate) name: ServerName<'static>,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured").finish_non_exhaustive()
    }
}

/// Makes connections, in place of what lapin would use.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    tokio: Tokio,
    secured: Option<Secured>,
    /// How long one may take to come about.
    timeout: Duration,
}

impl Sockets {
    /// To be made within tokio.
    pub(crate) fn new(secured: Option<Secured>, timeout: Duration) -> Self {
        Self {
            tokio: Tokio::current(),
            secured,
            timeout,
        }
    }
}

async fn connect(address: SocketAddr, secured: Option<Secured>) -> io::Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(Secured { connector, name }) = secured else {
        return Ok(Socket::Plain(stream));
    };
    let stream = connector.connect(name, stream).await?;
    Ok(Socket::Secured(Box::new(stream)))
}

impl Reactor for Sockets {
    type TcpStream = Socket;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Socket, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, span: Duration) -> Self::Sleep {
        self.tokio.sleep(span)
    }

    fn interval(&self, span: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(span)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (secured, timeout) = (self.secured.clone(), self.timeout);
        async move {
            let connected = tokio::time::timeout(timeout, connect(address, secured)).await;
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}

/// A connection.
pub(crate) enum Socket {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        let read = match self.get_mut() {
            Self::Plain(stream) => {
                tokio::io::AsyncRead::poll_read(Pin::new(stream), context, &mut into)
            }
            Self::Secured(stream) => {
                tokio::io::AsyncRead::poll_read(Pin::new(stream), context, &mut into)
            }
        };
        read.map_ok(|()| into.filled().len())
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => {
                tokio::io::AsyncWrite::poll_write(Pin::new(stream), context, from)
            }
            Self::Secured(stream) => {
                tokio::io::AsyncWrite::poll_write(Pin::new(stream), context, from)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => tokio::io::AsyncWrite::poll_flush(Pin::new(stream), context),
            Self::Secured(stream) => tokio::io::AsyncWrite::poll_flush(Pin::new(stream), context),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => tokio::io::AsyncWrite::poll_shutdown(Pin::new(stream), context),
            Self::Secured(stream) => {
                tokio::io::AsyncWrite::poll_shutdown(Pin::new(stream), context)
            }
        }
    }
}
