//! Rows of migrations, as statements that both databases understand.

use chrono::TimeDelta;
use godwit_core::migration::{BlockMigration, Limits, LiveRequest, Request};
use serde_json::json;

use super::{SERVERS, host_name, instant, project, scatter, server_uuid, user, uuid};

const MIGRATIONS: u64 = 10_000;
/// Every tenth server is on the move.
const MOVING_STEP: usize = 10;
const ROWS_PER_STATEMENT: usize = 500;

/// The rows of migrations in progress, each with its server. They are the last rows but one, so
/// that all their integer ids have as many digits, and their documents as many bytes.
pub(super) fn moving() -> impl Iterator<Item = (u64, u64)> {
    let servers = (0..SERVERS).step_by(MOVING_STEP);
    let first = MIGRATIONS - 1 - SERVERS / MOVING_STEP as u64;
    (first..).zip(servers)
}

/// Fills the table `migrations`, and marks the servers that are on the move.
pub(super) fn statements() -> String {
    let in_progress = || moving().map(|(row, server)| running(row, server));
    let first = moving().map(|(row, _)| row).next().unwrap_or(MIGRATIONS);
    let rows: Vec<String> = (0..first)
        .map(ended)
        .chain(in_progress())
        .chain([ended(MIGRATIONS - 1)])
        .collect();
    let inserts = rows.chunks(ROWS_PER_STATEMENT).map(|rows| {
        let rows = rows.join(",\n");
        format!("INSERT INTO migrations ({COLUMNS}) VALUES {rows};\n")
    });
    let mut all = String::from("BEGIN;\n");
    all.extend(inserts);
    all.push_str(
        "UPDATE servers SET task_state = 'migrating' WHERE uuid IN \
             (SELECT instance_uuid FROM migrations WHERE ended_at IS NULL);\n\
         COMMIT;",
    );
    all
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
    let request = Request::Live(LiveRequest {
        host: None,
        forced: false,
        block_migration: BlockMigration::Auto,
        disk_over_commit: None,
        synchronous: false,
    });
    let texts = [
        quoted(uuid(8, row)),
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
