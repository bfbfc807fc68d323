//! A check that cannot fail is none: every rule finds what breaks it.

use godwit_core::event::Event;

use crate::bench::{Bench, placed};

/// Migrations 1 to 3 of servers 1 to 3 from a to b: running, completed, cancelled. Server 4
/// rests. Servers 5 and 6 move cold from a to b: one is being stopped, the other waits for its
/// confirmation. Servers 7 and 8 are evacuated from a to b: one is being started, the other is
/// done.
pub(crate) async fn busy(bench: &Bench) {
    bench.fleet(&[("a", 8), ("b", 0)]).await;
    for n in 1..=3 {
        bench.begin(n).await;
        bench
            .drive(n, [placed("b"), Event::Admitted, Event::Prepared])
            .await;
    }
    bench
        .drive(2, [Event::HandedOver, Event::Finished { clean: true }])
        .await;
    bench
        .drive(
            3,
            [
                Event::AbortRequested,
                Event::MoveCancelled,
                Event::RolledBack { clean: true },
            ],
        )
        .await;
    for n in [5, 6] {
        bench.begin_cold(n).await;
        bench.drive(n, [placed("b"), Event::Prepared]).await;
    }
    bench.drive(6, [Event::SourceStopped, Event::Booted]).await;
    for n in [7, 8] {
        bench.evacuate(n).await;
        bench.drive(n, [placed("b")]).await;
    }
    bench.drive(8, [Event::Booted]).await;
    bench.assert_sound().await;
}

/// Breaks something, and asserts that the check finds the promise broken and says what.
pub(crate) async fn finds(bench: &Bench, sql: &str, promise: &str, what: &str) {
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

/// What effects and events of a migration have in common, as a condition in SQL.
fn subject(n: u32) -> String {
    let id = id("migrations", n);
    format!("subject_kind = 'migration' AND subject_id = {id}")
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

/// Puts two hosts of different zones into one scope.
fn in_scopes(cluster: &str, pod: &str) -> String {
    let row = |host: &str| format!("('{host}', {pod}, {cluster}, '2026-11-20 12:00:00')");
    format!(
        "UPDATE services SET zone = 'zone-of-' || host WHERE \"binary\" = 'nova-compute';
         INSERT INTO host_topologies (host, pod, cluster, changed_at) VALUES {}, {}",
        row("a"),
        row("b")
    )
}

/// What breaks which promise, and how the check says so.
fn breaches() -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("P1", "executes on 2 hosts", sighting(4, "b", "executing")),
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
            "is resize_finish without a migration",
            format!(
                "UPDATE servers SET task_state = 'resize_finish' WHERE {}",
                of(8)
            ),
        ),
        (
            "P2",
            "is rebuilding without a migration",
            format!(
                "UPDATE servers SET task_state = 'rebuilding' WHERE {}",
                of(6)
            ),
        ),
        (
            "P2",
            "its server is not migrating",
            format!("UPDATE servers SET task_state = NULL WHERE {}", of(5)),
        ),
        (
            "P2",
            "its server is not migrating",
            format!("UPDATE servers SET task_state = NULL WHERE {}", of(7)),
        ),
        (
            "P2",
            "is finished, and its server is not resized",
            format!("UPDATE servers SET vm_state = 'active' WHERE {}", of(6)),
        ),
        (
            "P2",
            "is finished, and its server is not resized",
            format!("UPDATE servers SET host = 'a' WHERE {}", of(6)),
        ),
        (
            "P2",
            "no live-migration is completed while it is failing",
            format!("UPDATE migrations SET settling = 'failing' WHERE {}", of(2)),
        ),
        ("P1", "executes on 2 hosts", sighting(8, "a", "executing")),
        (
            "P1",
            "executes on 2 hosts",
            format!(
                "UPDATE sightings SET sighting = 'executing' WHERE server_uuid = {}",
                server_uuid(6)
            ),
        ),
        (
            "P10",
            "is migrating without a claim on b",
            format!(
                "DELETE FROM claims WHERE migration_id = {}",
                id("migrations", 5)
            ),
        ),
        (
            "P10",
            "is pre-migrating without a claim on b",
            format!(
                "DELETE FROM claims WHERE migration_id = {}",
                id("migrations", 7)
            ),
        ),
        (
            "P10",
            "is finished without a claim on a for the way back",
            format!(
                "UPDATE claims SET host = 'b' WHERE migration_id = {}",
                id("migrations", 6)
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
                 WHERE {} AND sequence = 1",
                subject(3)
            ),
        ),
        (
            "P2",
            "has lost effects",
            format!("DELETE FROM effects WHERE {} AND sequence = 2", subject(1)),
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
                "UPDATE events SET to_status = 'running (post-copy)' WHERE {} AND sequence = 5",
                subject(3)
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
            format!("DELETE FROM events WHERE {} AND sequence = 2", subject(1)),
        ),
        (
            "P11",
            "jumps in its log at event 3",
            format!(
                "UPDATE events SET from_status = 'running' WHERE {} AND sequence = 3",
                subject(1)
            ),
        ),
        (
            "P11",
            "is running and its log ends with queued",
            format!(
                "UPDATE events SET to_status = 'queued' WHERE {} AND sequence = 4",
                subject(1)
            ),
        ),
        (
            "P11",
            "event 2 of migration",
            format!(
                "UPDATE events SET position = CASE sequence WHEN 1 THEN 2 ELSE 1 END
                 WHERE {} AND sequence < 3",
                subject(1)
            ),
        ),
        (
            "P11",
            "have gaps: 2 lead from 7 to 9",
            format!(
                "UPDATE events SET position = 6 + sequence WHERE {} AND sequence IN (1, 3)",
                subject(1)
            ),
        ),
        (
            "P11",
            "and none is left behind them",
            "UPDATE events_expired SET position = 99".to_owned(),
        ),
        (
            "P11",
            "is of no migration",
            format!(
                "UPDATE events SET subject_id = 999 WHERE {} AND sequence = 3",
                subject(1)
            ),
        ),
        (
            "P2",
            "is of no migration",
            format!(
                "UPDATE effects SET subject_id = 999 WHERE {} AND sequence = 1",
                subject(1)
            ),
        ),
        (
            "P2",
            "is completed without a time of its end",
            format!("UPDATE migrations SET ended_at = NULL WHERE {}", of(2)),
        ),
        (
            "P2",
            "is running with a time of its end",
            format!(
                "UPDATE migrations SET ended_at = created_at WHERE {}",
                of(1)
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
        // The last, as the schema itself forbids it.
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
            "topology",
            "cluster c is in two places",
            in_scopes("'c'", "NULL"),
        ),
        (
            "topology",
            "pod c is in two zones",
            in_scopes("NULL", "'c'"),
        ),
    ]
}

on_both! {
    async fn every_breach_is_found(bench: Bench) {
        busy(&bench).await;
        bench.remember();
        for (promise, what, sql) in breaches() {
            bench.recall();
            finds(&bench, &sql, promise, what).await;
        }
    }

    async fn an_open_discrepancy_explains(bench: Bench) {
        busy(&bench).await;
        finds(&bench, &sighting(4, "b", "executing"), "P1", "executes on 2 hosts").await;
        let subject = godwit_core::discrepancy::DiscrepancySubject {
            kind: godwit_core::discrepancy::DiscrepancyKind::SeenTwice,
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

    async fn what_moves_leave_behind_is_excused(bench: Bench) {
        busy(&bench).await;
        bench.sql(&sighting(8, "a", "inactive"));
        bench.assert_sound().await;
    }

    async fn a_reset_state_is_excused(bench: Bench) {
        busy(&bench).await;
        for n in [1, 5, 6, 7] {
            let note = crate::bench::asked("req-9", crate::bench::at(50));
            let state = godwit_core::server::VmState::Active;
            let reset = bench.store.server_reset_state(crate::bench::server(n), state, note);
            assert!(reset.await.unwrap());
        }
        bench.assert_sound().await;
    }

    async fn imported_rows_are_excused(bench: Bench) {
        busy(&bench).await;
        bench.sql(&format!(
            "UPDATE servers SET task_state = NULL WHERE {server};
             DELETE FROM claims WHERE migration_id = {id};
             DELETE FROM slots WHERE migration_id = {id};
             DELETE FROM effects WHERE {subject};
             DELETE FROM events WHERE {subject};
             UPDATE migrations SET imported = TRUE, deadline = NULL WHERE id = {id}",
            server = of(1),
            subject = subject(1),
            id = id("migrations", 1)
        ));
        bench.assert_sound().await;
    }
}
