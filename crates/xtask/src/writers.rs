//! Who writes the tables of migrations, plans, runs and maintenance.
//!
//! Each of these changes through one door, so that its row, its events, its effects and what it holds
//! never contradict each other. What writes a table beside that door is listed here with the reason
//! why it may. So that none is overlooked, a statement in the store names its table where it begins:
//! `diesel::update(migrations::table…`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::sizes::rust_files;

const STORE: &str = "crates/store/src";
/// Files that write a table, each with the reason.
type Writers = &'static [(&'static str, &'static str)];

/// The tables, with who writes them.
const TABLES: &[(&str, Writers)] = &[
    ("migrations", OF_MIGRATIONS),
    ("plans", OF_PLANS),
    ("runs", OF_RUNS),
    ("operations", OF_OPERATIONS),
    ("maintenances", OF_MAINTENANCES),
];

const OF_MIGRATIONS: Writers = &[
    ("migrations/write.rs", "the door: what follows from a step"),
    ("migrations/begin.rs", "the first row, as core says"),
    ("migrations/imported.rs", "rows that nobody drives"),
    (
        "migrations/prune.rs",
        "rows that were kept for long enough, with their events and effects",
    ),
    (
        "events.rs",
        "the number of the last event, which decides nothing",
    ),
    (
        "server_groups/membership.rs",
        "the group of a placement, within its step",
    ),
    ("dialect.rs", "progress, in columns of its own"),
    ("dialect/bulk.rs", "rows of another database"),
];

const OF_PLANS: Writers = &[
    ("plans/write.rs", "the door: what follows from a step"),
    ("plans/delete.rs", "rows that nobody wants any more"),
    ("plans/prune.rs", "rows that were kept for long enough"),
    ("dialect/bulk.rs", "many rows of any table"),
];

const OF_RUNS: Writers = &[
    ("runs/write.rs", "the door: what follows from a step"),
    ("runs/begin.rs", "the first row, as core says"),
    (
        "runs/claim_room.rs",
        "whom it waits for, which decides nothing",
    ),
    ("runs/progress.rs", "progress, which decides nothing"),
    ("runs/prune.rs", "rows that were kept for long enough"),
    ("dialect/bulk.rs", "many rows of any table"),
];

const OF_OPERATIONS: Writers = &[
    ("runs/operation.rs", "the door: what follows from a step"),
    ("runs/begin.rs", "how they are before anything has begun"),
    ("plans/delete.rs", "rows that nobody wants any more"),
    ("plans/prune.rs", "rows that were kept for long enough"),
    ("dialect/bulk.rs", "what is planned, of many at once"),
];

const OF_MAINTENANCES: Writers = &[
    ("maintenance/write.rs", "the door: what follows from a step"),
    (
        "maintenance/row.rs",
        "the first row, of a host that nobody holds",
    ),
    ("dialect/bulk.rs", "many rows of any table"),
];

/// Fails with every file of the store that writes one of the tables, or may, and is not listed, and
/// with every listed one that does not.
pub(crate) fn check(root: &Path) -> Result<()> {
    let store = root.join(STORE);
    let mut wrong = Vec::new();
    let mut found: BTreeSet<(&str, String)> = BTreeSet::new();
    for file in rust_files(&store)? {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(&store)?.display().to_string();
        for write in writes(&text) {
            if write == Write::Unnamed {
                wrong.push(format!("{STORE}/{name} writes a table unnamed"));
            }
            for (table, _) in TABLES {
                if write == Write::Any || write == Write::Table(table) {
                    found.insert((table, name.clone()));
                }
            }
        }
    }
    let listed = TABLES.iter().flat_map(|(table, writers)| {
        let names = writers.iter().map(|(name, _)| (*name).to_owned());
        names.map(|name| (*table, name))
    });
    let listed: BTreeSet<(&str, String)> = listed.collect();
    for (table, name) in found.difference(&listed) {
        wrong.push(format!(
            "{STORE}/{name} writes {table}, and has no reason to"
        ));
    }
    for (table, name) in listed.difference(&found) {
        wrong.push(format!("{STORE}/{name} writes no {table} any more"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What a statement that writes says of its table.
#[derive(PartialEq, Eq, Debug)]
enum Write<'a> {
    Table(&'a str),
    /// SQL that is put together: it may be any.
    Any,
    /// Not where the statement begins.
    Unnamed,
}

fn writes(text: &str) -> Vec<Write<'_>> {
    let mut found = Vec::new();
    for start in [
        "update",
        "delete",
        "insert_into",
        "insert_or_ignore_into",
        "replace_into",
    ] {
        for (_, rest) in split_at_each(text, &format!("diesel::{start}(")) {
            let rest = rest.trim_start();
            let (name, rest) = rest.split_at(word(rest));
            found.push(if rest.starts_with("::table") {
                Write::Table(name)
            } else {
                Write::Unnamed
            });
        }
    }
    for start in ["UPDATE", "INSERT INTO", "DELETE FROM"] {
        for (before, rest) in split_at_each(text, start) {
            let rest = rest.trim_start();
            match &rest[..word(rest)] {
                "" if rest.starts_with('{') => found.push(Write::Any),
                // Of a row that an upsert found, or of a lock.
                _ if before.ends_with("DO ") || before.ends_with("FOR ") => {}
                name => found.push(Write::Table(name)),
            }
        }
    }
    found
}

/// The text before and after each occurrence.
fn split_at_each<'a>(text: &'a str, wanted: &str) -> Vec<(&'a str, &'a str)> {
    let places = text.match_indices(wanted);
    places
        .map(|(at, it)| (&text[..at], &text[at + it.len()..]))
        .collect()
}

/// How long the word is that a text begins with.
fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_listed_write_these_tables() {
        check(&crate::workspace_root().unwrap()).unwrap();
    }

    #[test]
    fn writes_are_found_in_either_language() {
        assert_eq!(
            writes("diesel::update(\n    migrations::table.find(1))"),
            [Write::Table("migrations")]
        );
        assert_eq!(
            writes("diesel::delete(rows)"),
            [Write::Unnamed],
            "a query that was built before"
        );
        assert_eq!(
            writes("\"UPDATE migrations SET a = 1\""),
            [Write::Table("migrations")]
        );
        assert_eq!(writes("format!(\"DELETE FROM {table}\")"), [Write::Any]);
        assert_eq!(
            writes("INSERT INTO sightings (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2"),
            [Write::Table("sightings")]
        );
        assert_eq!(writes("SELECT 1 FROM migrations FOR UPDATE"), []);
    }
}
