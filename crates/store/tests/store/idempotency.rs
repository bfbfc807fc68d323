//! Keys of requests that may be sent again.

use std::time::Duration;

use futures::future::join_all;
use godwit_core::idempotency::KEPT;
use godwit_core::time::Timestamp;
use godwit_store::{BeginError, IdempotencyKey, KeptAnswer, KeptRequest, KeyedRequest, StoreError};

use crate::bench::{Bench, anybody, at, new_migration};

fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey {
        user_id: "admin".to_owned(),
        project_id: "admin-project".to_owned(),
        route: "POST /servers/{server_id}/action".to_owned(),
        key: key.to_owned(),
    }
}

fn answer(status: u16) -> KeptAnswer {
    KeptAnswer {
        etag: None,
        status,
        location: Some("/relocation/v1/plans/1".to_owned()),
        body: "{}".to_owned(),
    }
}

fn request(name: &str, at: Timestamp) -> KeyedRequest {
    KeyedRequest {
        key: key(name),
        fingerprint: "f".to_owned(),
        promise: answer(202),
        open_until: at.plus(Duration::from_secs(60)),
        forgotten: at.minus(KEPT),
        at,
    }
}

/// Begins migration `n` with a key; `false`: another request had it.
async fn begin(bench: &Bench, n: u128, request: KeyedRequest) -> bool {
    let (store, write) = bench.store.keyed(request);
    let begun = store
        .server_begin_live_migration(new_migration(n, at(10)), anybody)
        .await;
    match begun {
        Ok(_) => assert!(write.is_written() && !write.is_lost()),
        Err(BeginError::Store(StoreError::KeyTaken)) => {
            assert!(write.is_lost() && !write.is_written());
        }
        Err(other) => panic!("{other:?}"),
    }
    write.is_written()
}

async fn find(bench: &Bench, name: &str, now: Timestamp) -> Option<KeptRequest> {
    let forgotten = now.minus(KEPT);
    let key = key(name);
    let found = bench.store.idempotency_find(&key, forgotten);
    found.await.unwrap()
}

on_both! {
    async fn a_key_comes_with_what_it_makes(bench: Bench) {
        bench.fleet(&[("a", 2)]).await;
        assert_eq!(find(&bench, "k", at(10)).await, None);
        assert!(begin(&bench, 1, request("k", at(10))).await);
        let kept = find(&bench, "k", at(11)).await.unwrap();
        assert_eq!((kept.fingerprint.as_str(), &kept.answer), ("f", &answer(202)));
        assert_eq!(kept.open_until, Some(at(70)));
        assert!(!begin(&bench, 2, request("k", at(12))).await, "one key makes one thing");
        assert_eq!(bench.store.migrations_unfinished().await.unwrap().len(), 1);

        bench.store.idempotency_answer(&key("k"), &answer(400)).await.unwrap();
        let kept = find(&bench, "k", at(12)).await.unwrap();
        assert_eq!((kept.answer, kept.open_until), (answer(400), None));
        bench.assert_sound().await;
    }

    async fn a_key_is_of_one_user_project_and_route(bench: Bench) {
        bench.fleet(&[("a", 5)]).await;
        assert!(begin(&bench, 1, request("k", at(10))).await);
        let others = [
            IdempotencyKey { user_id: "member".to_owned(), ..key("k") },
            IdempotencyKey { project_id: String::new(), ..key("k") },
            IdempotencyKey { route: "POST /relocation/v1/plans".to_owned(), ..key("k") },
            key("K"),
        ];
        for (n, other) in (2..).zip(others) {
            assert!(begin(&bench, n, KeyedRequest { key: other, ..request("k", at(10)) }).await);
        }
    }

    async fn what_is_refused_leaves_no_key(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let (store, write) = bench.store.keyed(request("k", at(10)));
        let refused = store.server_begin_live_migration(new_migration(1, at(10)), |_| Err("no"));
        assert!(matches!(refused.await, Err(BeginError::Refused("no"))));
        assert!(!write.is_written() && !write.is_lost());
        assert_eq!(find(&bench, "k", at(10)).await, None);
        // The same handle may try again, and writes its key once.
        write.promise(answer(201));
        let new = new_migration(1, at(10));
        store.server_begin_live_migration(new, anybody).await.unwrap();
        assert!(write.is_written());
        assert_eq!(find(&bench, "k", at(10)).await.unwrap().answer, answer(201));
        assert_eq!(store.idempotency_prune(at(9), 9).await.unwrap(), 0, "another transaction");
        assert!(write.is_written());
    }

    async fn an_answer_that_changed_nothing_is_kept_by_the_first(bench: Bench) {
        let keep = async |status: u16| {
            let request = request("k", at(10));
            bench.store.idempotency_keep(request, &answer(status)).await.unwrap()
        };
        assert!(keep(200).await);
        assert!(!keep(204).await, "it has the key");
        let kept = find(&bench, "k", at(11)).await.unwrap();
        assert_eq!((kept.answer, kept.open_until), (answer(200), None));
        bench.fleet(&[("a", 1)]).await;
        assert!(!begin(&bench, 1, request("k", at(12))).await, "nor does it make anything");
    }

    async fn of_many_at_once_one_makes_it(bench: Bench) {
        bench.fleet(&[("a", 8)]).await;
        let all = (1..=8).map(|n| begin(&bench, n, request("k", at(10))));
        let made = join_all(all).await.into_iter().filter(|made| *made).count();
        assert_eq!(made, 1);
        assert_eq!(bench.store.migrations_unfinished().await.unwrap().len(), 1);
        bench.assert_sound().await;
    }

    async fn a_day_later_a_key_is_free(bench: Bench) {
        bench.fleet(&[("a", 4)]).await;
        for n in 1..=3 {
            assert!(begin(&bench, n, request(&format!("k{n}"), at(10))).await);
        }
        let (kept, over) = (at(9).plus(KEPT), at(10).plus(KEPT));
        assert!(find(&bench, "k1", kept).await.is_some());
        assert_eq!(find(&bench, "k1", over).await, None);
        assert!(!begin(&bench, 4, request("k1", kept)).await);
        assert!(begin(&bench, 4, request("k1", over)).await, "though it was not pruned");
        let prune = async |now: Timestamp, limit| {
            bench.store.idempotency_prune(now.minus(KEPT), limit).await.unwrap()
        };
        assert_eq!(prune(kept, 9).await, 0);
        assert_eq!(prune(over, 1).await, 1);
        assert_eq!(prune(over, 9).await, 1);
        assert!(find(&bench, "k1", over).await.is_some());
    }
}
