//! Statements that stay prepared.
//!
//! diesel prepares every UPDATE, and whatever is written as text, anew at each execution: it cannot
//! know of how many texts a program makes. Preparing one takes longer than executing it, and here
//! there are only as many as the program has lines that say [`Prepare::prepared`].

use std::cell::Cell;

use diesel::internal::derives::multiconnection::AstPassHelper as _;
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

/// What is executed, and not loaded, diesel has by reference, and whether a reference may stay
/// prepared it asks by walking what stands behind it. So the answer is in the walk: where neither
/// text nor parameters are wanted, there is nothing to object to.
impl QueryFragment<MultiBackend> for Prepared<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let is_wanted = Cell::new(false);
        let mut out = out.cast_database::<MultiBackend>(
            |binds| binds,
            |text| {
                is_wanted.set(true);
                text
            },
            |backend| backend,
            |lookup| lookup,
        );
        if is_wanted.get() || out.bind_collector().is_some() || out.debug_binds().is_some() {
            return self.0.walk_ast(out);
        }
        out.push_sql("");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use diesel::connection::{Instrumentation, InstrumentationEvent};
    use diesel::sql_query;
    use diesel::sqlite::SqliteConnection;

    use super::*;
    use crate::connection::Database;
    use crate::schema::hosts;

    struct Kept(Arc<AtomicUsize>);

    impl Instrumentation for Kept {
        fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
            if matches!(event, InstrumentationEvent::CacheQuery { .. }) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn what_is_executed_stays_prepared_as_does_what_is_loaded() {
        let mut connection =
            Database::Sqlite(SqliteConnection::establish(":memory:").expect("memory is there"));
        sql_query("CREATE TABLE hosts (id INTEGER, name TEXT)")
            .execute(&mut connection)
            .unwrap();
        let kept = Arc::<AtomicUsize>::default();
        connection.set_instrumentation(Kept(Arc::clone(&kept)));
        for name in ["a", "b", "c"] {
            diesel::update(hosts::table)
                .set(hosts::name.eq(name))
                .prepared()
                .execute(&mut connection)
                .unwrap();
        }
        assert_eq!(kept.load(Ordering::Relaxed), 1);
        for _ in 0..3 {
            sql_query("DELETE FROM hosts WHERE id = 1")
                .prepared()
                .execute(&mut connection)
                .unwrap();
        }
        assert_eq!(kept.load(Ordering::Relaxed), 2);
    }
}
