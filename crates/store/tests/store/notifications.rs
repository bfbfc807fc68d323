//! How far events were told to a broker, and who tells them.

use futures::future::join_all;

use crate::bench::{Bench, at};

const READER: &str = "notifications";

/// Asks for the lease at `second`, for ten seconds.
async fn lease(bench: &Bench, holder: &str, second: i64) -> Option<i64> {
    let spans = (at(second + 5), at(second + 10));
    let leased = bench
        .store
        .notification_lease(READER, holder, at(second), spans);
    leased.await.unwrap()
}

async fn advance(bench: &Bench, holder: &str, from: i64, to: i64) -> bool {
    let moved = bench.store.notification_advance(READER, holder, from, to);
    moved.await.unwrap()
}

on_both! {
    async fn one_holds_the_lease_until_it_ends(bench: Bench) {
        assert_eq!(bench.store.notification_cursor(READER).await.unwrap(), None);
        assert_eq!(lease(&bench, "a", 0).await, Some(0));
        assert_eq!(lease(&bench, "b", 9).await, None);
        assert_eq!(lease(&bench, "b", 10).await, Some(0));
        assert_eq!(lease(&bench, "a", 11).await, None);
        assert_eq!(lease(&bench, "b", 12).await, Some(0));
        let cursor = bench.store.notification_cursor(READER).await.unwrap().unwrap();
        assert_eq!(cursor.lease_until, Some(at(20)), "half of it is left, so it was not renewed");
        assert_eq!(lease(&bench, "b", 16).await, Some(0));
        let cursor = bench.store.notification_cursor(READER).await.unwrap().unwrap();
        assert_eq!((cursor.holder.as_deref(), cursor.lease_until), (Some("b"), Some(at(26))));
    }

    async fn one_of_many_that_ask_at_once_holds_it(bench: Bench) {
        let names: Vec<String> = (0..6).map(|n| n.to_string()).collect();
        let asked = names.iter().map(|name| lease(&bench, name, 0));
        let held = join_all(asked).await.into_iter().flatten();
        assert_eq!(held.count(), 1);
    }

    async fn who_lost_the_lease_moves_nothing(bench: Bench) {
        assert_eq!(lease(&bench, "a", 0).await, Some(0));
        assert!(advance(&bench, "a", 0, 4).await);
        assert!(!advance(&bench, "a", 0, 5).await, "it is at 4");
        assert_eq!(lease(&bench, "b", 10).await, Some(4));
        assert!(!advance(&bench, "a", 4, 7).await);
        assert!(advance(&bench, "b", 4, 6).await);
    }

    async fn a_lease_that_is_given_up_is_anybodys(bench: Bench) {
        assert_eq!(lease(&bench, "a", 0).await, Some(0));
        bench.store.notification_release(READER, "b").await.unwrap();
        assert_eq!(lease(&bench, "b", 1).await, None, "it was not b's to give up");
        bench.store.notification_release(READER, "a").await.unwrap();
        assert_eq!(lease(&bench, "b", 1).await, Some(0));
    }
}
