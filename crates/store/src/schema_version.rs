//! Which changes of the schema a database has, and how it gets the others.
//!
//! Changes only expand; what is no longer needed goes a release later, so that two versions of
//! the program can share a database while one replaces the other.

use std::collections::BTreeSet;

#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::Database;
use crate::dialect;

const SQLITE: EmbeddedMigrations = embed_migrations!("schema/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("schema/postgres");

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

/// Applies what is missing, one upgrade at a time; returns what it applied.
pub(crate) fn upgrade(connection: &mut Database) -> Result<Vec<String>, Error> {
    fn names(versions: Vec<MigrationVersion<'_>>) -> Vec<String> {
        versions.iter().map(ToString::to_string).collect()
    }
    dialect::before_upgrade(connection)?;
    match connection {
        Database::Sqlite(sqlite) => sqlite.exclusive_transaction(|sqlite| {
            let applied = sqlite.run_pending_migrations(SQLITE).map(names)?;
            if dialect::check_references(sqlite)? {
                Ok(applied)
            } else {
                Err("rows refer to rows that do not exist".into())
            }
        }),
        #[cfg(feature = "postgres")]
        Database::Postgres(postgres) => postgres.transaction(|postgres| {
            postgres.batch_execute(dialect::UPGRADE_LOCK)?;
            postgres.run_pending_migrations(POSTGRES).map(names)
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
