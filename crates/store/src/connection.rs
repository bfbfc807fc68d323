//! A connection to either database.

use diesel::connection::{AnsiTransactionManager, TransactionManager};
#[cfg(feature = "postgres")]
use diesel::pg::PgConnection;
use diesel::sqlite::SqliteConnection;

use crate::StoreError;

/// A connection to either database. Queries in diesel's language work on both; what does not
/// is in [`crate::dialect`].
#[derive(diesel::MultiConnection)]
pub(crate) enum Database {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

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
