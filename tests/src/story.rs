//! What the database says of a server's migrations, beyond what Nova's API can show.

use std::fmt::Write;

use anyhow::{Context, Result};
use godwit_store::{MigrationEvent, MigrationFilter, MigrationRecord, Paging, Store, StoreOptions};

/// One migration with its event log.
#[derive(Clone, Debug)]
pub struct Story {
    /// The row.
    pub record: MigrationRecord,
    /// The log, from the beginning.
    pub events: Vec<MigrationEvent>,
}

impl Story {
    /// The events' names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.events
            .iter()
            .map(|event| event.name.as_str())
            .collect()
    }

    /// For people.
    pub fn tell(&self) -> String {
        let mut text = String::new();
        let migration = &self.record.migration;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} {} from {} to {:?}: {:?}",
            migration.uuid,
            migration.status(),
            migration.source_compute,
            migration.destination(),
            migration.failure
        );
        for event in &self.events {
            let _ = writeln!(
                text,
                "  {} {} {} ({}) {}",
                event.sequence, event.at, event.name, event.actor, event.detail
            );
        }
        text
    }
}

/// Every migration of a server, the newest first.
pub(crate) fn of(database: &str, server: &str) -> Result<Vec<Story>> {
    let server = server.parse().context("a server's uuid")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = Store::open(database, StoreOptions::default()).await?;
        let filter = MigrationFilter {
            server: Some(server),
            ..MigrationFilter::default()
        };
        let page = Paging::Page {
            limit: 100,
            marker: None,
        };
        let mut stories = Vec::new();
        for listed in store.migration_list(&filter, page).await? {
            let uuid = listed.uuid().context("a migration has a uuid")?.parse()?;
            let record = store.migration_find(uuid).await?;
            let record = record.context("it was listed a moment ago")?;
            let events = store.migration_events(uuid, 0).await?;
            stories.push(Story { record, events });
        }
        Ok(stories)
    })
}
