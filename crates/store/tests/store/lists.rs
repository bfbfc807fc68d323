//! `/os-migrations`: filters, paging, markers.

use godwit_core::event::Event;
use godwit_core::ids::MigrationUuid;
use godwit_store::{MigrationFilter, MigrationListError, NewLiveMigration, Paging};
use uuid::Uuid;

use crate::bench::{Bench, anybody, at, migration, new_migration, placed, server};

/// Six migrations of six servers on a, some to b, some to c; 3 and 4 at the same instant.
async fn six(bench: &Bench) {
    bench.fleet(&[("a", 6), ("b", 0), ("c", 0)]).await;
    for (n, second) in [(1, 11), (2, 12), (3, 13), (4, 13), (5, 14), (6, 15)] {
        let new = NewLiveMigration {
            user_id: Some(format!("user-{}", n % 2)),
            ..new_migration(n, at(second))
        };
        bench
            .store
            .server_begin_live_migration(new, anybody)
            .await
            .unwrap();
    }
    for n in [1, 2, 3] {
        bench
            .drive(n, [placed(if n == 2 { "c" } else { "b" })])
            .await;
    }
    bench
        .drive(3, [Event::AbortRequested, Event::CancelledUnstarted])
        .await;
}

async fn list(bench: &Bench, filter: MigrationFilter, paging: Paging) -> Vec<u128> {
    let records = bench.store.migration_list(&filter, paging).await.unwrap();
    let first = migration(0).0.as_u128();
    let uuid = |it: &godwit_store::ListedMigration| it.uuid().unwrap().parse::<Uuid>().unwrap();
    let number = |it| uuid(it).as_u128() - first;
    records.iter().map(number).collect()
}

fn page(limit: i64, marker: Option<u128>) -> Paging {
    Paging::Page {
        limit,
        marker: marker.map(migration),
    }
}

const ALL: Paging = Paging::Page {
    limit: 1000,
    marker: None,
};

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

on_both! {
    async fn pages_are_newest_first(bench: Bench) {
        six(&bench).await;
        let any = MigrationFilter::default;
        assert_eq!(list(&bench, any(), Paging::Unpaged).await, [1, 2, 3, 4, 5, 6]);
        assert_eq!(list(&bench, any(), ALL).await, [6, 5, 4, 3, 2, 1]);
        assert_eq!(list(&bench, any(), page(0, None)).await, []);
        assert_eq!(list(&bench, any(), page(3, None)).await, [6, 5, 4]);
        assert_eq!(list(&bench, any(), page(3, Some(4))).await, [3, 2, 1]);
        assert_eq!(list(&bench, any(), page(3, Some(1))).await, []);
        let unknown = MigrationUuid(Uuid::max());
        let paging = Paging::Page { limit: 0, marker: Some(unknown) };
        let error = bench.store.migration_list(&any(), paging).await.unwrap_err();
        assert!(matches!(error, MigrationListError::MarkerNotFound(it) if it == unknown));
    }

    async fn hidden_and_deleted_rows_never_cut_a_page(bench: Bench) {
        six(&bench).await;
        let deleted = migration(5);
        bench.sql(&format!("UPDATE migrations SET deleted_at = created_at WHERE uuid = '{deleted}'"));
        let hidden = migration(4);
        bench.sql(&format!("UPDATE migrations SET hidden = TRUE WHERE uuid = '{hidden}'"));
        let any = MigrationFilter::default;
        assert_eq!(list(&bench, any(), page(2, None)).await, [6, 3]);
        assert_eq!(list(&bench, any(), page(2, Some(5))).await, [3, 2], "a deleted marker");
        assert_eq!(list(&bench, any(), page(2, Some(4))).await, [3, 2], "a hidden marker");
        assert_eq!(list(&bench, any(), Paging::Unpaged).await, [1, 2, 3, 6]);
        let id = bench.record(5).await.id;
        let found = bench.store.migration_find_for_server(server(5), id).await.unwrap();
        assert_eq!(found, None);
    }

    async fn filters_are_exact_and_all_count(bench: Bench) {
        six(&bench).await;
        let by = MigrationFilter::default;
        let status = |word| MigrationFilter { status: some(word), ..by() };
        assert_eq!(list(&bench, status("queued"), ALL).await, [2, 1]);
        assert_eq!(list(&bench, status("QUEUED"), ALL).await, []);
        assert_eq!(list(&bench, status("no\0word"), ALL).await, []);
        assert_eq!(list(&bench, status("no\0word"), Paging::Unpaged).await, []);
        let kind = |word| MigrationFilter { migration_type: some(word), ..by() };
        assert_eq!(list(&bench, kind("live-migration"), ALL).await.len(), 6);
        assert_eq!(list(&bench, kind("resize"), ALL).await, []);
        let of_server = MigrationFilter { server: Some(server(2)), ..by() };
        assert_eq!(list(&bench, of_server, ALL).await, [2]);
        let source = |name| MigrationFilter { source_compute: some(name), ..by() };
        assert_eq!(list(&bench, source("a"), ALL).await.len(), 6);
        assert_eq!(list(&bench, source("b"), ALL).await, []);
        let user = MigrationFilter { user_id: some("user-1"), ..by() };
        assert_eq!(list(&bench, user, ALL).await, [5, 3, 1]);
        let project = |name| MigrationFilter { project_id: some(name), ..by() };
        assert_eq!(list(&bench, project("admin-project"), ALL).await.len(), 6);
        assert_eq!(list(&bench, project("demo"), ALL).await, [], "the requester's, not the server's");
        let both = MigrationFilter { user_id: some("user-1"), ..status("queued") };
        assert_eq!(list(&bench, both, ALL).await, [1]);
    }

    async fn a_host_is_either_end(bench: Bench) {
        six(&bench).await;
        let host = |name| MigrationFilter { host: some(name), ..MigrationFilter::default() };
        assert_eq!(list(&bench, host("a"), ALL).await, [6, 5, 4, 3, 2, 1]);
        assert_eq!(list(&bench, host("b"), ALL).await, [3, 1]);
        assert_eq!(list(&bench, host("b"), page(1, None)).await, [3]);
        assert_eq!(list(&bench, host("b"), page(1, Some(3))).await, [1]);
        assert_eq!(list(&bench, host("b"), Paging::Unpaged).await, [1, 3]);
        let overridden = MigrationFilter { source_compute: some("zzz"), ..host("b") };
        assert_eq!(list(&bench, overridden, ALL).await, [3, 1]);
        // A server may have come from the host that another one goes to.
        bench.sql("UPDATE migrations SET source_compute = 'b' WHERE dest_compute = 'c'");
        assert_eq!(list(&bench, host("b"), page(2, None)).await, [3, 2]);
    }

    async fn changes_are_of_rows_that_changed(bench: Bench) {
        six(&bench).await;
        let since = |second| MigrationFilter {
            changes_since: Some(at(second)),
            ..MigrationFilter::default()
        };
        assert_eq!(list(&bench, since(0), ALL).await, [3, 2, 1], "4, 5, 6 never changed");
        assert_eq!(list(&bench, since(20), ALL).await, [3, 2, 1], "inclusive");
        assert_eq!(list(&bench, since(21), ALL).await, []);
        let before = |second| MigrationFilter { changes_before: Some(at(second)), ..since(20) };
        assert_eq!(list(&bench, before(20), ALL).await, [3, 2, 1], "inclusive");
        assert_eq!(list(&bench, before(19), ALL).await, []);
    }
}
