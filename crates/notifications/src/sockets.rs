//! How the connection to a broker is made: plain, or with TLS by the one implementation that this
//! program has anyway. lapin's own would bring two dozen crates along, and, built without them,
//! takes `amqps` for plain.
//!
//! A connection ends when nobody wants it any more, also while the other end says nothing: lapin follows
//! each on a thread of its own, which would wait for a broker that hangs.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::Reactor;
use futures::io::{AsyncRead, AsyncWrite};
use rustls::pki_types::ServerName;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

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
    /// Ends those that were made.
    cut: CancellationToken,
}

impl Sockets {
    /// To be made within tokio. What it makes ends with `cut`.
    pub(crate) fn new(secured: Option<Secured>, timeout: Duration, cut: CancellationToken) -> Self {
        Self {
            tokio: Tokio::current(),
            secured,
            timeout,
            cut,
        }
    }
}

async fn connect(address: SocketAddr, secured: Option<Secured>) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(Secured { connector, name }) = secured else {
        return Ok(Stream::Plain(stream));
    };
    let stream = connector.connect(name, stream).await?;
    Ok(Stream::Secured(Box::new(stream)))
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

    fn interval(&self, span: Duration) -> impl futures::Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(span)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (secured, timeout, cut) = (self.secured.clone(), self.timeout, self.cut.clone());
        async move {
            let connected = tokio::time::timeout(timeout, connect(address, secured)).await;
            let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            Ok(Socket {
                stream,
                cut: Box::pin(cut.cancelled_owned()),
            })
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// A connection.
pub(crate) struct Socket {
    stream: Stream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Socket {
    /// Fails once nobody wants the connection any more.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        use tokio::io::AsyncRead as Tokios;

        let this = self.get_mut();
        this.check(context)?;
        let mut into = ReadBuf::new(into);
        let read = match &mut this.stream {
            Stream::Plain(stream) => Tokios::poll_read(Pin::new(stream), context, &mut into),
            Stream::Secured(stream) => Tokios::poll_read(Pin::new(stream), context, &mut into),
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
        use tokio::io::AsyncWrite as Tokios;

        let this = self.get_mut();
        this.check(context)?;
        match &mut this.stream {
            Stream::Plain(stream) => Tokios::poll_write(Pin::new(stream), context, from),
            Stream::Secured(stream) => Tokios::poll_write(Pin::new(stream), context, from),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        use tokio::io::AsyncWrite as Tokios;

        let this = self.get_mut();
        this.check(context)?;
        match &mut this.stream {
            Stream::Plain(stream) => Tokios::poll_flush(Pin::new(stream), context),
            Stream::Secured(stream) => Tokios::poll_flush(Pin::new(stream), context),
        }
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        use tokio::io::AsyncWrite as Tokios;

        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Tokios::poll_shutdown(Pin::new(stream), context),
            Stream::Secured(stream) => Tokios::poll_shutdown(Pin::new(stream), context),
        }
    }
}
