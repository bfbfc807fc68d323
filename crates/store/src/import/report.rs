//! What became of the rows of a dump.

use std::collections::BTreeMap;

/// What an import did, table by table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportReport {
    /// The tables, in the order in which they were read.
    pub tables: Vec<TableReport>,
    /// Files of the dump that were not read, as nothing is known of their tables here.
    pub unread: Vec<String>,
}

impl ImportReport {
    /// Rows that are new here.
    pub fn brought(&self) -> u64 {
        self.tables.iter().map(|table| table.brought).sum()
    }
}

/// What an import did with one table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableReport {
    /// Nova's name of it.
    pub table: &'static str,
    /// Where it was read from; `None` if the dump does not have it.
    pub file: Option<String>,
    /// Rows that are new here.
    pub brought: u64,
    /// Rows that were here already, and stay as they are.
    pub present: u64,
    /// Rows that cannot be brought along, by reason.
    pub skipped: BTreeMap<&'static str, Skipped>,
}

/// Rows that were left out for one reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// How many.
    pub rows: u64,
    /// The line of the first.
    pub line: u64,
    /// What it was about in the first; may be empty.
    pub example: String,
}

/// Why a row is left out, and what it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reason {
    pub(super) why: &'static str,
    pub(super) example: String,
}

pub(super) fn because(why: &'static str, example: impl ToString) -> Reason {
    let example = example.to_string();
    Reason { why, example }
}

impl TableReport {
    pub(super) fn of(table: &'static str) -> Self {
        Self {
            table,
            file: None,
            brought: 0,
            present: 0,
            skipped: BTreeMap::new(),
        }
    }

    /// Counts a row that is left out.
    pub(super) fn skip(&mut self, line: u64, reason: Reason) {
        let first = || Skipped {
            rows: 0,
            line,
            example: reason.example,
        };
        self.skipped.entry(reason.why).or_insert_with(first).rows += 1;
    }
}
