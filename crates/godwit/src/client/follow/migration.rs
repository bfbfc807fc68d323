//! A server's move.

use std::str::FromStr;

use godwit_core::status::MigrationStatus;
use serde_json::Value;

use super::{Follow, Subject};
use crate::client::api::Api;
use crate::client::documents::{Event, Migration, items, read};
use crate::client::failure::{Failure, Outcome};
use crate::client::progress::{Memory, size};
use crate::client::screen::Bar;

/// What a hypervisor says of a guest's memory.
pub(super) fn memory_of(migration: &Migration, memory: &mut Memory) {
    let told = (
        migration.memory_total_bytes,
        migration.memory_remaining_bytes,
    );
    if let (Some(total), Some(remaining)) = told {
        let sent = migration.memory_processed_bytes.unwrap_or_default();
        memory.told(total, remaining, sent);
    }
}

/// The last move of a server, if it ever moved.
pub(in crate::client) async fn newest(api: &Api, server: &str) -> Result<Option<Value>, Failure> {
    let query = [("server", server), ("limit", "1")];
    let list = api.get(&["migrations"], &query).await?;
    Ok(items::<Value>(&list).into_iter().next())
}

pub(in crate::client) struct MigrationOf {
    server: String,
    migration: String,
    told: String,
    memory: Memory,
    bar: Option<Bar>,
}

impl MigrationOf {
    /// The move `migration` of a server that people call `server`.
    pub(in crate::client) fn new(server: String, migration: String) -> Self {
        Self {
            server,
            migration,
            told: String::new(),
            memory: Memory::default(),
            bar: None,
        }
    }

    pub(in crate::client) fn outcome(document: &Value) -> Outcome {
        match status(document) {
            Some(MigrationStatus::Cancelled) => Outcome::Cancelled,
            Some(MigrationStatus::Failed | MigrationStatus::Error) | None => Outcome::Failed,
            Some(_) => Outcome::Done,
        }
    }
}

fn status(document: &Value) -> Option<MigrationStatus> {
    MigrationStatus::from_str(document["status"].as_str()?).ok()
}

impl Subject for MigrationOf {
    fn event_subject(&self) -> String {
        format!("migration/{}", self.migration)
    }

    fn goes_on(&self) -> String {
        format!("the move goes on: godwit watch {}", self.server)
    }

    async fn look(&mut self, api: &Api) -> Result<Value, Failure> {
        api.get(&["migrations", &self.migration], &[]).await
    }

    async fn tell(&mut self, document: &Value, _: &[Event], follow: &mut Follow<'_>) {
        let migration: Migration = read(document);
        memory_of(&migration, &mut self.memory);
        if migration.status != self.told {
            let hosts = match (&migration.source_compute, &migration.dest_compute) {
                (Some(source), Some(destination)) => format!(", {source} to {destination}"),
                _ => String::new(),
            };
            let state = follow.screen.state(&migration.status);
            let line = match self.told.is_empty() {
                true => format!("{}: {state}{hosts}", self.server),
                false => format!("{}: {} -> {state}{hosts}", self.server, self.told),
            };
            follow.screen.line(line);
            self.told.clone_from(&migration.status);
        }
        if self.has_ended(document) {
            self.bar = None;
            for reason in &migration.reasons {
                follow
                    .screen
                    .line(format_args!("{}: {}", reason.code, reason.text));
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| follow.screen.bar());
        let again = match self.memory.again() {
            0 => String::new(),
            again => format!("{} sent again", size(again)),
        };
        bar.show(&self.server, self.memory.percent(), again);
    }

    fn has_ended(&self, document: &Value) -> bool {
        status(document).is_some_and(MigrationStatus::is_at_rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_move_ends_with_what_became_of_it() {
        let migration = MigrationOf::new("vm-1".to_owned(), "7".to_owned());
        for (status, ended, outcome) in [
            ("completed", true, Outcome::Done),
            ("finished", true, Outcome::Done),
            ("cancelled", true, Outcome::Cancelled),
            ("failed", true, Outcome::Failed),
            ("running", false, Outcome::Done),
        ] {
            let document = json!({ "status": status });
            assert_eq!(migration.has_ended(&document), ended, "{status}");
            assert_eq!(MigrationOf::outcome(&document), outcome, "{status}");
        }
    }
}
