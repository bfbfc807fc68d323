//! Who wants to be called, and what each is told.

use futures::future::join_all;
use godwit_core::webhook::{DeliveryState, TRIED};
use godwit_store::{ClaimedDelivery, NewDelivery, NewWebhook, Webhook};
use uuid::Uuid;

use crate::bench::{Bench, at, placed, uuid};
use crate::invariants::finds;

fn new(name: &str, project: &str) -> NewWebhook {
    NewWebhook {
        uuid: uuid("hook", name),
        project_id: project.to_owned(),
        user_id: Some("member".to_owned()),
        request_id: Some(format!("req-{name}")),
        url: format!("https://example.org/{name}"),
        types: vec!["migration.*".to_owned()],
        secret: "sealed".to_owned(),
        sees_hosts: false,
        sees_project: Some(project.to_owned()),
        at: at(1),
    }
}

async fn made(bench: &Bench, name: &str, project: &str) -> Webhook {
    let made = bench.store.webhook_create(new(name, project), 9).await;
    made.unwrap().unwrap()
}

fn delivery(position: i64, subject: &str) -> NewDelivery {
    NewDelivery {
        uuid: uuid("call", &position.to_string()),
        position,
        event_type: "migration.placed".to_owned(),
        subject: subject.to_owned(),
        body: format!("{{\"position\": {position}}}"),
    }
}

/// Events 4 to 7: of `a`, `b`, `a`, `b`.
async fn told(bench: &Bench, hook: &Webhook) {
    let new = [(4, "a"), (5, "b"), (6, "a"), (7, "b")].map(|(at, of)| delivery(at, of));
    let moved = bench
        .store
        .webhook_fan_out(hook.id, 0, 8, new.to_vec(), at(10))
        .await;
    assert!(moved.unwrap());
}

async fn claim(bench: &Bench, hook: &Webhook, second: i64, limit: i64) -> Vec<ClaimedDelivery> {
    let claimed = bench
        .store
        .webhook_claim(hook.id, at(second), at(second + 30), limit);
    claimed.await.unwrap()
}

fn positions(claimed: &[ClaimedDelivery]) -> Vec<i64> {
    claimed.iter().map(|it| it.position).collect()
}

/// How those that a webhook is told stand, the newest first.
async fn states(bench: &Bench, hook: &Webhook) -> Vec<(i64, DeliveryState, i64)> {
    let all = bench
        .store
        .webhook_deliveries(hook.id, None, 99)
        .await
        .unwrap();
    all.into_iter()
        .map(|it| (it.position, it.state, it.attempts))
        .collect()
}

on_both! {
    async fn a_webhook_is_its_projects(bench: Bench) {
        let first = made(&bench, "a", "demo").await;
        let expected = new("a", "demo");
        assert_eq!((first.uuid, &first.url, &first.types), (expected.uuid, &expected.url, &expected.types));
        assert_eq!((first.position, first.created_at), (0, at(1)));
        let other = made(&bench, "b", "lab").await;
        let find = async |uuid, project| bench.store.webhook_find(uuid, project).await.unwrap();
        assert_eq!(find(first.uuid, None).await.as_ref(), Some(&first));
        assert_eq!(find(first.uuid, Some("demo")).await.as_ref(), Some(&first));
        assert_eq!(find(first.uuid, Some("lab")).await, None);
        assert_eq!(find(Uuid::nil(), None).await, None);
        let list = async |project, after| bench.store.webhook_list(project, after, 9).await.unwrap();
        assert_eq!(list(None, 0).await, [first.clone(), other.clone()]);
        assert_eq!(list(None, first.id).await, [other]);
        assert_eq!(list(Some("demo"), 0).await, std::slice::from_ref(&first));
        assert_eq!(list(Some("no\0project"), 0).await, []);
        let count = async |project| bench.store.webhook_count(project).await.unwrap();
        assert_eq!((count(None).await, count(Some("lab")).await, count(Some("x")).await), (2, 1, 0));
        assert!(bench.store.webhook_delete(first.uuid).await.unwrap());
        assert!(!bench.store.webhook_delete(first.uuid).await.unwrap());
        assert_eq!(count(None).await, 1);
    }

    async fn a_project_has_so_many_however_many_ask_at_once(bench: Bench) {
        let all = (0..6).map(|n| bench.store.webhook_create(new(&n.to_string(), "demo"), 2));
        let made = join_all(all).await.into_iter().filter(|made| made.as_ref().unwrap().is_some());
        assert_eq!(made.count(), 2);
        assert!(bench.store.webhook_create(new("x", "lab"), 2).await.unwrap().is_some());
    }

    async fn an_event_becomes_one_delivery(bench: Bench) {
        let hook = made(&bench, "a", "demo").await;
        told(&bench, &hook).await;
        // Another process that looked at the same events comes too late.
        let late = vec![delivery(4, "a")];
        assert!(!bench.store.webhook_fan_out(hook.id, 0, 4, late, at(10)).await.unwrap());
        let moved = bench.store.webhook_find(hook.uuid, None).await.unwrap().unwrap();
        assert_eq!(moved.position, 8);
        assert_eq!(states(&bench, &hook).await.len(), 4);
        let page = bench.store.webhook_deliveries(hook.id, Some(6), 1).await.unwrap();
        assert_eq!((page.len(), page[0].position, page[0].subject.as_str()), (1, 5, "b"));
        assert_eq!(page[0].give_up_at, at(10).plus(TRIED));
        assert!(bench.store.webhook_delete(hook.uuid).await.unwrap());
        assert_eq!(states(&bench, &hook).await, []);
    }

    async fn those_about_one_subject_come_one_after_the_other(bench: Bench) {
        let hook = made(&bench, "a", "demo").await;
        told(&bench, &hook).await;
        assert_eq!(claim(&bench, &hook, 9, 9).await, [], "not yet");
        assert_eq!(positions(&claim(&bench, &hook, 10, 1).await), [4]);
        let second = claim(&bench, &hook, 10, 9).await;
        assert_eq!((positions(&second), second[0].attempt), (vec![5], 1));
        assert_eq!(claim(&bench, &hook, 11, 9).await, [], "both are being tried");
        assert!(bench.store.webhook_delivered(&second[0], 204, at(12)).await.unwrap());
        assert_eq!(positions(&claim(&bench, &hook, 12, 9).await), [7]);
        // Whoever tried the first has died.
        let again = claim(&bench, &hook, 41, 1).await;
        assert_eq!((positions(&again), again[0].attempt), (vec![4], 2));
        assert_eq!(again[0].body, "{\"position\": 4}");
    }

    async fn one_that_fails_waits_and_is_given_up(bench: Bench) {
        let hook = made(&bench, "a", "demo").await;
        told(&bench, &hook).await;
        let first = claim(&bench, &hook, 10, 1).await.remove(0);
        let failed = async |claimed: &ClaimedDelivery, next, second| {
            let why = "it says no".to_owned();
            let store = &bench.store;
            store.webhook_failed(claimed, Some(500), why, next, at(second)).await.unwrap()
        };
        assert!(failed(&first, Some(at(20)), 11).await);
        assert_eq!(positions(&claim(&bench, &hook, 15, 9).await), [5], "6 waits for 4");
        let second = claim(&bench, &hook, 21, 1).await.remove(0);
        assert_eq!((second.position, second.attempt), (4, 2));
        assert!(!bench.store.webhook_delivered(&first, 200, at(21)).await.unwrap(), "too late");
        assert!(failed(&second, None, 22).await);
        let all = bench.store.webhook_deliveries(hook.id, None, 9).await.unwrap();
        let dead = all.last().unwrap();
        assert_eq!((dead.state, dead.status, dead.ended_at), (DeliveryState::Dead, Some(500), Some(at(22))));
        assert_eq!(dead.error.as_deref(), Some("it says no"));
        assert_eq!(positions(&claim(&bench, &hook, 22, 9).await), [6]);

        let again = bench.store.webhook_redeliver(hook.id, dead.uuid, at(30)).await.unwrap().unwrap();
        assert_eq!((again.state, again.ended_at), (DeliveryState::Pending, None));
        assert_eq!(again.give_up_at, at(30).plus(TRIED));
        let third = claim(&bench, &hook, 30, 1).await.remove(0);
        assert_eq!((third.position, third.attempt), (4, 3));
        assert!(bench.store.webhook_delivered(&third, 200, at(31)).await.unwrap());
        let none = bench.store.webhook_redeliver(hook.id, Uuid::nil(), at(30)).await.unwrap();
        assert_eq!(none, None);
        bench.assert_sound().await;
    }

    async fn of_many_that_claim_at_once_one_has_it(bench: Bench) {
        let hook = made(&bench, "a", "demo").await;
        told(&bench, &hook).await;
        let all = join_all((0..8).map(|_| claim(&bench, &hook, 10, 9))).await;
        let mut claimed: Vec<i64> = all.iter().flat_map(|it| positions(it)).collect();
        claimed.sort_unstable();
        assert_eq!(claimed, [4, 5]);
    }

    async fn what_waits_is_known_since_when(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        let since = async || bench.store.figures().await.unwrap().oldest_for_webhooks;
        assert_eq!(since().await, None, "nobody wants to be called");
        let hook = made(&bench, "a", "demo").await;
        assert_eq!(since().await, None, "it is told what is yet to come");

        bench.drive(1, [placed("b")]).await;
        let happened = since().await.expect("the event has no position yet");
        let end = bench.store.events_end().await.unwrap();
        assert_eq!(since().await, Some(happened), "nobody has looked at it yet");
        let new = vec![delivery(end, "a")];
        let moved = bench.store.webhook_fan_out(hook.id, hook.position, end, new, at(10));
        assert!(moved.await.unwrap());
        assert_eq!(since().await, Some(at(10)));

        let tried = claim(&bench, &hook, 20, 9).await.remove(0);
        let failed = bench.store.webhook_failed(&tried, None, "no".to_owned(), Some(at(30)), at(21));
        assert!(failed.await.unwrap());
        assert_eq!(since().await, Some(at(10)), "it waits all the same");
        let tried = claim(&bench, &hook, 30, 9).await.remove(0);
        assert!(bench.store.webhook_delivered(&tried, 204, at(31)).await.unwrap());
        assert_eq!(since().await, None);

        let uuid = bench.store.webhook_deliveries(hook.id, None, 1).await.unwrap()[0].uuid;
        bench.store.webhook_redeliver(hook.id, uuid, at(90)).await.unwrap().unwrap();
        assert_eq!(since().await, Some(at(90)), "it is sent again since then");
        assert!(bench.store.webhook_delete(hook.uuid).await.unwrap());
        assert_eq!(since().await, None);
    }

    async fn what_has_ended_is_kept_for_a_while(bench: Bench) {
        let hook = made(&bench, "a", "demo").await;
        told(&bench, &hook).await;
        for claimed in claim(&bench, &hook, 10, 9).await {
            assert!(bench.store.webhook_delivered(&claimed, 200, at(11)).await.unwrap());
        }
        let prune = async |second, limit| {
            let pruned = bench.store.webhook_deliveries_prune(at(second), limit);
            pruned.await.unwrap()
        };
        assert_eq!(prune(10, 9).await, 0);
        assert_eq!(prune(11, 1).await, 1);
        assert_eq!(prune(11, 9).await, 1);
        assert_eq!(states(&bench, &hook).await.len(), 2, "what is pending stays");
    }

    async fn a_state_that_is_none_is_named(bench: Bench) {
        let hook = made(&bench, "a", "demo").await;
        told(&bench, &hook).await;
        let wrong = "UPDATE webhook_deliveries SET state = 'odd' WHERE position = 4";
        finds(&bench, wrong, "words", "has the state 'odd'").await;
    }
}
