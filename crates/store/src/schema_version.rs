//! Which changes of the schema a database has, and how it gets the others.
//!
//! Changes only expand; what is no longer needed goes a release later, so that two versions of
//! the program can share a database while one replaces the other. What did not is listed as
//! [`ALONE`], and is made only where nobody else works.

use std::collections::BTreeSet;

#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::Database;
use crate::{StoreError, dialect, services};

const SQLITE: EmbeddedMigrations = embed_migrations!("schema/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("schema/postgres");

/// Changes that no running program of the release before survives.
const ALONE: &[&str] = &["20261128000006"];

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a database has, compared with what this program needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SchemaState {
    /// The same.
    Current,
    /// Nothing.
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

/// Why nothing was changed.
#[derive(Debug)]
pub(crate) enum UpgradeError {
    /// These work on the database.
    InUse(Vec<String>),
    /// A change failed.
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
    /// diesel's own record of what was applied.
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// Compares, and changes nothing.
pub(crate) fn state(connection: &mut Database) -> Result<SchemaState, Error> {
    let known = known(connection)?;
    if !dialect::has_table(connection, "__diesel_schema_migrations")? {
        return Ok(SchemaState::Empty);
    }
    let applied = __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .load(connection)?
        .into_iter()
        .collect();
    Ok(compare(&known, &applied))
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

fn known(connection: &Database) -> Result<BTreeSet<String>, Error> {
    fn versions<DB: diesel::backend::Backend>(
        migrations: Vec<Box<dyn Migration<DB>>>,
    ) -> BTreeSet<String> {
        let version = |migration: Box<dyn Migration<DB>>| migration.name().version().to_string();
        migrations.into_iter().map(version).collect()
    }
    Ok(match connection {
        Database::Sqlite(_) => versions(MigrationSource::<diesel::sqlite::Sqlite>::migrations(
            &SQLITE,
        )?),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => {
            versions(MigrationSource::<diesel::pg::Pg>::migrations(&POSTGRES)?)
        }
    })
}

/// Applies what is missing to a database in `state`, one upgrade at a time; returns what it
/// applied.
pub(crate) fn upgrade(
    connection: &mut Database,
    state: &SchemaState,
) -> Result<Vec<String>, UpgradeError> {
    if !state.needs_it_alone() {
        return apply(connection, false);
    }
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
    fn names(versions: Vec<MigrationVersion<'_>>) -> Vec<String> {
        versions.iter().map(ToString::to_string).collect()
    }
    match connection {
        Database::Sqlite(sqlite) => {
            if !alone {
                dialect::upgrade::share(sqlite)?;
            } else if !dialect::upgrade::occupy(sqlite)? {
                let somebody = "a process that has the file open".to_owned();
                return Err(UpgradeError::InUse(vec![somebody]));
            }
            let applied: Result<_, UpgradeError> = sqlite.exclusive_transaction(|sqlite| {
                let applied = sqlite.run_pending_migrations(SQLITE).map(names)?;
                if dialect::upgrade::check_references(sqlite)? {
                    Ok(applied)
                } else {
                    let lost: Error = "rows refer to rows that do not exist".into();
                    Err(UpgradeError::Failed(lost))
                }
            });
            if alone {
                // Whatever came of it, but what came of it is worth more to know.
                let shared = dialect::upgrade::share(sqlite);
                let applied = applied?;
                shared?;
                return Ok(applied);
            }
            applied
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => postgres.transaction(|postgres| {
            postgres.batch_execute(dialect::upgrade::LOCK)?;
            if alone {
                let others = dialect::upgrade::others(postgres)?;
                if !others.is_empty() {
                    return Err(UpgradeError::InUse(others));
                }
            }
            Ok(postgres.run_pending_migrations(POSTGRES).map(names)?)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
