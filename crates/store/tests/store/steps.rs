//! Transitions written whole: row, log, outbox, claims, slots, server.

use std::time::Duration;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::effect::Effect;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::{Intent, Placement, Settling, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_core::resources::Resources;
use godwit_core::server::{PowerState, VmState};
use godwit_core::slots::SlotRole;
use godwit_core::status::MigrationStatus;
use godwit_core::transition::{Rejected, step};
use godwit_store::{Actor, Claim, CommitError, CommitNote, StepError};

use crate::bench::{
    CAPACITY, LIMITS, ROOM, at, host, migration, note_for, placed, running, server, sighted,
};

const TO_RUNNING: [Event; 2] = [Event::Admitted, Event::Prepared];

fn link_lost() -> Failure {
    Failure::new(FailureCode::LinkLost, "The link broke.")
}

on_both! {
    async fn the_happy_path(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        let mut note = note_for(&placed("b"), at(12));
        note.detail = serde_json::json!({"rejected": [{"host": "c", "why": "disabled"}]});
        note.request_id = Some("req-9".to_owned());
        let stepped = bench.apply(1, placed("b"), note).await.unwrap();
        assert_eq!(stepped.before.migration.status(), MigrationStatus::Accepted);
        assert_eq!(stepped.record, bench.record(1).await);

        let record = stepped.record;
        assert_eq!(record.migration.status(), MigrationStatus::Queued);
        let placement = Placement {
            host: host("b"),
            node: "b.example.org".to_owned(),
            storage: StorageMode::Shared,
        };
        assert_eq!(record.migration.placement, Some(placement));
        assert_eq!(record.dest_compute, Some(host("b")));
        assert_eq!(record.source_node.as_deref(), Some("a.example.org"));
        assert_eq!(record.migration.limits.completion, Duration::from_millis(1_600_500));
        assert_eq!((record.updated_at, record.status_since), (Some(at(12)), at(12)));
        let claims = bench.store.claim_list().await.unwrap();
        assert_eq!(claims.len(), 1);
        assert_eq!((&claims[0].host, claims[0].room), (&host("b"), ROOM));
        bench.assert_sound().await;

        bench.drive(1, [Event::Admitted]).await;
        let slots = bench.store.slot_list().await.unwrap();
        let ends: Vec<_> = slots.iter().map(|it| (it.role, it.host.as_str())).collect();
        assert_eq!(ends, [(SlotRole::Destination, "b"), (SlotRole::Source, "a")]);
        assert_eq!(bench.record(1).await.started_at, None);
        bench.assert_sound().await;

        bench.drive(1, [Event::Prepared]).await;
        assert_eq!(bench.record(1).await.started_at, Some(at(20)));
        bench.drive(1, [Event::HandedOver]).await;
        let record = bench.record(1).await;
        assert_eq!(record.migration.status(), MigrationStatus::Running);
        assert_eq!(record.migration.phase.settling(), Some(Settling::Finishing));
        assert_eq!(bench.server(1).await.host, Some(host("a")), "not before it is confirmed");

        bench.drive(1, [Event::Finished { clean: true }]).await;
        let record = bench.record(1).await;
        assert_eq!(record.migration.status(), MigrationStatus::Completed);
        assert_eq!((record.migration.deadline, record.ended_at), (None, Some(at(20))));
        assert_eq!(record.migration.failure, None);
        let moved = bench.server(1).await;
        assert_eq!(moved.host, Some(host("b")));
        assert_eq!(moved.node.as_deref(), Some("b.example.org"));
        assert_eq!(moved.availability_zone.as_deref(), Some("zone-of-b"));
        assert_eq!((moved.task_state, moved.vm_state), (None, VmState::Active));
        assert_eq!((moved.progress, moved.settled_at), (0, Some(at(20))));
        let seen = bench.store.sightings(server(1)).await.unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!((&seen[0].host, seen[0].sighting), (&host("b"), Sighting::Executing));
        assert!(bench.store.claim_list().await.unwrap().is_empty());
        assert!(bench.store.slot_list().await.unwrap().is_empty());
        bench.assert_sound().await;

        let events = bench.store.migration_events(migration(1), 0).await.unwrap();
        let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(
            names,
            ["requested", "placed", "admitted", "prepared", "handed_over", "finished"]
        );
        let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
        assert_eq!(events[1].detail["rejected"][0]["why"], "disabled");
        assert_eq!(events[1].request_id.as_deref(), Some("req-9"));
        assert_eq!(events[1].actor, "conductor");
        let rest = bench.store.migration_events(migration(1), 4).await.unwrap();
        assert_eq!(rest, events[4..]);
    }

    async fn a_failure_leaves_the_server_as_it_was(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let before = bench.server(1).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b")]).await;
        bench.drive(1, TO_RUNNING).await;
        bench.hears("b", at(19), vec![sighted(1, Sighting::Incoming)]).await;
        bench.hears("a", at(19), vec![sighted(1, Sighting::Moving)]).await;
        bench.drive(1, [Event::MoveFailed(link_lost())]).await;
        assert_eq!(bench.record(1).await.migration.phase.settling(), Some(Settling::Failing));
        bench.drive(1, [Event::RolledBack { clean: true }]).await;

        let record = bench.record(1).await;
        assert_eq!(record.migration.status(), MigrationStatus::Failed);
        assert_eq!(record.migration.failure, Some(link_lost()));
        let events = bench.store.migration_events(migration(1), 0).await.unwrap();
        let failed = events.iter().find(|event| event.name == "move_failed").unwrap();
        assert_eq!(failed.detail["failure"]["code"], "link-lost", "the log says why, once");
        assert!(events.last().unwrap().detail.get("failure").is_none());
        let after = bench.server(1).await;
        assert_eq!((after.host, after.node), (before.host, before.node));
        assert_eq!((after.vm_state, after.task_state), (before.vm_state, None));
        let seen = bench.store.sightings(server(1)).await.unwrap();
        assert_eq!(seen.len(), 1, "the destination is clean");
        assert_eq!((&seen[0].host, seen[0].sighting), (&host("a"), Sighting::Executing));
        bench.assert_sound().await;
    }

    async fn a_lost_guest_is_an_error_and_an_open_question(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b")]).await;
        bench.drive(1, TO_RUNNING).await;
        bench.drive(1, [Event::PostCopyStarted]).await;
        bench.hears("b", at(15), vec![running(1)]).await;
        let lost = Failure::new(FailureCode::GuestLost, "It runs nowhere.");
        bench.drive(1, [Event::GuestLost(lost)]).await;
        let lost = bench.server(1).await;
        assert_eq!((lost.vm_state, lost.task_state), (VmState::Error, None));
        assert_eq!(lost.power_state, PowerState::NoState);
        let fault = lost.fault.unwrap();
        assert_eq!((fault.code, fault.message.as_str()), (500, "It runs nowhere."));
        assert_eq!(fault.created, at(20));
        // What was seen at the destination before that is no sign of life.
        bench.hears("a", at(21), Vec::new()).await;
        assert_eq!(bench.server(1).await.host, Some(host("a")));
        let open = bench.store.discrepancy_list_open().await.unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].subject.kind, DiscrepancyKind::GuestNowhere);
        bench.assert_sound().await;

        bench.hears("b", at(22), vec![running(1)]).await;
        let found = bench.server(1).await;
        assert_eq!((found.host, found.power_state), (Some(host("b")), PowerState::Running));
        assert_eq!(bench.store.discrepancy_list_open().await.unwrap(), []);
        bench.assert_sound().await;
    }

    async fn an_unclean_destination_stays_an_open_question(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted]).await;
        bench.hears("b", at(15), vec![sighted(1, Sighting::Incoming)]).await;
        bench.drive(1, [Event::AbortRequested]).await;
        let note = CommitNote::new(Actor::Conductor, at(500));
        bench.apply(1, Event::DeadlinePassed, note).await.unwrap();
        assert_eq!(bench.record(1).await.migration.status(), MigrationStatus::Cancelled);
        let open = bench.store.discrepancy_list_open().await.unwrap();
        assert_eq!(open[0].subject.kind, DiscrepancyKind::DestinationNotClean);
        assert_eq!(open[0].subject.host, Some(host("b")));
        assert_eq!(bench.store.sightings(server(1)).await.unwrap().len(), 2);
        bench.assert_sound().await;

        // That it shows no domain does not say that nothing was made for one: whoever cleans it
        // closes this.
        let observation = bench.hears("b", at(600), Vec::new()).await;
        assert_eq!(observation.closed, []);
        let leftovers = bench.store.leftovers(Some(server(1))).await.unwrap();
        assert_eq!(leftovers.len(), 1);
        bench.assert_sound().await;
    }

    async fn overdue_is_open_until_the_migration_goes_on(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b")]).await;
        bench.drive(1, TO_RUNNING).await;
        bench.drive(1, [Event::PostCopyStarted]).await;
        for second in [100, 200] {
            let note = CommitNote::new(Actor::Conductor, at(second));
            bench.apply(1, Event::DeadlinePassed, note).await.unwrap();
            let open = bench.store.discrepancy_list_open().await.unwrap();
            assert_eq!(open.len(), 1, "opened once");
            assert_eq!(open[0].opened_at, at(100));
        }
        bench.drive(1, [Event::HandedOver]).await;
        assert!(bench.store.discrepancy_list_open().await.unwrap().is_empty());
    }

    async fn what_does_not_apply_changes_nothing(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let before = bench.begin(1).await;
        let note = CommitNote::new(Actor::Conductor, at(12));
        let rejected = bench.apply(1, Event::Finished { clean: true }, note.clone()).await.unwrap_err();
        assert!(matches!(rejected, StepError::Rejected(Rejected::OutOfPlace { .. })));
        let early = bench.apply(1, Event::DeadlinePassed, note.clone()).await.unwrap_err();
        assert!(matches!(early, StepError::Rejected(Rejected::TooEarly)));
        let nobody = bench.apply(7, Event::Finished { clean: true }, note.clone()).await.unwrap_err();
        assert!(matches!(nobody, StepError::NotFound));
        let refused = bench
            .store
            .migration_step(migration(1), note, |record, server| {
                Err::<Event, _>((record.id, server.name.clone()))
            })
            .await;
        let said = (before.id, "vm-1".to_owned());
        assert!(matches!(refused, Err(StepError::Refused(it)) if it == said));
        assert_eq!(bench.record(1).await, before);
        bench.assert_sound().await;
    }

    async fn a_transition_from_an_old_row_is_lost(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let before = bench.begin(1).await.migration;
        let old = step(&before, &placed("b"), at(11)).unwrap();
        bench.drive(1, [Event::AbortRequested]).await;
        let now = bench.record(1).await;
        let note = note_for(&placed("b"), at(12));
        let lost = bench.store.migration_commit(&before, placed("b"), old, note.clone()).await;
        assert!(matches!(lost, Err(CommitError::Lost)));
        assert_eq!(bench.record(1).await, now);

        let new = step(&now.migration, &Event::CancelledUnstarted, at(12)).unwrap();
        let written = bench
            .store
            .migration_commit(&now.migration, Event::CancelledUnstarted, new, note)
            .await
            .unwrap();
        assert_eq!(written.migration.status(), MigrationStatus::Cancelled);
        assert_eq!(written.migration.intent, Some(Intent::Abort));
        bench.assert_sound().await;
    }

    async fn room_is_checked_when_it_is_claimed(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 9)]).await;
        for n in [1, 2] {
            bench.begin(n).await;
        }
        bench.drive(1, [placed("b")]).await;
        let note = note_for(&placed("b"), at(13));
        let refused = bench.apply(2, placed("b"), note.clone()).await.unwrap_err();
        let StepError::Commit(CommitError::NoRoom { host: full, used, capacity }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((full, used, capacity), (host("b"), CAPACITY, CAPACITY));
        assert_eq!(bench.record(2).await.migration.status(), MigrationStatus::Accepted);

        // Claimed anew by the same migration, its own claim does not stand in its way.
        bench.drive(1, [placed("b")]).await;
        assert_eq!(bench.store.claim_list().await.unwrap().len(), 1);
        let loads = bench.store.host_loads().await.unwrap();
        let load = &loads[1];
        assert_eq!((load.host.facts.name.as_str(), load.claims), ("b", ROOM));
        assert_eq!(load.servers.vcpus, 18);
        assert_eq!(loads[0].claims, Resources::default());

        bench.drive(1, [Event::AbortRequested, Event::CancelledUnstarted]).await;
        bench.apply(2, placed("b"), note).await.unwrap();
        bench.assert_sound().await;
    }

    async fn a_claim_follows_the_placement(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), placed("c")]).await;
        let claims = bench.store.claim_list().await.unwrap();
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].host, host("c"));
        bench.assert_sound().await;
        // A claim for a place that was not taken is not made.
        bench.drive(1, [Event::AbortRequested]).await;
        let note = CommitNote {
            claim: Some(Claim { room: ROOM, capacity: CAPACITY }),
            ..CommitNote::new(Actor::Conductor, at(20))
        };
        bench.apply(1, placed("b"), note).await.unwrap();
        assert_eq!(bench.record(1).await.migration.status(), MigrationStatus::Cancelled);
        assert!(bench.store.claim_list().await.unwrap().is_empty());
    }

    async fn slots_limit_both_ends(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 1), ("c", 0)]).await;
        for (n, to) in [(1, "b"), (2, "c"), (3, "c")] {
            bench.begin(n).await;
            bench.drive(n, [placed(to)]).await;
        }
        let note = CommitNote { slots: Some(LIMITS), ..CommitNote::new(Actor::Conductor, at(30)) };
        bench.apply(1, Event::Admitted, note.clone()).await.unwrap();
        let refused = bench.apply(2, Event::Admitted, note.clone()).await.unwrap_err();
        let StepError::Commit(CommitError::NoSlot { host: at_limit, role }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((at_limit, role), (host("a"), SlotRole::Source));
        // The source of one move may be the destination of another.
        bench.apply(3, Event::Admitted, note.clone()).await.unwrap();
        bench.assert_sound().await;
        bench.drive(1, [Event::AbortRequested, Event::RolledBack { clean: true }]).await;
        let refused = bench.apply(2, Event::Admitted, note).await.unwrap_err();
        let StepError::Commit(CommitError::NoSlot { host: at_limit, role }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((at_limit, role), (host("c"), SlotRole::Destination));
        assert_eq!(bench.record(2).await.migration.status(), MigrationStatus::Queued);
        bench.assert_sound().await;
    }

    async fn superseded_effects_leave_the_outbox(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        let claim = async |second| {
            let lease = Duration::from_secs(5);
            let claimed = bench.store.effects_claim("me", at(second), lease, 10);
            claimed.await.unwrap()
        };
        let schedule = claim(20).await.remove(0);
        assert_eq!(schedule.subject.verb(), Effect::Schedule.as_str());
        let mut note = note_for(&placed("b"), at(21));
        note.performed = Some(schedule.lease);
        bench.apply(1, placed("b"), note).await.unwrap();
        assert!(!bench.store.effect_done(schedule.lease, at(22)).await.unwrap(), "done with it");
        bench.drive(1, [Event::Admitted]).await;
        let prepare = claim(30).await.remove(0);
        bench.drive(1, [Event::AbortRequested]).await;
        let until = at(60);
        assert!(!bench.store.effect_renew(prepare.lease, until).await.unwrap(), "superseded");
        let left = claim(40).await;
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].subject.verb(), left[0].sequence), (Effect::RollBack.as_str(), 3));
        let clean = Event::RolledBack { clean: true };
        let mut note = note_for(&clean, at(41));
        note.performed = Some(left[0].lease);
        bench.apply(1, clean, note).await.unwrap();
        assert!(!bench.store.effect_done(left[0].lease, at(42)).await.unwrap(), "done with it");
        assert!(claim(90).await.is_empty(), "nothing is left");
        bench.assert_sound().await;
    }

    async fn lists_by_state(bench: Bench) {
        bench.fleet(&[("a", 4), ("b", 0), ("c", 0)]).await;
        for n in 1..=4 {
            bench.begin(n).await;
        }
        bench.drive(1, [placed("b")]).await;
        bench.drive(2, [placed("c"), Event::Admitted]).await;
        bench.drive(3, [placed("b")]).await;
        bench.drive(4, [Event::AbortRequested, Event::CancelledUnstarted]).await;
        let uuids = |records: Vec<godwit_store::MigrationRecord>| {
            records.into_iter().map(|it| it.migration.uuid).collect::<Vec<_>>()
        };
        let store = &bench.store;
        let of = |list: &[u128]| list.iter().map(|n| migration(*n)).collect::<Vec<_>>();
        assert_eq!(uuids(store.migrations_unfinished().await.unwrap()), of(&[1, 2, 3]));
        let queued: Vec<_> = bench.queue().await.iter().map(|it| it.uuid).collect();
        assert_eq!(queued, of(&[1, 3]));
        let on = async |name| uuids(store.migrations_unfinished_on(&host(name)).await.unwrap());
        assert_eq!(on("a").await, of(&[1, 2, 3]));
        assert_eq!(on("b").await, of(&[1, 3]));
        assert_eq!(on("z").await, of(&[]));
        assert_eq!(uuids(store.migrations_overdue(at(20), 10).await.unwrap()), of(&[]));
        assert_eq!(uuids(store.migrations_overdue(at(320), 10).await.unwrap()), of(&[2]));
        assert_eq!(uuids(store.migrations_overdue(at(99_999), 2).await.unwrap()), of(&[2, 1]));

        let figures = store.figures().await.unwrap();
        let counts: Vec<_> = figures.unfinished.iter().map(|(_, it, n)| (*it, *n)).collect();
        assert_eq!(counts.len(), 2);
        assert!(counts.contains(&(MigrationStatus::Queued, 2)), "{counts:?}");
        assert_eq!(figures.oldest_queued, Some(at(20)));
        assert!(figures.effects.contains(&(Effect::Schedule, 3, at(10))), "{figures:?}");
    }

    async fn remarks_are_part_of_the_log(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let before = bench.begin(1).await;
        let agent = Actor::Agent(host("a"));
        let detail = serde_json::json!({"n": 1});
        let noted = bench.store.migration_event_append(
            migration(1), "rejected", agent.clone(), detail.clone(), at(11),
        );
        assert!(noted.await.unwrap());
        let nobody = bench.store.migration_event_append(
            migration(9), "rejected", agent, detail.clone(), at(11),
        );
        assert!(!nobody.await.unwrap());
        assert_eq!(bench.record(1).await, before, "nothing else changes");
        let events = bench.store.migration_events(migration(1), 1).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].sequence, events[0].actor.as_str()), (2, "agent:a"));
        assert_eq!(events[0].detail, detail);
        bench.drive(1, [Event::AbortRequested, Event::CancelledUnstarted]).await;
        bench.assert_sound().await;
    }

    async fn a_clean_inventory_agrees_after_a_move(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b")]).await;
        bench.drive(1, TO_RUNNING).await;
        bench.drive(1, [Event::HandedOver, Event::Finished { clean: true }]).await;
        // The source began to look before the move ended, and is heard only now.
        let stale = bench.hears("a", at(19), vec![running(1)]).await;
        assert_eq!(stale, godwit_store::Observation::default());
        bench.assert_sound().await;
        bench.hears("a", at(30), Vec::new()).await;
        let observation = bench.hears("b", at(30), vec![running(1)]).await;
        assert_eq!(observation, godwit_store::Observation::default());
        assert_eq!(bench.server(1).await.host, Some(host("b")));
        bench.assert_sound().await;
    }
}
