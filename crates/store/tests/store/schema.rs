//! Two databases, one schema: what each has after an upgrade is compared.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, SqliteConnection, sql_query};
use godwit_core::server::PowerState;
use regex::Regex;

use crate::bench::Bench;

/// A column, as both databases tell of it.
#[derive(QueryableByName, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Column {
    #[diesel(sql_type = Text)]
    of: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    required: bool,
}

/// A text that a catalogue holds, and what it belongs to.
#[derive(QueryableByName, Debug)]
struct Said {
    #[diesel(sql_type = Text)]
    of: String,
    #[diesel(sql_type = Text)]
    text: String,
}

/// What a database has.
struct Schema {
    columns: BTreeSet<Column>,
    /// Definitions of indexes, by name.
    indexes: BTreeMap<String, String>,
    /// Conditions on words, each with its table.
    words: Vec<(String, String)>,
}

/// What must differ: how text sorts, what false is called, and how names are quoted.
fn normal(definition: &str) -> String {
    let noise = Regex::new(r#"(?i) using btree| collate "c"|::text|public\.|["()]"#).unwrap();
    let spaces = Regex::new(r"\s+").unwrap();
    let bare = noise.replace_all(definition, "").to_lowercase();
    let bare = spaces.replace_all(&bare, " ").replace("= false", "= 0");
    bare.replace(" ,", ",").trim().to_owned()
}

/// Those that have a word in them.
fn with_words(said: Vec<Said>) -> Vec<(String, String)> {
    said.into_iter()
        .filter(|it| it.text.contains('\''))
        .map(|it| (it.of, it.text))
        .collect()
}

fn sqlite(url: &str) -> Schema {
    let path = url.strip_prefix("sqlite://").unwrap();
    let mut connection = SqliteConnection::establish(path).unwrap();
    let columns: Vec<Column> = sql_query(
        "SELECT m.name AS \"of\", c.name AS name, c.type AS kind, c.\"notnull\" AS required
         FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'",
    )
    .load(&mut connection)
    .unwrap();
    let kind = |kind: String| {
        if kind == "INTEGER" {
            "BIGINT".to_owned()
        } else {
            kind
        }
    };
    let columns = columns
        .into_iter()
        .map(|it| Column {
            kind: kind(it.kind),
            ..it
        })
        .collect();
    let indexes: Vec<Said> = sql_query(
        "SELECT name AS \"of\", sql AS text FROM sqlite_master
         WHERE type = 'index' AND sql IS NOT NULL",
    )
    .load(&mut connection)
    .unwrap();
    let tables: Vec<Said> = sql_query(
        "SELECT name AS \"of\", sql AS text FROM sqlite_master
         WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    )
    .load(&mut connection)
    .unwrap();
    Schema {
        columns,
        indexes: indexes
            .into_iter()
            .map(|it| (it.of, normal(&it.text)))
            .collect(),
        words: with_words(tables),
    }
}

fn postgres(url: &str) -> Schema {
    let mut connection = PgConnection::establish(url).unwrap();
    let columns: Vec<Column> = sql_query(
        "SELECT table_name::text AS \"of\", column_name::text AS name, data_type::text AS kind,
                is_nullable = 'NO' AS required
         FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'",
    )
    .load(&mut connection)
    .unwrap();
    let kind = |kind: &str| match kind {
        "timestamp without time zone" => "TIMESTAMP".to_owned(),
        other => other.to_uppercase(),
    };
    let columns = columns
        .into_iter()
        .map(|it| Column {
            kind: kind(&it.kind),
            ..it
        })
        .collect();
    let indexes: Vec<Said> = sql_query(
        "SELECT i.indexname::text AS \"of\", i.indexdef AS text FROM pg_indexes i
         WHERE i.schemaname = 'public'
           AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)",
    )
    .load(&mut connection)
    .unwrap();
    let checks: Vec<Said> = sql_query(
        "SELECT c.conrelid::regclass::text AS \"of\", pg_get_constraintdef(c.oid) AS text
         FROM pg_constraint c WHERE c.contype = 'c' AND c.connamespace = 'public'::regnamespace",
    )
    .load(&mut connection)
    .unwrap();
    Schema {
        columns,
        indexes: indexes
            .into_iter()
            .map(|it| (it.of, normal(&it.text)))
            .collect(),
        words: with_words(checks),
    }
}

#[tokio::test]
async fn both_databases_get_the_same() {
    let sqlite = sqlite(&Bench::sqlite().await.url);
    let postgres = postgres(&Bench::postgres().await.url);
    assert!(sqlite.columns.len() > 100 && sqlite.indexes.len() > 20);
    assert_eq!(sqlite.columns, postgres.columns);
    assert_eq!(sqlite.indexes, postgres.indexes);
}

/// Else SQLite would have to make the table anew.
#[tokio::test]
async fn a_new_word_changes_no_table() {
    assert_eq!(sqlite(&Bench::sqlite().await.url).words, []);
    assert_eq!(postgres(&Bench::postgres().await.url).words, []);
}

#[tokio::test]
async fn every_power_state_has_a_place() {
    let bench = Bench::sqlite().await;
    bench.fleet(&[("a", 1)]).await;
    for state in PowerState::ALL {
        bench.sql(&format!(
            "UPDATE servers SET power_state = {}",
            state.as_i32()
        ));
        assert_eq!(bench.server(1).await.power_state, *state);
    }
}
