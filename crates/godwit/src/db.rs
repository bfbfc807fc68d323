//! `godwit db`: the schema, the promises, open questions, and what another service left.

mod import_nova;
mod repair;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use godwit_store::Store;

use crate::cli::{Db, Place};
use crate::config::DatabaseConfig;
use crate::place;

/// Upgrades, checks or fills the database. A check that finds a broken promise answers 1.
pub(crate) async fn run(command: &Db) -> Result<ExitCode> {
    match command {
        Db::Upgrade(place) => upgrade(&database(place)?).await,
        Db::Check { place, invariants } => check(&database(place)?, *invariants).await,
        Db::Discrepancies { place, json } => {
            let (store, _) = open(place).await?;
            repair::list(&store, *json).await
        }
        Db::Repair { place, yes } => {
            let (store, down_time) = open(place).await?;
            repair::repair(&store, *yes, down_time).await
        }
        Db::ImportNova { directory, place } => import_nova::run(directory, place).await,
    }
}

fn database(place: &Place) -> Result<DatabaseConfig> {
    match place::resolve(place)? {
        place::Resolved::Config(config) => Ok(config.database()?.clone()),
        place::Resolved::Data(directory) => Ok(DatabaseConfig::at(directory.database_url())),
    }
}

/// The store, and after how long a silent agent's host counts as silent.
async fn open(place: &Place) -> Result<(Store, Duration)> {
    let (database, conductor) = match place::resolve(place)? {
        place::Resolved::Config(config) => (config.database()?.clone(), config.conductor.clone()),
        place::Resolved::Data(directory) => {
            let database = DatabaseConfig::at(directory.database_url());
            (database, godwit_conductor::Config::default())
        }
    };
    let store = Store::open(&database.url, database.options()).await?;
    Ok((store, conductor.service_down_time))
}

async fn upgrade(database: &DatabaseConfig) -> Result<ExitCode> {
    let applied = Store::upgrade(&database.url, &database.options()).await?;
    for change in &applied {
        println!("applied {change}");
    }
    if applied.is_empty() {
        println!("the schema is up to date");
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(database: &DatabaseConfig, invariants: bool) -> Result<ExitCode> {
    let store = Store::open(&database.url, database.options()).await?;
    println!("the schema is up to date");
    if !invariants {
        return Ok(ExitCode::SUCCESS);
    }
    let violations = store.check_invariants().await?;
    for violation in &violations {
        println!("broken {violation}");
    }
    if violations.is_empty() {
        println!("every promise holds");
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::from(1))
    }
}
