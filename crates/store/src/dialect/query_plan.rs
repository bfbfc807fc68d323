//! How SQLite would go about a statement, for tests.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

use crate::connection::Database;
use crate::{Store, StoreOptions};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// An empty database, for as long as its directory is held.
pub(crate) async fn empty() -> (TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("godwit.db");
    let path = path.to_str().unwrap();
    Store::upgrade(&format!("sqlite://{path}"), &StoreOptions::default())
        .await
        .unwrap();
    let connection = SqliteConnection::establish(path).unwrap();
    (directory, Database::Sqlite(connection))
}

/// The lines of the plan.
pub(crate) fn explain(connection: &mut Database, statement: &str) -> Vec<String> {
    let plan = sql_query(format!("EXPLAIN QUERY PLAN {statement}"));
    let plan: Vec<Line> = plan.load(connection).unwrap();
    plan.into_iter().map(|line| line.detail).collect()
}
