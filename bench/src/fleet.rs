//! The fleet that is asked about: 1,000 servers on 8 hosts with a history of migrations, of which
//! 100 are in progress. The same on every run and every database.
//!
//! Hosts and servers come in as agents would report them. Migrations driven one step at a time
//! would take longer than the measurement, so their rows are written at once.

mod history;

use anyhow::Result;
use chrono::{DateTime, Utc};
use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_core::resources::Resources;
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;
use godwit_store::{
    AgentFacts, Disk, FlavorSpec, HostFacts, HostRegistration, Inventory, Observed, Owner, Store,
    StoreOptions,
};
use uuid::Uuid;

const HOSTS: u64 = 8;
pub(crate) const SERVERS: u64 = 1_000;
const PROJECTS: u64 = 3;

/// The project of those who run it; none of the servers is theirs.
pub(crate) const OPERATIONS: &str = "0123456789abcdef0123456789abcdef";

/// Migrations in an ordinary history.
pub(crate) const MIGRATIONS: u64 = 10_000;

/// What of the fleet requests name.
pub(crate) struct Fleet {
    /// Servers with a migration in progress, and its integer id.
    pub(crate) moving: Vec<(ServerUuid, u64)>,
    /// How many migrations there are, the newest of them last.
    pub(crate) migrations: u64,
}

/// Makes the schema and fills it, with so many migrations.
pub(crate) async fn fill(url: &str, migrations: u64) -> Result<Fleet> {
    Store::upgrade(url, &StoreOptions::default()).await?;
    let store = Store::open(url, StoreOptions::default()).await?;
    for number in 0..HOSTS {
        store.host_register(registration(number)?).await?;
        store.inventory_record(inventory(number)?).await?;
    }
    let statements = history::statements(migrations);
    if let Some(path) = url.strip_prefix("sqlite://") {
        execute(&mut diesel::SqliteConnection::establish(path)?, statements)?;
    } else {
        let mut connection = diesel::PgConnection::establish(url)?;
        execute(&mut connection, statements)?;
        // Autovacuum would do it a minute later.
        connection.batch_execute("VACUUM ANALYZE")?;
    }
    Ok(Fleet {
        moving: history::moving(migrations)
            .map(|(row, server)| (server_uuid(server), row + 1))
            .collect(),
        migrations,
    })
}

fn execute(
    connection: &mut impl SimpleConnection,
    mut statements: impl Iterator<Item = String>,
) -> Result<()> {
    statements.try_for_each(|statement| Ok(connection.batch_execute(&statement)?))
}

/// Numbers that look random and are always the same (splitmix64).
const fn scatter(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The uuid of the `number`th thing of a kind.
fn uuid(kind: u64, number: u64) -> Uuid {
    let high = scatter(kind << 32 | number);
    Uuid::from_u64_pair(high, scatter(high))
}

/// The uuid of the `number`th server; the higher, the newer.
pub(crate) fn server_uuid(number: u64) -> ServerUuid {
    ServerUuid(uuid(1, number))
}

/// The uuid of the `row`th migration; the higher, the newer.
pub(crate) fn migration_uuid(row: u64) -> MigrationUuid {
    MigrationUuid(uuid(8, row))
}

/// The name of a host, of which there are few.
pub(crate) fn host_name(number: u64) -> String {
    format!("compute-{:02}.example.org", number % HOSTS + 1)
}

/// The project of a server, of which there are few.
pub(crate) fn project(server: u64) -> String {
    uuid(2, server % PROJECTS).simple().to_string()
}

fn user(server: u64) -> String {
    uuid(3, server % PROJECTS).simple().to_string()
}

/// Minutes after the beginning.
fn instant(minutes: u64) -> DateTime<Utc> {
    const BEGINNING: i64 = 1_780_000_000;
    let minutes = i64::try_from(minutes).unwrap_or(i64::MAX / 60);
    DateTime::from_timestamp(BEGINNING + minutes * 60, 250_000_000).unwrap_or_default()
}

fn registration(number: u64) -> Result<HostRegistration> {
    let name = host_name(number);
    Ok(HostRegistration {
        facts: HostFacts {
            node: name.clone(),
            name: HostName::new(name)?,
            hypervisor_type: "QEMU".to_owned(),
            hypervisor_version: 10_000_000,
            host_ip: Some(format!("192.0.2.{}", number + 1)),
            cpu_info: serde_json::json!({ "arch": "x86_64", "model": "EPYC-Milan" }),
            arch: "x86_64".to_owned(),
            vcpus: 128,
            memory_mb: 1 << 20,
            local_gb: 7_000,
            local_free_gb: 4_000,
            storage_pools: Vec::new(),
            links: Vec::new(),
        },
        agent: AgentFacts {
            address: format!("192.0.2.{}:7774", number + 1),
            boot_id: uuid(4, number),
            rpc_version: "2.0.0".to_owned(),
            capabilities: Vec::new(),
        },
        zone: "nova".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host_uuid: uuid(5, number),
        service_uuid: uuid(6, number),
        at: Timestamp::new(instant(0)),
    })
}

fn inventory(host: u64) -> Result<Inventory> {
    Ok(Inventory {
        host: HostName::new(host_name(host))?,
        at: Timestamp::new(instant(0)),
        facts: None,
        domains: (0..SERVERS)
            .filter(|server| server % HOSTS == host)
            .map(domain)
            .collect(),
    })
}

fn domain(server: u64) -> Observed {
    let uuid = server_uuid(server);
    Observed {
        uuid,
        instance_name: format!("instance-{server:08x}"),
        sighting: Sighting::Executing,
        power_state: PowerState::Running,
        room: Resources {
            vcpus: 2,
            memory_mb: 4_096,
            disk_gb: 20,
        },
        disks: vec![Disk {
            target: "vda".to_owned(),
            path: format!("/var/lib/nova/instances/{uuid}/disk"),
            pool: None,
            format: "qcow2".to_owned(),
            virtual_bytes: 20 << 30,
            allocated_bytes: 6 << 30,
            backing: None,
            read_only: false,
        }],
        cpu: serde_json::Value::Null,
        definition: None,
        group: None,
        owner: Owner {
            name: format!("server-{server:04}"),
            project_id: project(server),
            user_id: user(server),
            flavor: Some(FlavorSpec {
                name: "m1.medium".to_owned(),
                vcpus: 2,
                memory_mb: 4_096,
                root_gb: 20,
                ephemeral_gb: 0,
                swap_mb: 0,
            }),
            flavorid: Some("3".to_owned()),
            image_ref: Some(self::uuid(7, 0).to_string()),
            created_at: Some(Timestamp::new(instant(server))),
        },
    }
}
