//! What is to be done with a connection, whatever comes of it.
//!
//! Waiting for a connection, for a thread and for a commit is the same for all work, and is
//! compiled once. Only here is it known what a work's result is:
//!
//! ```text
//!   caller ──► erased ──► pool, commit ──► result_of ──► caller
//!    T, E                 Answer                          T, E
//! ```

use std::any::Any;
use std::pin::Pin;

use crate::StoreError;
use crate::connection::Database;
use crate::error::TransactionError;

/// The result of a work.
pub(crate) type Answer = Box<dyn Any + Send>;

/// The result of a work that is yet to be done; an error if it cannot be.
pub(crate) type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<Answer, StoreError>> + Send + 'a>>;

/// A work. It must not change anything but the database, as it may be done again.
pub(crate) type Work = Box<dyn FnMut(&mut Database) -> Done + Send>;

/// A work that was done.
pub(crate) struct Done {
    pub(crate) answer: Answer,
    pub(crate) end: End,
}

impl Done {
    /// One that has nothing to say.
    pub(crate) fn nothing() -> Self {
        Self {
            answer: Box::new(()),
            end: End::Good,
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It is to stay.
    Good,
    /// It failed, and is to be undone.
    Failed,
    /// The database asks for it to be done again.
    Conflict,
    /// The connection broke.
    Lost,
}

impl End {
    /// What an error of the database means.
    pub(crate) fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Unreachable(_) => Self::Lost,
            error if error.is_conflict() => Self::Conflict,
            _ => Self::Failed,
        }
    }

    /// What became of a work that may have come to no result.
    pub(crate) fn of_either(result: &Result<Done, StoreError>) -> Self {
        match result {
            Ok(done) => done.end,
            Err(error) => Self::of(error),
        }
    }
}

/// A work without what its result is.
pub(crate) fn erased<T, E>(
    mut work: impl FnMut(&mut Database) -> Result<T, E> + Send + 'static,
) -> Work
where
    T: Send + 'static,
    E: TransactionError,
{
    Box::new(move |connection: &mut Database| {
        let result = work(connection);
        let end = match &result {
            Ok(_) => End::Good,
            Err(error) => error.store_error().map_or(End::Failed, End::of),
        };
        let answer = Box::new(result);
        Done { answer, end }
    })
}

/// The result of a work that was [`erased`].
pub(crate) fn result_of<T, E>(answer: Result<Answer, StoreError>) -> Result<T, E>
where
    T: Send + 'static,
    E: TransactionError,
{
    let answer = answer?.downcast::<Result<T, E>>();
    *answer.expect("an answer is of the kind that its work has")
}
