//! Every rule of plans, runs and maintenance finds what breaks it.

use godwit_core::failure::FailureCode;
use godwit_core::host::maintenance::Holder;
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::plan::request::Target;
use godwit_core::run::{Event, Outcome};
use godwit_store::{FreshIds, Hold};

use crate::bench::{Bench, at, host, server};
use crate::invariants::finds;
use crate::plans::{by_conductor, by_user, made, moves, new_plan, operation, plan};
use crate::runs::{failure, run};

/// Plan 1 is run: its first operation was revised and waits, the second one runs. Plan 2 is being
/// made. Run 3 was cancelled. Run 4 is promised, as host c is held.
pub(crate) async fn working(bench: &Bench) {
    bench.host("c").await;
    bench.host("d").await;
    for number in [1, 3] {
        let of = |n| number * 10 + n;
        let plan = made(
            vec![moves(of(1), "c", "d"), moves(of(2), "c", "d")],
            &[("d", 2)],
        );
        bench.run_pending(number, plan).await;
        bench.claim(number, &[("d", 9)]).await;
        let begun = |n| Event::OperationBegun(operation(n), Some(crate::bench::migration(n)));
        bench.happens(number, begun(of(1)), 41).await;
        let failed = Outcome::Failed(failure(FailureCode::PreCheck));
        bench
            .happens(number, Event::OperationEnded(operation(of(1)), failed), 42)
            .await;
        let revised = Event::OperationRevised(
            operation(of(1)),
            "e".to_owned(),
            godwit_core::run::OperationKind::Live,
        );
        bench.happens(number, revised, 43).await;
        if number == 1 {
            bench.happens(number, begun(of(2)), 44).await;
        }
    }
    let cancel = Event::CancelRequested {
        abort_running: false,
    };
    bench.happens(3, cancel, 45).await;
    bench
        .ask_for(new_plan(2, Target::Server(server(4), None)), 46)
        .await;
    let holder = Holder {
        holder: "me".to_owned(),
        reason: None,
        by: "anna".to_owned(),
        since: at(47),
        deadline: None,
        immovable: Immovable::Wait,
        return_home: ReturnHome::Never,
    };
    let fresh = FreshIds {
        plan: plan(4),
        run: run(4),
    };
    let wanted = Hold { holder, run: None };
    let held = bench
        .store
        .maintenance_hold(host("c"), wanted, fresh, by_user(47));
    held.await.unwrap();
    bench.assert_sound().await;
}

fn breaches() -> Vec<(&'static str, &'static str, String)> {
    let (plans, runs) = (
        |n| format!("uuid = '{}'", plan(n)),
        |n| format!("uuid = '{}'", run(n)),
    );
    let of = |table: &str, row: String| format!("(SELECT id FROM {table} WHERE {row})");
    vec![
        (
            "P2",
            "is initializing, and nobody makes it",
            format!(
                "DELETE FROM effects WHERE subject_kind = 'plan' AND subject_id = {}",
                of("plans", plans(2))
            ),
        ),
        (
            "P2",
            "is running, and nobody drives it",
            "DELETE FROM effects WHERE effect = 'drive'".to_owned(),
        ),
        (
            "P2",
            "is not planned, and its plan is ready",
            format!(
                "UPDATE plans SET state = 'ready', has_run = TRUE WHERE {}",
                plans(4)
            ),
        ),
        (
            "P2",
            "is running with a time of its end",
            format!("UPDATE runs SET ended_at = created_at WHERE {}", runs(1)),
        ),
        (
            "P2",
            "is cancelled without a time of its end",
            format!("UPDATE runs SET ended_at = NULL WHERE {}", runs(3)),
        ),
        (
            "P2",
            "is waiting, and its run is cancelled",
            format!(
                "UPDATE operations SET state = 'waiting' WHERE plan_id = {}",
                of("plans", plans(3))
            ),
        ),
        (
            "P2",
            "runs, and its run is pending",
            format!("UPDATE runs SET state = 'pending' WHERE {}", runs(1)),
        ),
        (
            "P2",
            "has started no migration",
            "UPDATE operations SET migration_uuid = NULL WHERE state = 'running'".to_owned(),
        ),
        (
            "P2",
            "is of no plan",
            "UPDATE effects SET subject_id = 999 WHERE subject_kind = 'plan' AND done_at IS NULL \
             AND subject_id = (SELECT MAX(subject_id) FROM effects WHERE subject_kind = 'plan')"
                .to_owned(),
        ),
        (
            "P2",
            "is of no run",
            format!(
                "UPDATE effects SET subject_id = 999 WHERE subject_kind = 'run' AND subject_id = {}",
                of("runs", runs(1))
            ),
        ),
        (
            "P2",
            "has ended, and c will not hear of it",
            format!(
                "UPDATE runs SET state = 'failed', ended_at = created_at WHERE {}",
                runs(4)
            ),
        ),
        (
            "P2",
            "is entering, and nobody holds it",
            "UPDATE maintenances SET holders = '[]'".to_owned(),
        ),
        (
            "P2",
            "is leaving, and nobody holds it",
            "UPDATE maintenances SET state = 'leaving'".to_owned(),
        ),
        (
            "P10",
            "is cancelled and holds room on d",
            format!(
                "UPDATE run_claims SET run_id = {} WHERE host = 'd'",
                of("runs", runs(3))
            ),
        ),
        (
            "P11",
            "has gaps in its log: 1 of 2",
            format!("UPDATE plans SET event_sequence = 2 WHERE {}", plans(2)),
        ),
        (
            "P11",
            "run ",
            format!(
                "DELETE FROM events WHERE subject_kind = 'run' AND sequence = 2 \
                 AND subject_id = {}",
                of("runs", runs(1))
            ),
        ),
        (
            "P11",
            "is of no plan",
            "UPDATE events SET subject_id = 999 WHERE subject_kind = 'plan' AND sequence = 2 \
             AND subject_id = (SELECT MIN(id) FROM plans)"
                .to_owned(),
        ),
        (
            "P11",
            "is of no run",
            "UPDATE events SET subject_id = 999 WHERE subject_kind = 'run' AND sequence = 2 \
             AND subject_id = (SELECT MIN(id) FROM runs)"
                .to_owned(),
        ),
        (
            "P11",
            "is of no maintenance",
            "UPDATE events SET subject_id = 999 WHERE subject_kind = 'maintenance'".to_owned(),
        ),
        (
            "P12",
            "is initializing without a deadline",
            format!("UPDATE plans SET due_at = NULL WHERE {}", plans(2)),
        ),
    ]
}

on_both! {
    async fn every_breach_is_found(bench: Bench) {
        working(&bench).await;
        bench.remember();
        for (promise, what, sql) in breaches() {
            bench.recall();
            finds(&bench, &sql, promise, what).await;
        }
    }

    /// Who had not heard of the end of a run may ask in vain what it left.
    async fn what_nobody_waits_for_is_no_breach(bench: Bench) {
        working(&bench).await;
        bench.happens(4, Event::CancelRequested { abort_running: false }, 60).await;
        bench.assert_sound().await;
        let fresh = FreshIds { plan: plan(5), run: run(5) };
        let ended = bench.store.maintenance_report_end(run(4), fresh, by_conductor(61)).await;
        assert!(ended.unwrap().unwrap().maintenance.work.is_none());
        let again = bench.store.maintenance_report_end(run(4), fresh, by_conductor(62)).await;
        assert!(again.unwrap().unwrap().maintenance.work.is_none());
        bench.assert_sound().await;
    }
}
