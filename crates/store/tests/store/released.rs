//! Databases as earlier releases left them: their schema, with rows that this one made. The
//! conductor's tests have this file, too.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel::{PgConnection, SqliteConnection};
use godwit_store::{OpenError, Store, StoreOptions};
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::wait_for;

/// The last change of the release before this one.
pub(crate) const LAST: &str = "20261128000005";

/// Their tables, those that others refer to first, and where their rows are now.
const TABLES: [(&str, &str); 19] = [
    ("services", "services"),
    ("deleted_services", "deleted_services"),
    ("aggregates", "aggregates"),
    ("aggregate_hosts", "aggregate_hosts"),
    ("hosts", "hosts"),
    ("flavors", "flavors"),
    ("servers", "servers"),
    ("sightings", "sightings"),
    ("migrations", "migrations"),
    ("migration_events", EVENTS),
    // Where the former are since.
    ("events", OF_MIGRATIONS),
    ("effects", EFFECTS),
    ("claims", "claims"),
    ("slots", "slots"),
    ("discrepancies", "discrepancies"),
    ("instance_actions", "instance_actions"),
    ("instance_actions_events", "instance_actions_events"),
    ("server_groups", "server_groups"),
    ("server_group_members", "server_group_members"),
];

const EVENTS: &str = "(SELECT subject_id AS migration_id, sequence, at, name, from_status, \
     to_status, actor, request_id, detail FROM events \
     WHERE subject_kind = 'migration') AS of_migrations";

/// The others are new.
const OF_MIGRATIONS: &str = "(SELECT * FROM events WHERE subject_kind = 'migration') AS events";

const EFFECTS: &str = "(SELECT CASE subject_kind WHEN 'migration' THEN subject_id END \
     AS migration_id, effects.* FROM effects) AS of_migrations";

/// Executes statements in the database at `url`.
pub(crate) fn execute(url: &str, statements: &str) {
    if let Some(path) = url.strip_prefix("sqlite://") {
        let mut connection = SqliteConnection::establish(path).unwrap();
        connection
            .batch_execute(&format!("PRAGMA busy_timeout = 5000; {statements}"))
            .unwrap();
    } else {
        let mut connection = PgConnection::establish(url).unwrap();
        connection.batch_execute(statements).unwrap();
    }
}

/// The texts that a query finds.
pub(crate) fn texts(url: &str, query: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let found: Vec<Found> = match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut connection = SqliteConnection::establish(path).unwrap();
            sql_query(query).load(&mut connection).unwrap()
        }
        None => {
            let mut connection = PgConnection::establish(url).unwrap();
            sql_query(query).load(&mut connection).unwrap()
        }
    };
    found.into_iter().map(|row| row.text).collect()
}

fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite")
}

/// Makes the schema as it was after the change `last`, as diesel makes it.
fn make(url: &str, last: &str) {
    let sqlite = is_sqlite(url);
    let (folder, first) = if sqlite {
        // Tables are made anew while others refer to them.
        ("sqlite", "PRAGMA foreign_keys = OFF;")
    } else {
        ("postgres", "")
    };
    if sqlite {
        execute(url, "PRAGMA journal_mode = WAL");
    }
    execute(
        url,
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    let folder = format!("{}/../store/schema/{folder}", env!("CARGO_MANIFEST_DIR"));
    let changes = std::fs::read_dir(folder).unwrap();
    let mut changes: Vec<_> = changes.map(|change| change.unwrap().path()).collect();
    changes.sort();
    for change in changes {
        let name = change.file_name().unwrap().to_str().unwrap();
        let version = name.split('_').next().unwrap().replace('-', "");
        if version.as_str() > last {
            break;
        }
        let statements = std::fs::read_to_string(change.join("up.sql")).unwrap();
        execute(
            url,
            &format!(
                "{first} BEGIN; {statements};
                 INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}'); COMMIT"
            ),
        );
    }
}

/// The columns of a table; none if there is no such table.
fn columns(url: &str, table: &str) -> Vec<String> {
    let query = if is_sqlite(url) {
        format!("SELECT name AS text FROM pragma_table_info('{table}') ORDER BY cid")
    } else {
        format!(
            "SELECT CAST(column_name AS TEXT) AS text FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
        )
    };
    texts(url, &query)
}

/// Writes rows of one database into a table of another, as one document.
fn copy(from: &str, source: &str, to: &str, table: &str) {
    let columns = columns(to, table);
    if columns.is_empty() {
        return;
    }
    let each = |form: &dyn Fn(&String) -> String| {
        let list: Vec<String> = columns.iter().map(form).collect();
        list.join(", ")
    };
    let names = each(&|name| format!("\"{name}\""));
    let read = if is_sqlite(from) {
        let pairs = each(&|name| format!("'{name}', \"{name}\""));
        format!("SELECT json_group_array(json_object({pairs})) AS text FROM {source}")
    } else {
        format!(
            "SELECT CAST(COALESCE(json_agg(row_to_json(lines)), '[]') AS TEXT) AS text
             FROM (SELECT {names} FROM {source}) AS lines"
        )
    };
    let rows = texts(from, &read).remove(0).replace('\'', "''");
    let write = if is_sqlite(to) {
        let values = each(&|name| format!("value ->> '{name}'"));
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM json_each('{rows}')")
    } else {
        format!(
            "INSERT INTO {table} ({names})
             SELECT {names} FROM json_populate_recordset(CAST(NULL AS {table}), '{rows}')"
        )
    };
    execute(to, &write);
    if !is_sqlite(to) && columns.iter().any(|name| name == "id") {
        let next =
            format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM {table}");
        execute(to, &next);
    }
}

/// A database with the schema as it was after the change `last`, and the rows of the one at `url`.
/// Returns its URL; an SQLite file lies beside the other.
pub(crate) fn as_released(url: &str, last: &str) -> String {
    let released = if is_sqlite(url) {
        url.replace("godwit.db", "released.db")
    } else {
        TempPostgres::shared().unwrap().create_database().unwrap()
    };
    make(&released, last);
    for (table, source) in TABLES {
        copy(url, source, &released, table);
    }
    released
}

/// Brings the database at `url` to this release's schema. PostgreSQL needs a moment to notice that
/// somebody went.
pub(crate) async fn upgrade(url: &str) -> Store {
    wait_for(
        "nobody to be connected",
        Duration::from_secs(60),
        async || match Store::upgrade(url, &StoreOptions::default()).await {
            Ok(_) => Ok(Some(())),
            Err(OpenError::InUse { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        },
    )
    .await
    .unwrap();
    Store::open(url, StoreOptions::default()).await.unwrap()
}
