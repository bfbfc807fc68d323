//! Plans, carried out.

use std::time::Duration;

use anyhow::ensure;
use godwit_core::event::Event as OfMigration;
use godwit_core::failure::FailureCode;
use godwit_core::plan::request::Target;
use godwit_core::run::{OperationKind, OperationState as Is, RunState};
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;
use godwit_store::MigrationKey;
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::planned::*;

on_both! {
    async fn a_run_moves_its_servers_and_completes(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))])).await;
        let record = cluster.run_ends(run).await;
        assert_eq!((record.run.state, record.run.progress.percent()), (RunState::Completed, 100));
        for (number, operation) in [1, 2].into_iter().zip(&record.run.operations) {
            assert!(cluster.is_on(number, 2).await);
            assert_eq!(cluster.migrations_of(number).await, 1);
            assert_eq!((operation.state, operation.attempts), (Is::Completed, 1));
            let key = MigrationKey::Uuid(operation.migration.unwrap());
            let detail = cluster.store.migration_detail(key, None).await.unwrap().unwrap();
            assert_eq!(detail.run.map(|it| it.run), Some(run));
        }
        let actual = record.operations[0].actual.unwrap();
        assert!(actual.seconds.unwrap() > 0.0 && actual.bytes.unwrap() > 0, "{actual:?}");
        assert!(record.operations[0].started_at >= record.run.started_at);
        cluster.is_sound().await;
    }

    async fn a_run_without_operations_completes(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let run = cluster.run(Wanted::of(vec![])).await;
        assert_eq!(cluster.run_ends(run).await.run.state, RunState::Completed);
        cluster.is_sound().await;
    }

    async fn what_finds_no_room_fails_and_moves_nothing(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let mut wanted = Wanted::of(vec![moves(1, (1, 2))]);
        wanted.room = vec![(2, 10_000)];
        let run = cluster.run(wanted).await;
        let record = cluster.run_ends(run).await;
        assert_eq!((record.run.state, states(&record)), (RunState::Failed, vec![Is::Failed]));
        let failure = record.run.operations[0].failure.clone().unwrap();
        assert_eq!(failure.code, FailureCode::NoValidHost);
        assert_eq!(cluster.migrations_of(1).await, 0);
        cluster.is_sound().await;
    }

    async fn a_destination_that_fills_up_meanwhile_is_replaced_by_one_that_fits(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.host(2).memory_bytes = GIB / 2;
        let cluster = made.start().await;
        // As if there had been room when it was planned.
        let mut wanted = Wanted::of(vec![moves(1, (1, 2))]);
        wanted.room.clear();
        let run = cluster.run(wanted).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(destinations(&record), [host(3)]);
        assert_eq!(record.run.revisions.len(), 1);
        let revision = &record.run.revisions[0];
        assert_eq!((revision.from.as_str(), revision.to.as_str()), ("host-2", "host-3"));
        let because = revision.because.as_ref().unwrap();
        assert_eq!(because.code, FailureCode::NoValidHost);
        assert!(because.message.starts_with("host-2 does not fit: "), "{because:?}");
        assert!(cluster.is_on(1, 3).await);
        assert_eq!(cluster.migrations_of(1).await, 1, "nothing was begun in vain");
        cluster.is_sound().await;
    }

    async fn what_fits_nowhere_fails_and_the_rest_is_done(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        made.guest(2).memory_bytes = 8 * GIB;
        made.host(2).memory_bytes = 4 * GIB;
        let cluster = made.start().await;
        let mut wanted = Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))]);
        wanted.room = vec![(2, 1)];
        let run = cluster.run(wanted).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Partial);
        assert_eq!(states(&record), [Is::Completed, Is::Failed]);
        let failure = record.run.operations[1].failure.clone().unwrap();
        assert!(failure.message.starts_with("No other host fits: "), "{failure:?}");
        assert!(cluster.is_on(1, 2).await && cluster.is_on(2, 1).await);
        cluster.is_sound().await;
    }

    async fn a_named_destination_is_not_replaced(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.host(2).memory_bytes = GIB / 2;
        let cluster = made.start().await;
        let mut wanted = Wanted::of(vec![moves(1, (1, 2))]);
        wanted.target = Target::Server(server(1), Some(host(2)));
        wanted.room.clear();
        let run = cluster.run(wanted).await;
        let record = cluster.run_ends(run).await;
        assert_eq!((record.run.state, states(&record)), (RunState::Failed, vec![Is::Failed]));
        assert!(record.run.revisions.is_empty());
        assert!(cluster.is_on(1, 1).await);
        cluster.is_sound().await;
    }

    async fn a_destination_that_dies_halfway_is_replaced(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.takes_long(1);
        let mut cluster = made.start().await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        moves_now(&cluster, run, 0).await;
        cluster.die(2);
        cluster.declare_dead(2, true).await;
        let record = cluster
            .run_reaches(run, "it to go elsewhere", |it| {
                it.run.operations[0].attempts == 2 && runs(it, 0)
            })
            .await;
        assert_eq!(destinations(&record), [host(3)]);
        let because = record.run.revisions[0].because.clone().unwrap();
        // As its source says, or whoever has declared it dead.
        let codes = [FailureCode::DestinationDead, FailureCode::LinkLost];
        assert!(codes.contains(&because.code), "{because:?}");
        moves_now(&cluster, run, 0).await;
        cluster.run_asked(run, cancel(true)).await;
        assert_eq!(cluster.run_ends(run).await.run.state, RunState::Cancelled);
        assert_eq!(cluster.migrations_of(1).await, 2);
        cluster.come_back(2);
        cluster.declare_dead(2, false).await;
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn a_server_that_is_gone_is_not_looked_for_elsewhere(made: Made) {
        let cluster = made.with_hosts(&[1, 0, 0]).start().await;
        let run = cluster.run(Wanted::of(vec![moves(99, (1, 2)), moves(1, (1, 2))])).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Partial);
        assert_eq!(states(&record), [Is::Failed, Is::Completed]);
        let operation = &record.run.operations[0];
        assert_eq!((operation.attempts, operation.revisions), (1, 0));
        let failure = operation.failure.clone().unwrap();
        assert_eq!(failure.message, "The server does not exist any more.");
        cluster.is_sound().await;
    }

    async fn a_server_that_was_moved_meanwhile_is_left_where_it_is(made: Made) {
        let cluster = made.with_hosts(&[1, 0, 0]).start().await;
        let moved = cluster.begin(1, to(3)).await.unwrap();
        cluster.ends(moved).await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Failed);
        let failure = record.run.operations[0].failure.clone().unwrap();
        assert_eq!(failure.message, "The server is not on host-1 any more.");
        assert!(cluster.is_on(1, 3).await);
        cluster.is_sound().await;
    }

    async fn a_server_in_use_is_waited_for(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.takes_long(1);
        let cluster = made.start().await;
        let other = cluster.begin(1, to(3)).await.unwrap();
        cluster.reaches(other, Status::Running).await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        cluster.run_is(run, RunState::Running).await;
        cluster.ask(other, OfMigration::AbortRequested).await;
        moves_now(&cluster, run, 0).await;
        cluster.run_asked(run, cancel(true)).await;
        assert_eq!(cluster.run_ends(run).await.run.state, RunState::Cancelled);
        cluster.is_sound().await;
    }

    async fn a_server_that_stays_in_use_is_given_up(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.never_converges(1);
        let mut cluster = made.start().await;
        let other = cluster.begin(1, to(3)).await.unwrap();
        cluster.reaches(other, Status::Running).await;
        cluster.kill_conductor(1);
        cluster.config.time_limits.accepted = Duration::from_millis(500);
        cluster.start_conductor(1);
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        let record = cluster.run_ends(run).await;
        let failure = record.run.operations[0].failure.clone().unwrap();
        assert_eq!(failure.message, "Something else is being done to the server.");
        cluster.ask(other, OfMigration::AbortRequested).await;
        cluster.ends(other).await;
        cluster.is_sound().await;
    }

    async fn a_cold_move_is_confirmed_by_its_run(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let run = cluster.run(Wanted::of(vec![operation(OperationKind::Cold, 1, (1, 2))])).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        let moved = cluster.record(record.run.operations[0].migration.unwrap()).await;
        assert_eq!(moved.migration.status(), Status::Confirmed);
        assert!(cluster.is_on(1, 2).await);
        cluster.is_sound().await;
    }

    async fn servers_of_a_dead_host_are_started_elsewhere(made: Made) {
        let mut cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.die(1);
        cluster.declare_dead(1, true).await;
        let evacuates = operation(OperationKind::Evacuate, 1, (1, 2));
        let run = cluster.run(Wanted::of(vec![evacuates])).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(cluster.is_on(1, 2).await);
        cluster.come_back(1);
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn nothing_is_shut_down_that_nobody_wants_shut_down(made: Made) {
        let cluster = made.with_hosts(&[1]).start().await;
        let stops = operation(OperationKind::Shutdown, 1, (1, 1));
        let run = cluster.run(Wanted::of(vec![stops])).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Failed);
        let failure = record.run.operations[0].failure.clone().unwrap();
        let why = "Not everybody who holds host-1 has asked for shutdowns.";
        assert_eq!(failure.message, why);
        assert_eq!(cluster.server(1).await.vm_state, VmState::Active);
        cluster.is_sound().await;
    }

    async fn runs_are_counted_with_what_they_took_by_what_was_estimated(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        let record = cluster.run_ends(run).await;
        let (started, ended) = record.run.started_at.zip(record.run.ended_at).unwrap();
        let took = ended.since(started).as_secs_f64();
        let operation = &record.operations[0];
        let (estimated, actual) = (operation.planned.estimates, operation.actual.unwrap());
        let expected = [
            ("bytes", actual.bytes.map(|it| it as f64), estimated.bytes),
            ("seconds", actual.seconds, estimated.seconds),
            (
                "downtime_seconds",
                actual.downtime_seconds,
                estimated.downtime_seconds,
            ),
            ("makespan_seconds", Some(took), record.makespan.unwrap()),
        ];
        let expected = expected.map(|(quantity, actual, estimate)| {
            (quantity, actual.map(|it| it / estimate.mid))
        });
        assert!(expected.iter().filter(|it| it.1.is_some()).count() >= 3);
        wait_for("the run to be counted", PATIENCE, async || {
            let families = cluster.registry.gather();
            let metrics = |name: &str| {
                let family = families.iter().find(|it| it.name() == name);
                family.map_or(&[][..], |it| it.get_metric())
            };
            let is = |histogram: &prometheus::proto::Histogram, expected: f64| {
                histogram.get_sample_count() == 1
                    && (histogram.get_sample_sum() - expected).abs() < 1e-9
            };
            let compared = metrics("godwit_plan_estimate_ratio");
            let of = |quantity: &str| {
                let mut found = compared.iter();
                found.find(|it| it.get_label()[0].value() == quantity)
            };
            let over_bound = took / record.lower_bound.unwrap();
            let bounds = metrics("godwit_run_makespan_over_bound");
            let are_as_expected = expected.iter().all(|(quantity, ratio)| match ratio {
                Some(ratio) => of(quantity).is_some_and(|it| is(it.get_histogram(), *ratio)),
                None => of(quantity).is_none(),
            });
            ensure!(are_as_expected, "{expected:?}: {compared:?}");
            ensure!(
                bounds.iter().any(|it| is(it.get_histogram(), over_bound)),
                "{bounds:?}"
            );
            Ok((metrics("godwit_runs_ended_total").len() == 1).then_some(()))
        })
        .await
        .unwrap();
    }
}
