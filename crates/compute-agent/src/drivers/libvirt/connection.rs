//! The connection to this host's libvirt, and calls on it.
//!
//! Every call of libvirt blocks, and one to a libvirt that hangs may block for ever. So each
//! gets a thread of its own and a deadline; a thread that overstays is left to itself until
//! libvirt's keepalive breaks the connection under it, and there is a bound on how many may be
//! left so. A connection that broke (libvirt was restarted) is opened anew by the next call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use virt::connect::Connect;
use virt::error::{Error, ErrorNumber};

use super::sys::{DomainEvent, Sink, Subscription};
use crate::driver::DriverError;

/// Calls under way at one time, those that overstay included.
const THREADS: usize = 32;
/// Signs of life that libvirt may miss.
const KEEPALIVES_MISSED: u32 = 4;

#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("{}", .0.message())]
    Libvirt(Error),
    #[error("libvirt did not answer within {0:?}")]
    Overdue(Duration),
    #[error("{0}")]
    System(std::io::Error),
    #[error("a call of libvirt panicked")]
    Panicked,
}

impl CallError {
    /// libvirt's number for the error, when the error is libvirt's.
    pub(super) fn number(&self) -> Option<ErrorNumber> {
        match self {
            Self::Libvirt(error) => number(error),
            Self::Overdue(_) | Self::System(_) | Self::Panicked => None,
        }
    }
}

impl From<CallError> for DriverError {
    fn from(error: CallError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// libvirt's number for an error, when we know it.
pub(super) fn number(error: &Error) -> Option<ErrorNumber> {
    match error.code() {
        virt::enumutil::Enum::Known(number) => Some(number),
        virt::enumutil::Enum::Unknown(_) => None,
    }
}

pub(super) struct Live {
    // Dropped first: it unregisters from the connection.
    _events: Subscription,
    pub(super) connect: Connect,
    closed: Arc<AtomicBool>,
    /// What never changes while libvirt runs, once somebody has asked.
    pub(super) about: OnceLock<super::facts::About>,
}

/// This host's libvirt. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connection(Arc<Inner>);

struct Inner {
    uri: String,
    keepalive_seconds: u16,
    deadline: Duration,
    sink: Sink,
    live: Mutex<Option<Arc<Live>>>,
    threads: Arc<Semaphore>,
}

impl Connection {
    /// Nothing is opened yet. Events of whichever connection is open go to `sink`.
    pub(super) fn new(uri: &str, keepalive_seconds: u16, deadline: Duration, sink: Sink) -> Self {
        Self(Arc::new(Inner {
            uri: uri.to_owned(),
            keepalive_seconds,
            deadline,
            sink,
            live: Mutex::new(None),
            threads: Arc::new(Semaphore::new(THREADS)),
        }))
    }

    /// Runs `work` on a thread of its own, with an open connection.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Live) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, CallError> {
        self.call_within(self.0.deadline, work).await
    }

    /// The same, for whom an answer is worth only so much waiting.
    pub(super) async fn call_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&Live) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, CallError> {
        let inner = Arc::clone(&self.0);
        let threads = Arc::clone(&self.0.threads);
        on_a_thread(threads, deadline, move || {
            inner.live().and_then(|live| work(&live))
        })
        .await?
        .map_err(CallError::Libvirt)
    }

    /// A connection that nobody else uses, for a call that lasts. Blocks.
    pub(super) fn open_another(&self) -> Result<Connect, Error> {
        self.0.open()
    }
}

impl Inner {
    fn live(&self) -> Result<Arc<Live>, Error> {
        let mut slot = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = slot.as_ref() {
            let open = !live.closed.load(Ordering::Acquire);
            if open && live.connect.is_alive().unwrap_or(false) {
                return Ok(Arc::clone(live));
            }
            tracing::warn!(uri = %self.uri, "the connection to libvirt broke; opening another");
        }
        *slot = None;
        let live = Arc::new(self.subscribed()?);
        *slot = Some(Arc::clone(&live));
        Ok(live)
    }

    fn subscribed(&self) -> Result<Live, Error> {
        let connect = self.open()?;
        let closed = Arc::new(AtomicBool::new(false));
        let sink: Sink = {
            let closed = Arc::clone(&closed);
            let forward = Arc::clone(&self.sink);
            Arc::new(move |event| {
                if matches!(event, DomainEvent::Closed) {
                    closed.store(true, Ordering::Release);
                }
                forward(event);
            })
        };
        Ok(Live {
            _events: Subscription::new(&connect, &sink)?,
            connect,
            closed,
            about: OnceLock::new(),
        })
    }

    fn open(&self) -> Result<Connect, Error> {
        let connect = Connect::open(Some(&self.uri))?;
        connect.set_keep_alive(self.keepalive_seconds.into(), KEEPALIVES_MISSED)?;
        Ok(connect)
    }
}

/// Runs what may block for ever on a thread of its own, and waits for it until `deadline`.
pub(super) async fn on_a_thread<T: Send + 'static>(
    threads: Arc<Semaphore>,
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    let answered = async {
        // The semaphore is never closed; if it were, nothing would run any more.
        let permit = threads
            .acquire_owned()
            .await
            .map_err(|_| CallError::Panicked)?;
        let (answer, answered) = oneshot::channel();
        std::thread::Builder::new()
            .name("libvirt-call".into())
            .spawn(move || {
                let _permit = permit;
                // Nobody waits any more when the deadline has passed.
                let _ = answer.send(work());
            })
            .map_err(CallError::System)?;
        answered.await.map_err(|_| CallError::Panicked)
    };
    tokio::time::timeout(deadline, answered)
        .await
        .map_err(|_| CallError::Overdue(deadline))?
}
