//! A connection to either database.

use diesel::connection::{AnsiTransactionManager, TransactionManager};
#[cfg(feature = "postgres")]
use diesel::pg::PgConnection;
use diesel::sqlite::SqliteConnection;

use crate::StoreError;
use crate::dialect::host_order;

/// A connection to either database. Queries in diesel's language work on both; what does not
/// is in [`crate::dialect`].
#[derive(diesel::MultiConnection)]
pub(crate) enum Database {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

/// Runs a query on the very connection that a [`Database`] is. What is asked for most often goes
/// this way: through `Database` diesel makes a statement's text twice at each execution, prepared
/// or not, which costs as much as the statement itself. The query is written out for each, so its
/// row has to be readable from either.
macro_rules! on_backend {
    ($connection:expr, |$backend:ident| $query:expr) => {
        match $connection {
            $crate::connection::Database::Sqlite($backend) => $query,
            #[cfg(feature = "postgres")]
            $crate::connection::Database::Postgres($backend) => $query,
        }
    };
}
pub(crate) use on_backend;

impl Database {
    /// Runs `work` in a transaction that may write, and commits if it returns `Ok`.
    ///
    /// On SQLite the transaction takes the write lock at its beginning: one that reads first
    /// and writes later could otherwise fail half-way, when somebody else wrote in between.
    pub(crate) fn write<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = match self {
            Self::Sqlite(sqlite) => {
                AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => AnsiTransactionManager::begin_transaction(postgres),
        };
        begun.map_err(StoreError::from)?;
        host_order::begin();
        match work(self) {
            Ok(value) => {
                self.release_savepoint()?;
                Ok(value)
            }
            Err(error) => {
                // A connection that cannot even roll back is broken, and leaves the pool.
                let _ = self.undo_savepoint();
                Err(error)
            }
        }
    }

    /// Marks where a part of the transaction begins, so that it can be undone alone.
    pub(crate) fn begin_savepoint(&mut self) -> Result<(), StoreError> {
        // Works that share a commit are on SQLite, where each locks for itself what is not locked at all.
        host_order::begin();
        Ok(<Self as TransactionManager<Self>>::begin_transaction(self)?)
    }

    /// Makes the innermost part one with what is around it; the transaction itself is committed.
    pub(crate) fn release_savepoint(&mut self) -> Result<(), StoreError> {
        Ok(<Self as TransactionManager<Self>>::commit_transaction(
            self,
        )?)
    }

    /// Undoes the innermost part, or the transaction as a whole.
    pub(crate) fn undo_savepoint(&mut self) -> Result<(), StoreError> {
        Ok(<Self as TransactionManager<Self>>::rollback_transaction(
            self,
        )?)
    }
}
