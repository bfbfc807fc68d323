//! Several conductors on one database.

use std::time::Instant;

use godwit_core::event::Event;
use godwit_core::status::MigrationStatus as Status;
use godwit_store::ServiceBinary;
use godwit_test_support::wait_for;

use crate::cluster::*;

on_both! {
    async fn two_share_the_work(made: Made) {
        let mut made = made.with_hosts(&[4, 4, 0]);
        made.conductors = 2;
        made.config.slots.per_source = 2;
        let cluster = made.start().await;
        let mut all = Vec::new();
        for number in 1..=8 {
            all.push(cluster.begin(number, anywhere()).await.unwrap());
        }
        for uuid in all {
            let record = cluster.ends(uuid).await;
            let log = cluster.log(uuid).await;
            assert_eq!(record.migration.status(), Status::Completed, "{log:?}");
            let count = |name: &str| log.iter().filter(|line| line.starts_with(name)).count();
            for once in ["placed", "admitted", "prepared", "handed_over", "finished"] {
                assert_eq!(count(once), 1, "{log:?}");
            }
        }
        cluster.is_sound().await;
        let services = cluster.store.service_list().await.unwrap();
        let conductors = services.iter().filter(|it| it.binary == ServiceBinary::Conductor);
        assert_eq!(conductors.count(), 2);
    }

    async fn when_one_dies_the_other_takes_over(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.conductors = 2;
        made.never_converges(1);
        let mut cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(uuid, Status::Running).await;
        for (dies, returns) in [(1, 2), (2, 1)] {
            if dies == 2 {
                cluster.start_conductor(returns);
            }
            cluster.kill_conductor(dies);
            let killed = Instant::now();
            let before = cluster.record(uuid).await.progress.memory;
            wait_for("progress to be written again", PATIENCE, async || {
                let now = cluster.record(uuid).await.progress.memory;
                // What was on its way into the database when it died does not count.
                let late = killed.elapsed() > cluster.config.lease / 2;
                Ok((late && now != before).then_some(()))
            })
            .await
            .unwrap();
        }
        assert!(cluster.ask(uuid, Event::AbortRequested).await);
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Cancelled);
        cluster.is_sound().await;
    }
}
