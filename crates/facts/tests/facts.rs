//! What is said of hosts is what is done with them.

use std::time::Duration;

use godwit_core::migration::{LiveRequest, Request};
use godwit_core::reason::ChangeKind;
use godwit_core::recovery::Sighting;
use godwit_core::resources::{AllocationRatios, Resources};
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;
use godwit_facts::{Basis, Fleet, Guest, drain, verdicts};
use godwit_planner::inventory::Target;
use godwit_planner::reason::{Reason, ReasonCode};
use godwit_planner::search::Search;
use godwit_store::{
    Hardware, Inventory, Observed, Owner, ServerFilter, ServerPage, Store, StoreOptions,
};
use godwit_test_support::database_directory;
use godwit_test_support::fleet::store::registration;
use godwit_test_support::fleet::{at, named, server};
use tempfile::TempDir;

const GUESTS: ServerPage = ServerPage {
    limit: 100,
    marker: None,
    sort: Vec::new(),
};

struct Rows {
    store: Store,
    _directory: TempDir,
}

impl Rows {
    async fn new() -> Self {
        let directory = database_directory().unwrap();
        let url = format!("sqlite://{}/godwit.db", directory.path().display());
        Store::upgrade(&url, &StoreOptions::default())
            .await
            .unwrap();
        Self {
            store: Store::open(&url, StoreOptions::default()).await.unwrap(),
            _directory: directory,
        }
    }

    /// A host with so much memory, and servers on it, by number and memory.
    async fn host(&self, name: &str, memory_mb: i64, servers: &[(u128, i64)]) {
        let mut new = registration(name, at(0));
        new.facts.memory_mb = memory_mb;
        self.store.host_register(new).await.unwrap();
        let inventory = Inventory {
            host: named(name),
            at: at(1),
            facts: None,
            domains: servers
                .iter()
                .map(|(n, memory)| running(*n, *memory))
                .collect(),
        };
        self.store.inventory_record(inventory).await.unwrap();
    }

    async fn fleet(&self, now: Timestamp) -> Fleet {
        let basis = Basis {
            now,
            down_time: Duration::from_secs(60),
            ratios: AllocationRatios::default(),
        };
        Fleet::load(&self.store, basis).await.unwrap()
    }

    async fn guests(&self, host: &str) -> Vec<Guest> {
        let filter = ServerFilter {
            host: Some(host.to_owned()),
            ..ServerFilter::default()
        };
        let found = self.store.server_detail_list(&filter, &GUESTS).await;
        let guest = |it: godwit_store::ServerDetail| Guest {
            server: it.server,
            hardware: Hardware {
                disks: it.disks,
                cpu: it.cpu,
            },
            group: None,
        };
        found.unwrap().into_iter().map(guest).collect()
    }
}

fn running(n: u128, memory_mb: i64) -> Observed {
    Observed {
        uuid: server(n),
        instance_name: format!("instance-{n}"),
        sighting: Sighting::Executing,
        power_state: PowerState::Running,
        room: Resources {
            vcpus: 1,
            memory_mb,
            disk_gb: 0,
        },
        disks: Vec::new(),
        cpu: serde_json::Value::Null,
        definition: None,
        owner: Owner {
            name: format!("vm-{n}"),
            project_id: "demo".to_owned(),
            user_id: "member".to_owned(),
            flavor: None,
            flavorid: None,
            image_ref: None,
            created_at: None,
        },
        group: None,
    }
}

#[tokio::test]
async fn hosts_are_tried_in_the_order_of_their_scores_and_no_others() {
    let rows = Rows::new().await;
    rows.host("a", 8_192, &[(1, 2_048)]).await;
    rows.host("b", 8_192, &[(2, 4_096)]).await;
    rows.host("c", 8_192, &[]).await;
    rows.host("d", 1_024, &[]).await;
    let fleet = rows.fleet(at(2)).await;
    let guest = rows.guests("a").await.remove(0);
    let found = verdicts(&fleet, &guest);
    let mut suitable: Vec<_> = found.iter().filter(|it| it.score.is_some()).collect();
    suitable.sort_by_key(|it| std::cmp::Reverse(it.score));
    let request = Request::Live(LiveRequest::anywhere());
    let need = fleet.need(&guest.server, &guest.hardware, &named("a"), &request);
    let hosts = fleet.hosts(None);
    let mut search = Search::begin(&hosts, need, &Target::Any, None).unwrap();
    for verdict in suitable {
        assert_eq!(search.next_host().unwrap(), verdict.host);
        assert!(verdict.reasons.is_empty());
    }
    assert!(search.next_host().is_err());
    let d = found.iter().find(|it| it.host == named("d")).unwrap();
    assert_eq!(d.reasons[0].code, ReasonCode::Memory);
    assert!(found.iter().all(|it| it.host != named("a")));
}

#[tokio::test]
async fn from_a_silent_host_nothing_goes_anywhere() {
    let rows = Rows::new().await;
    rows.host("a", 8_192, &[(1, 2_048)]).await;
    rows.host("b", 8_192, &[]).await;
    let fleet = rows.fleet(at(120)).await;
    let guests = rows.guests("a").await;
    let found = verdicts(&fleet, &guests[0]);
    let unfenced = |it: &Reason| it.code == ReasonCode::SourceNotFenced;
    assert!(
        found
            .iter()
            .all(|it| it.score.is_none() && unfenced(&it.reasons[0]))
    );
    let drained = drain(&fleet, &guests);
    let fix = drained.fix.as_ref().unwrap();
    assert_eq!(fix.changes[0].kind, ChangeKind::ForcedDown);
    assert!(drained.movable.is_empty() && drained.blocked[0].stays.as_ref().is_some_and(unfenced));
}

#[tokio::test]
async fn servers_that_could_leave_fit_together() {
    let rows = Rows::new().await;
    rows.host("a", 16_384, &[(1, 1_024), (2, 4_096), (3, 2_048)])
        .await;
    rows.host("b", 4_096, &[]).await;
    rows.host("c", 1_024, &[]).await;
    rows.host("d", 4_096, &[(4, 4_096)]).await;
    let drained = drain(&rows.fleet(at(2)).await, &rows.guests("a").await);
    // The largest has `b`, the smallest `c`, and for the third there is no room.
    assert_eq!(drained.movable, [server(2), server(1)]);
    let blocked: Vec<_> = drained.blocked.iter().map(|it| it.server).collect();
    assert_eq!(blocked, [server(3)]);
    let reasons: Vec<_> = drained.blocked[0].reasons.iter().collect();
    assert_eq!((reasons[0].0.code, reasons[0].1), (ReasonCode::Memory, 3));
    let changes = &drained.fix.as_ref().unwrap().changes;
    assert_eq!(changes.len(), 1, "{drained:?}");
    assert_eq!(changes[0].kind, ChangeKind::FreeMemory);
}

#[tokio::test]
async fn servers_that_fit_where_they_are_put_otherwise_are_not_blocked() {
    let rows = Rows::new().await;
    let servers = [(1, 4_096), (2, 3_072), (3, 3_072), (4, 3_072)];
    rows.host("a", 16_384, &servers).await;
    // The largest goes to the emptier one, where two of the others have to be.
    rows.host("b", 7_168, &[]).await;
    rows.host("c", 6_144, &[]).await;
    let drained = drain(&rows.fleet(at(2)).await, &rows.guests("a").await);
    assert_eq!(drained.movable.len(), 4, "{drained:?}");
    assert_eq!((drained.blocked, drained.fix), (Vec::new(), None));
}

fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|it| it.code).collect()
}

#[tokio::test]
async fn a_server_that_outruns_its_streams_is_blocked_until_it_is_stopped() {
    let rows = Rows::new().await;
    rows.host("a", 8_192, &[(1, 2_048), (2, 1_024)]).await;
    rows.host("b", 8_192, &[]).await;
    let rate = vec![(server(1), 1_250_000_000)];
    rows.store.servers_measured(rate).await.unwrap();
    let (fleet, mut guests) = (rows.fleet(at(2)).await, rows.guests("a").await);
    guests.sort_by_key(|it| it.server.uuid);
    let said = |guest: &Guest| codes(&verdicts(&fleet, guest)[0].reasons);
    assert_eq!(said(&guests[0]), [ReasonCode::NeverConverges]);
    assert_eq!(said(&guests[1]), []);
    let drained = drain(&fleet, &guests);
    assert_eq!(drained.movable, [server(2)]);
    let changes = drained.fix.unwrap().changes;
    let target = server(1).to_string();
    assert_eq!(
        (changes[0].kind, &changes[0].target),
        (ChangeKind::PowerState, &target)
    );
    for state in [PowerState::Paused, PowerState::Shutdown] {
        guests[0].server.power_state = state;
        assert_eq!(said(&guests[0]), [], "{state:?} changes no memory");
    }
    // Whoever asks Nova for one move may force it to complete.
    let asked = Request::Live(LiveRequest::anywhere());
    guests[0].server.power_state = PowerState::Running;
    let need = fleet.need(&guests[0].server, &guests[0].hardware, &named("a"), &asked);
    assert_eq!((need.live, need.stream), (true, None));
}

#[tokio::test]
async fn an_agent_that_is_not_understood_gets_no_servers() {
    let rows = Rows::new().await;
    rows.host("a", 8_192, &[(1, 2_048)]).await;
    let mut old = registration("b", at(0));
    old.agent.rpc_version = "1.9.3".to_owned();
    rows.store.host_register(old).await.unwrap();
    let guests = rows.guests("a").await;
    let found = verdicts(&rows.fleet(at(2)).await, &guests[0]);
    assert_eq!(codes(&found[0].reasons), [ReasonCode::AgentTooOld]);
    let change = &found[0].reasons[0].fix.as_ref().unwrap().changes[0];
    let shown = (change.kind, &change.from, change.request.is_some());
    assert_eq!(shown, (ChangeKind::AgentVersion, &"1.9.3".into(), false));
}

#[tokio::test]
async fn what_is_on_the_disks_of_a_dead_host_is_evacuated_to_none() {
    let rows = Rows::new().await;
    rows.host("a", 8_192, &[(1, 2_048)]).await;
    rows.host("b", 8_192, &[]).await;
    let mut guest = rows.guests("a").await.remove(0);
    guest.hardware.disks = vec![godwit_store::Disk {
        target: "vda".to_owned(),
        path: "/var/lib/vda".to_owned(),
        pool: None,
        format: "qcow2".to_owned(),
        virtual_bytes: 10 << 30,
        allocated_bytes: 3 << 30,
        backing: None,
        read_only: false,
    }];
    // Nobody answers on `a`, so that an evacuation is what could be done.
    let found = verdicts(&rows.fleet(at(120)).await, &guest);
    assert!(codes(&found[0].reasons).contains(&ReasonCode::LocalStorage));
    assert!(
        verdicts(&rows.fleet(at(2)).await, &guest)[0]
            .reasons
            .is_empty()
    );
}
