//! `/servers`: filters, orders, paging.

use godwit_core::recovery::Sighting;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_store::{
    Deleted, Server, ServerFilter, ServerListError, ServerPage, ServerSortKey as Key,
    SortDirection as Direction,
};
use regex::Regex;

use crate::bench::{Bench, at, server, sighted};

/// Servers 1 to 3 on a, 4 to 6 on b; the lower the number, the newer. 2 is off, 3 migrates, 4
/// is locked and another project's.
async fn six(bench: &Bench) {
    bench.fleet(&[("a", 3), ("b", 3)]).await;
    let domains = vec![
        sighted(1, Sighting::Executing),
        sighted(2, Sighting::Inactive),
        sighted(3, Sighting::Executing),
    ];
    bench.hears("a", at(5), domains).await;
    bench.begin(3).await;
    bench.sql(&format!(
        "UPDATE servers SET locked_by = 'admin', project_id = 'lab' WHERE uuid = '{}'",
        server(4)
    ));
}

fn page(limit: i64, marker: Option<u128>, sort: &[(Key, Direction)]) -> ServerPage {
    ServerPage {
        limit,
        marker: marker.map(server),
        sort: sort.to_vec(),
    }
}

fn number(it: &Server) -> u128 {
    it.uuid.0.as_u128() - server(0).0.as_u128()
}

async fn list(bench: &Bench, filter: ServerFilter, page: &ServerPage) -> Vec<u128> {
    let servers = bench.store.server_list(&filter, page).await.unwrap();
    servers.iter().map(number).collect()
}

async fn all(bench: &Bench, filter: ServerFilter) -> Vec<u128> {
    list(bench, filter, &page(1000, None, &[])).await
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

on_both! {
    async fn newest_first_page_by_page(bench: Bench) {
        six(&bench).await;
        let any = ServerFilter::default;
        let of = |limit, marker| page(limit, marker, &[]);
        assert_eq!(list(&bench, any(), &of(1000, None)).await, [1, 2, 3, 4, 5, 6]);
        assert_eq!(list(&bench, any(), &of(2, None)).await, [1, 2]);
        assert_eq!(list(&bench, any(), &of(2, Some(2))).await, [3, 4]);
        assert_eq!(list(&bench, any(), &of(0, None)).await, []);
        let whole = bench.store.server_list(&any(), &of(1, Some(3))).await.unwrap();
        assert_eq!(whole, [bench.server(4).await]);
        let error = bench.store.server_list(&any(), &of(0, Some(99))).await.unwrap_err();
        assert!(matches!(error, ServerListError::MarkerNotFound(it) if it == server(99)));
    }

    async fn every_order_pages_without_gaps(bench: Bench) {
        six(&bench).await;
        let keys = [
            Key::CreatedAt, Key::UpdatedAt, Key::Name, Key::Uuid, Key::Host, Key::Node,
            Key::VmState, Key::TaskState, Key::PowerState, Key::ProjectId, Key::UserId,
            Key::Hostname, Key::Description, Key::KeyName, Key::AvailabilityZone,
            Key::ConfigDrive, Key::Image, Key::Flavor, Key::Progress, Key::LockedBy, Key::Locked,
            Key::LaunchedAt, Key::TerminatedAt,
        ];
        for key in keys {
            for direction in [Direction::Ascending, Direction::Descending] {
                for sort in [vec![(key, direction)], vec![(key, direction), (Key::Name, Direction::Descending)]] {
                    let whole = list(&bench, ServerFilter::default(), &page(99, None, &sort)).await;
                    assert_eq!(whole.len(), 6, "{sort:?}");
                    let mut turned = Vec::new();
                    while turned.len() < 6 {
                        let next = page(2, turned.last().copied(), &sort);
                        let two = list(&bench, ServerFilter::default(), &next).await;
                        assert_eq!(two.len(), 2, "{sort:?} after {turned:?}");
                        turned.extend(two);
                    }
                    assert_eq!(turned, whole, "{sort:?}");
                }
            }
        }
        let sort = [(Key::Host, Direction::Descending), (Key::Name, Direction::Ascending)];
        let sorted = list(&bench, ServerFilter::default(), &page(9, None, &sort)).await;
        assert_eq!(sorted, [4, 5, 6, 1, 2, 3]);
        let sort = [(Key::LockedBy, Direction::Ascending)];
        let sorted = list(&bench, ServerFilter::default(), &page(9, None, &sort)).await;
        assert_eq!(sorted[5], 4, "no lock comes first");
        let sort = [(Key::TaskState, Direction::Ascending)];
        let sorted = list(&bench, ServerFilter::default(), &page(9, None, &sort)).await;
        assert_eq!(sorted[5], 3, "no task comes first");
    }

    async fn filters_by_what_a_server_is(bench: Bench) {
        six(&bench).await;
        let by = ServerFilter::default;
        let uuids = ServerFilter { uuids: Some(vec![server(2), server(5), server(9)]), ..by() };
        assert_eq!(all(&bench, uuids).await, [2, 5]);
        assert_eq!(all(&bench, ServerFilter { uuids: Some(Vec::new()), ..by() }).await, []);
        assert_eq!(all(&bench, ServerFilter { host: some("b"), ..by() }).await, [4, 5, 6]);
        assert_eq!(all(&bench, ServerFilter { host: some("b\0"), ..by() }).await, []);
        let project = ServerFilter { project_id: some("lab"), ..by() };
        assert_eq!(all(&bench, project).await, [4]);
        assert_eq!(all(&bench, ServerFilter { user_id: some("nobody"), ..by() }).await, []);
        assert_eq!(all(&bench, ServerFilter { locked: Some(true), ..by() }).await, [4]);
        assert_eq!(all(&bench, ServerFilter { locked: Some(false), ..by() }).await.len(), 5);
        let flavor = some("adopted.2c.2048m.20g");
        assert_eq!(all(&bench, ServerFilter { flavor, ..by() }).await.len(), 6);
        assert_eq!(all(&bench, ServerFilter { flavor: some("x"), ..by() }).await, []);
        assert_eq!(all(&bench, ServerFilter { image: some("image-1"), ..by() }).await.len(), 6);
    }

    async fn filters_by_state(bench: Bench) {
        six(&bench).await;
        let by = ServerFilter::default;
        let shows = |words: &[&str]| ServerFilter {
            statuses: Some(words.iter().map(|it| (*it).to_owned()).collect()),
            ..by()
        };
        assert_eq!(all(&bench, shows(&["SHUTOFF"])).await, [2]);
        assert_eq!(all(&bench, shows(&["MIGRATING"])).await, [3]);
        assert_eq!(all(&bench, shows(&["ACTIVE"])).await, [1, 4, 5, 6]);
        assert_eq!(all(&bench, shows(&["MIGRATING", "SHUTOFF"])).await, [2, 3]);
        assert_eq!(all(&bench, shows(&["nonsense"])).await, []);
        assert_eq!(all(&bench, shows(godwit_core::server::DISPLAY_STATUSES)).await.len(), 6);
        let vm = ServerFilter { vm_states: Some(vec![VmState::Stopped]), ..by() };
        assert_eq!(all(&bench, vm).await, [2]);
        let task = |task| ServerFilter { task_state: Some(task), ..by() };
        assert_eq!(all(&bench, task(Some(TaskState::Migrating))).await, [3]);
        assert_eq!(all(&bench, task(None)).await, [1, 2, 4, 5, 6]);
        let power = ServerFilter { power_state: Some(PowerState::Shutdown), ..by() };
        assert_eq!(all(&bench, power).await, [2]);
    }

    async fn filters_by_time(bench: Bench) {
        six(&bench).await;
        let by = ServerFilter::default;
        let since = |second| ServerFilter { changes_since: Some(at(second)), ..by() };
        assert_eq!(all(&bench, since(5)).await, [2, 3], "2 changed at 5, 3 at 10");
        assert_eq!(all(&bench, since(6)).await, [3]);
        assert_eq!(all(&bench, since(-102)).await, [1, 2, 3], "1 never changed since it was made");
        let before = ServerFilter { changes_before: Some(at(-105)), ..by() };
        assert_eq!(all(&bench, before).await, [5, 6]);
        bench.sql(&format!("UPDATE servers SET deleted_at = created_at WHERE uuid = '{}'", server(1)));
        assert_eq!(all(&bench, by()).await, [2, 3, 4, 5, 6]);
        assert_eq!(all(&bench, ServerFilter { deleted: Deleted::Yes, ..by() }).await, [1]);
        assert_eq!(all(&bench, ServerFilter { deleted: Deleted::Any, ..by() }).await.len(), 6);
        let after_deleted = page(2, Some(1), &[]);
        assert_eq!(list(&bench, by(), &after_deleted).await, [2, 3], "as a marker it still does");
    }

    async fn patterns_fill_pages(bench: Bench) {
        six(&bench).await;
        let name = |pattern| ServerFilter {
            name: Some(Regex::new(pattern).unwrap()),
            ..ServerFilter::default()
        };
        assert_eq!(all(&bench, name("vm-[246]$")).await, [2, 4, 6]);
        assert_eq!(list(&bench, name("vm-[246]$"), &page(2, None, &[])).await, [2, 4]);
        assert_eq!(list(&bench, name("vm-[246]$"), &page(2, Some(2), &[])).await, [4, 6]);
        let node = ServerFilter { node: Some(Regex::new("^a\\.").unwrap()), ..name("2|4") };
        assert_eq!(all(&bench, node).await, [2]);
    }

    async fn one_server_is_shown_to_whom_it_belongs(bench: Bench) {
        six(&bench).await;
        let find = async |project| {
            let found = bench.store.server_find_visible(server(4), project).await.unwrap();
            found.map(|it| number(&it))
        };
        assert_eq!(find(None).await, Some(4));
        assert_eq!(find(Some("lab")).await, Some(4));
        assert_eq!(find(Some("demo")).await, None);
        assert_eq!(bench.store.server_find(server(99)).await.unwrap(), None);
    }
}
