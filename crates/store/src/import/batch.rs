//! Rows written many at a time.
//!
//! A row travels as one object of a JSON document that the database takes apart itself: one
//! statement for hundreds of rows, the same on both databases.

use std::collections::{BTreeMap, HashMap};

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::server::{TaskState, VmState};
use godwit_core::status::{MigrationKind, MigrationStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ImportError;
use super::columns::Moment;
use super::dump::{Dump, Rows};
use super::report::{Reason, TableReport, because};
use crate::connection::Database;
use crate::dialect::bulk;
use crate::{LockedBy, StoreError, columns};

const BATCH: usize = 500;

/// Where the rows of one of Nova's tables go.
pub(super) struct Target {
    pub(super) table: &'static str,
    pub(super) source: &'static str,
    /// What a thing is recognised by beside its id.
    pub(super) key: Key,
}

/// What a thing is recognised by beside its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// A column in which no two rows are equal.
    Unique(&'static str),
    /// A column that tells whether an id means the same here.
    Plain(&'static str),
}

impl Key {
    fn column(self) -> &'static str {
        match self {
            Self::Unique(column) | Self::Plain(column) => column,
        }
    }
}

pub(super) trait Column {
    const KIND: &'static str;
}

macro_rules! stands_as {
    ($kind:literal: $($value:ty),+ $(,)?) => {$(
        impl Column for $value {
            const KIND: &'static str = $kind;
        }
    )+};
}

stands_as!("bigint": i32, i64);
stands_as!("boolean": bool);
stands_as!("timestamp": Moment);
stands_as!(
    "text": &str,
    String,
    Uuid,
    HostName,
    LockedBy,
    MigrationKind,
    MigrationStatus,
    MigrationUuid,
    ServerUuid,
    TaskState,
    VmState,
);

impl<T: Column> Column for Option<T> {
    const KIND: &'static str = T::KIND;
}

/// One column of a row to be written, with PostgreSQL's type of it.
pub(super) struct Cell {
    column: &'static str,
    kind: &'static str,
    value: Value,
}

impl Cell {
    pub(super) fn new<T: Column + Serialize>(column: &'static str, value: &T) -> Self {
        Self {
            column,
            kind: T::KIND,
            value: serde_json::to_value(value).expect("columns hold plain values"),
        }
    }
}

/// The cells of a row of ours: `column: value`, always of the same type.
macro_rules! new_row {
    ($($column:ident: $value:expr),+ $(,)?) => {
        vec![$($crate::import::batch::Cell::new(stringify!($column), &$value)),+]
    };
}

pub(super) use new_row;

/// A row to be written, `id` and the key among its cells.
pub(super) struct Incoming {
    id: i64,
    key: String,
    cells: Vec<Cell>,
}

impl Incoming {
    pub(super) fn new(id: i64, key: impl ToString, cells: Vec<Cell>) -> Self {
        let key = key.to_string();
        Self { id, key, cells }
    }
}

/// Reads a table of the dump, makes a row of ours of each of its rows, and writes those. A
/// table that the dump does not have is empty.
pub(super) fn transfer<T: DeserializeOwned>(
    connection: &mut Database,
    dump: &Dump,
    target: &Target,
    mut make: impl FnMut(&mut Database, T) -> Result<Result<Incoming, Reason>, StoreError>,
) -> Result<TableReport, ImportError> {
    let mut report = TableReport::of(target.source);
    let Some(mut rows) = dump.rows(target.source)? else {
        return Ok(report);
    };
    report.file = Some(rows.file.clone());
    let mut batch = Vec::new();
    while let Some((line, row)) = rows.next::<T>()? {
        match make(connection, row)? {
            Ok(incoming) => batch.push((line, incoming)),
            Err(reason) => report.skip(line, reason),
        }
        if batch.len() == BATCH {
            write(connection, target, &rows, &mut batch, &mut report)?;
        }
    }
    write(connection, target, &rows, &mut batch, &mut report)?;
    bulk::move_sequence_on(connection, target.table).map_err(StoreError::from)?;
    Ok(report)
}

fn write(
    connection: &mut Database,
    target: &Target,
    rows: &Rows,
    batch: &mut Vec<(u64, Incoming)>,
    report: &mut TableReport,
) -> Result<(), ImportError> {
    let Some((_, first)) = batch.first() else {
        return Ok(());
    };
    let cells = first.cells.iter();
    let columns: Vec<_> = cells.map(|cell| (cell.column, cell.kind)).collect();
    let mut here = Here::find(connection, target, batch)?;
    let (mut new, mut lines) = (Vec::new(), BTreeMap::new());
    for (line, row) in batch.drain(..) {
        match (here.by_id.get(&row.id), here.by_key.get(&row.key)) {
            (Some(key), _) if *key == row.key => report.present += 1,
            (Some(_), _) => {
                return Err(ImportError::Clash {
                    file: rows.file.clone(),
                    line,
                    id: row.id,
                });
            }
            (None, Some(_)) => report.skip(line, because("it is here under another id", &row.key)),
            (None, None) => {
                here.add(target, &row);
                lines.insert(row.id, (line, row.key));
                let cells = row.cells.into_iter();
                let columns = cells.map(|cell| (cell.column.to_owned(), cell.value));
                new.push(Value::Object(columns.collect()));
            }
        }
    }
    let new = columns::json(&new);
    let written = bulk::insert(connection, target.table, &columns, &new);
    for id in written.map_err(StoreError::from)? {
        report.brought += 1;
        lines.remove(&id);
    }
    for (line, key) in lines.into_values() {
        report.skip(line, because("something here has its place", key));
    }
    Ok(())
}

/// What of a batch is in the database, or was in the batch before.
struct Here {
    by_id: HashMap<i64, String>,
    by_key: HashMap<String, i64>,
}

impl Here {
    fn find(
        connection: &mut Database,
        target: &Target,
        batch: &[(u64, Incoming)],
    ) -> Result<Self, StoreError> {
        let wanted: Vec<Value> = batch
            .iter()
            .map(|(_, row)| json!({"id": row.id, "key": row.key}))
            .collect();
        let wanted = columns::json(&wanted);
        let column = target.key.column();
        let found = bulk::known_by_id(connection, target.table, column, &wanted)?;
        let by_key = match target.key {
            Key::Plain(_) => Vec::new(),
            Key::Unique(column) => bulk::known_by_key(connection, target.table, column, &wanted)?,
        };
        Ok(Self {
            by_id: found.into_iter().collect(),
            by_key: by_key.into_iter().map(|(id, key)| (key, id)).collect(),
        })
    }

    fn add(&mut self, target: &Target, row: &Incoming) {
        self.by_id.insert(row.id, row.key.clone());
        if let Key::Unique(_) = target.key {
            self.by_key.insert(row.key.clone(), row.id);
        }
    }
}
