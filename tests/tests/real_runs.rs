//! Runs on real hosts, and what may happen to them: everybody is killed in turn, somebody cancels, a
//! guest has nowhere to go, all hosts are done one after the other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec, Load};
use godwit_test_support::wait_for_blocking;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::deployment::{Deployment, Options};
use system_tests::native::Native;
use system_tests::operator::Operator;
use system_tests::process::Process;
use system_tests::scene::{DEADLINE, Scene};
use tokio::runtime::Runtime;

/// Of what takes minutes on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(240);
const MIB: u64 = 1 << 20;
/// What agents, conductors and libvirts say to each other in some seconds without a move.
const TALK: u64 = MIB;

/// Three hosts with links of their own for migrations.
fn three_hosts() -> Options {
    Options {
        hosts: 3,
        migration_network: Some(None),
        ..Options::default()
    }
}

/// Who asks for plans and runs, and looks how they get on.
struct Asker {
    native: Native,
    runtime: Runtime,
}

impl Asker {
    fn of(deployment: &Deployment) -> Result<Self> {
        Ok(Self {
            native: deployment.native("admin")?,
            runtime: Runtime::new()?,
        })
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let path = format!("/relocation/v1{path}");
        self.runtime.block_on(self.native.call(method, &path, body))
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None)
    }

    /// Begins what `wish` asks for, once it is planned; returns the id of the run.
    fn begin(&self, wish: &Value) -> Result<String> {
        let plan = self.call(Method::POST, "/plans", Some(wish))?;
        let plan = plan["id"].as_str().context("no id")?.to_owned();
        wait_for_blocking("the plan to be ready", DEADLINE, || {
            let plan = self.get(&format!("/plans/{plan}"))?;
            ensure!(plan["state"] == "ready", "{plan}");
            Ok(Some(()))
        })?;
        let run = self.call(Method::POST, &format!("/plans/{plan}/runs"), None)?;
        Ok(run["id"].as_str().context("no id")?.to_owned())
    }

    /// Waits until a run is as `good` says, and returns it.
    fn await_run(&self, run: &str, what: &str, good: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for_blocking(what, PATIENCE, || {
            let found = self.get(&format!("/runs/{run}"))?;
            ensure!(good(&found), "{found}");
            Ok(Some(found))
        })
    }

    fn await_maintenance(&self, host: &str, state: &str) -> Result<Value> {
        wait_for_blocking(&format!("{host} to be {state}"), PATIENCE, || {
            let found = self.get(&format!("/hosts/{host}/maintenance"))?;
            ensure!(found["state"] == state, "{found}");
            Ok(Some(found))
        })
    }
}

fn operations(run: &Value) -> &[Value] {
    run["operations"].as_array().map_or(&[], Vec::as_slice)
}

/// How many operations of a run are in this state.
fn count(run: &Value, state: &str) -> usize {
    let operations = operations(run).iter();
    operations.filter(|it| it["state"] == state).count()
}

fn guests(scene: &mut Scene, names: &[&str]) -> Result<Vec<Guest>> {
    let guest = |name: &&str| scene.guest(0, GuestSpec::new(name));
    names.iter().map(guest).collect()
}

/// The number of the host that has the guest, from 0.
fn whereabouts(scene: &mut Scene, guest: &Guest) -> Result<usize> {
    let server = scene.sdk.server(&guest.uuid.to_string())?;
    let host = server.compute_host.context("it is nowhere")?;
    let hosts = scene.deployment.testbed().hosts();
    let found = hosts.iter().position(|it| it.name() == host);
    found.with_context(|| format!("there is no {host}"))
}

/// Each process, one after the other while something moves: the run ends as if nobody had died, and
/// each guest has run once, all the way.
#[test]
fn real_run_goes_on_whoever_is_killed() -> Result<()> {
    let mut scene = Scene::set(&Options {
        conductor: json!({"slots": {"per_source": 1}}),
        ..three_hosts()
    })?;
    let guests = guests(&mut scene, &["one", "two", "three", "four", "five"])?;
    for host in scene.deployment.testbed().hosts() {
        host.shape_migration(Some(12 * MIB))?;
    }
    let asker = Asker::of(&scene.deployment)?;
    let host = scene.host(0).name();
    let run = asker.begin(&json!({"host": host}))?;

    let deployment = &scene.deployment;
    let agents = deployment.agents().iter();
    let victims: Vec<&Process> = deployment
        .conductors()
        .iter()
        .chain([deployment.api()])
        .chain(agents)
        .collect();
    for (ended, victim) in victims.into_iter().enumerate() {
        let found = asker.await_run(&run, "an operation to run, or all to have ended", |run| {
            let (runs, done) = (count(run, "running"), count(run, "completed"));
            (runs > 0 && done >= ended) || done == guests.len()
        })?;
        ensure!(count(&found, "failed") == 0, "{found}");
        victim.kill9()?;
        ensure!(!victim.runs(), "{} survived", victim.name());
        victim.start()?;
    }
    let run = asker.await_run(&run, "the run to be completed", |it| {
        it["state"] == "completed"
    })?;
    ensure!(count(&run, "completed") == guests.len(), "{run}");
    for guest in &guests {
        let path = [0, whereabouts(&mut scene, guest)?];
        ensure!(path[1] != 0, "{} is where it was", guest.name());
        scene.prove(guest, &path)?;
    }
    ensure!(scene.host(0).emulators()?.is_empty(), "{host} is not empty");
    Ok(())
}

/// Once a run says that it is cancelled, no byte of any guest is on its way any more, as the kernel
/// counts, and everybody is where the run says.
#[test]
fn real_cancelled_run_moves_no_byte() -> Result<()> {
    let mut scene = Scene::set(&three_hosts())?;
    let mut guests = guests(&mut scene, &["one", "two"])?;
    let busy = GuestSpec {
        load: Load::default().dirtying(8),
        ..GuestSpec::new("busy")
    };
    guests.push(scene.guest(0, busy)?);
    for host in scene.deployment.testbed().hosts() {
        host.shape_migration(Some(4 * MIB))?;
    }
    let asker = Asker::of(&scene.deployment)?;
    let operator = Operator::new(scene.deployment.clouds(), "admin");
    let run = asker.begin(&json!({"host": scene.host(0).name()}))?;
    let carried = |scene: &Scene| -> Result<u64> { Ok(scene.host(0).carried()?.migration) };
    let before = carried(&scene)?;
    wait_for_blocking("bytes to be on their way", DEADLINE, || {
        Ok((carried(&scene)? > before + 4 * MIB).then_some(()))
    })?;

    let cancelled = operator.run(&["run", "cancel", &run, "--abort-running"])?;
    ensure!(cancelled.code == Some(0), "{cancelled:?}");
    let run = asker.await_run(&run, "the run to be cancelled", |it| {
        it["state"] == "cancelled"
    })?;
    let then = carried(&scene)?;
    ensure!(
        count(&run, "running") + count(&run, "waiting") == 0,
        "{run}"
    );
    for guest in &guests {
        let uuid = guest.uuid.to_string();
        let operation = operations(&run).iter().find(|it| it["server"] == *uuid);
        let moved = operation.is_some_and(|it| it["state"] == "completed");
        let here = whereabouts(&mut scene, guest)?;
        ensure!(
            (here != 0) == moved,
            "{} is on host {here}: {run}",
            guest.name()
        );
        let path = [0, here];
        // Which takes until its memory has been read once more.
        scene.prove(guest, if moved { &path } else { &path[..1] })?;
    }
    let since = carried(&scene)? - then;
    ensure!(since < TALK, "{since} bytes after it was cancelled: {run}");
    Ok(())
}

/// A guest that may be on no other host, as a group says: it is waited for, skipped, or shut down and
/// started again, as the operator chooses, and nobody else is touched.
#[test]
fn real_guest_that_fits_nowhere_is_treated_as_was_asked_for() -> Result<()> {
    let mut scene = Scene::set(&three_hosts())?;
    let stuck = scene.guest(0, GuestSpec::new("stuck"))?;
    let free = scene.guest(0, GuestSpec::new("free"))?;
    let others = [
        scene.guest(1, GuestSpec::new("other-1"))?,
        scene.guest(2, GuestSpec::new("other-2"))?,
    ];
    let asker = Asker::of(&scene.deployment)?;
    // A group and its members are of one project.
    let owner = scene.deployment.native("member")?;
    let created = asker.runtime.block_on(owner.call(
        Method::POST,
        "/v2.1/os-server-groups",
        Some(&json!({"server_group": {"name": "apart", "policy": "anti-affinity"}})),
    ))?;
    let group = created["server_group"]["id"].as_str().context("no id")?;
    for guest in others.iter().chain([&stuck]) {
        let path = format!("/groups/{group}/members/{}", guest.uuid);
        asker.call(Method::PUT, &path, None)?;
    }
    let host = scene.host(0).name();
    let path = format!("/hosts/{host}/maintenance");
    let hold = |immovable: &str| {
        let wish = json!({"reason": "a fan", "immovable": immovable, "return_home": "now"});
        asker.call(Method::POST, &path, Some(&wish))
    };

    hold("wait")?;
    let blocked = wait_for_blocking("what keeps it from being empty", PATIENCE, || {
        let found = asker.get(&path)?;
        let blockers = found["blockers"].as_array().context("no list")?;
        let servers: Vec<&Value> = blockers.iter().map(|it| &it["server"]).collect();
        ensure!(servers == [&json!(stuck.uuid.to_string())], "{found}");
        Ok(Some(found))
    })?;
    ensure!(
        blocked["blockers"][0]["reasons"][0]["code"] == "anti-affinity",
        "{blocked}"
    );
    ensure!(blocked["state"] == "entering", "{blocked}");

    hold("skip")?;
    let skipped = asker.await_maintenance(&host, "in_maintenance")?;
    ensure!(skipped["safe_to_reboot"] == false, "{skipped}");
    scene.prove(&stuck, &[0])?;

    hold("shutdown_restart")?;
    wait_for_blocking("the host to be safe to reboot", PATIENCE, || {
        let found = asker.get(&path)?;
        ensure!(found["safe_to_reboot"] == true, "{found}");
        Ok(Some(()))
    })?;
    scene.prove_off(&stuck, 0)?;
    ensure!(scene.host(0).emulators()?.is_empty(), "{host} is not empty");
    let away = whereabouts(&mut scene, &free)?;

    asker.call(Method::DELETE, &format!("{path}?return_home=now"), None)?;
    asker.await_maintenance(&host, "none")?;
    scene.prove_restarted(&stuck, 0)?;
    scene.prove(&free, &[0, away, 0])?;
    scene.prove(&others[0], &[1])?;
    scene.prove(&others[1], &[2])
}

/// All hosts, one after the other, as one run: an operator says of each when it is done, nobody is
/// stopped, and a guest moves little more than once.
#[test]
fn real_hosts_are_done_one_after_the_other() -> Result<()> {
    let mut scene = Scene::set(&three_hosts())?;
    let homes: Vec<(Guest, usize)> = [("one", 0), ("two", 0), ("three", 1), ("four", 2)]
        .into_iter()
        .map(|(name, at)| Ok((scene.guest(at, GuestSpec::new(name))?, at)))
        .collect::<Result<_>>()?;
    let asker = Asker::of(&scene.deployment)?;
    let operator = Operator::new(scene.deployment.clouds(), "admin");
    let hosts: Vec<String> = (0..3).map(|index| scene.host(index).name()).collect();
    let run = asker.begin(&json!({"hosts": hosts, "max_unavailable": 1, "reason": "firmware"}))?;
    let in_state = |run: &Value, wanted: &[&str]| -> Vec<String> {
        let hosts = run["hosts"].as_array().into_iter().flatten();
        hosts
            .filter(|it| wanted.iter().any(|state| it["state"] == *state))
            .filter_map(|it| it["host"].as_str().map(str::to_owned))
            .collect()
    };

    for done in 0..hosts.len() {
        let found = asker.await_run(&run, "the next host to be ready", |run| {
            in_state(run, &["ready"]).len() == 1 && in_state(run, &["done"]).len() == done
        })?;
        ensure!(in_state(&found, &["emptying"]).is_empty(), "{found}");
        let ready = &in_state(&found, &["ready"])[0];
        let index = hosts.iter().position(|it| it == ready).context("whose?")?;
        let emulators = scene.host(index).emulators()?;
        ensure!(emulators.is_empty(), "{ready} is not empty: {emulators:?}");
        let answer = operator.run(&["run", "host-done", &run, ready])?;
        ensure!(answer.code == Some(0), "{answer:?}");
    }
    let ended = asker.await_run(&run, "the run to be completed", |run| {
        run["state"] == "completed"
    })?;
    let moves = count(&ended, "completed");
    println!("{moves} moves of {} guests", homes.len());
    for (guest, home) in &homes {
        let uuid = guest.uuid.to_string();
        let mut path = vec![*home];
        for operation in operations(&ended).iter().filter(|it| it["server"] == *uuid) {
            let to = operation["destination"].as_str().unwrap_or_default();
            path.push(hosts.iter().position(|it| it == to).context("to whom?")?);
        }
        ensure!(path.len() > 1, "{} never moved: {ended}", guest.name());
        scene.prove(guest, &path)?;
    }
    for host in &hosts {
        asker.await_maintenance(host, "none")?;
    }
    Ok(())
}
