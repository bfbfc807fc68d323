//! Numbers for hosts, servers and groups within one fleet, and tables with a row for each.
//!
//! Names are texts, and a plan looks at a host a hundred thousand times. A number is only ever
//! made by the fleet that it belongs to, and a table has a row for each of its numbers, so that
//! this is the one place where something is looked up without asking whether it is there.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use serde::{Serialize, Serializer};

/// A number that stands for a thing of one fleet.
pub trait Number: Copy {
    fn new(at: usize) -> Self;
    fn at(self) -> usize;
}

macro_rules! numbers {
    ($($(#[$about:meta])* $name:ident),* $(,)?) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
        pub struct $name(u32);

        impl Number for $name {
            fn new(at: usize) -> Self {
                Self(u32::try_from(at).unwrap_or(u32::MAX))
            }

            fn at(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

numbers! {
    HostNo,
    ServerNo,
    GroupNo,
    /// An operation's place in its plan; it is the operation's id too.
    OperationNo,
}

/// A row for each number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table<N, T> {
    rows: Vec<T>,
    number: PhantomData<N>,
}

impl<N: Number, T> Table<N, T> {
    pub fn filled(len: usize, row: T) -> Self
    where
        T: Clone,
    {
        vec![row; len].into()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn push(&mut self, row: T) -> N {
        self.rows.push(row);
        N::new(self.rows.len().saturating_sub(1))
    }

    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = N> + use<N, T> {
        (0..self.rows.len()).map(N::new)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (N, &T)> {
        let numbered = self.rows.iter().enumerate();
        numbered.map(|(at, row)| (N::new(at), row))
    }

    pub fn rows(&self) -> &[T] {
        &self.rows
    }

    pub fn into_rows(self) -> Vec<T> {
        self.rows
    }
}

impl<N, T> From<Vec<T>> for Table<N, T> {
    fn from(rows: Vec<T>) -> Self {
        Self {
            rows,
            number: PhantomData,
        }
    }
}

impl<N, T: Serialize> Serialize for Table<N, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
    }
}

impl<N, T> Default for Table<N, T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<N: Number, T> Index<N> for Table<N, T> {
    type Output = T;

    fn index(&self, number: N) -> &T {
        &self.rows[number.at()]
    }
}

impl<N: Number, T> IndexMut<N> for Table<N, T> {
    fn index_mut(&mut self, number: N) -> &mut T {
        &mut self.rows[number.at()]
    }
}
