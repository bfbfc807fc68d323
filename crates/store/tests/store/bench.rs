//! A store of its own for every case, and short ways to put something into it.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::event::Event;
use godwit_core::migration::{ColdRequest, EvacuationRequest, Limits, Placement, StorageMode};
use godwit_core::plan::options::Affinity;
use godwit_core::recovery::Sighting;
use godwit_core::resources::Resources;
use godwit_core::server::{PowerState, VmState};
use godwit_core::slots::{SlotLimits, SlotRole};
use godwit_core::time::Timestamp;
use godwit_store::{
    Actor, Claim, CommitNote, Disk, FullHosts, Hardware, Inventory, MigrationRecord,
    NewColdMigration, NewEvacuation, NewLiveMigration, Observation, Observed, Owner, Queued,
    Server, StepError, Stepped, Store, StoreOptions,
};
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::{database_directory, fleet};
use tempfile::TempDir;

pub(crate) use godwit_test_support::fleet::store::{CAPACITY, asked, registration};
pub(crate) use godwit_test_support::fleet::{
    anywhere, at, declared, group, migration, named as host, server, uuid,
};

use crate::released::{execute, texts};

/// Runs each case on both databases.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($bench:ident: Bench) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$meta])*
            async fn case($bench: crate::bench::Bench) $body

            #[tokio::test]
            async fn on_sqlite() {
                case(crate::bench::Bench::sqlite().await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                case(crate::bench::Bench::postgres().await).await;
            }
        }
    )+};
}

pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) url: String,
    _server: Option<Arc<TempPostgres>>,
    _directory: TempDir,
}

/// Every table of ours.
const TABLES: [&str; 31] = [
    "services",
    "deleted_services",
    "hosts",
    "host_topologies",
    "scope_allocations",
    "cluster_managements",
    "flavors",
    "servers",
    "sightings",
    "migrations",
    "events",
    "events_expired",
    "host_logs",
    "effects",
    "claims",
    "slots",
    "discrepancies",
    "instance_actions",
    "instance_actions_events",
    "server_groups",
    "server_group_members",
    "idempotency_keys",
    "webhooks",
    "webhook_deliveries",
    "notification_cursors",
    "plans",
    "operations",
    "runs",
    "run_revisions",
    "run_claims",
    "maintenances",
];

impl Bench {
    pub(crate) async fn sqlite() -> Self {
        let directory = database_directory().unwrap();
        let url = format!("sqlite://{}/godwit.db", directory.path().display());
        Self::at(url, None, directory).await
    }

    pub(crate) async fn postgres() -> Self {
        let server = TempPostgres::shared().unwrap();
        let url = server.create_database().unwrap();
        Self::at(url, Some(server), database_directory().unwrap()).await
    }

    async fn at(url: String, server: Option<Arc<TempPostgres>>, directory: TempDir) -> Self {
        let options = StoreOptions::default();
        Store::upgrade(&url, &options).await.unwrap();
        let store = Store::open(&url, options).await.unwrap();
        Self {
            store,
            url,
            _server: server,
            _directory: directory,
        }
    }

    /// Keeps a copy of every row, for [`Self::recall`]. That is quicker than to make the same
    /// once more.
    pub(crate) fn remember(&self) {
        let copies = TABLES.map(|it| format!("CREATE TABLE kept_{it} AS SELECT * FROM {it}"));
        self.sql(&copies.join("; "));
    }

    /// Makes every row what it was, whatever became of it.
    pub(crate) fn recall(&self) {
        // Rows come back in any order, so who refers to whom is not looked at meanwhile.
        let unchecked = if self.url.starts_with("sqlite") {
            "PRAGMA foreign_keys = OFF"
        } else {
            "SET session_replication_role = replica"
        };
        let rows =
            TABLES.map(|it| format!("DELETE FROM {it}; INSERT INTO {it} SELECT * FROM kept_{it}"));
        self.sql(&format!("{unchecked}; BEGIN; {}; COMMIT", rows.join("; ")));
    }

    /// Hosts without another slot.
    pub(crate) async fn full(&self, limits: SlotLimits) -> FullHosts {
        let mut full = FullHosts::default();
        for (host, role, taken) in self.store.slots_taken().await.unwrap() {
            if !limits.allow(role, u32::try_from(taken).unwrap()) {
                match role {
                    SlotRole::Source => full.sources.push(host),
                    SlotRole::Destination => full.destinations.push(host),
                }
            }
        }
        full
    }

    /// All that wait for slots, of which there are enough.
    pub(crate) async fn queue(&self) -> Vec<Queued> {
        let none = FullHosts::default();
        let queue = self.store.migrations_admissible(&none, None, 1_000);
        queue.await.unwrap()
    }

    /// A second store on the same database, as a second process has.
    pub(crate) async fn another(&self) -> Store {
        Store::open(&self.url, StoreOptions::default())
            .await
            .unwrap()
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite")
    }

    /// Says to the database what the store never would.
    pub(crate) fn sql(&self, statements: &str) {
        execute(&self.url, statements);
    }

    /// The texts that a query finds.
    pub(crate) fn texts(&self, query: &str) -> Vec<String> {
        texts(&self.url, query)
    }

    /// A host that registered. Nothing is told of it, so that other events have the first positions.
    pub(crate) async fn host(&self, name: &str) {
        self.told_host(name, 0).await;
        self.sql("DELETE FROM events WHERE subject_kind = 'host' AND name = 'registered'");
    }

    /// A host that registers.
    pub(crate) async fn told_host(&self, name: &str, second: i64) {
        let registered = self.store.host_register(registration(name, at(second)));
        registered.await.unwrap();
    }

    /// Registers hosts, and puts so many running servers on each. Servers are numbered from 1,
    /// host after host.
    pub(crate) async fn fleet(&self, hosts: &[(&str, usize)]) {
        let mut next = 1;
        for (name, servers) in hosts {
            self.host(name).await;
            let domains = (next..next + servers).map(|n| running(n as u128)).collect();
            next += servers;
            self.hears(name, at(1), domains).await;
        }
    }

    pub(crate) async fn hears(
        &self,
        name: &str,
        at: Timestamp,
        domains: Vec<Observed>,
    ) -> Observation {
        let inventory = Inventory {
            host: host(name),
            at,
            facts: None,
            domains,
        };
        self.store.inventory_record(inventory).await.unwrap()
    }

    pub(crate) async fn server(&self, n: u128) -> Server {
        self.store.server_find(server(n)).await.unwrap().unwrap()
    }

    pub(crate) async fn hardware(&self, n: u128) -> Hardware {
        let found = self.store.server_find_with_hardware(server(n)).await;
        found.unwrap().unwrap().1
    }

    pub(crate) async fn record(&self, n: u128) -> MigrationRecord {
        let found = self.store.migration_find(migration(n)).await;
        found.unwrap().unwrap()
    }

    /// Begins migration `n` of server `n` at second 10.
    pub(crate) async fn begin(&self, n: u128) -> MigrationRecord {
        let new = new_migration(n, at(10));
        let begun = self.store.server_begin_live_migration(new, anybody);
        let begun = begun.await.unwrap();
        assert_eq!(begun, self.record(n).await, "it is what was written");
        begun
    }

    /// Begins a cold migration `n` of server `n` at second 10.
    pub(crate) async fn begin_cold(&self, n: u128) -> MigrationRecord {
        let begun = self
            .store
            .cold_migration_begin(new_cold(n, at(10)), anybody);
        begun.await.unwrap()
    }

    /// Begins an evacuation `n` of server `n` at second 10.
    pub(crate) async fn evacuate(&self, n: u128) -> MigrationRecord {
        let begun = self
            .store
            .evacuation_begin(new_evacuation(n, at(10)), anybody);
        begun.await.unwrap()
    }

    pub(crate) async fn apply(
        &self,
        n: u128,
        event: Event,
        note: CommitNote,
    ) -> Result<Stepped, StepError> {
        self.store.migration_apply(migration(n), event, note).await
    }

    /// Applies events to migration `n`, each with the claim or slots it needs.
    pub(crate) async fn drive(&self, n: u128, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let note = note_for(&event, at(20));
            let stepped = self.apply(n, event, note).await.unwrap();
            assert_eq!(
                stepped.record,
                self.record(n).await,
                "it is what was written"
            );
        }
    }

    pub(crate) async fn assert_sound(&self) {
        let violations = self.store.check_invariants().await.unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

pub(crate) fn anybody(_: &Server) -> Result<(), std::convert::Infallible> {
    Ok(())
}

/// A tenth of [`CAPACITY`].
pub(crate) const ROOM: Resources = Resources {
    vcpus: 2,
    memory_mb: 2_048,
    disk_gb: 20,
};

pub(crate) fn running(n: u128) -> Observed {
    Observed {
        uuid: server(n),
        instance_name: format!("instance-{n:08x}"),
        sighting: Sighting::Executing,
        power_state: PowerState::Running,
        room: ROOM,
        disks: vec![Disk {
            target: "vda".to_owned(),
            path: format!("/var/lib/nova/{n}/disk"),
            pool: None,
            format: "qcow2".to_owned(),
            virtual_bytes: 20 << 30,
            allocated_bytes: 3 << 30,
            backing: Some("/var/lib/nova/_base/1".to_owned()),
            read_only: false,
        }],
        cpu: serde_json::json!({"model": "qemu64"}),
        definition: Some(format!("<domain id='{n}'/>")),
        owner: Owner {
            name: format!("vm-{n}"),
            project_id: "demo".to_owned(),
            user_id: "member".to_owned(),
            flavor: None,
            flavorid: None,
            image_ref: Some("image-1".to_owned()),
            created_at: Some(at(-100 - i64::try_from(n).unwrap())),
        },
        group: None,
    }
}

pub(crate) fn sighted(n: u128, sighting: Sighting) -> Observed {
    let power_state = match sighting {
        Sighting::Inactive => PowerState::Shutdown,
        Sighting::Incoming | Sighting::HandedOver => PowerState::Paused,
        _ => PowerState::Running,
    };
    Observed {
        sighting,
        power_state,
        ..running(n)
    }
}

pub(crate) fn new_migration(n: u128, at: Timestamp) -> NewLiveMigration {
    fleet::store::new_migration(n, anywhere(), at)
}

pub(crate) fn new_cold(n: u128, at: Timestamp) -> NewColdMigration {
    let request = ColdRequest {
        host: None,
        was: VmState::Error,
        affinity: Affinity::Strict,
    };
    fleet::store::new_migration(n, request, at)
}

pub(crate) fn new_evacuation(n: u128, at: Timestamp) -> NewEvacuation {
    let request = EvacuationRequest {
        host: None,
        forced: false,
        was: VmState::Paused,
        end_stopped: false,
        affinity: Affinity::Strict,
    };
    fleet::store::new_migration(n, request, at)
}

pub(crate) fn placed(destination: &str) -> Event {
    let placement = Placement {
        host: host(destination),
        node: format!("{destination}.example.org"),
        storage: StorageMode::Shared,
    };
    let limits = Limits {
        completion: Duration::from_millis(1_600_500),
        ..Limits::default()
    };
    Event::Placed(placement, limits)
}

pub(crate) const LIMITS: SlotLimits = SlotLimits {
    per_source: Some(1),
    per_destination: Some(1),
};

/// A note that takes what the event needs, with room and slots in plenty.
pub(crate) fn note_for(event: &Event, at: Timestamp) -> CommitNote {
    let mut note = CommitNote::new(Actor::Conductor, at);
    match event {
        Event::Placed(..) => {
            note.claim = Some(Claim {
                room: ROOM,
                capacity: CAPACITY,
            });
        }
        Event::Admitted => {
            note.slots = Some(SlotLimits {
                per_source: None,
                per_destination: None,
            });
        }
        _ => {}
    }
    note
}
