//! Two databases, one schema: what each has after an upgrade is compared.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, SqliteConnection, sql_query};
use godwit_core::migration::{Intent, Settling, StorageMode};
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::slots::SlotRole;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_store::{LockedBy, ServiceBinary};
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
    /// The words that a CHECK allows, by table and column.
    words: BTreeMap<(String, String), BTreeSet<String>>,
    /// The statuses that have a time of end.
    ended: BTreeSet<String>,
}

/// What must differ: how text sorts, what false is called, and how names are quoted.
fn normal(definition: &str) -> String {
    let noise = Regex::new(r#"(?i) using btree| collate "c"|::text|public\.|["()]"#).unwrap();
    let spaces = Regex::new(r"\s+").unwrap();
    let bare = noise.replace_all(definition, "").to_lowercase();
    let bare = spaces.replace_all(&bare, " ").replace("= false", "= 0");
    bare.replace(" ,", ",").trim().to_owned()
}

fn quoted(list: &str) -> BTreeSet<String> {
    let word = Regex::new("'([^']*)'").unwrap();
    word.captures_iter(list)
        .map(|it| it[1].to_owned())
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
    let check = Regex::new(r#"(?s)CHECK \("?(\w+)"? IN \((.*?)\)\)"#).unwrap();
    let mut words = BTreeMap::new();
    for table in &tables {
        for found in check.captures_iter(&table.text) {
            words.insert((table.of.clone(), found[1].to_owned()), quoted(&found[2]));
        }
    }
    let end = Regex::new(r"\(ended_at IS NOT NULL\) = \(status IN \((.*?)\)\)").unwrap();
    let ended = tables
        .iter()
        .find_map(|table| Some(quoted(&end.captures(&table.text)?[1])));
    Schema {
        columns,
        indexes: indexes
            .into_iter()
            .map(|it| (it.of, normal(&it.text)))
            .collect(),
        words: words
            .into_iter()
            .filter(|(_, words)| !words.is_empty())
            .collect(),
        ended: ended.unwrap(),
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
    let column = Regex::new(r#"^CHECK \(\(\(?"?(\w+)"?\)?(?:::text)? = ANY \("#).unwrap();
    let mut words = BTreeMap::new();
    let mut ended = BTreeSet::new();
    for check in checks {
        if let Some(found) = column.captures(&check.text) {
            words.insert((check.of, found[1].to_owned()), quoted(&check.text));
        } else if check.text.contains("ended_at") {
            ended = quoted(&check.text);
        }
    }
    Schema {
        columns,
        indexes: indexes
            .into_iter()
            .map(|it| (it.of, normal(&it.text)))
            .collect(),
        words: words
            .into_iter()
            .filter(|(_, words)| !words.is_empty())
            .collect(),
        ended,
    }
}

#[tokio::test]
async fn both_databases_get_the_same() {
    let sqlite = sqlite(&Bench::sqlite().await.url);
    let postgres = postgres(&Bench::postgres().await.url);
    assert!(sqlite.columns.len() > 100 && sqlite.indexes.len() > 20);
    assert_eq!(sqlite.columns, postgres.columns);
    assert_eq!(sqlite.indexes, postgres.indexes);
    assert_eq!(sqlite.words, postgres.words);
    assert_eq!(sqlite.ended, postgres.ended);
}

#[tokio::test]
async fn columns_allow_exactly_the_words_of_the_core() {
    let mut checks: BTreeMap<String, BTreeSet<String>> = sqlite(&Bench::sqlite().await.url)
        .words
        .into_iter()
        .map(|((_, column), words)| (column, words))
        .collect();
    macro_rules! same {
        ($($column:literal => $words:ty),+ $(,)?) => {$(
            let words: BTreeSet<String> =
                <$words>::ALL.iter().map(|word| word.as_str().to_owned()).collect();
            assert_eq!(checks.remove($column), Some(words), "{}", $column);
        )+};
    }
    same!(
        "binary" => ServiceBinary,
        "vm_state" => VmState,
        "task_state" => TaskState,
        "locked_by" => LockedBy,
        "migration_type" => MigrationKind,
        "status" => MigrationStatus,
        "intent" => Intent,
        "settling" => Settling,
        "storage" => StorageMode,
        "role" => SlotRole,
    );
    let sightings: BTreeSet<String> = godwit_core::recovery::Sighting::ALL
        .iter()
        .map(|it| {
            let word = serde_json::to_value(it).unwrap();
            word.as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(checks.remove("sighting"), Some(sightings));
    let outcomes = ["done", "superseded"].map(str::to_owned).into();
    assert_eq!(checks.remove("outcome"), Some(outcomes));
    assert!(checks.is_empty(), "not compared: {checks:?}");
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

#[tokio::test]
async fn the_statuses_that_have_ended_are_those_of_the_core() {
    let ended: BTreeSet<String> = MigrationStatus::ALL
        .iter()
        .filter(|status| status.has_ended())
        .map(|status| status.as_str().to_owned())
        .collect();
    assert_eq!(sqlite(&Bench::sqlite().await.url).ended, ended);
}
