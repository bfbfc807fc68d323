//! What can go wrong between a caller and the database.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// A request to the store was not carried out. None of these says anything about the request
/// itself: refusals have types of their own beside the methods that make them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Every connection stayed in use for as long as the caller may wait. Try again later.
    #[error("the database is busy: no connection became free within {0:?}")]
    Busy(Duration),
    /// There is no connection to be had, or it broke. Whether a change under way was committed
    /// is then unknown; the row tells.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// A row holds what Godwit never writes.
    #[error("the database holds a value that Godwit does not understand")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Any other refusal of the database.
    #[error("the database refused a statement")]
    Refused(#[source] DieselError),
    /// The process is being stopped.
    #[error("the store is being stopped")]
    Stopped,
}

impl StoreError {
    /// May the same request succeed a little later? The API answers 503 then.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Unreachable(_) | Self::Stopped => true,
            Self::Corrupt(_) | Self::Refused(_) => false,
        }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DeserializationError(cause) => Self::Corrupt(cause),
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, cause) => {
                Self::Unreachable(cause.message().to_owned())
            }
            DieselError::BrokenTransactionManager => {
                Self::Unreachable("the connection broke inside a transaction".to_owned())
            }
            other => Self::Refused(other),
        }
    }
}
