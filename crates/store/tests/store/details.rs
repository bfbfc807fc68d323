//! Migrations with everything about them, and whose they are.

use godwit_core::event::Event;
use godwit_core::fence::{FENCE_PROOF, FenceEvidence, FenceKind, FenceProof};
use godwit_core::ids::MigrationUuid;
use godwit_store::{CommitNote, MigrationDetail, MigrationFilter, MigrationKey, MigrationPage};
use serde_json::json;
use uuid::Uuid;

use crate::bench::{
    Bench, ROOM, anybody, at, host, migration, new_migration, note_for, placed, server,
};

const ALL: MigrationPage = MigrationPage {
    limit: 1_000,
    after: None,
    timeline: true,
};

/// Four migrations of four servers, the second of which is another project's; 3 and 4 of the same
/// moment.
async fn four(bench: &Bench) {
    bench.fleet(&[("a", 4), ("b", 0)]).await;
    let lab = server(2);
    bench.sql(&format!(
        "UPDATE servers SET project_id = 'lab' WHERE uuid = '{lab}'"
    ));
    for (n, second) in [(1, 11), (2, 12), (3, 13), (4, 13)] {
        let new = new_migration(n, at(second));
        bench
            .store
            .server_begin_live_migration(new, anybody)
            .await
            .unwrap();
    }
    bench.drive(1, [placed("b")]).await;
    bench
        .drive(3, [Event::AbortRequested, Event::CancelledUnstarted])
        .await;
}

async fn list(bench: &Bench, filter: MigrationFilter, page: MigrationPage) -> Vec<MigrationDetail> {
    let listed = bench.store.migration_detail_list(&filter, page);
    listed.await.unwrap()
}

fn numbers(details: &[MigrationDetail]) -> Vec<u128> {
    let first = migration(0).0.as_u128();
    let number = |it: &MigrationDetail| it.record.migration.uuid.0.as_u128() - first;
    details.iter().map(number).collect()
}

fn of(project: &str) -> MigrationFilter {
    MigrationFilter {
        server_project_id: Some(project.to_owned()),
        ..MigrationFilter::default()
    }
}

on_both! {
    async fn what_an_evacuation_rests_on_is_known_without_its_log(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.evacuate(1).await;
        let proof = FenceProof {
            kind: FenceKind::Operator,
            at: Some(at(5)),
            evidence: FenceEvidence {
                host: host("a"),
                forced_down: true,
                last_heard_at: Some(at(1)),
            },
            by: None,
            reason: Some("its power was cut".to_owned()),
        };
        let found = async |timeline| {
            let page = MigrationPage { timeline, ..ALL };
            let mut all = list(&bench, MigrationFilter::default(), page).await;
            all.pop().unwrap().fence_proof
        };
        assert_eq!(found(false).await, None);
        let event = placed("b");
        let note = CommitNote {
            detail: json!({ FENCE_PROOF: proof }),
            ..note_for(&event, at(20))
        };
        bench.store.migration_apply(migration(1), event, note).await.unwrap();
        for timeline in [false, true] {
            assert_eq!(found(timeline).await.as_ref(), Some(&proof));
        }
        let snapshot = bench.store.snapshot(None).await.unwrap();
        let unfinished = &snapshot.migrations[0];
        assert_eq!((&unfinished.fence_proof, unfinished.timeline.len()), (&Some(proof), 0));
    }

    async fn everything_about_a_migration(bench: Bench) {
        four(&bench).await;
        let all = list(&bench, MigrationFilter::default(), ALL).await;
        assert_eq!(numbers(&all), [4, 3, 2, 1]);
        let first = all.last().unwrap();
        assert_eq!(first.record, bench.record(1).await);
        assert_eq!(first.server_project_id.as_deref(), Some("demo"));
        assert_eq!(first.claims.len(), 1);
        assert_eq!((&first.claims[0].host, first.claims[0].room), (&host("b"), ROOM));
        let log = bench.store.migration_events(migration(1), 0).await.unwrap();
        assert_eq!(first.timeline, log);
        assert_eq!((all[0].claims.len(), all[0].timeline.len()), (0, 1));
        assert_eq!(all[1].timeline.len(), 3, "of one that has ended, too");
        let quick = list(&bench, MigrationFilter::default(), MigrationPage { timeline: false, ..ALL });
        assert!(quick.await.iter().all(|it| it.timeline.is_empty()));

        let id = first.record.id;
        for key in [MigrationKey::Uuid(migration(1)), MigrationKey::Id(id)] {
            for project in [None, Some("demo")] {
                let found = bench.store.migration_detail(key, project).await.unwrap();
                assert_eq!(found.as_ref(), Some(first));
            }
            for project in ["lab", "", "no\0project"] {
                let found = bench.store.migration_detail(key, Some(project)).await.unwrap();
                assert_eq!(found, None, "{project}");
            }
        }
        let unknown = [MigrationKey::Uuid(MigrationUuid(Uuid::max())), MigrationKey::Id(i64::MAX)];
        for key in unknown {
            assert_eq!(bench.store.migration_detail(key, None).await.unwrap(), None);
        }
    }

    async fn pages_go_on_behind_a_place_whatever_became_of_it(bench: Bench) {
        four(&bench).await;
        let any = MigrationFilter::default;
        let page = list(&bench, any(), MigrationPage { limit: 1, ..ALL }).await;
        assert_eq!(numbers(&page), [4]);
        let after = Some((page[0].record.created_at, page[0].record.id));
        bench.sql(&format!("UPDATE migrations SET deleted_at = created_at WHERE uuid = '{}'", migration(4)));
        let rest = list(&bench, any(), MigrationPage { after, ..ALL }).await;
        assert_eq!(numbers(&rest), [3, 2, 1]);
        assert_eq!(list(&bench, any(), MigrationPage { limit: 0, ..ALL }).await, []);
        let gone = bench.store.migration_detail(MigrationKey::Uuid(migration(4)), None).await;
        assert_eq!(gone.unwrap(), None);
    }

    async fn a_project_has_those_of_its_servers(bench: Bench) {
        four(&bench).await;
        assert_eq!(numbers(&list(&bench, of("demo"), ALL).await), [4, 3, 1]);
        assert_eq!(numbers(&list(&bench, of("lab"), ALL).await), [2]);
        for nobody in ["admin-project", "no\0project"] {
            assert_eq!(list(&bench, of(nobody), ALL).await, [], "{nobody}");
            assert_eq!(bench.store.migration_count(&of(nobody)).await.unwrap(), 0);
        }
        let host = MigrationFilter { host: Some("b".to_owned()), ..of("demo") };
        assert_eq!(numbers(&list(&bench, host.clone(), ALL).await), [1]);
        let count = async |filter| bench.store.migration_count(&filter).await.unwrap();
        assert_eq!(count(host).await, 1);
        assert_eq!(count(of("demo")).await, 3);
        assert_eq!(count(MigrationFilter::default()).await, 4);
    }

    async fn rows_that_do_not_say_whose_they_are_are_told_apart(bench: Bench) {
        four(&bench).await;
        // As the release before writes them, and imports.
        for (n, server) in [(8, server(2)), (9, server(99))] {
            bench.sql(&format!(
                "INSERT INTO migrations (uuid, instance_uuid, migration_type, status, request,
                     limits, source_compute, generation, effect_sequence, event_sequence,
                     created_at, status_since, imported)
                 SELECT '{}', '{server}', migration_type, status, request, limits, source_compute,
                     generation, effect_sequence, event_sequence, created_at, status_since, TRUE
                 FROM migrations WHERE uuid = '{}'", migration(n), migration(1)
            ));
        }
        assert_eq!(numbers(&list(&bench, of("lab"), ALL).await), [2, 8]);
        let orphan = MigrationKey::Uuid(migration(9));
        let found = bench.store.migration_detail(orphan, None).await.unwrap().unwrap();
        assert_eq!(found.server_project_id, None);
        assert_eq!(bench.store.migration_detail(orphan, Some("lab")).await.unwrap(), None);
    }

    async fn a_snapshot_is_of_one_moment(bench: Bench) {
        four(&bench).await;
        let all = bench.store.snapshot(None).await.unwrap();
        assert_eq!(all.position, 7);
        let hosts: Vec<_> = all.hosts.iter().map(|it| it.host.facts.name.as_str()).collect();
        assert_eq!(hosts, ["a", "b"]);
        assert_eq!((all.servers.len(), numbers(&all.migrations)), (4, vec![1, 2, 4]));
        let lab = bench.store.snapshot(Some("lab")).await.unwrap();
        assert_eq!((lab.servers.len(), numbers(&lab.migrations)), (1, vec![2]));
        assert_eq!(lab.servers[0].uuid, server(2));
        let nobody = bench.store.snapshot(Some("no\0project")).await.unwrap();
        assert_eq!((nobody.servers.len(), nobody.migrations.len()), (0, 0));
    }
}
