//! A Nova's server groups, brought along.

use godwit_core::requester::Requester;
use godwit_core::server_group::Policy;
use godwit_store::{ImportReport, NewServerGroup, TableReport};
use serde_json::{Value, json};

use crate::bench::{at, declared, group, placed, server};
use crate::nova::{Nova, instance, row};

fn table<'a>(report: &'a ImportReport, name: &str) -> &'a TableReport {
    report.tables.iter().find(|it| it.table == name).unwrap()
}

fn counts(report: &ImportReport, name: &str) -> (u64, u64, Vec<&'static str>) {
    let table = table(report, name);
    (
        table.brought,
        table.present,
        table.skipped.keys().copied().collect(),
    )
}

fn novas(id: i64, n: u128, name: &str) -> Value {
    json!({"created_at": "2026-11-01T00:00:00", "updated_at": null, "id": id, "user_id": "u",
        "project_id": "p", "uuid": group(n), "name": name})
}

fn policy(id: i64, group: i64, policy: &str, rules: Value) -> Value {
    json!({"created_at": null, "updated_at": null, "id": id, "policy": policy,
        "group_id": group, "rules": rules})
}

fn member(id: i64, group: i64, n: u128) -> Value {
    json!({"created_at": null, "updated_at": null, "id": id, "instance_uuid": server(n),
        "group_id": group})
}

/// Two groups: server 1 alone in the first; servers 2 and 3 and one that is gone in the second.
fn nova() -> Nova {
    let nova = Nova::new();
    let gone = row(
        instance(14, 4),
        json!({"deleted": 14, "deleted_at": "2026-11-02 00:00:00"}),
    );
    let three = [instance(10, 1), instance(12, 2), instance(13, 3), gone];
    nova.write("instances", &three);
    nova.write("migrations", &[]);
    nova.write("instance_groups", &[novas(7, 1, "web"), novas(8, 2, "db")]);
    nova.write(
        "instance_group_policy",
        &[
            policy(
                1,
                7,
                "anti-affinity",
                json!("{\"max_server_per_host\": \"3\"}"),
            ),
            policy(2, 8, "affinity", json!("{}")),
            policy(3, 8, "soft-affinity", Value::Null),
        ],
    );
    let members = [
        member(1, 7, 1),
        member(2, 8, 3),
        member(3, 8, 2),
        member(4, 8, 4),
    ];
    nova.write("instance_group_member", &members);
    nova
}

on_both! {
    async fn groups_are_what_nova_said(bench: Bench) {
        let nova = nova();
        let report = bench.store.import(nova.dump(), at(0)).await.unwrap();
        assert_eq!(report.unread, Vec::<String>::new());
        assert_eq!(counts(&report, "instance_groups"), (2, 0, vec![]));
        assert_eq!(counts(&report, "instance_group_member"), (4, 0, vec![]));

        let found = bench.store.server_group_list(Some("p"), 0, 10).await.unwrap();
        let [web, db] = found.as_slice() else { panic!("{found:#?}") };
        assert_eq!((web.uuid, web.name.as_str(), web.user_id.as_str()), (group(1), "web", "u"));
        assert_eq!((web.policy, web.max_server_per_host), (Policy::AntiAffinity, Some(3)));
        assert_eq!((db.policy, db.max_server_per_host), (Policy::Affinity, None), "the first");
        assert_eq!(web.members, [server(1)]);
        assert_eq!(db.members, [server(3), server(2)]);

        let again = bench.store.import(nova.dump(), at(0)).await.unwrap();
        assert_eq!(again.brought(), 0);
        assert_eq!(counts(&again, "instance_groups"), (0, 2, vec![]));
        assert_eq!(counts(&again, "instance_group_member"), (0, 4, vec![]));
    }

    async fn numbers_of_groups_that_are_here_do_not_matter(bench: Bench) {
        let own = |n| NewServerGroup {
            uuid: group(n),
            name: "own".to_owned(),
            project_id: "demo".to_owned(),
            user_id: "member".to_owned(),
            policy: Policy::SoftAffinity,
            max_server_per_host: None,
            by: None,
            at: at(0),
        };
        for n in [9, 1] {
            bench.store.server_group_create(own(n)).await.unwrap();
        }
        bench.store.server_group_create(own(2)).await.unwrap();
        bench.store.server_group_delete(group(2), Requester::default(), at(0)).await.unwrap();
        let report = bench.store.import(nova().dump(), at(0)).await.unwrap();
        assert_eq!(counts(&report, "instance_groups"), (0, 2, vec![]));
        let expected = (1, 0, vec!["its group is not here"]);
        assert_eq!(counts(&report, "instance_group_member"), expected, "one was deleted");
        let web = bench.store.server_group_find(group(1), None).await.unwrap().unwrap();
        assert_eq!((web.name.as_str(), web.members), ("own", vec![server(1)]));
    }

    async fn what_is_no_group_is_left_out_with_its_reason(bench: Bench) {
        let nova = nova();
        nova.write("instance_groups", &[
            novas(1, 1, "none"), novas(2, 2, "old"), novas(3, 3, "odd"), novas(4, 4, "web"),
            row(novas(5, 5, "nobody's"), json!({"project_id": null})), novas(6, 6, "db"),
        ]);
        nova.write("instance_group_policy", &[
            policy(2, 2, "legacy", Value::Null),
            policy(3, 3, "anti-affinity", json!("{\"max_server_per_host\": \"some\"}")),
            policy(4, 4, "soft-anti-affinity", json!("")), policy(5, 5, "affinity", Value::Null),
            policy(6, 6, "affinity", Value::Null),
        ]);
        nova.write("instance_group_member", &[
            member(1, 4, 1), member(2, 6, 1), member(3, 2, 2),
            row(member(4, 4, 3), json!({"instance_uuid": null})),
        ]);
        let report = bench.store.import(nova.dump(), at(0)).await.unwrap();
        assert_eq!(counts(&report, "instance_groups"), (2, 0, vec![
            "it has no owner", "it has no policy", "its policy is not Nova's",
            "its rules are not Nova's",
        ]));
        assert_eq!(counts(&report, "instance_group_member"), (1, 0, vec![
            "it names no server", "its group is not here", "its server is in another group",
        ]));
        assert_eq!(bench.store.server_group_of(server(1)).await.unwrap(), Some(group(4)));
    }

    async fn an_imported_group_holds_and_its_domains_need_not_name_it(bench: Bench) {
        bench.store.import(nova().dump(), at(0)).await.unwrap();
        for name in ["h1", "h2", "h3"] {
            bench.host(name).await;
        }
        let domains = [1, 2, 3].map(crate::bench::running).into();
        bench.hears("h1", at(1), domains).await;
        assert_eq!(bench.store.server_group_of(server(3)).await.unwrap(), Some(group(2)));
        bench.sql("UPDATE servers SET task_state = NULL");
        bench.begin(2).await;
        let note = crate::bench::note_for(&placed("h2"), at(20));
        let refused = bench.apply(2, placed("h2"), note).await.unwrap_err();
        let group_says_no = matches!(refused, godwit_store::StepError::Commit(
            godwit_store::CommitError::GroupPolicy { .. }));
        assert!(group_says_no, "{refused:?}");

        // What a domain names counts more.
        let moved = godwit_store::Observed {
            group: Some(declared(7, Policy::SoftAffinity)),
            ..crate::bench::running(3)
        };
        let own = godwit_store::Owner { project_id: "p".to_owned(), ..moved.owner.clone() };
        let moved = godwit_store::Observed { owner: own, ..moved };
        let others = [1, 2].map(crate::bench::running);
        bench.hears("h1", at(2), [moved].into_iter().chain(others).collect()).await;
        assert_eq!(bench.store.server_group_of(server(3)).await.unwrap(), Some(group(7)));
    }
}
