//! Server groups: who is in them, and what they say to placements.

use futures::future::join_all;
use godwit_core::event::Event;
use godwit_core::migration::StorageMode;
use godwit_core::recovery::Sighting;
use godwit_core::requester::Requester;
use godwit_core::server_group::{DeclaredGroup, Policy, Violation};
use godwit_core::status::MigrationStatus as Status;
use godwit_store::{
    CommitError, MembershipError, NewServerGroup, Observed, ServerGroup, StepError,
};

use crate::bench::{
    Bench, anybody, asked, at, declared, group, host, migration, note_for, placed, running, server,
    sighted,
};

fn member(n: u128, of: &DeclaredGroup) -> Observed {
    Observed {
        group: Some(of.clone()),
        ..running(n)
    }
}

/// A host for each of these servers, all in one group, and as many empty ones: `a` has server 1,
/// `b` server 2, and so on.
async fn spread(bench: &Bench, of: &DeclaredGroup, servers: u8) {
    for n in 0..servers {
        let name = char::from(b'a' + n).to_string();
        bench.host(&name).await;
        bench
            .hears(&name, at(1), vec![member(u128::from(n) + 1, of)])
            .await;
    }
    for n in servers..servers * 2 {
        bench.host(&char::from(b'a' + n).to_string()).await;
    }
}

async fn place(bench: &Bench, n: u128, destination: &str) -> Result<(), Violation> {
    let event = placed(destination);
    let note = note_for(&event, at(20));
    match bench.apply(n, event, note).await {
        Ok(_) => Ok(()),
        Err(StepError::Commit(CommitError::GroupPolicy {
            host: refused,
            violation,
        })) => {
            assert_eq!(refused, host(destination));
            Err(violation)
        }
        Err(error) => panic!("{error:?}"),
    }
}

async fn find(bench: &Bench, n: u128) -> Option<ServerGroup> {
    bench.store.server_group_find(group(n), None).await.unwrap()
}

async fn members(bench: &Bench, n: u128) -> Vec<u128> {
    let found = find(bench, n).await.unwrap();
    let number = |n: &u128| found.members.contains(&server(*n));
    (1..10).filter(number).collect()
}

fn new_group(n: u128, project: &str) -> NewServerGroup {
    NewServerGroup {
        uuid: group(n),
        name: format!("group-{n}"),
        project_id: project.to_owned(),
        user_id: "member".to_owned(),
        policy: Policy::AntiAffinity,
        max_server_per_host: Some(2),
        by: None,
        at: at(0),
    }
}

const FULL: Violation = Violation::AntiAffinity { there: 1, most: 1 };

on_both! {
    async fn groups_are_made_listed_and_deleted(bench: Bench) {
        let store = &bench.store;
        let mut made = Vec::new();
        for (n, project) in [(3, "demo"), (1, "lab"), (2, "demo")] {
            made.push(store.server_group_create(new_group(n, project)).await.unwrap());
        }
        assert_eq!(find(&bench, 3).await.as_ref(), Some(&made[0]));
        assert_eq!((made[0].policy, made[0].max_server_per_host), (Policy::AntiAffinity, Some(2)));
        assert_eq!(store.server_group_find(group(1), Some("demo")).await.unwrap(), None);
        for (project, offset, limit, expected) in [
            (None, 0, 10, &[3, 1, 2][..]),
            (Some("demo"), 0, 10, &[3, 2]),
            (Some("demo"), 1, 10, &[2]),
            (None, 0, 2, &[3, 1]),
            (None, i64::MAX, 10, &[]),
            (Some("no\0thing"), 0, 10, &[]),
        ] {
            let found = store.server_group_list(project, offset, limit).await.unwrap();
            let found: Vec<_> = found.iter().map(|group| group.uuid).collect();
            let expected: Vec<_> = expected.iter().map(|n| group(*n)).collect();
            assert_eq!(found, expected, "{project:?} {offset} {limit}");
        }
        assert_eq!(store.project_usage("demo").await.unwrap().server_groups, 2);
        assert!(store.server_group_delete(group(3), Requester::default(), at(1)).await.unwrap());
        assert!(!store.server_group_delete(group(3), Requester::default(), at(1)).await.unwrap());
        assert_eq!(find(&bench, 3).await, None);
        assert_eq!(store.server_group_list(Some("demo"), 0, 10).await.unwrap().len(), 1);
        assert_eq!(store.project_usage("demo").await.unwrap().server_groups, 1);
    }

    async fn domains_come_into_groups_and_leave_them(bench: Bench) {
        let (web, db) = (declared(1, Policy::AntiAffinity), declared(2, Policy::Affinity));
        bench.host("a").await;
        bench.hears("a", at(1), vec![member(1, &web), member(2, &web), running(3)]).await;
        let made = find(&bench, 1).await.unwrap();
        assert_eq!((made.name.as_str(), made.project_id.as_str()), ("group-1", "demo"));
        assert_eq!(members(&bench, 1).await, [1, 2]);

        // Only the uuid of a known group counts.
        let renamed = DeclaredGroup { name: None, policy: None, ..web.clone() };
        bench.hears("a", at(2), vec![member(1, &db), member(2, &web), member(3, &renamed)]).await;
        assert_eq!((members(&bench, 1).await, members(&bench, 2).await), (vec![2, 3], vec![1]));
        assert_eq!(find(&bench, 1).await.unwrap().policy, Policy::AntiAffinity);
        assert_eq!(bench.store.server_group_of(server(1)).await.unwrap(), Some(group(2)));

        // A host that could not describe its domain says nothing of its group.
        let hidden = Observed { definition: None, ..running(2) };
        bench.hears("a", at(3), vec![running(1), hidden, member(3, &web)]).await;
        assert_eq!((members(&bench, 1).await, members(&bench, 2).await), (vec![2, 3], vec![]));
        assert_eq!(bench.store.server_group_of(server(1)).await.unwrap(), None);
    }

    async fn a_domain_enters_no_group_that_is_not_its_own(bench: Bench) {
        bench.host("a").await;
        bench.store.server_group_create(new_group(1, "lab")).await.unwrap();
        let nameless = DeclaredGroup { policy: None, ..declared(2, Policy::Affinity) };
        let gone = declared(3, Policy::Affinity);
        bench.hears("a", at(1), vec![
            member(1, &declared(1, Policy::AntiAffinity)), member(2, &nameless), member(3, &gone),
        ]).await;
        assert_eq!(members(&bench, 1).await, [], "another project's");
        assert_eq!(find(&bench, 2).await, None, "nobody said what it asks for");
        assert_eq!(members(&bench, 3).await, [3]);

        assert!(bench.store.server_group_delete(group(3), Requester::default(), at(2)).await.unwrap());
        bench.hears("a", at(3), vec![running(1), running(2), member(3, &gone)]).await;
        assert_eq!(find(&bench, 3).await, None, "it was deleted");
        assert_eq!(bench.store.server_group_of(server(3)).await.unwrap(), None);

        // It was made in time.
        let made = NewServerGroup { project_id: "demo".to_owned(), ..new_group(2, "demo") };
        bench.store.server_group_create(made).await.unwrap();
        bench.hears("a", at(4), vec![running(1), member(2, &nameless), member(3, &gone)]).await;
        assert_eq!(members(&bench, 2).await, [2]);
    }

    async fn only_the_recorded_host_speaks_of_groups(bench: Bench) {
        let web = declared(1, Policy::AntiAffinity);
        bench.host("b").await;
        bench.host("a").await;
        bench.hears("a", at(1), vec![member(1, &web)]).await;
        let elsewhere = Observed { group: None, ..sighted(1, Sighting::Inactive) };
        bench.hears("b", at(2), vec![elsewhere]).await;
        assert_eq!(members(&bench, 1).await, [1]);
    }

    async fn a_deleted_server_is_no_member(bench: Bench) {
        let web = declared(1, Policy::AntiAffinity);
        spread(&bench, &web, 2).await;
        bench.sql(&format!(
            "UPDATE servers SET deleted_at = '2026-11-01 00:00:00' WHERE uuid = '{}'", server(2)
        ));
        assert_eq!(members(&bench, 1).await, [1]);
        bench.begin(1).await;
        assert_eq!(place(&bench, 1, "b").await, Ok(()));
    }

    async fn what_is_under_way_counts(bench: Bench) {
        spread(&bench, &declared(1, Policy::AntiAffinity), 3).await;
        for n in 1..=3 {
            bench.begin(n).await;
        }
        assert_eq!(place(&bench, 1, "b").await, Err(FULL), "server 2 is there");
        assert_eq!(place(&bench, 1, "d").await, Ok(()));
        assert_eq!(place(&bench, 2, "d").await, Err(FULL), "server 1 is going there");
        assert_eq!(place(&bench, 2, "a").await, Err(FULL), "server 1 may stay there");
        assert_eq!(bench.record(2).await.migration.status(), Status::Accepted);
        bench.drive(1, [Event::Admitted, Event::Prepared, Event::HandedOver, Event::Finished { clean: true }]).await;
        assert_eq!(place(&bench, 2, "d").await, Err(FULL), "server 1 is there");
        assert_eq!(place(&bench, 2, "a").await, Ok(()), "server 1 has left");
        assert_eq!(place(&bench, 3, "a").await, Err(FULL));
        bench.assert_sound().await;
    }

    async fn the_groups_of_all_on_a_host_are_what_each_of_them_is_told(bench: Bench) {
        let (web, db) = (declared(1, Policy::AntiAffinity), declared(2, Policy::SoftAffinity));
        for name in ["a", "b", "c"] {
            bench.host(name).await;
        }
        let here = vec![member(1, &web), member(2, &web), member(3, &db), running(4)];
        bench.hears("a", at(1), here).await;
        bench.hears("b", at(1), vec![member(5, &web)]).await;
        bench.begin(5).await;
        place(&bench, 5, "c").await.unwrap();
        let store = &bench.store;
        let all = store.server_group_memberships_on(host("a")).await.unwrap();
        for n in 1..=4 {
            let one = store.server_group_membership(server(n)).await.unwrap();
            assert_eq!(all.get(&server(n)).cloned(), one, "{n}");
        }
        assert_eq!((all.len(), all[&server(1)].others.len()), (3, 2));
        let nobody = store.server_group_memberships_on(host("c")).await.unwrap();
        assert!(nobody.is_empty());
        assert_eq!(store.servers_on([host("a"), host("b"), host("c")]).await.unwrap(), 5);
        assert_eq!(store.servers_on([]).await.unwrap(), 0);
    }

    async fn a_named_host_counts_only_once_it_is_chosen(bench: Bench) {
        spread(&bench, &declared(1, Policy::AntiAffinity), 2).await;
        for n in [1, 2] {
            let mut new = crate::bench::new_migration(n, at(10));
            new.request.host = Some(host("c"));
            new.request.forced = true;
            bench.store.server_begin_live_migration(new, anybody).await.unwrap();
        }
        assert_eq!(place(&bench, 1, "c").await, Ok(()));
        assert_eq!(place(&bench, 2, "c").await, Err(FULL));
    }

    async fn the_way_back_of_a_cold_move_stays_free(bench: Bench) {
        spread(&bench, &declared(1, Policy::AntiAffinity), 2).await;
        bench.begin_cold(1).await;
        bench.drive(1, [placed("c"), Event::Prepared, Event::SourceStopped, Event::Booted]).await;
        bench.begin(2).await;
        assert_eq!(place(&bench, 2, "c").await, Err(FULL), "it is there");
        assert_eq!(place(&bench, 2, "a").await, Err(FULL), "it may return");
        bench.assert_sound().await;
        let reverted = bench.store.resize_revert(server(1), asked("req-2", at(30)), anybody);
        reverted.await.unwrap();
        assert_eq!(place(&bench, 2, "a").await, Err(FULL));
        bench.drive(1, [Event::Withdrawn, Event::RolledBack { clean: true }]).await;
        let record = bench.record(1).await;
        assert_eq!(record.migration.status(), Status::Reverted);
        assert_eq!(bench.server(1).await.host, Some(host("a")));
        assert_eq!(place(&bench, 2, "c").await, Ok(()));
        bench.assert_sound().await;
    }

    async fn a_group_may_allow_several_on_a_host(bench: Bench) {
        let pairs = DeclaredGroup {
            max_server_per_host: Some(2),
            ..declared(1, Policy::AntiAffinity)
        };
        spread(&bench, &pairs, 3).await;
        for n in 1..=3 {
            bench.begin(n).await;
        }
        assert_eq!(place(&bench, 1, "d").await, Ok(()));
        assert_eq!(place(&bench, 2, "d").await, Ok(()));
        let full = Violation::AntiAffinity { there: 2, most: 2 };
        assert_eq!(place(&bench, 3, "d").await, Err(full));
        bench.assert_sound().await;
    }

    async fn affinity_holds_and_lets_a_group_leave_a_dead_host(bench: Bench) {
        let together = declared(1, Policy::Affinity);
        for name in ["a", "b", "c"] {
            bench.host(name).await;
        }
        bench.hears("a", at(1), vec![member(1, &together), member(2, &together)]).await;
        let on = |name: &str| Violation::Affinity { hosts: vec![host(name)] };
        bench.begin(1).await;
        assert_eq!(place(&bench, 1, "b").await, Err(on("a")));
        bench.drive(1, [Event::AbortRequested, Event::CancelledUnstarted]).await;
        for (n, server) in [(11, 1), (12, 2)] {
            let mut new = crate::bench::new_evacuation(server, at(30));
            new.uuid = migration(n);
            bench.store.evacuation_begin(new, anybody).await.unwrap();
        }
        assert_eq!(place(&bench, 11, "b").await, Ok(()));
        assert_eq!(place(&bench, 12, "c").await, Err(on("b")));
        assert_eq!(place(&bench, 12, "b").await, Ok(()));
        bench.assert_sound().await;
    }

    async fn soft_groups_forbid_nothing(bench: Bench) {
        for policy in [Policy::SoftAffinity, Policy::SoftAntiAffinity] {
            let n = if policy == Policy::SoftAffinity { 1 } else { 2 };
            let name = format!("{n}");
            bench.host(&name).await;
            let soft = declared(n, policy);
            bench.hears(&name, at(1), vec![member(n * 2, &soft), member(n * 2 + 1, &soft)]).await;
        }
        for n in [2, 4] {
            bench.begin(n).await;
        }
        assert_eq!(place(&bench, 2, "2").await, Ok(()));
        assert_eq!(place(&bench, 4, "1").await, Ok(()));
    }

    async fn of_many_placements_at_once_one_gets_the_place(bench: Bench) {
        spread(&bench, &declared(1, Policy::AntiAffinity), 6).await;
        for n in 1..=6 {
            bench.begin(n).await;
        }
        let other = bench.another().await;
        // Crosswise, so that a lock in the wrong order would be found.
        let placements = (1..=6).flat_map(|n| ["g", "h"].map(|destination| (n, destination)));
        let placements = placements.map(|(n, destination)| {
            let store = if n % 2 == 0 { bench.store.clone() } else { other.clone() };
            tokio::spawn(async move {
                let note = note_for(&placed(destination), at(11));
                store.migration_apply(migration(n), placed(destination), note).await
            })
        });
        for placement in join_all(placements).await {
            match placement.unwrap() {
                Ok(_) | Err(StepError::Commit(CommitError::GroupPolicy { .. })) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let queued = bench.queue().await;
        let mut destinations: Vec<_> = queued.iter().map(|it| it.destination.clone()).collect();
        destinations.sort();
        destinations.dedup();
        assert_eq!(destinations.len(), queued.len(), "{queued:#?}");
        assert!(!queued.is_empty());
        bench.assert_sound().await;
    }

    async fn inventories_and_placements_of_a_group_do_not_stand_in_each_others_way(bench: Bench) {
        let web = declared(1, Policy::AntiAffinity);
        spread(&bench, &web, 4).await;
        for n in 1..=4 {
            bench.begin(n).await;
        }
        let other = bench.another().await;
        let inventories = (0..8).flat_map(|turn| (0..4_u8).map(move |n| (turn, n)));
        let inventories = inventories.map(|(turn, n)| {
            let store = if turn % 2 == 0 { bench.store.clone() } else { other.clone() };
            let number = u128::from(n) + 1;
            let domain = if turn % 2 == 0 { member(number, &web) } else { running(number) };
            let inventory = godwit_store::Inventory {
                host: host(&char::from(b'a' + n).to_string()),
                at: at(20 + turn),
                facts: None,
                domains: vec![domain],
            };
            tokio::spawn(async move {
                store.inventory_record(inventory).await.unwrap();
            })
        });
        let placements = (1..=4_u8).map(|n| {
            let store = if n % 2 == 0 { bench.store.clone() } else { other.clone() };
            let event = placed(&char::from(b'd' + n).to_string());
            tokio::spawn(async move {
                let note = note_for(&event, at(11));
                store.migration_apply(migration(n), event, note).await.unwrap();
            })
        });
        for task in join_all(inventories.chain(placements)).await {
            task.unwrap();
        }
        bench.assert_sound().await;
    }

    async fn too_many_servers_under_way_break_a_promise(bench: Bench) {
        spread(&bench, &declared(1, Policy::AntiAffinity), 2).await;
        for n in [1, 2] {
            bench.begin(n).await;
        }
        let Event::Placed(mut placement, limits) = placed("c") else { unreachable!() };
        placement.storage = StorageMode::Copied;
        let event = Event::Placed(placement, limits);
        bench.apply(1, event.clone(), note_for(&event, at(20))).await.unwrap();
        bench.assert_sound().await;
        bench.sql("UPDATE server_groups SET policy = 'soft-affinity'");
        bench.apply(2, event.clone(), note_for(&event, at(20))).await.unwrap();
        bench.sql("UPDATE server_groups SET policy = 'anti-affinity'");
        bench.assert_sound().await;
        bench.sql("UPDATE migrations SET placed_in_group = (SELECT id FROM server_groups)");
        let broken = bench.store.check_invariants().await.unwrap();
        let broken: Vec<_> = broken.iter().map(ToString::to_string).collect();
        assert_eq!(broken, [format!("P9: server group {} has 2 servers placed on c", group(1))]);
    }

    async fn who_is_asked_in_breaks_no_rule(bench: Bench) {
        for (name, servers) in [("a", vec![running(1), running(2)]), ("b", vec![running(3)]), ("c", vec![])] {
            bench.host(name).await;
            bench.hears(name, at(1), servers).await;
        }
        let most_one = NewServerGroup { max_server_per_host: None, ..new_group(1, "project") };
        let created = bench.store.server_group_create(most_one).await.unwrap();
        let project = bench.server(1).await.project_id;
        bench.sql(&format!("UPDATE server_groups SET project_id = '{project}'"));
        let join = async |n| {
            bench.store.server_group_join(created.uuid, server(n), Requester::default(), at(5)).await
        };
        assert_eq!(join(1).await.unwrap().members, [server(1)]);
        assert_eq!(join(1).await.unwrap().members, [server(1)], "it is there already");
        let Err(MembershipError::Rule { host: at_host, violation, .. }) = join(2).await else {
            panic!("two on one host");
        };
        assert_eq!((at_host, violation), (host("a"), FULL));
        // What goes there counts as well.
        bench.begin(3).await;
        bench.drive(3, [placed("a")]).await;
        assert!(matches!(join(3).await, Err(MembershipError::Rule { .. })));
        assert_eq!(members(&bench, 1).await, [1]);
        // Whoever is let in is asked of from then on.
        bench.begin(2).await;
        bench.drive(2, [placed("c")]).await;
        assert!(matches!(join(2).await, Err(MembershipError::Rule { .. })), "it may stay on a");
        bench.store.server_group_leave(created.uuid, server(1), Requester::default()).await.unwrap();
        join(2).await.unwrap();
        assert!(matches!(join(1).await, Err(MembershipError::Rule { .. })), "2 may come back");
        assert!(matches!(
            bench.store.server_group_leave(created.uuid, server(1), Requester::default()).await,
            Err(MembershipError::NoMember)
        ));
        bench.assert_sound().await;
    }

    async fn a_request_counts_less_than_what_a_domain_says(bench: Bench) {
        bench.host("a").await;
        let of = declared(1, Policy::AntiAffinity);
        bench.hears("a", at(1), vec![member(1, &of), running(2)]).await;
        let leave = async |n| {
            bench.store.server_group_leave(group(1), server(n), Requester::default()).await
        };
        assert!(matches!(leave(1).await, Err(MembershipError::Declared)));
        let soft = declared(2, Policy::SoftAffinity);
        bench.hears("a", at(2), vec![member(1, &soft), running(2)]).await;
        let by = Requester::default();
        let joined = bench.store.server_group_join(group(2), server(2), by, at(3)).await.unwrap();
        assert_eq!(joined.members, [server(1), server(2)]);
        // A domain that names no group leaves who asked in peace.
        bench.hears("a", at(4), vec![member(1, &soft), running(2)]).await;
        assert_eq!(members(&bench, 2).await, [1, 2]);
        leave(2).await.unwrap_err();
        bench.store.server_group_leave(group(2), server(2), Requester::default()).await.unwrap();
        assert_eq!(members(&bench, 2).await, [1]);
    }
}
