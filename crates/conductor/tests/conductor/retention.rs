//! What was kept for long enough goes, and nothing that is still needed.

use std::time::Duration;

use godwit_core::retention::Retention;
use godwit_store::{EventQuery, EventReadError};
use godwit_test_support::wait_for;

use crate::cluster::*;

on_both! {
    async fn a_conductor_forgets_what_was_kept_for_long_enough(made: Made) {
        let mut cluster = made.with_hosts(&[2, 0]).start().await;
        let mut moved = vec![];
        for number in [1, 2] {
            let uuid = cluster.begin(number, anywhere()).await.unwrap();
            cluster.ends(uuid).await;
            moved.push(uuid);
        }
        cluster.is_sound().await;
        let moment = Some(Duration::from_millis(1));
        cluster.config.retention = Retention {
            events: moment,
            migrations: moment,
            ..Retention::default()
        };
        // It looks as soon as it is started.
        cluster.kill_conductor(1);
        cluster.start_conductor(1);
        wait_for("the first migration to be removed", PATIENCE, async || {
            let found = cluster.store.migration_find(moved[0]).await?;
            Ok(found.is_none().then_some(()))
        })
        .await
        .unwrap();
        // The last event is one of it.
        assert!(cluster.store.migration_find(moved[1]).await.unwrap().is_some());
        let query = EventQuery::after(0, 99);
        let read = cluster.store.events_page(&query).await;
        assert!(matches!(read, Err(EventReadError::Expired(0))), "{read:?}");
        cluster.all_are_up().await;
        cluster.is_sound().await;

        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.ends(uuid).await;
        cluster.is_sound().await;
    }
}
