//! `column IN (…)` in a statement that stays prepared.
//!
//! A list of another length makes another statement, and diesel then prepares none of them.
//! Here there are only a few lengths, and each is a type of its own, by which the statement is
//! found without its text. A list in between is filled up with its last key, which changes
//! nothing.

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, SelectableExpression, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Bool, HasSqlType, SingleValue};

/// Keys in one statement at most.
pub(crate) const MOST: usize = 64;

/// Calls a function of a connection and a list of keys with the shortest list that holds all of
/// `$keys`, of which there is at least one; the first [`MOST`] count.
macro_rules! with_list {
    ($function:ident, $connection:expr, $keys:expr) => {{
        use $crate::among::{MOST, filled};
        let keys = $keys;
        match keys.len() {
            ..=1 => $function($connection, filled::<_, 1>(keys)),
            2..=4 => $function($connection, filled::<_, 4>(keys)),
            5..=16 => $function($connection, filled::<_, 16>(keys)),
            17.. => $function($connection, filled::<_, MOST>(keys)),
        }
    }};
}
pub(crate) use with_list;

/// All rows that a function of a connection and a list of keys loads, for as many keys as there are.
macro_rules! load_all {
    ($load:ident, $connection:expr, $keys:expr) => {{
        let mut rows = Vec::new();
        for some in $keys.chunks($crate::among::MOST) {
            rows.extend($crate::among::with_list!($load, $connection, some)?);
        }
        rows
    }};
}
pub(crate) use load_all;

/// `keys` as a list of one of the lengths that there are.
pub(crate) fn filled<T: Clone, const N: usize>(keys: &[T]) -> [T; N] {
    debug_assert!((1..=N).contains(&keys.len()), "{} keys", keys.len());
    std::array::from_fn(|number| keys[number.min(keys.len() - 1)].clone())
}

/// Is the value of `column` among `keys`?
pub(crate) fn among<C, T, const N: usize>(column: C, keys: [T; N]) -> Among<C, T, N> {
    Among { column, keys }
}

/// The condition that [`among`] makes.
#[derive(Debug, Clone)]
pub(crate) struct Among<C, T, const N: usize> {
    column: C,
    keys: [T; N],
}

impl<C: Expression, T, const N: usize> Expression for Among<C, T, N> {
    type SqlType = Bool;
}

impl<C: AppearsOnTable<QS>, QS, T, const N: usize> AppearsOnTable<QS> for Among<C, T, N> {}
impl<C: SelectableExpression<QS>, QS, T, const N: usize> SelectableExpression<QS>
    for Among<C, T, N>
{
}

impl<C: ValidGrouping<G>, G, T, const N: usize> ValidGrouping<G> for Among<C, T, N> {
    type IsAggregate = C::IsAggregate;
}

impl<C: QueryId, T, const N: usize> QueryId for Among<C, T, N> {
    type QueryId = Among<C::QueryId, (), N>;
    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID;
}

impl<C, T, DB, const N: usize> QueryFragment<DB> for Among<C, T, N>
where
    DB: Backend + HasSqlType<C::SqlType>,
    C: Expression<SqlType: SingleValue> + QueryFragment<DB>,
    T: ToSql<C::SqlType, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        for (number, key) in self.keys.iter().enumerate() {
            out.push_sql(if number == 0 { " IN (" } else { ", " });
            out.push_bind_param::<C::SqlType, T>(key)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_filled_up_with_its_last_key() {
        fn length<const N: usize>(first: i64, keys: [i64; N]) -> (i64, usize, i64) {
            (first + keys[0], N, keys[N - 1])
        }
        for (count, expected) in [(1, 1), (2, 4), (4, 4), (5, 16), (16, 16), (17, MOST)] {
            let keys: Vec<i64> = (1..=count).collect();
            let made = with_list!(length, 0, keys.as_slice());
            assert_eq!(made, (1, expected, count));
        }
    }
}
