//! Conductors that die while they drive runs: another one goes on, and moves every server once.

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::ids::RunUuid;
use godwit_core::plan::options::Constraint;
use godwit_core::run::{Event, OperationKind, OperationState as Is, RunState};
use godwit_core::status::MigrationStatus as Status;
use godwit_store::{EventQuery, EventSubject, LoggedEvent};
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::planned::*;

/// The names of what was told of a run.
async fn told(cluster: &Cluster, run: RunUuid) -> Vec<String> {
    let query = EventQuery {
        after: None,
        subject: Some(EventSubject::Run(run)),
        ..EventQuery::after(0, 999)
    };
    let page = cluster.store.events_page(&query).await.unwrap();
    let named = |it: godwit_store::PositionedEvent| match it.event {
        LoggedEvent::Run { line, .. } => line.name,
        other => panic!("{other:?}"),
    };
    page.events.into_iter().map(named).collect()
}

async fn has_told(cluster: &Cluster, run: RunUuid, count: usize) {
    wait_for("the run to go on", PATIENCE, async || {
        let told = told(cluster, run).await;
        anyhow::ensure!(told.len() >= count, "{told:?}");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

/// As its conductor is killed.
fn kill_and_restart(cluster: &mut Cluster) {
    cluster.kill_conductor(1);
    cluster.start_conductor(1);
}

/// Two servers move one after the other, there and back again, and whoever drives the run dies after
/// each of its events in turn.
async fn after_each_event(made: Made, kind: OperationKind) {
    let mut cluster = made.with_hosts(&[2, 0]).start().await;
    // Requested, claimed, and two operations that begin and end.
    for count in 1..=6 {
        let ends = match count % 2 {
            1 => (1, 2),
            _ => (2, 1),
        };
        let wanted = Wanted::of(vec![operation(kind, 1, ends), operation(kind, 2, ends)]);
        let wanted = wanted.keeps_to(Constraint::Before(server(1), server(2)));
        let run = cluster.run(wanted).await;
        has_told(&cluster, run, count).await;
        kill_and_restart(&mut cluster);
        let record = cluster.run_ends(run).await;
        assert_eq!(
            record.run.state,
            RunState::Completed,
            "{count}: {:#?}",
            record.run
        );
        for number in [1, 2] {
            assert!(cluster.is_on(number, ends.1).await, "{count}");
            assert_eq!(
                cluster.migrations_of(number).await,
                count,
                "once in each run"
            );
        }
        let told = told(&cluster, run).await;
        let expected = [
            "requested",
            "room_claimed",
            "operation_begun",
            "operation_ended",
            "operation_begun",
            "operation_ended",
        ];
        assert_eq!(told, expected);
        cluster.is_sound().await;
    }
}

on_both! {
    async fn after_each_event_of_live_moves(made: Made) {
        after_each_event(made, OperationKind::Live).await;
    }

    async fn after_each_event_of_cold_moves(made: Made) {
        after_each_event(made, OperationKind::Cold).await;
    }

    async fn while_its_servers_move_another_conductor_takes_over(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.conductors = 2;
        let mut cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))])).await;
        let both = |record: &godwit_store::RunRecord| states(record) == [Is::Running, Is::Running];
        cluster.run_reaches(run, "both to move", both).await;
        cluster.kill_conductor(1);
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!((cluster.migrations_of(1).await, cluster.migrations_of(2).await), (1, 1));
        cluster.is_sound().await;
    }

    async fn while_it_waits_for_room(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        made.host(3).memory_bytes = 2 * GIB - 1;
        made.never_converges(1);
        let mut cluster = made.start().await;
        let first = cluster.run(Wanted::of(vec![moves(1, (1, 3))])).await;
        cluster.run_reaches(first, "it to move", |it| states(it) == [Is::Running]).await;
        let second = cluster.run(Wanted::of(vec![moves(2, (2, 3))])).await;
        cluster.run_reaches(second, "it to wait", |it| it.waits_for == [first]).await;
        kill_and_restart(&mut cluster);
        cluster.run_asked(first, Event::CancelRequested { abort_running: true }).await;
        assert_eq!(cluster.run_ends(second).await.run.state, RunState::Completed);
        assert_eq!(cluster.run_ends(first).await.run.state, RunState::Cancelled);
        cluster.is_sound().await;
    }

    async fn between_an_abort_and_what_it_aborts(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.config.slots.per_source = 1;
        made.never_converges(1);
        let mut cluster = made.start().await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))])).await;
        let moves_now = |it: &godwit_store::RunRecord| states(it)[0] == Is::Running;
        let record = cluster.run_reaches(run, "it to move", moves_now).await;
        cluster.reaches(record.run.operations[0].migration.unwrap(), Status::Running).await;
        cluster.kill_conductor(1);
        cluster.run_asked(run, Event::CancelRequested { abort_running: true }).await;
        cluster.start_conductor(1);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Cancelled);
        assert_eq!(states(&record), [Is::Cancelled, Is::Cancelled]);
        assert!(cluster.is_on(1, 1).await && cluster.is_on(2, 1).await);
        assert_eq!(cluster.migrations_of(2).await, 0);
        cluster.is_sound().await;
    }

    async fn between_a_refusal_and_another_destination(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.host(2).memory_bytes = GIB / 2;
        let mut cluster = made.start().await;
        let mut wanted = Wanted::of(vec![moves(1, (1, 2))]);
        wanted.room.clear();
        let run = cluster.run(wanted).await;
        // Requested, claimed, refused.
        has_told(&cluster, run, 3).await;
        kill_and_restart(&mut cluster);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!((destinations(&record), record.run.revisions.len()), (vec![host(3)], 1));
        assert_eq!(cluster.migrations_of(1).await, 1);
        cluster.is_sound().await;
    }
}
