//! Which changes of the schema a database has, and how it gets the others.
//!
//! Changes only expand; what is no longer needed goes a release later, so that two versions of
//! the program can share a database while one replaces the other. What did not is listed as
//! [`ALONE`], and is made only where nobody else works.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection;
use diesel::migration::CREATE_MIGRATIONS_TABLE;
use diesel::prelude::*;
use diesel::result::Error as DieselError;

use crate::connection::Database;
use crate::{StoreError, dialect, events, services};

/// A change of the schema, in each database's words.
struct Change {
    /// Its folder: the version, and behind an underscore what it is about.
    name: &'static str,
    sqlite: &'static str,
    #[cfg(feature = "postgres")]
    postgres: &'static str,
}

macro_rules! changes {
    ($($name:literal),+ $(,)?) => {
        &[$(Change {
            name: $name,
            sqlite: include_str!(concat!("../schema/sqlite/", $name, "/up.sql")),
            #[cfg(feature = "postgres")]
            postgres: include_str!(concat!("../schema/postgres/", $name, "/up.sql")),
        }),+]
    };
}

/// All there are, the oldest first.
const CHANGES: &[Change] = changes![
    "2026-01-01-000000_initial",
    "2026-11-21-000000_cold_moves_and_actions",
    "2026-11-21-000001_launch",
    "2026-11-21-000002_order_of_servers",
    "2026-11-28-000001_effects_of_any_subject",
    "2026-11-28-000002_aggregates",
    "2026-11-28-000003_server_groups",
    "2026-11-28-000004_deleted_services",
    "2026-11-28-000005_declared_dead",
    "2026-11-28-000006_words_and_positions",
    "2026-11-28-000010_queue",
    "2026-11-28-000020_order_of_a_hosts_servers",
    "2026-11-28-000025_effects_in_order",
    "2026-11-28-000026_order_of_the_outbox",
    "2026-11-28-000030_restored",
    "2026-11-28-000031_idempotency_keys",
    "2026-11-28-000032_owners_and_actors",
    "2026-11-28-000033_webhooks",
    "2026-11-28-000034_notifications",
    "2026-11-28-000050_retention",
    "2026-11-28-000060_traces",
    "2026-11-29-000070_host_events",
    "2026-11-29-000071_requesters",
    "2026-11-29-000090_scopes",
    "2026-11-29-000100_plans",
    "2026-11-29-000110_links_and_dirty_rates",
    "2026-11-29-000120_runs_beside",
    "2026-11-29-000130_link_budgets",
    "2026-11-29-000140_attempts",
    "2026-11-29-000150_fences_and_places",
    "2026-11-29-000160_maintenance_progress",
    "2026-11-29-000170_parts_of_runs",
];

/// Changes that no running program of the release before survives.
const ALONE: &[&str] = &["20261128000006"];

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Change {
    /// What the record of what was applied calls it.
    fn version(&self) -> String {
        let version = self.name.split('_').next().unwrap_or_default();
        version.replace('-', "")
    }

    fn statements(&self, connection: &Database) -> &'static str {
        match connection {
            Database::Sqlite(_) => self.sqlite,
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => self.postgres,
        }
    }
}

/// What a database has, compared with what this program needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SchemaState {
    Current,
    Empty,
    /// Less: these are missing.
    Older(Vec<String>),
    /// More: these are not known.
    Newer(Vec<String>),
}

impl SchemaState {
    /// Is there something to change that needs a database on which nobody else works?
    fn needs_it_alone(&self) -> bool {
        match self {
            Self::Older(missing) => missing
                .iter()
                .any(|change| ALONE.contains(&change.as_str())),
            Self::Current | Self::Empty | Self::Newer(_) => false,
        }
    }
}

#[derive(Debug)]
pub(crate) enum UpgradeError {
    InUse(Vec<String>),
    Failed(Error),
}

impl From<Error> for UpgradeError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DieselError> for UpgradeError {
    fn from(error: DieselError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StoreError> for UpgradeError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

diesel::table! {
    /// The record of what was applied, which diesel's own tools understand.
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// Compares, and changes nothing.
pub(crate) fn state(connection: &mut Database) -> Result<SchemaState, Error> {
    if !dialect::has_table(connection, "__diesel_schema_migrations")? {
        return Ok(SchemaState::Empty);
    }
    let known = CHANGES.iter().map(Change::version).collect();
    Ok(compare(&known, &applied(connection)?))
}

fn compare(known: &BTreeSet<String>, applied: &BTreeSet<String>) -> SchemaState {
    let unknown: Vec<String> = applied.difference(known).cloned().collect();
    let missing: Vec<String> = known.difference(applied).cloned().collect();
    if !unknown.is_empty() {
        SchemaState::Newer(unknown)
    } else if applied.is_empty() {
        SchemaState::Empty
    } else if !missing.is_empty() {
        SchemaState::Older(missing)
    } else {
        SchemaState::Current
    }
}

fn applied(connection: &mut Database) -> QueryResult<BTreeSet<String>> {
    let versions: Vec<String> = __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .load(connection)?;
    Ok(versions.into_iter().collect())
}

/// Makes what is missing, the oldest first; returns the versions.
fn make_missing(connection: &mut Database) -> Result<Vec<String>, Error> {
    connection.batch_execute(CREATE_MIGRATIONS_TABLE)?;
    let applied = applied(connection)?;
    let mut made = Vec::new();
    for change in CHANGES {
        let version = change.version();
        if applied.contains(&version) {
            continue;
        }
        let statements = change.statements(connection);
        connection
            .batch_execute(statements)
            .map_err(|error| format!("{}: {error}", change.name))?;
        connection.batch_execute(&format!(
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"
        ))?;
        made.push(version);
    }
    Ok(made)
}

/// Applies what is missing to a database in `state`, one upgrade at a time; returns what it
/// applied. Where nothing was missing, no process of the release before is left, as it would not
/// have been started again: from then on everything is told of that only this release reads.
pub(crate) fn upgrade(
    connection: &mut Database,
    state: &SchemaState,
) -> Result<Vec<String>, UpgradeError> {
    let alone = state.needs_it_alone();
    let made = match alone {
        true => apply_alone(connection)?,
        false => apply(connection, false)?,
    };
    let may_have_older_beside = match state {
        SchemaState::Older(_) => !alone,
        SchemaState::Current | SchemaState::Empty | SchemaState::Newer(_) => false,
    };
    if !may_have_older_beside {
        connection.write(events::understand_all)?;
    }
    Ok(made)
}

fn apply_alone(connection: &mut Database) -> Result<Vec<String>, UpgradeError> {
    let conductors = services::conductors_heard(connection)?;
    apply(connection, true).map_err(|error| match error {
        UpgradeError::InUse(mut others) => {
            others.extend(conductors);
            UpgradeError::InUse(others)
        }
        failed @ UpgradeError::Failed(_) => failed,
    })
}

fn apply(connection: &mut Database, alone: bool) -> Result<Vec<String>, UpgradeError> {
    match connection {
        Database::Sqlite(sqlite) => {
            if !alone {
                dialect::upgrade::share(sqlite)?;
            } else if !dialect::upgrade::occupy(sqlite)? {
                let somebody = "a process that has the file open".to_owned();
                return Err(UpgradeError::InUse(vec![somebody]));
            }
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => {}
    }
    let applied: Result<_, UpgradeError> = connection.write(|connection| {
        match connection {
            Database::Sqlite(_) => {}
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => {
                postgres.batch_execute(dialect::upgrade::LOCK)?;
                if alone {
                    let others = dialect::upgrade::others(postgres)?;
                    if !others.is_empty() {
                        return Err(UpgradeError::InUse(others));
                    }
                }
            }
        }
        let made = make_missing(connection)?;
        if dialect::upgrade::check_references(connection)? {
            return Ok(made);
        }
        let lost: Error = "rows refer to rows that do not exist".into();
        Err(UpgradeError::Failed(lost))
    });
    match connection {
        Database::Sqlite(sqlite) if alone => {
            // Whatever came of it, but what came of it is worth more to know.
            let shared = dialect::upgrade::share(sqlite);
            let applied = applied?;
            shared?;
            Ok(applied)
        }
        _ => applied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_a_change_and_they_are_in_order() {
        let listed: Vec<_> = CHANGES.iter().map(|change| change.name).collect();
        for database in ["sqlite", "postgres"] {
            let directory = format!("{}/schema/{database}", env!("CARGO_MANIFEST_DIR"));
            let folders = std::fs::read_dir(directory).unwrap();
            let mut folders: Vec<_> = folders
                .map(|folder| folder.unwrap().file_name().into_string().unwrap())
                .collect();
            folders.sort();
            assert_eq!(folders, listed, "{database}");
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let set = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let compared = |applied: &[&str]| compare(&set(&["1", "2", "3"]), &set(applied));
        let named = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(compared(&["1", "2", "3"]), SchemaState::Current);
        assert_eq!(compared(&[]), SchemaState::Empty);
        assert_eq!(compared(&["1"]), SchemaState::Older(named(&["2", "3"])));
        assert_eq!(compared(&["1", "4"]), SchemaState::Newer(named(&["4"])));
    }
}
