//! `column IN (…)` in a statement that stays prepared.
//!
//! A list of another length makes another statement, and diesel then prepares none of them.
//! Here there are only a few lengths; a list in between is filled up with its last key, which
//! changes nothing.

use diesel::expression::{AppearsOnTable, SelectableExpression, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Bool, HasSqlType, SingleValue};

use crate::connection::MultiBackend;

/// The lengths there are.
const LENGTHS: [usize; 4] = [1, 4, 16, MOST];

/// Keys in one statement at most.
pub(crate) const MOST: usize = 64;

/// Is the value of `column` among `keys`? Of those, the first [`MOST`] count.
pub(crate) fn among<C, T>(column: C, mut keys: Vec<T>) -> Among<C, T>
where
    T: Clone,
{
    debug_assert!((1..=MOST).contains(&keys.len()), "{} keys", keys.len());
    let length = LENGTHS.into_iter().find(|length| keys.len() <= *length);
    if let Some(last) = keys.last().cloned() {
        keys.resize(length.unwrap_or(MOST), last);
    }
    Among { column, keys }
}

/// The condition that [`among`] makes.
#[derive(Debug, Clone)]
pub(crate) struct Among<C, T> {
    column: C,
    keys: Vec<T>,
}

impl<C: Expression, T> Expression for Among<C, T> {
    type SqlType = Bool;
}

impl<C: AppearsOnTable<QS>, QS, T> AppearsOnTable<QS> for Among<C, T> {}
impl<C: SelectableExpression<QS>, QS, T> SelectableExpression<QS> for Among<C, T> {}

impl<C: ValidGrouping<G>, G, T> ValidGrouping<G> for Among<C, T> {
    type IsAggregate = C::IsAggregate;
}

/// The type does not tell how long the list is; the text of the statement does.
impl<C, T> QueryId for Among<C, T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, T> QueryFragment<MultiBackend> for Among<C, T>
where
    C: Expression<SqlType: SingleValue> + QueryFragment<MultiBackend>,
    T: ToSql<C::SqlType, MultiBackend>,
    MultiBackend: HasSqlType<C::SqlType>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        for (number, key) in self.keys.iter().enumerate() {
            out.push_sql(if number == 0 { " IN (" } else { ", " });
            out.push_bind_param(key)?;
        }
        out.push_sql(")");
        Ok(())
    }
}
