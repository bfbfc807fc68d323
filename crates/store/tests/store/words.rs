//! Words that are none, which no table refuses: the check names them.

use crate::invariants::{busy, finds};
use crate::run_invariants::working;

/// Columns of words, by their tables, with a condition for the rows that are to have a wrong one.
const WORDS: &[(&str, &str, &str)] = &[
    ("services", "binary", "TRUE"),
    ("servers", "vm_state", "TRUE"),
    ("servers", "task_state", "TRUE"),
    ("servers", "locked_by", "TRUE"),
    ("sightings", "sighting", "TRUE"),
    ("migrations", "migration_type", "TRUE"),
    ("migrations", "status", "TRUE"),
    ("migrations", "intent", "TRUE"),
    ("migrations", "settling", "TRUE"),
    ("migrations", "storage", "TRUE"),
    ("migrations", "failure_code", "failure_code IS NOT NULL"),
    ("slots", "role", "role = 'source'"),
    ("effects", "subject_kind", "subject_kind = 'migration'"),
    ("effects", "effect", "subject_kind = 'migration'"),
    ("effects", "outcome", "outcome IS NOT NULL"),
    ("plans", "kind", "TRUE"),
    ("plans", "state", "TRUE"),
    ("operations", "kind", "TRUE"),
    ("operations", "state", "state IS NOT NULL"),
    ("operations", "failure_code", "failure_code IS NOT NULL"),
    ("runs", "kind", "TRUE"),
    ("runs", "state", "TRUE"),
    ("runs", "priority", "TRUE"),
    ("run_revisions", "failure_code", "failure_code IS NOT NULL"),
    ("maintenances", "state", "TRUE"),
    ("maintenances", "return_home", "TRUE"),
    ("effects", "effect", "subject_kind = 'plan'"),
    ("effects", "effect", "subject_kind = 'run'"),
    ("events", "subject_kind", "subject_kind = 'migration'"),
    ("events", "from_status", "from_status IS NOT NULL"),
    ("events", "to_status", "subject_kind = 'migration'"),
];

on_both! {
    async fn words_that_are_none_are_named(bench: Bench) {
        busy(&bench).await;
        working(&bench).await;
        bench.remember();
        for (table, column, condition) in WORDS {
            bench.recall();
            let wrong = format!("UPDATE {table} SET \"{column}\" = 'odd' WHERE {condition}");
            finds(&bench, &wrong, "words", &format!("has the {column} 'odd'")).await;
        }
        for table in ["servers", "sightings"] {
            bench.recall();
            let wrong = format!("UPDATE {table} SET power_state = 5");
            finds(&bench, &wrong, "words", "has the power_state '5'").await;
        }
    }
}
