//! `column IN (…)` in a statement that stays prepared.
//!
//! A list of another length makes another statement, and diesel then prepares none of them.
//! Here there are only a few lengths, and each is a type of its own ([`OfLength`]), by which the
//! statement is found without its text. A list in between is filled up with its last key, which
//! changes nothing.

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, SelectableExpression, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Bool, HasSqlType, SingleValue};

/// Keys in one statement at most.
pub(crate) const MOST: usize = 64;

/// Loads the rows of the query that `$query` is with a list of keys, the shortest that holds all of
/// `$keys`, of which there is at least one and [`MOST`] at most.
macro_rules! load_among {
    ($connection:expr, $keys:expr, |$list:ident| $query:expr) => {{
        use $crate::among::{MOST, OfLength, filled};
        let list = filled($keys);
        let length = list.len();
        let $list = list;
        let query = $query;
        match length {
            1 => OfLength::<_, 1>(query).load($connection),
            4 => OfLength::<_, 4>(query).load($connection),
            16 => OfLength::<_, 16>(query).load($connection),
            _ => OfLength::<_, MOST>(query).load($connection),
        }
    }};
}
pub(crate) use load_among;

/// The rows of the query that `$query` is with a list of keys, for as many keys as there are.
macro_rules! load_all {
    ($connection:expr, $keys:expr, |$list:ident| $query:expr) => {{
        let mut rows = Vec::new();
        for some in $keys.chunks($crate::among::MOST) {
            let found = $crate::among::load_among!($connection, some, |$list| $query);
            rows.append(&mut found?);
        }
        rows
    }};
}
pub(crate) use load_all;

/// `keys` as a list of one of the lengths that there are.
pub(crate) fn filled<T: Clone>(keys: &[T]) -> Vec<T> {
    debug_assert!((1..=MOST).contains(&keys.len()), "{} keys", keys.len());
    let length = match keys.len() {
        ..=1 => 1,
        2..=4 => 4,
        5..=16 => 16,
        17.. => MOST,
    };
    let last = keys.len() - 1;
    (0..length).map(|it| keys[it.min(last)].clone()).collect()
}

/// Is the value of `column` among `keys`? For the query of [`load_among`], and no other.
pub(crate) fn among<C, T>(column: C, keys: Vec<T>) -> Among<C, T> {
    Among { column, keys }
}

#[derive(Debug, Clone)]
pub(crate) struct Among<C, T> {
    column: C,
    keys: Vec<T>,
}

/// A query with a list of this length.
pub(crate) struct OfLength<Q, const N: usize>(pub(crate) Q);

impl<Q: QueryId, const N: usize> QueryId for OfLength<Q, N> {
    type QueryId = OfLength<Q::QueryId, N>;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: Query, const N: usize> Query for OfLength<Q, N> {
    type SqlType = Q::SqlType;
}

impl<Q, C, const N: usize> RunQueryDsl<C> for OfLength<Q, N> {}

impl<Q: QueryFragment<DB>, DB: Backend, const N: usize> QueryFragment<DB> for OfLength<Q, N> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<C: Expression, T> Expression for Among<C, T> {
    type SqlType = Bool;
}

impl<C: AppearsOnTable<QS>, QS, T> AppearsOnTable<QS> for Among<C, T> {}
impl<C: SelectableExpression<QS>, QS, T> SelectableExpression<QS> for Among<C, T> {}

impl<C: ValidGrouping<G>, G, T> ValidGrouping<G> for Among<C, T> {
    type IsAggregate = C::IsAggregate;
}

impl<C: QueryId, T> QueryId for Among<C, T> {
    type QueryId = Among<C::QueryId, ()>;
    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID;
}

impl<C, T, DB> QueryFragment<DB> for Among<C, T>
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
        for (count, length) in [
            (1, 1),
            (2, 4),
            (4, 4),
            (5, 16),
            (16, 16),
            (17, MOST),
            (64, MOST),
        ] {
            let keys: Vec<usize> = (1..=count).collect();
            let list = filled(&keys);
            assert_eq!(list.len(), length, "{count}");
            assert!(list.starts_with(&keys));
            assert!(list[count..].iter().all(|key| *key == count), "{list:?}");
        }
    }
}
