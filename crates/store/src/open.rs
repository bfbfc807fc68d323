//! From a URL to an open store: every way it can fail names its cause.

use std::time::Duration;

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
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            pool_size: 8,
            busy_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
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
    Empty {
        /// Which.
        database: String,
    },
    /// The schema lacks changes that this program needs.
    #[error("{database} has an older schema, which lacks {missing:?}; run `godwit db upgrade`")]
    Older {
        /// Which.
        database: String,
        /// What it lacks.
        missing: Vec<String>,
    },
    /// The schema has changes that this program does not know.
    #[error("{database} has a newer schema, with {unknown:?}; run a newer godwit")]
    Newer {
        /// Which.
        database: String,
        /// What is not known.
        unknown: Vec<String>,
    },
    /// A change of the schema failed; the schema is as before it.
    #[error("cannot upgrade {database}: {reason}")]
    Upgrade {
        /// Which.
        database: String,
        /// What the database said.
        reason: String,
    },
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
}

impl Store {
    /// Opens a database whose schema is this program's.
    ///
    /// `url` is `sqlite:///absolute/path`, `sqlite:relative/path`, `postgres://…` or
    /// `postgresql://…` (libpq's connection URI, TLS parameters included).
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self, OpenError> {
        unimplemented!("{url} {options:?}")
    }

    /// Brings a database to this program's schema, and creates an SQLite file that does not
    /// exist. Returns the changes applied: none if it was up to date. Several at once do no
    /// harm.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn upgrade(url: &str, options: &StoreOptions) -> Result<Vec<String>, OpenError> {
        unimplemented!("{url} {options:?}")
    }

    /// Is the database there? For readiness.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The pool of connections.
    pub fn pool(&self) -> PoolState {
        unimplemented!()
    }
}
