//! What can go wrong between a caller and the database.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// How long a statement waits for a lock that another connection holds.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// A request to the store was not carried out. None of these says anything about the request
/// itself: refusals have types of their own beside the methods that make them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Every connection stayed in use, or a lock was held, for as long as the caller may wait.
    /// Nothing was changed.
    #[error("the database is busy: nothing became free within {0:?}")]
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
    /// Another request with the same idempotency key was first, so nothing was done.
    #[error("another request has the idempotency key")]
    KeyTaken,
}

impl StoreError {
    /// May the same request succeed a little later? The API answers 503 then.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Unreachable(_) | Self::Stopped | Self::KeyTaken => true,
            Self::Corrupt(_) | Self::Refused(_) => false,
        }
    }

    /// The same error once more, if it is about the database and not about what was asked.
    pub(crate) fn of_the_database(&self) -> Option<Self> {
        match self {
            Self::Busy(span) => Some(Self::Busy(*span)),
            Self::Unreachable(why) => Some(Self::Unreachable(why.clone())),
            Self::Stopped => Some(Self::Stopped),
            Self::Corrupt(_) | Self::Refused(_) | Self::KeyTaken => None,
        }
    }

    /// What the loss of a transaction is to those who were in it.
    pub(crate) fn of_the_transaction(&self) -> Self {
        self.of_the_database()
            .unwrap_or_else(|| Self::Unreachable(format!("the commit failed: {self:?}")))
    }

    /// Did the database ask for the transaction to be run again?
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Refused(DieselError::DatabaseError(kind, cause)) => {
                matches!(kind, DatabaseErrorKind::SerializationFailure)
                    || cause.message().contains("deadlock detected")
            }
            Self::Refused(_)
            | Self::Busy(_)
            | Self::Unreachable(_)
            | Self::Corrupt(_)
            | Self::Stopped
            | Self::KeyTaken => false,
        }
    }

    /// Is there another row where at most one may be?
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(
            self,
            Self::Refused(DieselError::DatabaseError(
                DatabaseErrorKind::UniqueViolation,
                _
            ))
        )
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DeserializationError(cause) => Self::Corrupt(cause),
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, cause) => {
                Self::Unreachable(cause.message().trim_end().to_owned())
            }
            DieselError::BrokenTransactionManager => {
                Self::Unreachable("the connection broke inside a transaction".to_owned())
            }
            DieselError::DatabaseError(_, ref cause)
                if ["database is locked", "lock timeout", "statement timeout"]
                    .iter()
                    .any(|words| cause.message().contains(words)) =>
            {
                Self::Busy(LOCK_TIMEOUT)
            }
            other => Self::Refused(other),
        }
    }
}

/// There was nothing to do, or the store failed.
#[derive(Debug)]
pub(crate) enum OrNothing {
    Nothing,
    Store(StoreError),
}

impl From<StoreError> for OrNothing {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl TransactionError for OrNothing {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Nothing => None,
            Self::Store(error) => Some(error),
        }
    }
}

/// What a transaction may fail with: the store's own errors, and refusals beside them.
pub(crate) trait TransactionError: From<StoreError> + Send + 'static {
    /// The store's error, if it is one.
    fn store_error(&self) -> Option<&StoreError>;
}

impl TransactionError for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// Those that are the store's own where they are `Store`, and refusals where not.
macro_rules! transaction_errors {
    ($($name:ident$(<$refusal:ident>)?),+ $(,)?) => {$(
        impl$(<$refusal: Send + 'static>)? TransactionError for $crate::$name$(<$refusal>)? {
            fn store_error(&self) -> Option<&StoreError> {
                match self {
                    Self::Store(error) => Some(error),
                    _ => None,
                }
            }
        }
    )+};
}

transaction_errors!(
    ActionListError,
    AggregateError<E>,
    BeginError<E>,
    CommitError,
    EventReadError,
    HypervisorListError,
    ImportError,
    MaintenanceRequestError<E>,
    MembershipError,
    MigrationListError,
    PlanCreateError,
    PlanDeleteError,
    PlanStepError,
    ResizeError<E>,
    ServerChangeError<E>,
    ServerListError,
    ServiceError<E>,
    ScopeError<E>,
    TopologyError<E>,
    UsageListError,
);
