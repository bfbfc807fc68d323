//! A database that was restored from a backup, and is behind its agents.

use std::time::Duration;

use godwit_core::effect::Effect;
use godwit_core::event::Event;
use godwit_core::server::TaskState;
use godwit_core::status::MigrationStatus as Status;
use godwit_store::{Restored, Restoring, ServiceChange};

use crate::bench::{Bench, asked, at, host, migration, placed};

const HOUR: u64 = 3_600;

/// An operator says so at some second, and that these hosts are dead.
async fn restore(bench: &Bench, second: i64, dead: &[&str]) -> Restored {
    let told = Restoring {
        at: at(second),
        dead: dead.iter().map(|name| host(name)).collect(),
        remember: Duration::from_secs(2 * HOUR),
    };
    bench.store.restored(told).await.unwrap()
}

async fn awaited(bench: &Bench, source: &str) -> Option<String> {
    let found = bench.store.host_awaited(&host(source)).await.unwrap();
    found.map(|host| host.to_string())
}

async fn declare_dead(bench: &Bench, name: &str, second: i64) {
    let known = bench.store.host_find(&host(name)).await.unwrap().unwrap();
    let change = ServiceChange {
        status: None,
        forced_down: Some(true),
        note: asked("req-1", at(second)),
    };
    let fine = |_: &_, _: &_| Ok::<_, ()>(());
    let changed = bench.store.service_update(known.service.uuid, change, fine);
    changed.await.unwrap();
}

async fn is_dead(bench: &Bench, name: &str) -> bool {
    bench
        .store
        .host_is_declared_dead(&host(name))
        .await
        .unwrap()
}

on_both! {
    async fn each_host_has_to_show_what_it_has(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        assert_eq!(awaited(&bench, "a").await, None, "nothing was restored");
        let done = restore(&bench, 100, &[]).await;
        assert_eq!(done.awaited, [host("a"), host("b"), host("c")]);
        assert_eq!((done.last_sign, &done.history[..]), (Some(at(0)), &[][..]));

        assert_eq!(awaited(&bench, "a").await.as_deref(), Some("b"));
        bench.hears("b", at(101), vec![]).await;
        assert_eq!(awaited(&bench, "a").await.as_deref(), Some("c"));
        declare_dead(&bench, "c", 102).await;
        assert_eq!(awaited(&bench, "a").await, None);
        assert_eq!(awaited(&bench, "b").await.as_deref(), Some("a"));
        bench.assert_sound().await;
    }

    async fn who_is_dead_is_said_anew(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        declare_dead(&bench, "a", 10).await;
        declare_dead(&bench, "b", 10).await;
        let done = restore(&bench, 100, &["b", "c"]).await;
        assert_eq!(done.not_dead, [host("a")]);
        assert_eq!(done.awaited, [host("a")]);
        assert!(!is_dead(&bench, "a").await);
        assert!(is_dead(&bench, "b").await);
        assert!(is_dead(&bench, "c").await);
        assert_eq!(awaited(&bench, "b").await.as_deref(), Some("a"));
        assert_eq!(awaited(&bench, "a").await, None);
    }

    async fn what_agents_remember_goes_on(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.evacuate(1).await;
        bench.drive(1, [placed("b")]).await;
        let before = bench.record(1).await;
        let done = restore(&bench, 600, &["a"]).await;
        assert_eq!(done.history, []);
        assert_eq!(bench.record(1).await, before);
    }

    async fn what_they_may_have_forgotten_is_history(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 0)]).await;
        bench.evacuate(1).await;
        bench.drive(1, [placed("b")]).await;
        bench.evacuate(2).await;
        bench.drive(2, [placed("b"), Event::Booted]).await;
        bench.begin(3).await;

        let done = restore(&bench, 3_600, &["a"]).await;
        assert_eq!(done.history, [migration(1), migration(2)]);
        let late = at(4_000);
        let claimed = bench.store.effects_claim("c", late, Duration::from_secs(5), 9).await;
        let left: Vec<_> = claimed.unwrap().iter().map(|it| it.subject.verb()).collect();
        assert_eq!(left, [Effect::Schedule.as_str()], "a live migration goes on");
        assert_eq!(bench.store.claim_list().await.unwrap(), []);
        let record = bench.record(1).await;
        assert!(record.imported);
        assert_eq!(record.migration.status(), Status::PreMigrating);
        assert_eq!((record.migration.deadline, record.migration.placement), (None, None));
        assert_eq!(bench.store.evacuations_done_from(&host("a")).await.unwrap(), []);
        assert_eq!(bench.store.migrations_overdue(at(99_999), 9).await.unwrap().len(), 1);
        bench.assert_sound().await;

        // Its task is for an operator to clear, once it is known where the server is.
        assert_eq!(bench.server(1).await.task_state, Some(TaskState::RebuildSpawning));
        let down_time = Duration::from_secs(60);
        let offers = bench.store.repairs_offered(late, down_time).await.unwrap();
        assert_eq!(offers.len(), 1, "{offers:?}");
        let repair = offers[0].repair.clone();
        let clear = godwit_core::repair::Repair::ClearTask(TaskState::RebuildSpawning);
        assert_eq!(repair, Ok(clear));
        // And again changes nothing.
        assert_eq!(restore(&bench, 3_700, &["a"]).await.history, []);
    }
}
