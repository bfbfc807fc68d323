//! Plans that are carried out as they were asked for: with their options, whatever has to be tried
//! again.

use std::time::Duration;

use anyhow::ensure;
use godwit_compute_agent::drivers::simulated::Power;
use godwit_compute_agent::holds::HoldPoint;
use godwit_core::event::Event as OfMigration;
use godwit_core::failure::FailureCode;
use godwit_core::ids::HostName;
use godwit_core::plan::options::{Affinity, Constraint, Fallback, ReturnHome};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Options, PlanState};
use godwit_core::reason::ReasonCode;
use godwit_core::run::{Event, OperationKind, OperationState as Is, RollingState, RunState};
use godwit_core::server::VmState;
use godwit_core::server_group::Policy;
use godwit_core::status::{MigrationKind, MigrationStatus as Status};
use godwit_store::{MigrationKey, RunRecord};
use godwit_test_support::fleet::declared;
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::planned::*;

fn best_effort() -> Options {
    Options {
        affinity: Affinity::BestEffort,
        ..Options::default()
    }
}

fn cold() -> Options {
    Options {
        fallback: Fallback::Cold,
        ..Options::default()
    }
}

fn group(made: &mut Made, policy: Policy, servers: &[usize]) {
    for number in servers {
        made.guest(*number).group = Some(declared(1, policy));
    }
}

/// Moves that do not end have a few seconds.
fn hurries(made: &mut Made) {
    made.config.time_limits.completion_per_gib = Duration::from_secs(1);
}

fn kinds(record: &RunRecord) -> Vec<OperationKind> {
    record.run.operations.iter().map(|it| it.kind).collect()
}

/// A host of a run of many that is in this state.
fn in_turn(record: &RunRecord, state: RollingState) -> Option<HostName> {
    let mut hosts = record.run.rolling.iter().flat_map(|it| &it.hosts);
    hosts.find(|it| it.state == state).map(|it| it.host.clone())
}

/// Until a move of it has shown how fast a server changes its memory; then that ends.
async fn is_measured(cluster: &Cluster, number: usize, destination: usize) {
    let moving = cluster.begin(number, to(destination)).await.unwrap();
    wait_for("its rate to be measured", PATIENCE, async || {
        Ok(cluster.server(number).await.dirty_bytes_per_second)
    })
    .await
    .unwrap();
    assert!(cluster.ask(moving, OfMigration::AbortRequested).await);
    assert_eq!(
        cluster.ends(moving).await.migration.status(),
        Status::Cancelled
    );
}

/// Until a host that is off has said so of its guest.
async fn is_off(cluster: &Cluster, number: usize) {
    cluster.fabric.set_power(server(number), Power::Off);
    wait_for("it to be off", PATIENCE, async || {
        let vm_state = cluster.server(number).await.vm_state;
        ensure!(vm_state == VmState::Stopped, "it is {vm_state}");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

on_both! {
    async fn a_rule_that_a_plan_may_break_is_no_obstacle_to_its_run(made: Made) {
        let mut made = made.with_hosts(&[3, 1]);
        group(&mut made, Policy::AntiAffinity, &[1, 2, 4]);
        let cluster = made.start().await;
        // One of them is moved cold.
        is_off(&cluster, 2).await;
        let strict = cluster.plan_of(Target::Host(host(1)), Options::default()).await;
        assert_eq!(strict.record.plan.state, PlanState::Aborted);
        let run = cluster.carry_out(Target::Host(host(1)), best_effort()).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(record.run.revisions.is_empty(), "{:#?}", record.run);
        assert!(kinds(&record).contains(&OperationKind::Cold), "{:#?}", record.run);
        for operation in &record.run.operations {
            let moved = cluster.record(operation.migration.unwrap()).await.migration;
            assert_eq!(moved.request.affinity(), Affinity::BestEffort);
        }
        for number in 1..=3 {
            assert!(cluster.is_on(number, 2).await);
        }
        cluster.is_sound().await;
    }

    async fn a_group_that_keeps_together_leaves_a_host_where_its_rule_may_be_broken(made: Made) {
        let mut made = made.with_hosts(&[2, 0]);
        group(&mut made, Policy::Affinity, &[1, 2]);
        let cluster = made.start().await;
        let run = cluster.carry_out(Target::Host(host(1)), best_effort()).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(cluster.is_on(1, 2).await && cluster.is_on(2, 2).await);
        cluster.is_sound().await;
    }

    async fn a_rule_of_a_dead_hosts_group_may_be_broken_as_well(made: Made) {
        let mut made = made.with_hosts(&[1, 1]);
        group(&mut made, Policy::AntiAffinity, &[1, 2]);
        let mut cluster = made.start().await;
        cluster.die(1);
        cluster.declare_dead(1, true).await;
        let run = cluster.carry_out(Target::Host(host(1)), best_effort()).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(kinds(&record), [OperationKind::Evacuate]);
        assert!(cluster.is_on(1, 2).await);
        cluster.come_back(1);
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn a_replacement_breaks_a_rule_only_where_the_plan_may(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        group(&mut made, Policy::AntiAffinity, &[1, 2]);
        made.host(3).memory_bytes = GIB / 2;
        let cluster = made.start().await;
        let full = |options| {
            let mut wanted = Wanted::of(vec![moves(1, (1, 3))]);
            wanted.room.clear();
            wanted.options = options;
            wanted
        };
        let run = cluster.run(full(Options::default())).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(states(&record), [Is::Failed]);
        let failure = record.run.operations[0].failure.clone().unwrap();
        assert!(failure.message.contains("host-2"), "{failure:?}");
        let run = cluster.run(full(best_effort())).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(destinations(&record), [host(2)]);
        cluster.is_sound().await;
    }

    async fn who_cannot_be_moved_while_it_runs_is_moved_cold_where_that_was_asked_for(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        let cluster = made.start().await;
        is_measured(&cluster, 1, 2).await;
        let target = || Target::Server(server(1), None);
        let plan = cluster.plan_of(target(), Options::default()).await;
        assert_eq!(plan.record.plan.state, PlanState::Aborted);
        let reasons = &plan.record.blocked[0].reasons;
        assert_eq!(reasons[0].code, ReasonCode::NeverConverges);
        let run = cluster.carry_out(target(), cold()).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(kinds(&record), [OperationKind::Cold]);
        let moved = cluster.record(record.run.operations[0].migration.unwrap()).await;
        let moved = (moved.migration.kind, moved.migration.status());
        assert_eq!(moved, (MigrationKind::Migration, Status::Confirmed));
        assert!(cluster.is_on(1, 2).await);
        assert_eq!(cluster.fabric.power_of(server(1)), Some(Power::On));
        cluster.is_sound().await;
    }

    async fn a_move_that_does_not_end_is_tried_again_as_a_cold_one(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.never_converges(1);
        hurries(&mut made);
        let cluster = made.start().await;
        // To the host that was named, and nowhere else.
        let mut wanted = Wanted::of(vec![moves(1, (1, 2))]);
        wanted.target = Target::Server(server(1), Some(host(2)));
        wanted.options = cold();
        let run = cluster.run(wanted).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!((kinds(&record), destinations(&record)), (vec![OperationKind::Cold], vec![host(2)]));
        assert_eq!(record.operations[0].planned.kind, OperationKind::Live, "as it was planned");
        assert_eq!(record.run.operations[0].attempts, 2);
        let because = record.run.revisions[0].because.clone().unwrap();
        assert_eq!(because.code, FailureCode::TimedOut);
        assert!(cluster.is_on(1, 2).await);
        cluster.is_sound().await;
    }

    /// Whoever has seen it move knows how fast it changes, and tries no other host of the same speed.
    async fn a_server_that_never_converges_is_left_with_the_reason(made: Made) {
        let mut made = made.with_hosts(&[2, 0, 0]);
        made.never_converges(1);
        hurries(&mut made);
        let cluster = made.start().await;
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))])).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Partial, "{:#?}", record.run);
        assert_eq!(states(&record), [Is::Failed, Is::Completed]);
        let failure = record.run.operations[0].failure.clone().unwrap();
        for part in ["No other host fits", "host-3: the server dirties", "host-2 was given up", "did not complete in time"] {
            assert!(failure.message.contains(part), "{failure:?}");
        }
        assert_eq!(cluster.migrations_of(1).await, 1);
        assert!(cluster.is_on(1, 1).await && cluster.is_on(2, 2).await);
        cluster.is_sound().await;
    }

    async fn whoever_is_tried_again_keeps_to_what_was_asked_of_its_order(made: Made) {
        let mut made = made.with_hosts(&[2, 0, 0]);
        made.takes_long(1);
        let mut cluster = made.start().await;
        let apart = Constraint::NotTogether(vec![server(1), server(2)]);
        let later = Constraint::Before(server(1), server(2));
        let wanted = Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 3))]);
        let run = cluster.run(wanted.keeps_to(apart).keeps_to(later)).await;
        moves_now(&cluster, run, 0).await;
        let first = cluster.run_record(run).await.run.operations[0].migration.unwrap();
        cluster.die(2);
        cluster.declare_dead(2, true).await;
        let record = cluster
            .run_reaches(run, "it to go elsewhere", |it| {
                it.run.operations[0].attempts == 2 && runs(it, 0)
            })
            .await;
        assert_eq!(destinations(&record)[0], host(3));
        moves_now(&cluster, run, 0).await;
        assert_eq!(states(&cluster.run_record(run).await), [Is::Running, Is::Waiting]);
        // Whoever looks at an attempt that was given up still finds its run.
        for migration in [first, record.run.operations[0].migration.unwrap()] {
            let key = MigrationKey::Uuid(migration);
            let detail = cluster.store.migration_detail(key, None).await.unwrap().unwrap();
            assert_eq!(detail.run.map(|it| it.run), Some(run));
        }
        cluster.run_asked(run, cancel(true)).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.operations[1].attempts, 0);
        cluster.come_back(2);
        cluster.declare_dead(2, false).await;
        cluster.settles().await;
        cluster.is_sound().await;
    }

    async fn room_that_somebody_elses_move_has_for_a_moment_is_waited_for(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        made.host(3).memory_bytes = 2 * GIB - 1;
        made.never_converges(1);
        let cluster = made.start().await;
        let other = cluster.begin(1, to(3)).await.unwrap();
        cluster.reaches(other, Status::Running).await;
        let run = cluster.run(Wanted::of(vec![moves(2, (2, 3))])).await;
        cluster.lacks_room(run).await;
        cluster.ask(other, OfMigration::AbortRequested).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(cluster.is_on(2, 3).await);
        cluster.is_sound().await;
    }

    async fn a_cold_move_that_has_stopped_nothing_is_aborted_with_its_run(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let starts = cluster.fabric.starts_of(server(1));
        cluster.hold(&host(2), HoldPoint::BeforePrepare);
        let run = cluster.run(Wanted::of(vec![operation(OperationKind::Cold, 1, (1, 2))])).await;
        let record = cluster.run_reaches(run, "it to begin", |it| runs(it, 0)).await;
        let migration = record.run.operations[0].migration.unwrap();
        cluster.journals(&host(2), migration).await;
        cluster.run_asked(run, cancel(true)).await;
        let aborted = wait_for("it to be aborted", PATIENCE, async || {
            Ok(cluster.record(migration).await.migration.failure)
        })
        .await
        .unwrap();
        assert_eq!(aborted.code, FailureCode::Aborted);
        cluster.release(&host(2), HoldPoint::BeforePrepare);
        let record = cluster.run_ends(run).await;
        assert_eq!((record.run.state, states(&record)), (RunState::Cancelled, vec![Is::Cancelled]));
        assert_eq!(cluster.fabric.starts_of(server(1)), starts, "it ran on all the time");
        assert_eq!(cluster.server(1).await.vm_state, VmState::Active);
        cluster.is_sound().await;
    }

    async fn what_is_as_it_is_to_be_is_done_and_who_is_gone_is_left_out(made: Made) {
        let cluster = made.with_hosts(&[2]).start().await;
        is_off(&cluster, 1).await;
        let stays = |kind, number| operation(kind, number, (1, 1));
        let run = cluster.run(Wanted::of(vec![
            stays(OperationKind::Shutdown, 1),
            stays(OperationKind::Start, 2),
            stays(OperationKind::Start, 99),
        ]))
        .await;
        let record = cluster.run_ends(run).await;
        assert_eq!(states(&record), [Is::Completed, Is::Completed, Is::Skipped]);
        assert_eq!(record.run.state, RunState::Partial);
        assert!(record.run.operations.iter().all(|it| it.attempts == 0));
        let failure = record.run.operations[2].failure.clone().unwrap();
        assert_eq!(failure.message, "The server does not exist any more.");
        cluster.is_sound().await;
    }

    async fn a_server_that_is_deleted_while_its_operation_waits_holds_up_nobody(made: Made) {
        let mut made = made.with_hosts(&[3, 0]);
        made.config.slots.per_source = 1;
        let cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let all = (1..=3).map(|it| moves(it, (1, 2))).collect();
        let run = cluster.run(Wanted::of(all)).await;
        moves_now(&cluster, run, 0).await;
        cluster.delete(2).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Partial, "{:#?}", record.run);
        assert_eq!(states(&record), [Is::Completed, Is::Failed, Is::Completed]);
        let operation = &record.run.operations[1];
        let failure = operation.failure.clone().unwrap();
        assert_eq!((operation.attempts, operation.revisions), (1, 0));
        assert_eq!(failure.message, "The server does not exist any more.");
        assert_eq!(cluster.migrations_of(2).await, 0);
    }

    async fn a_server_that_is_deleted_while_it_moves_ends_with_its_migration(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let run = cluster.run(Wanted::of(vec![moves(1, (1, 2)), moves(2, (1, 2))])).await;
        moves_now(&cluster, run, 0).await;
        moves_now(&cluster, run, 1).await;
        cluster.delete(1).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        let record = cluster.run_ends(run).await;
        assert!(record.run.operations.iter().all(|it| it.state.is_terminal()));
        assert_eq!(states(&record)[1], Is::Completed);
        assert!(cluster.store.migrations_unfinished().await.unwrap().is_empty());
        assert!(cluster.store.slot_list().await.unwrap().is_empty());
        assert!(cluster.store.claim_list().await.unwrap().is_empty());
    }

    async fn one_host_to_spare_is_enough_where_guests_return_to_each_that_is_done(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        for number in [1, 2, 3] {
            made.host(number).memory_bytes = 3 * GIB / 2;
        }
        let cluster = made.start().await;
        let target = Target::Rolling { hosts: vec![host(1), host(2)], max_unavailable: 1 };
        let options = Options { return_home: ReturnHome::Now, ..Options::default() };
        let run = cluster.carry_out(target, options).await;
        for _ in 0..2 {
            let record = cluster
                .run_reaches(run, "a host to be ready", |it| in_turn(it, RollingState::Ready).is_some())
                .await;
            let ready = in_turn(&record, RollingState::Ready).unwrap();
            cluster.run_asked(run, Event::HostDone(ready.clone())).await;
            cluster.run_reaches(run, "its guest to be back", |it| {
                let hosts = it.run.rolling.iter().flat_map(|it| &it.hosts);
                hosts.clone().any(|it| it.host == ready && it.state == RollingState::Done)
            })
            .await;
        }
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(record.run.revisions.is_empty(), "{:#?}", record.run);
        for number in [1, 2] {
            assert!(cluster.is_on(number, number).await);
            assert_eq!(cluster.migrations_of(number).await, 2, "there and back");
        }
        cluster.is_sound().await;
    }

    async fn a_circle_of_full_hosts_is_solved_by_a_third_one(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        for number in [1, 2, 3] {
            made.host(number).memory_bytes = 3 * GIB / 2;
        }
        let cluster = made.start().await;
        let mut all = vec![moves(1, (1, 3)), moves(2, (2, 1)), moves(1, (3, 2))];
        all[1].after = vec![all[0].id];
        all[2].after = vec![all[1].id, all[0].id];
        let mut wanted = Wanted::of(all);
        // What has left before makes room.
        wanted.room = vec![(3, 1)];
        let run = cluster.run(wanted).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert!(record.run.revisions.is_empty(), "{:#?}", record.run);
        assert!(cluster.is_on(1, 2).await && cluster.is_on(2, 1).await);
        cluster.is_sound().await;
    }
}
