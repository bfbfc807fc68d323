//! Hosts have a network for migrations beside the one that everything else uses: nothing of a guest's
//! memory or disks crosses the latter, as the kernel counts.

use anyhow::{Result, ensure};
use godwit_test_support::testbed::{Carried, Guest, GuestSpec, Storage};
use godwit_test_support::wait_for_blocking;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::deployment::Options;
use system_tests::scene::{DEADLINE, Scene};

const MIB: u64 = 1 << 20;
/// What agents are told that the network for migrations carries.
const BYTES_PER_SECOND: u64 = 1_250_000_000;
/// What agents, conductors and libvirts say to each other during a move: inventories, definitions,
/// commands, heartbeats. Far less than the memory of a guest that is checked (32 MiB).
const TALK: u64 = 2 * MIB;

/// What crossed the links of both hosts.
fn carried(scene: &Scene) -> Result<[Carried; 2]> {
    Ok([scene.host(0).carried()?, scene.host(1).carried()?])
}

/// Runs `act`, and returns for each host what crossed its links meanwhile.
fn during(scene: &mut Scene, act: impl FnOnce(&mut Scene) -> Result<()>) -> Result<[Carried; 2]> {
    let before = carried(scene)?;
    act(scene)?;
    let after = carried(scene)?;
    let crossed = |host: usize| Carried {
        management: after[host].management - before[host].management,
        migration: after[host].migration - before[host].migration,
    };
    Ok([crossed(0), crossed(1)])
}

/// A guest that fills its memory with what no compression makes small, and is at its first line.
fn guest(scene: &mut Scene, name: &str, storage: Storage) -> Result<Guest> {
    scene.guest(
        0,
        GuestSpec {
            storage,
            ..GuestSpec::new(name)
        },
    )
}

#[test]
fn real_moves_use_the_network_for_migrations_only() -> Result<()> {
    let mut scene = Scene::set(&Options {
        migration_network: Some(Some(BYTES_PER_SECOND)),
        ..Options::default()
    })?;
    let copied = guest(&mut scene, "copied", Storage::Local)?;
    let shared = guest(&mut scene, "shared", Storage::Shared)?;
    links_are_reported(&scene)?;

    let live = during(&mut scene, |scene| {
        scene
            .sdk
            .live_migrate(&copied.uuid.to_string(), Some("host-2"))?;
        scene.await_status(&copied, "completed").map(drop)
    })?;
    println!("live, with copied storage: {live:?}");
    let half = u64::from(copied.spec.load.memory_mib) * MIB / 2;
    for host in live {
        ensure!(host.management < TALK, "memory or disks crossed: {host:?}");
        ensure!(host.migration > half, "where did it go? {host:?}");
    }
    scene.prove(&copied, &[0, 1])?;

    let cold = during(&mut scene, |scene| {
        scene
            .sdk
            .migrate(&shared.uuid.to_string(), Some("host-2"))?;
        scene.await_status(&shared, "finished").map(drop)
    })?;
    println!("cold: {cold:?}");
    for host in cold {
        ensure!(host.management < TALK, "memory or disks crossed: {host:?}");
    }
    scene.sdk.confirm(&shared.uuid.to_string())?;
    scene.await_status(&shared, "confirmed")?;
    scene.prove_restarted(&shared, 1)
}

/// The counters see what they are there to see: without a network for migrations, moves use the other.
#[test]
fn real_moves_use_the_only_network_that_agents_know() -> Result<()> {
    let mut scene = Scene::set(&Options::default())?;
    let moved = guest(&mut scene, "moved", Storage::Local)?;
    let half = u64::from(moved.spec.load.memory_mib) * MIB / 2;
    let live = during(&mut scene, |scene| {
        scene
            .sdk
            .live_migrate(&moved.uuid.to_string(), Some("host-2"))?;
        scene.await_status(&moved, "completed").map(drop)
    })?;
    for host in live {
        ensure!(host.management > half, "where did it go? {host:?}");
        ensure!(host.migration < TALK, "nobody was told of it: {host:?}");
    }
    scene.prove(&moved, &[0, 1])
}

/// `/hosts` has both networks of both hosts, with what is known that they carry; and a server's
/// dirty rate is unknown, as nothing has been moved yet.
fn links_are_reported(scene: &Scene) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let native = scene.deployment.native("admin")?;
    let get = |path: &str| -> Result<Value> {
        runtime.block_on(native.call(Method::GET, &format!("/relocation/v1{path}"), None))
    };
    wait_for_blocking("both hosts to be known", DEADLINE, || {
        let hosts = get("/hosts?fields=name,links")?;
        let items = hosts["items"].as_array().cloned().unwrap_or_default();
        ensure!(items.len() == 2, "{hosts}");
        for host in &items {
            let roles: Vec<&Value> = host["links"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|link| &link["role"])
                .collect();
            ensure!(
                roles == [&json!("management"), &json!("migration")],
                "{host}"
            );
            let carries = &host["links"][1]["bytes_per_second"];
            ensure!(*carries == json!(BYTES_PER_SECOND), "{host}");
        }
        Ok(Some(()))
    })?;
    let servers = get("/servers?fields=dirty_bytes_per_second")?;
    ensure!(
        servers["items"][0]["dirty_bytes_per_second"].is_null(),
        "{servers}"
    );
    Ok(())
}
