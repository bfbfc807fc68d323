//! Hosts that are emptied for their maintenance, and filled again, as operators do it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec, Load, Storage};
use godwit_test_support::{wait_for, wait_for_blocking};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::deployment;
use system_tests::native::Native;
use system_tests::operator::Operator;
use system_tests::scene::Scene;
use system_tests::simulated::{Options, Simulated};
use tokio::runtime::Runtime;

/// Of what takes minutes on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(240);

/// The demonstration's host with most to do.
const HOST: &str = "host-1";

fn maintenance_of(host: &str) -> String {
    format!("/relocation/v1/hosts/{host}/maintenance")
}

/// The ids of the servers of a host, as the native API lists them.
async fn servers_of(admin: &Native, host: &str) -> Result<Vec<String>> {
    let path = format!("/relocation/v1/servers?host={host}&fields=id&limit=1000");
    let list = admin.call(Method::GET, &path, None).await?;
    let items = list["items"].as_array().context("no list")?;
    let id = |it: &Value| it["id"].as_str().map(str::to_owned).context("no id");
    items.iter().map(id).collect()
}

/// Until the host may be switched off.
async fn await_safe(admin: &Native, host: &str) -> Result<Value> {
    let path = maintenance_of(host);
    wait_for("the host to be safe to reboot", PATIENCE, async || {
        let found = admin.call(Method::GET, &path, None).await?;
        ensure!(found["safe_to_reboot"] == true, "{found}");
        ensure!(found["state"] == "in_maintenance", "{found}");
        Ok(Some(found))
    })
    .await
}

async fn await_released(admin: &Native, host: &str) -> Result<()> {
    let path = maintenance_of(host);
    wait_for("the maintenance to be over", PATIENCE, async || {
        let found = admin.call(Method::GET, &path, None).await?;
        ensure!(found["state"] == "none", "{found}");
        Ok(Some(()))
    })
    .await
}

/// Whoever conducts is killed again and again, and each server leaves once and returns once.
#[test]
fn real_host_is_emptied_and_filled_again_whoever_is_killed() -> Result<()> {
    let deployment = Simulated::with(&Options {
        hosts: &["--speed", "5"],
        ..Options::default()
    })?;
    let admin = deployment.native("admin")?;
    Runtime::new()?.block_on(async {
        let home = servers_of(&admin, HOST).await?;
        ensure!(home.len() > 2, "too little to do: {home:?}");
        let path = maintenance_of(HOST);
        let wish = json!({"reason": "a new fan"});
        admin.call(Method::POST, &path, Some(&wish)).await?;
        for conductor in deployment.conductors.iter().cycle().take(4) {
            let left = servers_of(&admin, HOST).await?.len();
            conductor.kill9()?;
            conductor.start()?;
            wait_for(
                "another server to leave, or the last one to have left",
                PATIENCE,
                async || {
                    let now = servers_of(&admin, HOST).await?.len();
                    Ok((now < left || now == 0).then_some(()))
                },
            )
            .await?;
        }
        await_safe(&admin, HOST).await?;
        ensure!(
            servers_of(&admin, HOST).await?.is_empty(),
            "it is not empty"
        );

        let back = format!("{path}?return_home=now");
        admin.call(Method::DELETE, &back, None).await?;
        deployment.conductors[0].kill9()?;
        deployment.conductors[0].start()?;
        await_released(&admin, HOST).await?;
        let mut now = servers_of(&admin, HOST).await?;
        let mut home = home;
        now.sort();
        home.sort();
        ensure!(now == home, "{now:?} is not {home:?}");

        let made = admin.call(Method::GET, "/v2.1/os-migrations", None).await?;
        let made = made["migrations"].as_array().context("no list")?;
        for server in &home {
            let moves = made.iter().filter(|it| it["instance_uuid"] == **server);
            ensure!(
                moves.count() == 2,
                "{server} moved otherwise than there and back"
            );
        }
        Ok(())
    })?;
    deployment.check_invariants()
}

/// The three commands of the README, and what a script learns from them.
#[test]
fn real_operator_drains_a_host_by_command() -> Result<()> {
    let deployment = Simulated::with(&Options {
        hosts: &["--speed", "20"],
        ..Options::default()
    })?;
    let admin = deployment.native("admin")?;
    let operator = Operator::new(deployment.clouds(), "admin");
    let runtime = Runtime::new()?;
    let home = runtime.block_on(servers_of(&admin, HOST))?;

    let looked = operator.run(&["drain", HOST, "--check"])?;
    ensure!(looked.code == Some(0), "{looked:?}");
    let path = maintenance_of(HOST);
    let untouched = runtime.block_on(admin.call(Method::GET, &path, None))?;
    ensure!(untouched["state"] == "none", "{untouched}");
    let unconfirmed = operator.run(&["drain", HOST])?;
    ensure!(unconfirmed.code == Some(2), "{unconfirmed:?}");

    let run = operator.json(&["drain", HOST, "--yes", "--wait"])?;
    ensure!(run["state"] == "completed", "{run}");
    runtime.block_on(await_safe(&admin, HOST))?;
    let blocked = operator.run(&["why-not", &home[0], HOST])?;
    ensure!(blocked.code == Some(3), "{blocked:?}");
    ensure!(blocked.said.contains("maintenance"), "{blocked:?}");

    let back = operator.run(&["undrain", HOST, "--return-home", "now", "--wait"])?;
    ensure!(back.code == Some(0), "{back:?}");
    runtime.block_on(await_released(&admin, HOST))?;
    let now = runtime.block_on(servers_of(&admin, HOST))?;
    ensure!(now.len() == home.len(), "{now:?} is not {home:?}");
    deployment.check_invariants()
}

/// Guests on three hosts, with disks that are shared and disks that are not: none is stopped, each is
/// seen to have run once all the way, and all are home in the end.
#[test]
fn real_guests_leave_a_host_and_return() -> Result<()> {
    let mut scene = Scene::set(&deployment::Options {
        hosts: 3,
        conductors: 2,
        ..deployment::Options::default()
    })?;
    let busy = Load::default().dirtying(4);
    let guests = [
        scene.guest(0, GuestSpec::new("shared"))?,
        scene.guest(
            0,
            GuestSpec {
                storage: Storage::Local,
                ..GuestSpec::new("local")
            },
        )?,
        scene.guest(
            0,
            GuestSpec {
                load: busy,
                ..GuestSpec::new("busy")
            },
        )?,
    ];
    let operator = Operator::new(scene.deployment.clouds(), "admin");
    let token = scene
        .deployment
        .godwit(&["token", "issue", "--user", "admin", "--config"], "api")?;
    let url = scene.deployment.url();
    let url = url.trim_end_matches("/v2.1").to_owned();
    let admin = Native::new(vec![url], token.trim_end())?;
    let runtime = Runtime::new()?;
    let host = scene.host(0).name();

    let run = operator.json(&["drain", &host, "--yes", "--wait"])?;
    ensure!(run["state"] == "completed", "{run}");
    let safe = runtime.block_on(await_safe(&admin, &host))?;
    ensure!(safe["evidence"]["guests_seen"] == 0, "{safe}");
    ensure!(
        scene.host(0).emulators()?.is_empty(),
        "an emulator runs on {host}"
    );
    let away: Vec<usize> = guests
        .iter()
        .map(|it| whereabouts(&mut scene, it))
        .collect::<Result<_>>()?;
    for (guest, away) in guests.iter().zip(&away) {
        scene.prove(guest, &[0, *away])?;
    }

    scene.deployment.conductors()[0].kill9()?;
    let back = operator.run(&["undrain", &host, "--return-home", "now"])?;
    ensure!(back.code == Some(0), "{back:?}");
    runtime.block_on(await_released(&admin, &host))?;
    for (guest, away) in guests.iter().zip(&away) {
        scene.prove(guest, &[0, *away, 0])?;
    }
    Ok(())
}

/// The number of the host that has the guest, from 0.
fn whereabouts(scene: &mut Scene, guest: &Guest) -> Result<usize> {
    let uuid = guest.uuid.to_string();
    wait_for_blocking("the guest to be somewhere", PATIENCE, || {
        let server = scene.sdk.server(&uuid)?;
        ensure!(server.task_state.is_none(), "{:?}", server.task_state);
        let host = server.compute_host.context("it is nowhere")?;
        let all = scene.deployment.testbed().hosts();
        Ok(all.iter().position(|it| it.name() == host))
    })
}
