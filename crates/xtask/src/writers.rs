//! Who writes the table of migrations.
//!
//! A migration changes through one door, so that its row, its events, its effects and what it holds
//! never contradict each other. What writes the table beside that door is listed here with the
//! reason why it may. So that none is overlooked, a statement in the store names its table where
//! it begins: `diesel::update(migrations::table…`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::sizes::rust_files;

const STORE: &str = "crates/store/src";
const TABLE: &str = "migrations";

/// Files that write the table, each with the reason.
const WRITERS: &[(&str, &str)] = &[
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

/// Fails with every file of the store that writes migrations, or may, and is not listed, and with
/// every listed one that does not.
pub(crate) fn check(root: &Path) -> Result<()> {
    let store = root.join(STORE);
    let mut wrong = Vec::new();
    let mut writers = BTreeSet::new();
    for file in rust_files(&store)? {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(&store)?.display().to_string();
        for write in writes(&text) {
            match write {
                Write::Unnamed => wrong.push(format!("{STORE}/{name} writes a table unnamed")),
                Write::Table(table) if table != TABLE => {}
                Write::Table(_) | Write::Any => drop(writers.insert(name.clone())),
            }
        }
    }
    let listed: BTreeSet<String> = WRITERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in writers.difference(&listed) {
        wrong.push(format!(
            "{STORE}/{name} writes {TABLE}, and has no reason to"
        ));
    }
    for name in listed.difference(&writers) {
        wrong.push(format!("{STORE}/{name} writes no {TABLE} any more"));
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
    fn only_those_listed_write_migrations() {
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
