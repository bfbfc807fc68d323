//! How long it takes to say what would let a host be emptied: as `drain-check` does, from its first
//! statement to its answer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_core::resources::{AllocationRatios, Resources};
use godwit_core::server::PowerState;
use godwit_core::server_group::Policy;
use godwit_facts::{Basis, Drain, Fleet, Guest, drain};
use godwit_store::{
    Hardware, Inventory, Observed, Owner, ServerFilter, ServerPage, Store, StoreOptions,
};
use godwit_test_support::fleet::store::registration;
use godwit_test_support::fleet::{at, declared, host, server};

use crate::table::{Table, median, percentile};

const HOSTS: u128 = 1_000;
/// On the host that is to be emptied, and on each other one.
const GUESTS: [u128; 2] = [60, 5];
const ROUNDS: usize = 20;

pub(super) fn measure() -> Result<Table> {
    let title = "Why not, of a whole host: from the first statement to the answer, on SQLite";
    let mut table = Table::new(title, &["what", "median s", "p95 s", "aim s", "changes"]);
    let runtime = tokio::runtime::Runtime::new()?;
    let directory = tempfile::tempdir()?;
    let url = format!("sqlite://{}/godwit.db", directory.path().display());
    let (took, changes) = runtime.block_on(async {
        Store::upgrade(&url, &StoreOptions::default()).await?;
        let store = Store::open(&url, StoreOptions::default()).await?;
        fill(&store).await?;
        let (mut took, mut changes) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let found = check(&store, host(0)).await?;
            took.push(begin.elapsed().as_secs_f64());
            ensure!(!found.blocked.is_empty(), "the host is to be hard to empty");
            changes = found.fix.map_or(0, |fix| fix.changes.len());
        }
        anyhow::Ok((took, changes))
    })?;
    let [here, elsewhere] = GUESTS;
    table.row(vec![
        format!("{HOSTS} hosts of {elsewhere} servers, one of {here}"),
        format!("{:.4}", median(took.clone())),
        format!("{:.4}", percentile(took, 95)),
        "2".to_owned(),
        changes.to_string(),
    ]);
    Ok(table)
}

/// As the handler of the request does.
async fn check(store: &Store, host: HostName) -> Result<Drain> {
    let basis = Basis {
        now: at(2),
        down_time: Duration::from_secs(60),
        ratios: AllocationRatios::default(),
    };
    let fleet = Fleet::load(store, basis).await?;
    let filter = ServerFilter {
        host: Some(host.to_string()),
        ..ServerFilter::default()
    };
    let page = ServerPage {
        limit: 10_000,
        marker: None,
        sort: Vec::new(),
    };
    let found = store.server_detail_list(&filter, &page).await?;
    let mut groups = store.server_group_memberships_on(host).await?;
    let guests = found.into_iter().map(|it| Guest {
        group: groups.remove(&it.server.uuid),
        server: it.server,
        hardware: Hardware {
            disks: it.disks,
            cpu: it.cpu,
        },
    });
    let guests: Vec<Guest> = guests.collect();
    Ok(drain(&fleet, &guests))
}

/// Hosts none of which takes anything as it is: each lacks a little memory, and every fourth is older.
async fn fill(store: &Store) -> Result<()> {
    let mut servers = 1..;
    for number in 0..HOSTS {
        let mut new = registration(host(number).as_str(), at(0));
        new.facts.memory_mb = 50_000;
        new.facts.hypervisor_version -= i64::from(number % 4 == 1);
        store.host_register(new).await?;
        let [here, elsewhere] = GUESTS;
        let count = if number == 0 { here } else { elsewhere };
        let domains = servers.by_ref().take(usize::try_from(count)?);
        let inventory = Inventory {
            host: host(number),
            at: at(1),
            facts: None,
            domains: domains.map(|n| domain(n, server(n))).collect(),
        };
        store.inventory_record(inventory).await?;
    }
    Ok(())
}

fn domain(n: u128, uuid: ServerUuid) -> Observed {
    Observed {
        uuid,
        instance_name: format!("instance-{n}"),
        sighting: Sighting::Executing,
        power_state: PowerState::Running,
        room: Resources {
            vcpus: 1,
            memory_mb: 9_900,
            disk_gb: 0,
        },
        disks: Vec::new(),
        cpu: serde_json::Value::Null,
        definition: None,
        group: n
            .is_multiple_of(7)
            .then(|| declared(n % 3, Policy::AntiAffinity)),
        owner: Owner {
            name: format!("vm-{n}"),
            project_id: "demo".to_owned(),
            user_id: "member".to_owned(),
            flavor: None,
            flavorid: None,
            image_ref: None,
            created_at: None,
        },
    }
}
