//! A check that cannot fail is none: every rule finds what breaks it.

use godwit_core::event::Event;

use crate::bench::{Bench, placed};

/// Migrations 1 to 3 of servers 1 to 3 from a to b: running, completed, cancelled. Server 4
/// rests.
async fn busy(bench: &Bench) {
    bench.fleet(&[("a", 4), ("b", 0)]).await;
    for n in 1..=3 {
        bench.begin(n).await;
        bench
            .drive(n, [placed("b"), Event::Admitted, Event::Prepared])
            .await;
    }
    bench.drive(2, [Event::HandedOver, Event::Finished]).await;
    bench
        .drive(
            3,
            [
                Event::AbortRequested,
                Event::MoveCancelled,
                Event::RolledBack,
            ],
        )
        .await;
    bench.assert_sound().await;
}

/// Breaks something, and asserts that the check finds the promise broken and says what.
async fn finds(bench: &Bench, sql: &str, promise: &str, what: &str) {
    bench.sql(sql);
    let found = bench.store.check_invariants().await.unwrap();
    let told = found
        .iter()
        .any(|it| it.promise == promise && it.to_string().contains(what));
    assert!(told, "{sql}: {found:#?}");
}

/// The id of a migration or server whose uuid ends with these digits, as SQL.
fn id(table: &str, n: u32) -> String {
    format!("(SELECT id FROM {table} WHERE uuid LIKE '%{n:04}')")
}

fn of(n: u32) -> String {
    format!("uuid LIKE '%{n:04}'")
}

fn server_uuid(n: u32) -> String {
    format!("(SELECT uuid FROM servers WHERE {})", of(n))
}

fn sighting(n: u32, host: &str, sighting: &str) -> String {
    let server = server_uuid(n);
    format!(
        "INSERT INTO sightings (server_uuid, host, sighting, power_state, observed_at)
         VALUES ({server}, '{host}', '{sighting}', 1, '2023-11-14 22:13:30')"
    )
}

/// What breaks which promise, and how the check says so.
fn breaches() -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("P1", "executes on 2 hosts", sighting(4, "b", "executing")),
        (
            "P2",
            "2 unfinished migrations",
            format!(
                "DROP INDEX migrations_one_unfinished;
                 UPDATE migrations SET status = 'running', ended_at = NULL, deadline = created_at,
                                       instance_uuid = {} WHERE {}",
                server_uuid(1),
                of(3)
            ),
        ),
        (
            "P2",
            "is migrating without a migration",
            format!(
                "UPDATE servers SET task_state = 'migrating' WHERE {}",
                of(4)
            ),
        ),
        (
            "P2",
            "its server is not migrating",
            format!("UPDATE servers SET task_state = NULL WHERE {}", of(1)),
        ),
        (
            "P2",
            "its server is not migrating",
            format!(
                "UPDATE migrations SET instance_uuid = 'gone' WHERE {}",
                of(1)
            ),
        ),
        (
            "P2",
            "has ended with effects to be performed",
            format!(
                "UPDATE effects SET done_at = NULL, outcome = NULL
                 WHERE migration_id = {} AND sequence = 1",
                id("migrations", 3)
            ),
        ),
        (
            "P2",
            "has lost effects",
            format!(
                "DELETE FROM effects WHERE migration_id = {} AND sequence = 2",
                id("migrations", 1)
            ),
        ),
        (
            "P2",
            "without saying why",
            format!(
                "UPDATE migrations SET failure_code = NULL, failure_message = NULL WHERE {}",
                of(3)
            ),
        ),
        (
            "P2",
            "is on no host",
            format!("UPDATE servers SET host = NULL WHERE {}", of(4)),
        ),
        (
            "P3",
            "and executes on a",
            format!("UPDATE servers SET host = 'b' WHERE {}", of(4)),
        ),
        (
            "P3",
            "which does not have it",
            format!(
                "DELETE FROM sightings WHERE server_uuid = {}",
                server_uuid(4)
            ),
        ),
        (
            "P4",
            "has a leftover on b, which is incoming",
            sighting(3, "b", "incoming"),
        ),
        (
            "P5",
            "was to be aborted and is failed",
            format!("UPDATE migrations SET status = 'failed' WHERE {}", of(3)),
        ),
        (
            "P6",
            "after its switch to post-copy",
            format!(
                "UPDATE migration_events SET to_status = 'running (post-copy)'
                 WHERE migration_id = {} AND sequence = 5",
                id("migrations", 3)
            ),
        ),
        (
            "P10",
            "has ended and holds a claim on b",
            format!(
                "INSERT INTO claims (migration_id, host, vcpus, memory_mb, disk_gb, created_at)
                 VALUES ({}, 'b', 1, 1, 1, '2023-11-14 22:13:30')",
                id("migrations", 3)
            ),
        ),
        (
            "P10",
            "has ended and holds a source slot on a",
            format!(
                "INSERT INTO slots (migration_id, host, role, created_at)
                 VALUES ({}, 'a', 'source', '2023-11-14 22:13:30')",
                id("migrations", 3)
            ),
        ),
        (
            "P10",
            "is running without a claim on b",
            "DELETE FROM claims".to_owned(),
        ),
        (
            "P10",
            "is running without its two slots",
            "DELETE FROM slots WHERE role = 'source'".to_owned(),
        ),
        (
            "P11",
            "has gaps in its log: 3 of 4",
            format!(
                "DELETE FROM migration_events WHERE migration_id = {} AND sequence = 2",
                id("migrations", 1)
            ),
        ),
        (
            "P11",
            "jumps in its log at event 3",
            format!(
                "UPDATE migration_events SET from_status = 'running'
                 WHERE migration_id = {} AND sequence = 3",
                id("migrations", 1)
            ),
        ),
        (
            "P11",
            "is running and its log ends with queued",
            format!(
                "UPDATE migration_events SET to_status = 'queued'
                 WHERE migration_id = {} AND sequence = 4",
                id("migrations", 1)
            ),
        ),
        (
            "P12",
            "is running without a deadline",
            format!("UPDATE migrations SET deadline = NULL WHERE {}", of(1)),
        ),
        (
            "P12",
            "has ended and still has a deadline",
            format!(
                "UPDATE migrations SET deadline = created_at WHERE {}",
                of(3)
            ),
        ),
    ]
}

on_both! {
    async fn every_breach_is_found(bench: Bench) {
        for (promise, what, sql) in breaches() {
            let bench = bench.fresh().await;
            busy(&bench).await;
            finds(&bench, &sql, promise, what).await;
        }
    }

    async fn an_open_discrepancy_explains(bench: Bench) {
        busy(&bench).await;
        finds(&bench, &sighting(4, "b", "executing"), "P1", "executes on 2 hosts").await;
        let subject = godwit_store::DiscrepancySubject {
            kind: godwit_store::DiscrepancyKind::SeenTwice,
            server: Some(crate::bench::server(4)),
            migration: None,
            host: None,
        };
        let lease = std::time::Duration::from_secs(5);
        let claimed = bench.store.effects_claim("me", crate::bench::at(50), lease, 1).await.unwrap();
        let opened = bench.store.discrepancy_open(
            subject,
            claimed[0].lease,
            String::new(),
            crate::bench::at(50),
        );
        assert!(opened.await.unwrap());
        bench.assert_sound().await;
    }

    async fn imported_rows_are_excused(bench: Bench) {
        busy(&bench).await;
        bench.sql(&format!(
            "UPDATE servers SET task_state = NULL; DELETE FROM claims; DELETE FROM slots;
             DELETE FROM effects WHERE migration_id = {id};
             DELETE FROM migration_events WHERE migration_id = {id};
             UPDATE migrations SET imported = TRUE, deadline = NULL WHERE id = {id}",
            id = id("migrations", 1)
        ));
        bench.assert_sound().await;
    }
}
