//! Imported rows beside the agents of today.

use godwit_core::event::Event;
use godwit_core::server::PowerState;
use godwit_core::status::MigrationStatus;
use godwit_store::MovedByHand;
use serde_json::json;

use crate::bench::{Bench, at, host, note_for, registration, running, server};
use crate::nova::{Nova, moving, row};

async fn import(bench: &Bench, nova: &Nova) {
    bench.store.import(nova.dump(), at(0)).await.unwrap();
}

async fn registers(bench: &Bench, name: &str) {
    let registered = bench.store.host_register(registration(name, at(3600)));
    registered.await.unwrap();
}

on_both! {
    async fn agents_take_their_guests_over(bench: Bench) {
        import(&bench, &Nova::new()).await;
        let before = bench.server(1).await;
        registers(&bench, "h1").await;
        let guests = vec![running(1), running(2)];
        let seen = bench.hears("h1", at(3601), guests).await;
        assert_eq!(seen.adopted, [server(2)], "the other one was known");
        assert_eq!((seen.moved_by_hand, seen.opened), (vec![], vec![]));

        let after = bench.server(1).await;
        assert_eq!((after.id, &after.name, &after.flavor), (10, &before.name, &before.flavor));
        assert_eq!((after.created_at, after.lock), (before.created_at, before.lock));
        assert_eq!((after.launch, after.host), (before.launch, Some(host("h1"))));
        let hardware = bench.hardware(1).await;
        assert_eq!(hardware.disks, running(1).disks, "its host knows");
        assert_eq!(hardware.cpu, running(1).cpu);
        assert_eq!(after.power_state, PowerState::Running);
        assert_eq!(bench.server(2).await.id, 11, "numbers go on");
        bench.assert_sound().await;
    }

    async fn a_move_that_nobody_drives_holds_no_server(bench: Bench) {
        let nova = Nova::new();
        let rows = ["running", "queued", "accepted", "post-migrating"];
        let rows = rows.iter().zip(0..).map(|(status, n)| moving(20 + n, 1 + n as u128, status));
        nova.write("migrations", &rows.collect::<Vec<_>>());
        import(&bench, &nova).await;
        let before = bench.store.migrations_unfinished().await.unwrap();
        assert_eq!(before.len(), 4);
        registers(&bench, "h1").await;
        registers(&bench, "h2").await;
        bench.hears("h1", at(3601), Vec::new()).await;
        let seen = bench.hears("h2", at(3602), vec![running(1)]).await;
        let moved = MovedByHand { server: server(1), from: Some(host("h1")), to: host("h2") };
        assert_eq!(seen.moved_by_hand, [moved]);
        assert_eq!(bench.server(1).await.host, Some(host("h2")));
        assert_eq!(bench.store.migrations_unfinished().await.unwrap(), before, "it is history");
        bench.assert_sound().await;
    }

    async fn a_move_that_is_aborted_still_shows_where_it_led(bench: Bench) {
        let nova = Nova::new();
        nova.write("migrations", &[moving(20, 1, "preparing")]);
        import(&bench, &nova).await;
        bench.drive(1, [Event::AbortRequested]).await;
        let note = note_for(&Event::DeadlinePassed, at(3600));
        bench.apply(1, Event::DeadlinePassed, note).await.unwrap();
        let found = bench.store.migration_shown_for_server(server(1), 20, None).await;
        let shown = found.unwrap().unwrap().found.unwrap();
        assert_eq!(shown.status, MigrationStatus::Cancelled);
        assert_eq!((shown.dest_compute, shown.dest_node.as_deref()),
            (Some(host("h2")), Some("h2.example.org")));
        assert_eq!(bench.store.leftovers(None).await.unwrap(), [], "nothing was begun there");
    }

    async fn evacuations_of_before_are_over_when_their_host_is_back(bench: Bench) {
        let nova = Nova::new();
        let evacuation = |id, n, source: &str| row(moving(id, n, "done"), json!({
            "migration_type": "evacuation", "source_compute": source, "dest_compute": "h3"}));
        nova.write("migrations", &[evacuation(20, 1, "h1"), evacuation(21, 2, "h2")]);
        import(&bench, &nova).await;
        registers(&bench, "h1").await;
        // Its guest may be back on it for good: nobody takes it away.
        assert_eq!(bench.store.evacuations_done_from(&host("h1")).await.unwrap(), []);
        let (back, away) = (bench.record(1).await, bench.record(2).await);
        assert_eq!(back.migration.status(), MigrationStatus::Completed);
        assert_eq!(back.updated_at, Some(at(3600)));
        assert_eq!(away.migration.status(), MigrationStatus::Done);
        bench.assert_sound().await;
    }
}
