//! Rows of migrations, as statements that both databases understand.

use chrono::TimeDelta;
use godwit_core::migration::{Limits, LiveRequest, Request};
use serde_json::json;

use super::{SERVERS, host_name, instant, migration_uuid, project, scatter, server_uuid, user};

/// Every tenth server is on the move.
const MOVING_STEP: usize = 10;
const ROWS_PER_STATEMENT: usize = 500;

/// The rows of migrations in progress, each with its server. They are the last rows but one, so
/// that all their integer ids have as many digits, and their documents as many bytes.
pub(super) fn moving(migrations: u64) -> impl Iterator<Item = (u64, u64)> {
    let servers = (0..SERVERS).step_by(MOVING_STEP);
    let first = migrations - 1 - SERVERS / MOVING_STEP as u64;
    (first..).zip(servers)
}

/// Statements, to be executed in turn, that fill the table `migrations` and mark the servers
/// that are on the move.
pub(super) fn statements(migrations: u64) -> impl Iterator<Item = String> {
    let in_progress = moving(migrations).map(|(row, server)| running(row, server));
    let first = moving(migrations).map(|(row, _)| row).next();
    let rows = (0..first.unwrap_or(migrations))
        .map(ended)
        .chain(in_progress)
        .chain([ended(migrations - 1)]);
    let mark = "UPDATE servers SET task_state = 'migrating' WHERE uuid IN \
                    (SELECT instance_uuid FROM migrations WHERE ended_at IS NULL)";
    let fixed = |statement: &str| std::iter::once(statement.to_owned());
    fixed("BEGIN")
        .chain(Inserts(rows))
        .chain(fixed(mark))
        .chain(fixed("COMMIT"))
}

/// Rows joined into statements.
struct Inserts<I>(I);

impl<I: Iterator<Item = String>> Iterator for Inserts<I> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let rows: Vec<String> = self.0.by_ref().take(ROWS_PER_STATEMENT).collect();
        let rows = (!rows.is_empty()).then(|| rows.join(",\n"))?;
        Some(format!("INSERT INTO migrations ({COLUMNS}) VALUES {rows}"))
    }
}

const COLUMNS: &str = "uuid, instance_uuid, source_compute, source_node, dest_compute, dest_node, \
    user_id, project_id, request, limits, storage, old_instance_type_id, new_instance_type_id, \
    generation, effect_sequence, event_sequence, created_at, status_since, updated_at, \
    migration_type, status, started_at, ended_at, deadline, memory_total, memory_processed, \
    memory_remaining, disk_total, disk_processed, disk_remaining";

/// Text in a statement. Nothing in this fleet has quotes.
fn quoted(text: impl std::fmt::Display) -> String {
    format!("'{text}'")
}

/// The columns up to `created_at` and `status_since`.
fn common(row: u64, server: u64) -> String {
    let (source, destination) = (host_name(server), host_name(server + 1 + row % 7));
    let request = Request::Live(LiveRequest::anywhere());
    let texts = [
        quoted(migration_uuid(row)),
        quoted(server_uuid(server)),
        quoted(&source),
        quoted(&source),
        quoted(&destination),
        quoted(&destination),
        quoted(user(server)),
        quoted(project(server)),
        quoted(json!(request)),
        quoted(json!(Limits::default())),
        quoted("shared"),
    ];
    let begin = at(row, 0);
    format!("{}, 1, 1, 6, 5, 6, {begin}, {begin}", texts.join(", "))
}

/// So many seconds after a row's migration began; a minute lies between two of them.
fn at(row: u64, seconds: i64) -> String {
    let begin = instant(SERVERS + row) + TimeDelta::seconds(seconds);
    quoted(begin.format("%F %T%.6f"))
}

fn ended(row: u64) -> String {
    let server = scatter(row) % SERVERS;
    let (kind, status) = match scatter(row + 1) % 20 {
        0..12 => ("live-migration", "completed"),
        12 | 13 => ("live-migration", "cancelled"),
        14 | 15 => ("live-migration", "failed"),
        16 => ("live-migration", "error"),
        17 => ("migration", "confirmed"),
        18 => ("resize", "confirmed"),
        _ => ("migration", "reverted"),
    };
    let (common, begin, end) = (common(row, server), at(row, 2), at(row, 40));
    let progress = "NULL, NULL, NULL, NULL, NULL, NULL";
    format!("({common}, {end}, '{kind}', '{status}', {begin}, {end}, NULL, {progress})")
}

fn running(row: u64, server: u64) -> String {
    const MEMORY: u64 = 4 << 30;
    let remaining = (1 << 30) + (scatter(row) % (1 << 30));
    let (common, begin, now, deadline) =
        (common(row, server), at(row, 2), at(row, 30), at(row, 1_600));
    let progress = format!("{MEMORY}, {}, {remaining}, 0, 0, 0", MEMORY - remaining);
    format!("({common}, {now}, 'live-migration', 'running', {begin}, NULL, {deadline}, {progress})")
}
