//! Connections, kept open, each with its cache of prepared statements.
//!
//! ```text
//!   caller ──► permit (waits, then Busy) ──► blocking thread ──► connection
//! ```
//!
//! There are as many permits as connections, so a blocking thread never waits for a connection
//! that somebody else uses, and the runtime's threads never wait at all. What is done in the
//! background leaves a quarter of them to requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "postgres")]
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use diesel::{Connection as _, SqliteConnection};
use tokio::sync::{AcquireError, Semaphore};

use crate::connection::Database;
use crate::group_commit::Urgency;
use crate::location::Location;
use crate::open::PoolState;
use crate::work::{Answer, Answering, Done, End, Work};
use crate::{StoreError, dialect};

/// What the connections of a pool are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    /// Everything. SQLite has one writer at a time anyway, so there is one such connection,
    /// and writers queue for it fairly instead of colliding in the file.
    Write,
    /// Changing the schema: without time limits.
    Upgrade,
}

/// Opens connections and puts them into the state that all code relies on.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) location: Location,
    pub(crate) access: Access,
    pub(crate) connect_timeout: Duration,
}

/// No connection; the text names the cause, and holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConnectError(pub(crate) String);

/// A connection of the pool, and whether it is known to be of no more use.
pub(crate) struct Pooled {
    connection: Database,
    broken: bool,
}

impl Connector {
    pub(crate) fn open(&self) -> Result<Database, ConnectError> {
        let explain = |error: &dyn std::fmt::Display| {
            let said = self.location.redact(&error.to_string());
            ConnectError(said.trim_end().replace('\n', "; "))
        };
        let mut connection = match &self.location {
            Location::Sqlite(path) => {
                self.check_sqlite_path(path)?;
                let argument = Location::sqlite_argument(path);
                SqliteConnection::establish(&argument)
                    .map(Database::Sqlite)
                    .map_err(|error| explain(&error))?
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(url) => {
                // libpq would have OpenSSL free at the exit of the process what a thread that is
                // still connecting uses, and the process would end by a fault.
                openssl_sys::init();
                let argument = Location::postgres_argument(url, self.connect_timeout);
                PgConnection::establish(&argument)
                    .map(Database::Postgres)
                    .map_err(|error| explain(&error))?
            }
            #[cfg(not(feature = "postgres"))]
            Location::Postgres(_) => {
                return Err(ConnectError(
                    "this godwit was built without PostgreSQL; build it with `--features full`"
                        .to_owned(),
                ));
            }
        };
        connection
            .batch_execute(dialect::session(&connection, self.access))
            .map_err(|error| explain(&error))?;
        Ok(connection)
    }

    /// SQLite makes files that do not exist, and says little about why it cannot.
    fn check_sqlite_path(&self, path: &std::path::Path) -> Result<(), ConnectError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => std::path::Path::new("."),
        };
        match std::fs::metadata(directory) {
            Err(error) => {
                let directory = directory.display();
                return Err(ConnectError(format!("directory {directory}: {error}")));
            }
            Ok(found) if !found.is_dir() => {
                let directory = directory.display();
                return Err(ConnectError(format!("{directory} is not a directory")));
            }
            Ok(_) => {}
        }
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(ConnectError("it is a directory".to_owned())),
            Ok(_) => Ok(()),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && self.access == Access::Upgrade =>
            {
                Ok(())
            }
            Err(error) => Err(ConnectError(error.to_string())),
        }
    }
}

impl r2d2::ManageConnection for Connector {
    type Connection = Pooled;
    type Error = ConnectError;

    fn connect(&self) -> Result<Pooled, ConnectError> {
        Ok(Pooled {
            connection: self.open()?,
            broken: false,
        })
    }

    /// Never asked on checkout: a `SELECT 1` would double the cost of a short query.
    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), ConnectError> {
        pooled
            .connection
            .ping()
            .map_err(|error| ConnectError(error.to_string()))
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        // A panic may have left a transaction open.
        pooled.broken || std::thread::panicking() || pooled.connection.is_broken()
    }
}

/// Failures to connect go to whoever asked for the connection; here they are only noted.
#[derive(Debug)]
struct LogErrors;

impl r2d2::HandleError<ConnectError> for LogErrors {
    fn handle_error(&self, error: ConnectError) {
        tracing::debug!(%error, "no new database connection");
    }
}

/// Connections and the permits for them.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: r2d2::Pool<Connector>,
    permits: Arc<Semaphore>,
    /// Of those, what the background may have.
    background: Arc<Semaphore>,
    size: u32,
    patience: Duration,
    refused: Arc<AtomicU64>,
}

impl Pool {
    /// A pool that opens its connections as they are needed.
    pub(crate) fn new(connector: Connector, size: u32, patience: Duration) -> Self {
        let size = size.max(1);
        let connections = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(connector.connect_timeout)
            .test_on_check_out(false)
            .error_handler(Box::new(LogErrors))
            .build_unchecked(connector);
        Self {
            connections,
            permits: Arc::new(Semaphore::new(size as usize)),
            background: Arc::new(Semaphore::new((size - size / 4) as usize)),
            size,
            patience,
            refused: Arc::default(),
        }
    }

    /// Does what changes nothing, and so may be done twice: see [`Self::run`].
    pub(crate) fn read(&self, urgency: Urgency, mut work: Work) -> Answering<'_> {
        self.run(urgency, Box::new(move |connection, _| Ok(work(connection))))
    }

    /// Runs `work` with a connection on a thread that may block.
    ///
    /// A connection may have broken while it lay idle, after a restart of the database for
    /// instance. `work` runs again with another one when the first statement finds that out,
    /// which the caller tells by [`Attempt::began`].
    pub(crate) fn run(&self, urgency: Urgency, work: WithAttempt) -> Answering<'_> {
        Box::pin(self.perform(urgency, work))
    }

    async fn perform(&self, urgency: Urgency, mut work: WithAttempt) -> Result<Answer, StoreError> {
        let permits = async {
            let background = match urgency {
                Urgency::Request => None,
                Urgency::Background => Some(self.background.clone().acquire_owned().await?),
            };
            let permit = self.permits.clone().acquire_owned().await?;
            Ok::<_, AcquireError>((background, permit))
        };
        let permits = match tokio::time::timeout(self.patience, permits).await {
            Ok(Ok(permits)) => permits,
            Ok(Err(_)) => return Err(StoreError::Stopped),
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(StoreError::Busy(self.patience));
            }
        };
        let connections = self.connections.clone();
        let stale_at_most = self.size;
        let worker = tokio::task::spawn_blocking(move || {
            let _permits = permits;
            let mut stale = 0;
            loop {
                let mut pooled = connections
                    .get()
                    .map_err(|error| StoreError::Unreachable(error.to_string()))?;
                let mut attempt = Attempt { began: false };
                let result = work(&mut pooled.connection, &mut attempt);
                let lost = End::of_either(&result) == End::Lost;
                pooled.broken |= lost;
                if lost && !attempt.began && stale < stale_at_most {
                    stale += 1;
                    continue;
                }
                return result.and_then(|done| done.answer);
            }
        });
        match worker.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Stopped),
            },
        }
    }

    pub(crate) fn state(&self) -> PoolState {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        PoolState {
            size: self.size,
            in_use: self.size.saturating_sub(free),
            open: self.connections.state().connections,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// A work that says how far it came; an error if it came to no result.
pub(crate) type WithAttempt =
    Box<dyn FnMut(&mut Database, &mut Attempt) -> Result<Done, StoreError> + Send>;

/// One run of some work with one connection.
pub(crate) struct Attempt {
    /// Has the work done anything that must not be done twice?
    pub(crate) began: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_background_leaves_connections_to_requests() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/any.db", directory.path().display());
        let connector = Connector {
            location: Location::parse(&url).unwrap(),
            access: Access::Upgrade,
            connect_timeout: Duration::from_secs(60),
        };
        let pool = Pool::new(connector, 4, Duration::from_secs(60));
        let mut held = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let (sender, receiver) = mpsc::channel::<()>();
            held.push(sender);
            let pool = pool.clone();
            tasks.push(tokio::spawn(async move {
                let work: Work = Box::new(move |_| {
                    // Until the sender is dropped.
                    let _ = receiver.recv();
                    Done::nothing()
                });
                pool.read(Urgency::Background, work).await.map(drop)
            }));
        }
        while pool.state().in_use < 3 {
            tokio::task::yield_now().await;
        }
        let request = pool.read(Urgency::Request, Box::new(|_| Done::nothing()));
        request.await.unwrap();
        assert_eq!(pool.state().in_use, 3);
        drop(held);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}
