//! What moves take of the links of their hosts, and what is learned of these.

use futures::future::join_all;
use godwit_core::event::Event;
use godwit_core::slots::{LinkShare, SlotRole};
use godwit_store::{Actor, CommitError, CommitNote, StepError};
use godwit_test_support::fleet::{at, server};

use crate::bench::{LIMITS, host, migration, placed};

/// Their limits of slots are one in each role.
fn takes(bytes_per_second: u64) -> CommitNote {
    CommitNote {
        slots: Some(LIMITS),
        share: Some(LinkShare {
            bytes_per_second,
            most: Some(3),
        }),
        ..CommitNote::new(Actor::Conductor, at(30))
    }
}

impl crate::bench::Bench {
    /// All hosts have such a link from now on.
    fn links_are(&self, bytes_per_second: u64) {
        self.sql(&format!(
            "UPDATE hosts SET links = '[{{\"name\": \"eth0\", \"role\": \"migration\", \
             \"bytes_per_second\": {bytes_per_second}, \"stream_bytes_per_second\": null}}]'"
        ));
    }

    /// Those of these numbers wait for their slots, from `a` to `b`.
    async fn wait(&self, numbers: std::ops::RangeInclusive<u128>) {
        for number in numbers {
            self.begin(number).await;
            self.drive(number, [placed("b")]).await;
        }
    }

    async fn is_full(&self, number: u128, note: CommitNote) -> Option<SlotRole> {
        match self.apply(number, Event::Admitted, note).await {
            Ok(_) => None,
            Err(StepError::Commit(CommitError::NoSlot { role, .. })) => Some(role),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn streams(&self) -> [Option<u64>; 2] {
        let mut rates = [None; 2];
        for (rate, name) in rates.iter_mut().zip(["a", "b"]) {
            let known = self.store.host_find(&host(name)).await.unwrap().unwrap();
            *rate = known.stream_bytes_per_second;
        }
        rates
    }

    async fn taken(&self) -> Vec<Option<i64>> {
        let moves = self.store.moves_under_way().await.unwrap();
        moves.iter().map(|it| it.taken).collect()
    }
}

on_both! {
    async fn as_much_of_a_link_is_taken_as_it_carries(bench: Bench) {
        bench.fleet(&[("a", 5), ("b", 0)]).await;
        bench.links_are(100);
        bench.wait(1..=5).await;
        assert_eq!(bench.is_full(1, takes(60)).await, None);
        assert_eq!(bench.is_full(2, takes(50)).await, Some(SlotRole::Source));
        assert_eq!(bench.is_full(2, takes(30)).await, None);
        assert_eq!(bench.is_full(3, takes(10)).await, None);
        assert_eq!(bench.taken().await, [Some(60), Some(30), Some(10)]);
        assert_eq!(bench.is_full(4, takes(0)).await, Some(SlotRole::Source), "three at most");
        bench.drive(1, [Event::AbortRequested, Event::RolledBack { clean: true }]).await;
        assert_eq!(bench.is_full(4, takes(60)).await, None);
        bench.assert_sound().await;
    }

    async fn slots_limit_what_uses_links_that_nobody_knows(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.wait(1..=2).await;
        assert_eq!(bench.is_full(1, takes(10)).await, None);
        assert_eq!(bench.is_full(2, takes(10)).await, Some(SlotRole::Source));
    }

    async fn what_a_release_before_began_may_take_all_of_a_link(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.links_are(100);
        bench.wait(1..=2).await;
        let before = CommitNote { share: None, ..takes(0) };
        assert_eq!(bench.is_full(1, before).await, None);
        assert_eq!(bench.taken().await, [None]);
        assert_eq!(bench.is_full(2, takes(1)).await, Some(SlotRole::Source));
    }

    async fn a_link_is_never_given_away_twice_at_the_same_time(bench: Bench) {
        bench.fleet(&[("a", 8), ("b", 0)]).await;
        bench.links_are(100);
        bench.wait(1..=8).await;
        let other = bench.another().await;
        let admissions = (1..=8).map(|number| {
            let store = if number % 2 == 0 { bench.store.clone() } else { other.clone() };
            tokio::spawn(async move {
                let admitted = store.migration_apply(migration(number), Event::Admitted, takes(40));
                admitted.await.is_ok()
            })
        });
        let admitted = join_all(admissions).await;
        assert_eq!(admitted.into_iter().filter(|it| *it.as_ref().unwrap()).count(), 2);
        assert_eq!(bench.taken().await, [Some(40), Some(40)]);
        bench.assert_sound().await;
    }

    async fn a_stream_that_is_alone_says_what_its_hosts_achieve(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.links_are(100);
        bench.wait(1..=2).await;
        bench.store.stream_seen(migration(1), 40).await.unwrap();
        assert_eq!(bench.streams().await, [None, None], "it does not move yet");
        assert_eq!(bench.is_full(1, takes(100)).await, None);
        bench.store.stream_seen(migration(1), 40).await.unwrap();
        assert_eq!(bench.streams().await, [Some(40), Some(40)]);
        // It takes no more of the link than that.
        assert_eq!(bench.taken().await, [Some(40)]);
        assert_eq!(bench.is_full(2, takes(40)).await, None);
        bench.store.stream_seen(migration(1), 20).await.unwrap();
        assert_eq!(bench.streams().await, [Some(40), Some(40)], "two share the link");
        bench.store.stream_seen(migration(2), 60).await.unwrap();
        assert_eq!(bench.streams().await, [Some(60), Some(60)]);
        bench.drive(1, [Event::AbortRequested, Event::RolledBack { clean: true }]).await;
        bench.store.stream_seen(migration(2), 20).await.unwrap();
        assert_eq!(bench.streams().await, [Some(60), Some(50)]);
        let links = bench.store.host_links(vec![host("b"), host("a"), host("x")]).await.unwrap();
        let rates: Vec<_> = links.iter().map(|it| it.stream_bytes_per_second).collect();
        assert_eq!(rates, [Some(60), Some(50)]);
    }

    async fn a_host_says_when_a_move_of_nobodys_run_left_it_last(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.wait(1..=1).await;
        let moved = async || {
            let links = bench.store.host_links(vec![host("a"), host("b")]).await.unwrap();
            links.into_iter().map(|it| it.moved_at).collect::<Vec<_>>()
        };
        assert_eq!(moved().await, [None, None]);
        assert_eq!(bench.is_full(1, takes(1)).await, None);
        assert_eq!(moved().await, [Some(at(30)), None]);
        let guests = bench.store.guests_of(vec![server(1)]).await.unwrap();
        assert_eq!(guests.len(), 1);
        assert_eq!(bench.store.moves_begun_by_runs().await.unwrap(), []);
    }
}
