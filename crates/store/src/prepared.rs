//! Statements that stay prepared.
//!
//! diesel prepares every UPDATE, and whatever is written as text, anew at each execution: it cannot
//! know of how many texts a program makes. Preparing one takes longer than executing it, and here
//! there are only as many as the program has lines that say [`Prepare::prepared`].

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Untyped;

use crate::connection::MultiBackend;

/// Not for a statement whose text has the length of a list, or a name from outside.
pub(crate) trait Prepare<'a>: QueryFragment<MultiBackend> + Sized + 'a {
    /// The statement, found by its text when it is executed again on a connection.
    fn prepared(self) -> Prepared<'a> {
        Prepared(Box::new(self))
    }
}

impl<'a, Q: QueryFragment<MultiBackend> + 'a> Prepare<'a> for Q {}

/// What [`Prepare::prepared`] makes. It is one type whatever the statement is, so that what executes
/// statements is compiled once for all of them.
pub(crate) struct Prepared<'a>(Box<dyn QueryFragment<MultiBackend> + 'a>);

impl QueryId for Prepared<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// What the rows of a statement are that is written as text.
impl Query for Prepared<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Prepared<'_> {}

impl QueryFragment<MultiBackend> for Prepared<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &MultiBackend) -> QueryResult<bool> {
        Ok(true)
    }
}
