//! `godwit db`: the schema, the promises, open questions, and what another service left.

mod import_nova;
mod repair;
mod restored;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use godwit_store::Store;

use crate::cli::{Db, Deployment};
use crate::config::DatabaseConfig;
use crate::deployment;

/// Upgrades, checks or fills the database. A check that finds a broken promise answers 1.
pub(crate) async fn run(command: &Db) -> Result<ExitCode> {
    match command {
        Db::Upgrade(deployment) => upgrade(&database(deployment)?).await,
        Db::Check {
            deployment,
            invariants,
        } => check(&database(deployment)?, *invariants).await,
        Db::Discrepancies { deployment, json } => {
            let (store, _) = open(deployment).await?;
            repair::list(&store, *json).await
        }
        Db::Repair { deployment, yes } => {
            let (store, down_time) = open(deployment).await?;
            repair::repair(&store, *yes, down_time).await
        }
        Db::Restored {
            deployment,
            dead,
            remember,
        } => {
            let (store, _) = open(deployment).await?;
            restored::run(&store, dead, *remember).await
        }
        Db::ImportNova {
            directory,
            deployment,
        } => import_nova::run(directory, deployment).await,
    }
}

fn database(deployment: &Deployment) -> Result<DatabaseConfig> {
    match deployment::resolve(deployment)? {
        deployment::Resolved::Config(config) => Ok(config.database()?.clone()),
        deployment::Resolved::Data(directory) => directory.database(),
    }
}

/// The store, and after how long a silent agent's host counts as silent.
async fn open(deployment: &Deployment) -> Result<(Store, Duration)> {
    let (database, conductor) = match deployment::resolve(deployment)? {
        deployment::Resolved::Config(config) => {
            (config.database()?.clone(), config.conductor.clone())
        }
        deployment::Resolved::Data(directory) => {
            (directory.database()?, godwit_conductor::Config::default())
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
