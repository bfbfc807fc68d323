//! What an operator's tool offers, carries out, and leaves alone.

use std::time::Duration;

use godwit_core::recovery::Sighting;
use godwit_core::repair::Repair;
use godwit_core::server::{TaskState, VmState};
use godwit_store::{Service, ServiceChange, ServiceUse};

use crate::bench::{Bench, asked, at, host, running, server, sighted, uuid};

const DOWN: Duration = Duration::from_secs(60);

async fn offered(bench: &Bench) -> Vec<Result<Repair, &'static str>> {
    let offers = bench.store.repairs_offered(at(30), DOWN).await.unwrap();
    offers.into_iter().map(|offer| offer.repair).collect()
}

async fn mend(bench: &Bench, repair: Repair) -> bool {
    let note = asked("req-repair", at(30));
    let done = bench
        .store
        .server_repair(server(1), repair, DOWN, note)
        .await;
    done.unwrap()
}

async fn force_down(bench: &Bench, name: &str) {
    let change = ServiceChange {
        status: None,
        forced_down: Some(true),
        note: asked("req-1", at(20)),
    };
    let fine = |_: &Service, _: &ServiceUse| Ok::<_, std::convert::Infallible>(());
    let changed = bench
        .store
        .service_update(uuid("service", name), change, fine);
    changed.await.unwrap();
}

on_both! {
    async fn a_stale_task_is_cleared_and_a_fresh_one_is_not(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.sql("UPDATE servers SET task_state = 'migrating'");
        let clear = Repair::ClearTask(TaskState::Migrating);
        assert_eq!(offered(&bench).await, [Ok(clear.clone())]);
        assert!(mend(&bench, clear.clone()).await);
        let mended = bench.server(1).await;
        assert_eq!((mended.vm_state, mended.task_state), (VmState::Active, None));
        assert_eq!(offered(&bench).await, []);
        assert!(!mend(&bench, clear.clone()).await, "it is done");

        let action = bench.store.instance_action_find(server(1), "req-repair").await;
        let action = action.unwrap().unwrap();
        assert_eq!((action.action.as_str(), action.user_id.as_deref()), ("resetState", Some("admin")));

        bench.begin(1).await;
        assert_eq!(offered(&bench).await, [], "a migration works on it");
        assert!(!mend(&bench, clear).await);
        assert_eq!(bench.server(1).await.task_state, Some(TaskState::Migrating));
        bench.assert_sound().await;
    }

    async fn an_error_over_a_healthy_guest_ends(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.sql("UPDATE servers SET vm_state = 'error'");
        let recover = Repair::Recover(VmState::Active);
        assert_eq!(offered(&bench).await, [Ok(recover.clone())]);
        assert!(mend(&bench, recover.clone()).await);
        assert_eq!(bench.server(1).await.vm_state, VmState::Active);

        bench.sql("UPDATE servers SET vm_state = 'error'");
        bench.hears("a", at(5), vec![sighted(1, Sighting::Inactive)]).await;
        assert_eq!(offered(&bench).await, [], "it does not run, and nothing else is known");
        assert!(!mend(&bench, recover).await);
        bench.assert_sound().await;
    }

    async fn the_record_of_a_dead_host_follows_to_the_living(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.hears("b", at(5), vec![running(1)]).await;
        let follow = Repair::Follow(host("b"));
        assert!(offered(&bench).await[0].is_err(), "both may be right");
        assert!(!mend(&bench, follow.clone()).await);
        force_down(&bench, "a").await;
        assert_eq!(offered(&bench).await, [Ok(follow.clone())]);
        assert!(mend(&bench, follow).await);
        assert_eq!(bench.server(1).await.host, Some(host("b")));
        assert_eq!(bench.store.discrepancy_list_open().await.unwrap(), []);
        bench.hears("b", at(31), vec![running(1)]).await;
        assert_eq!(bench.store.discrepancy_list_open().await.unwrap(), []);
        bench.assert_sound().await;
    }

    async fn what_nobody_has_is_not_repaired_and_what_is_gone_is_closed(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.hears("a", at(5), vec![]).await;
        let offers = bench.store.repairs_offered(at(30), DOWN).await.unwrap();
        assert!(offers[0].repair.is_err() && offers[0].moot.is_empty());
        let subject = offers[0].discrepancies[0].subject.clone();
        let close = async || {
            let closed = bench.store.discrepancy_close_moot(subject.clone(), DOWN, at(30));
            closed.await.unwrap()
        };
        assert!(!close().await, "its host may still find it");
        bench.sql("UPDATE servers SET deleted_at = created_at, vm_state = 'deleted'");
        assert!(close().await);
        assert_eq!(bench.store.discrepancy_list_open().await.unwrap(), []);
    }
}
