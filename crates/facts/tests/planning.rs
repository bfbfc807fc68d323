//! A plan, the rows that it was made of, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use godwit_core::ids::{HostName, OperationUuid, PlanUuid};
use godwit_core::plan::request::Target;
use godwit_core::plan::{Options, PlanState};
use godwit_core::recovery::Sighting;
use godwit_core::resources::{AllocationRatios, Resources};
use godwit_core::server::PowerState;
use godwit_core::server_group::Policy;
use godwit_facts::Basis;
use godwit_facts::planning::{
    Homes, Wanted, differences, fingerprint, plan_of, planning, scope_of_plan,
};
use godwit_planner::fingerprint::{Difference, FactCode, Subject};
use godwit_planner::fleet::{Fleet, Link};
use godwit_planner::lint::lint;
use godwit_planner::plan::{Plan, Wish, make, room};
use godwit_planner::reason::ReasonCode;
use godwit_store::{
    Actor, ChangeNote, Disk, InventoryScope, NewPlan, Observed, Owner, PlanMade, PlanRecord,
    PlannedOperation, Store, StoreOptions,
};
use godwit_test_support::database_directory;
use godwit_test_support::fleet::store::registration;
use godwit_test_support::fleet::{at, declared, host, server};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

const HOSTS: usize = 12;
const SERVERS: u128 = 60;

struct World {
    store: Store,
    sql: SqliteConnection,
    _directory: TempDir,
}

fn disk() -> Disk {
    Disk {
        target: "vda".to_owned(),
        path: "/shared/vda".to_owned(),
        pool: Some("shared".to_owned()),
        format: "qcow2".to_owned(),
        virtual_bytes: 10 << 30,
        allocated_bytes: 1 << 30,
        backing: None,
        read_only: false,
    }
}

fn guest(n: u128) -> Observed {
    Observed {
        uuid: server(n),
        instance_name: format!("instance-{n}"),
        sighting: Sighting::Executing,
        power_state: PowerState::Running,
        room: Resources {
            vcpus: 1,
            memory_mb: 1_024 * (1 + i64::try_from(n % 4).unwrap()),
            disk_gb: 0,
        },
        disks: vec![disk()],
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
        group: n
            .is_multiple_of(10)
            .then(|| declared(1, Policy::SoftAntiAffinity)),
    }
}

fn basis() -> Basis {
    Basis {
        now: at(2),
        down_time: Duration::from_secs(60),
        ratios: AllocationRatios::default(),
    }
}

fn note() -> ChangeNote {
    ChangeNote::new(Actor::Conductor, at(2))
}

/// A plan that was made and stored.
struct Stored {
    record: PlanRecord,
    operations: Vec<PlannedOperation>,
}

impl World {
    /// Servers on hosts in turn, of which there are more than they need.
    async fn new() -> Self {
        let directory = database_directory().unwrap();
        let path = directory.path().join("godwit.db");
        let url = format!("sqlite://{}", path.display());
        let options = StoreOptions::default();
        Store::upgrade(&url, &options).await.unwrap();
        let store = Store::open(&url, options).await.unwrap();
        for number in 0..HOSTS {
            let mut new = registration(host(number).as_str(), at(0));
            new.facts.vcpus = 64;
            new.facts.memory_mb = 65_536;
            new.facts.storage_pools = vec![godwit_store::StoragePool {
                id: "shared".to_owned(),
                total_bytes: 1 << 40,
                available_bytes: 1 << 40,
                kind: None,
                local: false,
            }];
            store.host_register(new).await.unwrap();
            let here = (1..=SERVERS).filter(|n| usize::try_from(*n).unwrap() % HOSTS == number);
            let inventory = godwit_store::Inventory {
                host: host(number),
                at: at(1),
                facts: None,
                domains: here.map(guest).collect(),
            };
            store.inventory_record(inventory).await.unwrap();
        }
        let mut sql = SqliteConnection::establish(&path.display().to_string()).unwrap();
        diesel::sql_query("PRAGMA busy_timeout = 5000")
            .execute(&mut sql)
            .unwrap();
        Self {
            store,
            sql,
            _directory: directory,
        }
    }

    fn sql(&mut self, statement: &str) {
        let changed = diesel::sql_query(statement).execute(&mut self.sql);
        assert!(changed.is_ok(), "{statement}: {changed:?}");
    }

    async fn fleet(&self, scope: InventoryScope) -> Fleet {
        let inventory = self.store.plan_inventory(scope).await.unwrap();
        planning(inventory, basis(), false).unwrap().fleet
    }

    async fn plan(&self, target: Target) -> (Stored, Wish) {
        let (options, homes) = (Options::default(), Homes::default());
        let wanted = Wanted {
            target: &target,
            options: &options,
            homes: &homes,
        };
        let fleet = self.fleet(wanted.scope()).await;
        let asked = wanted.ask(&fleet).unwrap();
        let wish = asked.wish.unwrap();
        let plan = make(&fleet, &wish, &asked.options).unwrap();
        assert_eq!(plan.state, PlanState::Ready);
        let id = |at: u32| OperationUuid(Uuid::from_u128(100 + u128::from(at)));
        let operations: Vec<_> = (0..)
            .zip(plan.operations.rows())
            .map(|(at, it)| PlannedOperation {
                id: id(at),
                kind: it.kind,
                server: it.server,
                source: it.source.to_string(),
                destination: it.destination.as_ref().unwrap().to_string(),
                after: Vec::new(),
                after_done: None,
                because: json!([]),
                estimates: it.estimates,
                size: Resources::default(),
            })
            .collect();
        let found = fingerprint(&fleet, (&target, &options), &operations);
        let uuid = PlanUuid(Uuid::from_u128(1));
        let new = NewPlan {
            uuid,
            target,
            options,
            sources: Vec::new(),
        };
        self.store.plan_create(new, None, note()).await.unwrap();
        let made = PlanMade {
            sources: Vec::new(),
            fingerprint: found.digest.clone(),
            facts: json!(found),
            room: room(&fleet, &plan_of(&operations), None),
            operations: operations.clone(),
            blocked: Vec::new(),
            makespan: None,
            lower_bound: None,
        };
        let record = self.store.plan_made(uuid, made, note()).await.unwrap();
        (Stored { record, operations }, wish)
    }

    async fn differences(&self, plan: &Stored) -> Vec<Difference> {
        let scope = scope_of_plan(&plan.record.target, &plan.operations);
        let inventory = self.store.plan_inventory(scope).await.unwrap();
        differences(&plan.record, &plan.operations, inventory, basis()).unwrap()
    }
}

/// Something that happens, how it is undone, and to whom it happens.
struct Change {
    done: String,
    undone: String,
    to: BTreeSet<Subject>,
}

fn of_server(n: u128, column: &str, to: &str, back: &str, beside: &[usize]) -> Change {
    let who = format!("WHERE uuid = '{}'", server(n));
    let hosts = beside.iter().map(|it| Subject::Host(host(it)));
    Change {
        done: format!("UPDATE servers SET {column} = {to} {who}"),
        undone: format!("UPDATE servers SET {column} = {back} {who}"),
        to: hosts.chain([Subject::Server(server(n))]).collect(),
    }
}

fn of_host(number: usize, table: &str, column: &str, to: &str, back: &str) -> Change {
    let key = if table == "hosts" { "name" } else { "host" };
    let who = format!("WHERE {key} = '{}'", host(number));
    Change {
        done: format!("UPDATE {table} SET {column} = {to} {who}"),
        undone: format!("UPDATE {table} SET {column} = {back} {who}"),
        to: [Subject::Host(host(number))].into(),
    }
}

/// Whatever happens in a fleet, to anybody in it.
fn happens(random: &mut fastrand::Rng) -> Change {
    let n = random.u128(1..=SERVERS);
    let home = usize::try_from(n).unwrap() % HOSTS;
    let number = random.usize(0..HOSTS);
    match random.u8(0..14) {
        // Servers grow, shrink, boot: their host has less or more to give.
        0..=3 => {
            let memory = 1_024 * (1 + i64::try_from(n % 4).unwrap());
            let other = random.i64(1..40) * 1_024;
            of_server(
                n,
                "memory_mb",
                &other.to_string(),
                &memory.to_string(),
                &[home],
            )
        }
        4 => of_server(n, "deleted_at", "created_at", "NULL", &[home]),
        5 | 6 => {
            let (to, back) = (format!("'{}'", host(number)), format!("'{}'", host(home)));
            of_server(n, "host", &to, &back, &[home, number])
        }
        7 => of_server(n, "power_state", "4", "1", &[]),
        8 => of_server(n, "task_state", "'migrating'", "NULL", &[]),
        9 => of_host(number, "services", "disabled", "1", "0"),
        10 => of_host(number, "services", "forced_down", "1", "0"),
        11 => {
            let version = "hypervisor_version";
            of_host(
                number,
                "hosts",
                version,
                &format!("{version} - 1"),
                &format!("{version} + 1"),
            )
        }
        12 => of_host(number, "hosts", "memory_mb", "20000", "65536"),
        _ => of_host(number, "hosts", "storage_pools", "'[]'", &shared()),
    }
}

fn shared() -> String {
    let pool =
        json!([{"id": "shared", "total_bytes": 1_i64 << 40, "available_bytes": 1_i64 << 40}]);
    format!("'{pool}'")
}

/// Can the plan not be carried out as it stands, or is one of its servers not what it was?
fn matters(plan: &Stored, wish: &Wish, before: &Fleet, now: &Fleet) -> bool {
    let same = |it: &PlannedOperation| {
        let of = |fleet: &Fleet| {
            let no = fleet.server_no(it.server)?;
            let mut server = fleet.servers()[no].clone();
            // Its host's, which the linter looks at.
            server.need.hypervisor_version = 0;
            Some(server)
        };
        of(before) == of(now)
    };
    let as_planned = Plan {
        constraints: Vec::new(),
        ..plan_of(&plan.operations)
    };
    let broken = !lint(now, wish, &Options::default(), &as_planned).is_empty();
    broken || !plan.operations.iter().all(same)
}

#[tokio::test]
async fn of_a_thousand_changes_none_that_matters_is_missed_and_few_others_spoil_a_plan() {
    let mut world = World::new().await;
    let target = Target::Host(host(0));
    let (plan, wish) = world.plan(target).await;
    assert_eq!(world.differences(&plan).await, []);
    let all = InventoryScope {
        emptied: (0..HOSTS).map(host).collect(),
        ..InventoryScope::default()
    };
    let before = world.fleet(all.clone()).await;
    let mut random = fastrand::Rng::with_seed(10);
    let (mut mattered, mut needless) = (0, BTreeMap::new());
    for _ in 0..1_000 {
        let change = happens(&mut random);
        world.sql(&change.done);
        let differences = world.differences(&plan).await;
        let now = world.fleet(all.clone()).await;
        if matters(&plan, &wish, &before, &now) {
            mattered += 1;
            let named = differences.iter().any(|it| change.to.contains(&it.subject));
            assert!(named, "{}: {differences:?}", change.done);
        } else if !differences.is_empty() {
            needless.insert(change.done, differences);
        }
        world.sql(&change.undone);
    }
    assert_eq!(world.differences(&plan).await, [], "all was undone");
    assert!(mattered >= 50, "{mattered}");
    assert!(needless.len() <= 20, "{needless:#?}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_one_change_and_its_host_another() {
    let mut world = World::new().await;
    let (plan, _) = world.plan(Target::Host(host(0))).await;
    let first = plan.operations[0].server;
    world.sql(&format!(
        "UPDATE servers SET deleted_at = created_at WHERE uuid = '{first}'"
    ));
    let differences = world.differences(&plan).await;
    let gone = Difference {
        code: FactCode::ServerHost,
        subject: Subject::Server(first),
        was: Some("host-0".to_owned()),
        is: None,
    };
    assert_eq!(differences, [gone]);
}

#[tokio::test]
async fn a_plan_is_compared_with_no_more_than_it_is_about() {
    let world = World::new().await;
    let (plan, _) = world.plan(Target::Server(server(1), None)).await;
    let scope = scope_of_plan(&plan.record.target, &plan.operations);
    let inventory = world.store.plan_inventory(scope).await.unwrap();
    let hosts: BTreeSet<&HostName> = inventory
        .hosts
        .iter()
        .map(|it| &it.host.facts.name)
        .collect();
    assert_eq!(hosts.len(), 2);
    let servers: Vec<_> = inventory.servers.iter().map(|it| it.server.uuid).collect();
    assert_eq!(servers, [server(1)]);
    // Those of its group are looked at as well, wherever they are.
    let scope = InventoryScope {
        servers: [server(10)].into(),
        hosts: Some(BTreeSet::new()),
        ..InventoryScope::default()
    };
    let inventory = world.store.plan_inventory(scope).await.unwrap();
    assert_eq!(inventory.servers.len(), 6);
    assert_eq!(inventory.groups.len(), 1);
}

/// The one plan of a server, and how long it is expected to take.
fn of_one(fleet: &Fleet, n: u128) -> (Plan, f64) {
    let wish = Wish::Servers {
        servers: vec![server(n)],
        destination: None,
    };
    let plan = make(fleet, &wish, &Options::default()).unwrap();
    let seconds = plan.operations.rows().first();
    let seconds = seconds.map_or(0.0, |it| it.estimates.seconds.mid);
    (plan, seconds)
}

#[tokio::test]
async fn plans_go_by_what_was_measured_of_links_and_of_servers() {
    let mut world = World::new().await;
    let all = || InventoryScope {
        emptied: (0..HOSTS).map(host).collect(),
        ..InventoryScope::default()
    };
    let fleet = world.fleet(all()).await;
    let home = fleet.host_no(&host(1)).unwrap();
    let no = fleet.server_no(server(1)).unwrap();
    assert_eq!(fleet.hosts()[home].link, Link::ASSUMED);
    assert_eq!(fleet.servers()[no].dirty_bytes_per_second, None);
    let (_, assumed) = of_one(&fleet, 1);
    let links = json!([{"name": "eth0", "role": "migration", "bytes_per_second": 2_500_000_000_u64,
        "stream_bytes_per_second": 400_000_000}]);
    world.sql(&format!(
        "UPDATE hosts SET links = '{links}' WHERE name = '{}'",
        host(1)
    ));
    let fleet = world.fleet(all()).await;
    let link = fleet.hosts()[home].link;
    let measured = (link.bytes_per_second, link.stream_bytes_per_second);
    assert_eq!(measured, (2_500_000_000, 400_000_000));
    let (_, slower) = of_one(&fleet, 1);
    assert!(slower > assumed * 1.2, "{slower}, {assumed}");
    let rates = async |rate| {
        world
            .store
            .servers_measured(vec![(server(1), rate)])
            .await
            .unwrap();
        world.fleet(all()).await
    };
    let fleet = rates(300_000_000).await;
    assert_eq!(
        fleet.servers()[no].dirty_bytes_per_second,
        Some(300_000_000)
    );
    let (plan, busier) = of_one(&fleet, 1);
    assert_eq!(plan.state, PlanState::Ready);
    assert!(busier > slower * 1.2, "{busier}, {slower}");
    world.sql("UPDATE servers SET dirty_bytes_per_second = 400000000");
    let (plan, _) = of_one(&world.fleet(all()).await, 1);
    assert_eq!(plan.state, PlanState::Aborted);
    let codes: Vec<_> = plan.blocked[0].reasons.iter().map(|it| it.code).collect();
    assert_eq!(codes, [ReasonCode::NeverConverges]);
    // From elsewhere a stream carries more.
    let (plan, _) = of_one(&world.fleet(all()).await, 2);
    assert_eq!(plan.state, PlanState::Ready);
}
