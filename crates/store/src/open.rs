//! From a URL to an open store: every way it can fail names its cause.

use std::time::Duration;

use godwit_core::host::scope::beginning::Beginnings;

use crate::group_commit::GroupCommit;
use crate::location::Location;
use crate::pool::{Access, Connector, Pool};
use crate::schema_version::{self, SchemaState, UpgradeError};
use crate::store::{Pools, Writers};
use crate::{Store, StoreError};

/// How a store is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreOptions {
    /// Connections at most; on SQLite these read, and one more writes.
    pub pool_size: u32,
    /// How long a caller waits for a free connection.
    pub busy_timeout: Duration,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How hosts and scopes begin that are new.
    pub beginnings: Beginnings,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            pool_size: 8,
            busy_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            beginnings: Beginnings::default(),
        }
    }
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    /// The URL is none of ours.
    #[error("{0}")]
    Url(String),
    /// The database is not there, or does not let us in.
    #[error("cannot open {database}: {reason}")]
    Unreachable {
        /// Which, without secrets.
        database: String,
        /// What the database or the system said.
        reason: String,
    },
    /// There is no schema at all.
    #[error("{database} has no Godwit schema; `godwit db upgrade` makes it")]
    Empty { database: String },
    /// The schema lacks changes that this program needs.
    #[error("{database} has an older schema, without {}; run `godwit db upgrade`", .missing.join(", "))]
    Older {
        database: String,
        missing: Vec<String>,
    },
    /// The schema has changes that this program does not know.
    #[error("{database} has a newer schema, with {}; run the godwit that made it", .unknown.join(", "))]
    Newer {
        database: String,
        unknown: Vec<String>,
    },
    /// Somebody works on the database, and would not survive what is to be changed.
    #[error(
        "{database} is in use by {}; this upgrade needs it alone, once: stop every api, conductor \
         and `up` on it (agents may go on), then run `godwit db upgrade` again",
        .by.join(", ")
    )]
    InUse {
        database: String,
        /// Who is connected, and which conductors were heard last.
        by: Vec<String>,
    },
    /// A change of the schema failed; the schema is as before it.
    #[error("cannot upgrade {database}: {reason}")]
    Upgrade { database: String, reason: String },
}

impl OpenError {
    fn unreachable(location: &Location, error: &dyn std::fmt::Display) -> Self {
        Self::Unreachable {
            database: location.to_string(),
            reason: error.to_string(),
        }
    }
}

/// The pool of connections, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolState {
    /// Connections at most.
    pub size: u32,
    /// In use now.
    pub in_use: u32,
    /// Connections open, in use or idle.
    pub open: u32,
    /// How many callers have got none in time since the process began.
    pub refused: u64,
}

impl Store {
    /// Opens a database whose schema is this program's.
    ///
    /// `url` is `sqlite:///absolute/path`, `sqlite:relative/path` (no escapes in either),
    /// `postgres://…` or `postgresql://…` (libpq's connection URI, TLS parameters included).
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self, OpenError> {
        let location = Location::parse(url)?;
        let connector = |access| Connector {
            location: location.clone(),
            access,
            connect_timeout: options.connect_timeout,
        };
        let first = connector(Access::Read);
        blocking(move || first.check_schema()).await?;

        let pool = |access, size| Pool::new(connector(access), size, options.busy_timeout);
        let pools = match location {
            Location::Sqlite(_) => Pools {
                readers: pool(Access::Read, options.pool_size),
                writers: Writers::One(GroupCommit::new(
                    pool(Access::Write, 1),
                    options.busy_timeout,
                )),
            },
            Location::Postgres(_) => {
                let both = pool(Access::Write, options.pool_size);
                Pools {
                    readers: both.clone(),
                    writers: Writers::Many(both),
                }
            }
        };
        Ok(Self::new(pools, options.beginnings))
    }

    /// Brings a database to this program's schema, and creates an SQLite file that does not
    /// exist. Returns the changes applied: none if it was up to date. Several at once do no
    /// harm. Refuses a change that needs the database alone while somebody is connected to it.
    pub async fn upgrade(url: &str, options: &StoreOptions) -> Result<Vec<String>, OpenError> {
        let connector = Connector {
            location: Location::parse(url)?,
            access: Access::Upgrade,
            connect_timeout: options.connect_timeout,
        };
        blocking(move || connector.upgrade()).await
    }
}

impl Connector {
    fn check_schema(&self) -> Result<(), OpenError> {
        let location = &self.location;
        let database = location.to_string();
        let refused = |error: &dyn std::fmt::Display| OpenError::unreachable(location, error);
        let mut connection = self.open().map_err(|error| refused(&error))?;
        let state = schema_version::state(&mut connection).map_err(|error| refused(&error))?;
        match state {
            SchemaState::Current => Ok(()),
            SchemaState::Empty => Err(OpenError::Empty { database }),
            SchemaState::Older(missing) => Err(OpenError::Older { database, missing }),
            SchemaState::Newer(unknown) => Err(OpenError::Newer { database, unknown }),
        }
    }

    fn upgrade(&self) -> Result<Vec<String>, OpenError> {
        let database = self.location.to_string();
        let mut connection = self
            .open()
            .map_err(|error| OpenError::unreachable(&self.location, &error))?;
        let failed = |error: &dyn std::fmt::Display| OpenError::Upgrade {
            database: database.clone(),
            reason: error.to_string(),
        };
        let state = schema_version::state(&mut connection).map_err(|error| failed(&error))?;
        if let SchemaState::Newer(unknown) = state {
            return Err(OpenError::Newer { database, unknown });
        }
        schema_version::upgrade(&mut connection, &state).map_err(|error| match error {
            UpgradeError::InUse(by) => OpenError::InUse {
                database: database.clone(),
                by,
            },
            UpgradeError::Failed(error) => failed(&error),
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(OpenError::Url(StoreError::Stopped.to_string())),
        },
    }
}
