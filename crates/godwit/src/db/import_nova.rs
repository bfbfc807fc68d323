//! `godwit db import-nova`: what a Nova left, brought along.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use godwit_core::time::Clock;
use godwit_store::{Dump, ImportReport, Store, TableReport};

use crate::cli::Deployment;
use crate::clock::SystemClock;
use crate::config::DatabaseConfig;
use crate::deployment::{self, Resolved};

/// Imports the dump in `directory`, and says what became of every table. Only where nobody
/// else is at work.
pub(crate) async fn run(directory: &Path, deployment: &Deployment) -> Result<ExitCode> {
    let dump = Dump::open(directory)?;
    match deployment::resolve(deployment)? {
        Resolved::Config(config) => import(config.database()?, dump).await,
        Resolved::Data(data) => {
            // An `up` has its directory for itself, and so has this.
            let _occupied = data.occupy()?;
            let database = data.database()?;
            // As `up` does: what is in its directory follows the program's version.
            Store::upgrade(&database.url, &database.options()).await?;
            import(&database, dump).await
        }
    }
}

async fn import(database: &DatabaseConfig, dump: Dump) -> Result<ExitCode> {
    let store = Store::open(&database.url, database.options()).await?;
    let report = store.import(dump, SystemClock.now()).await?;
    print!("{}", told(&report));
    Ok(ExitCode::SUCCESS)
}

/// The report as people read it.
fn told(report: &ImportReport) -> String {
    let mut lines: Vec<String> = report.tables.iter().flat_map(table).collect();
    let unread = report.unread.iter();
    lines.extend(unread.map(|file| format!("{file}: not read, there is nothing like it here")));
    if report.brought() == 0 {
        lines.push("nothing was new".to_owned());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn table(table: &TableReport) -> Vec<String> {
    let Some(file) = &table.file else {
        return vec![format!("{}: not in the dump", table.table)];
    };
    let skipped: u64 = table.skipped.values().map(|skipped| skipped.rows).sum();
    let mut lines = vec![format!(
        "{}: {} brought along, {} here already, {skipped} left out",
        table.table, table.brought, table.present
    )];
    for (reason, skipped) in &table.skipped {
        let (rows, line, example) = (skipped.rows, skipped.line, &skipped.example);
        lines.push(format!(
            "  {rows} because {reason}: {file}:{line} ({example})"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use godwit_store::Skipped;

    use super::*;

    #[test]
    fn every_row_is_accounted_for() {
        let skipped = Skipped {
            rows: 2,
            line: 3,
            example: "nova-osapi_compute".to_owned(),
        };
        let services = TableReport {
            table: "services",
            file: Some("d/services.jsonl".to_owned()),
            brought: 11,
            present: 1,
            skipped: BTreeMap::from([("no list shows it", skipped)]),
        };
        let flavors = TableReport {
            table: "flavors",
            file: None,
            brought: 0,
            present: 0,
            skipped: BTreeMap::new(),
        };
        let report = ImportReport {
            tables: vec![services, flavors],
            unread: vec!["tags.jsonl".to_owned()],
        };
        assert_eq!(
            told(&report),
            "services: 11 brought along, 1 here already, 2 left out\n  \
             2 because no list shows it: d/services.jsonl:3 (nova-osapi_compute)\n\
             flavors: not in the dump\n\
             tags.jsonl: not read, there is nothing like it here\n"
        );
    }
}
