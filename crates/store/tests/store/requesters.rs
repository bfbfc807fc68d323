//! Who asked for a change is written down with it.

use godwit_core::requester::Requester;
use godwit_core::server_group::Policy;
use godwit_store::{AggregateChange, AggregateUse, NewAggregate, NewServerGroup, NewWebhook};

use crate::bench::{Bench, at, group, host, uuid};

fn by(user: &str) -> Requester {
    Requester {
        user: Some(user.to_owned()),
        project: Some("ops".to_owned()),
        request_id: Some(format!("req-{user}")),
    }
}

/// Who changed the rows of a table last.
fn last(bench: &Bench, table: &str) -> Vec<Requester> {
    let query = format!("SELECT changed_by AS text FROM {table} ORDER BY id");
    let read = |text: String| serde_json::from_str(&text).unwrap();
    bench.texts(&query).into_iter().map(read).collect()
}

on_both! {
    async fn who_changed_an_aggregate_last_is_known(bench: Bench) {
        bench.host("a").await;
        let new = NewAggregate {
            uuid: uuid("aggregate", "first"),
            name: "first".to_owned(),
            availability_zone: None,
            by: by("ada"),
            at: at(1),
        };
        let made = bench.store.aggregate_create(new).await.unwrap().unwrap();
        assert_eq!(last(&bench, "aggregates"), [by("ada")]);
        for (change, who) in [
            (AggregateChange::AddHost(host("a")), "eve"),
            (AggregateChange::Update { name: Some("second".to_owned()), availability_zone: None }, "bob"),
        ] {
            let fine = |_: &AggregateUse| Ok::<_, ()>(());
            let changed = bench.store.aggregate_change(made.id, change, by(who), at(2), fine);
            changed.await.unwrap();
            assert_eq!(last(&bench, "aggregates"), [by(who)]);
        }
        assert_eq!(last(&bench, "aggregate_hosts"), [by("eve")], "who put it there");
    }

    async fn who_made_or_deleted_a_group_is_known(bench: Bench) {
        let new = NewServerGroup {
            uuid: group(1),
            name: "web".to_owned(),
            project_id: "demo".to_owned(),
            user_id: "member".to_owned(),
            policy: Policy::Affinity,
            max_server_per_host: None,
            by: Some(by("ada")),
            at: at(1),
        };
        bench.store.server_group_create(new).await.unwrap();
        assert_eq!(last(&bench, "server_groups"), [by("ada")]);
        assert!(bench.store.server_group_delete(group(1), by("eve"), at(2)).await.unwrap());
        assert_eq!(last(&bench, "server_groups"), [by("eve")]);
    }

    async fn the_request_that_made_a_webhook_is_known(bench: Bench) {
        let new = NewWebhook {
            uuid: uuid("hook", "a"),
            project_id: "demo".to_owned(),
            user_id: Some("ada".to_owned()),
            request_id: Some("req-ada".to_owned()),
            url: "https://example.org/".to_owned(),
            types: vec!["migration.*".to_owned()],
            secret: "sealed".to_owned(),
            sees_hosts: false,
            sees_project: None,
            at: at(1),
        };
        let made = bench.store.webhook_create(new, 9).await.unwrap().unwrap();
        assert_eq!(made.request_id.as_deref(), Some("req-ada"));
        // As the release before this one leaves it.
        bench.sql("UPDATE webhooks SET request_id = NULL");
        let found = bench.store.webhook_find(made.uuid, None).await.unwrap().unwrap();
        assert_eq!(found.request_id, None);
    }
}
