//! Who may begin: those for whom there is a slot at both ends, in the order of the queue.

use godwit_core::event::Event;
use godwit_core::ids::MigrationUuid;
use godwit_core::slots::SlotLimits;
use godwit_store::{FullHosts, Queued};

use crate::bench::{LIMITS, migration, placed};

fn uuids(queue: &[Queued]) -> Vec<MigrationUuid> {
    queue.iter().map(|it| it.uuid).collect()
}

fn of(numbers: &[u128]) -> Vec<MigrationUuid> {
    numbers.iter().map(|number| migration(*number)).collect()
}

on_both! {
    async fn hosts_without_a_slot_are_left_out(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 2), ("c", 2), ("d", 0), ("e", 0)]).await;
        for (number, destination) in [(1, "d"), (2, "e"), (3, "d"), (4, "e"), (5, "d"), (6, "e")] {
            bench.begin(number).await;
            bench.drive(number, [placed(destination)]).await;
        }
        assert_eq!(uuids(&bench.queue().await), of(&[1, 2, 3, 4, 5, 6]));
        // From a to d: neither has another slot in that role.
        bench.drive(1, [Event::Admitted]).await;
        let admissible = async |limits: SlotLimits| {
            let full = bench.full(limits).await;
            let found = bench.store.migrations_admissible(&full, None, 10).await;
            uuids(&found.unwrap())
        };
        assert_eq!(admissible(LIMITS).await, of(&[4, 6]), "from b and c, to e");
        let sources_only = SlotLimits { per_destination: None, ..LIMITS };
        assert_eq!(admissible(sources_only).await, of(&[3, 4, 5, 6]));
        let two = SlotLimits { per_source: Some(2), per_destination: Some(2) };
        assert_eq!(admissible(two).await, of(&[2, 3, 4, 5, 6]));
        // Nobody begins what is to be ended.
        bench.drive(4, [Event::AbortRequested]).await;
        assert_eq!(admissible(LIMITS).await, of(&[6]));
        bench.assert_sound().await;
        // Nor what another database has recorded.
        bench.sql("UPDATE migrations SET imported = TRUE, storage = NULL");
        assert_eq!(admissible(LIMITS).await, of(&[]));
    }

    async fn a_long_queue_is_read_in_pages(bench: Bench) {
        bench.fleet(&[("a", 7), ("b", 0)]).await;
        for number in 1..=7 {
            bench.begin(number).await;
            bench.drive(number, [placed("b")]).await;
        }
        let mut seen = Vec::new();
        let (mut last, none) = (None, FullHosts::default());
        loop {
            let page = bench.store.migrations_admissible(&none, last.as_ref(), 3);
            let page = page.await.unwrap();
            assert!(page.len() <= 3);
            seen.extend(uuids(&page));
            last = page.into_iter().next_back();
            if last.is_none() {
                break;
            }
        }
        assert_eq!(seen, of(&[1, 2, 3, 4, 5, 6, 7]));
    }
}
