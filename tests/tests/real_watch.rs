//! What operators see, on a deployment in which things happen: every panel of every dashboard says
//! something, and every alert fires when its cause is there, and clears when it is gone.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::ports::free_address;
use godwit_test_support::rabbitmq::RabbitMq;
use godwit_test_support::wait_for_blocking;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::maintained::{Maintained, after};
use system_tests::native::Native;
use system_tests::outage::{locked, open_database, unlock};
use system_tests::prometheus::{Prometheus, rules, shortened};
use system_tests::sdk::Refused;
use system_tests::sdk::{Sdk, repository};
use system_tests::simulated::Simulated;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// An alert that is caused fires within this, and clears within this.
const NOTICED: Duration = Duration::from_secs(60);
const MOVE: Duration = Duration::from_secs(60);

/// What the rules say in minutes and hours, in seconds. The order matters: `600` is in `3600`.
const SHORTER: &[(&str, &str)] = &[
    ("> 86400", "> 4"),
    ("> 3600", "> 4"),
    ("> 600", "> 4"),
    ("> 60", "> 4"),
    ("[5m]", "[10s]"),
    ("for: 1m", "for: 1s"),
    ("for: 2m", "for: 1s"),
];

/// A client, and the servers of the demonstration fleet by name.
struct Fleet {
    sdk: Sdk,
}

impl Fleet {
    fn of(deployment: &Simulated) -> Result<Self> {
        let sdk = deployment.sdk("admin")?;
        Ok(Self { sdk })
    }

    fn host_of(&mut self, server: &str) -> Result<String> {
        let host = self.sdk.server(server)?.compute_host;
        host.context("it has no host")
    }

    /// Two servers on one host, of which the first is the one that never gets there by itself.
    fn busy_and_neighbour(&mut self) -> Result<(String, String)> {
        let busy = self.sdk.server_named("vm-busy")?;
        let host = self.host_of(&busy)?;
        for number in 1..=12 {
            let Ok(server) = self.sdk.server_named(&format!("vm-{number}")) else {
                continue;
            };
            if self.host_of(&server)? == host {
                return Ok((busy, server));
            }
        }
        anyhow::bail!("nobody shares a host with vm-busy")
    }

    /// Waits until something is on its way.
    fn await_anything_running(&mut self) -> Result<()> {
        wait_for_blocking("a migration to run", MOVE, || {
            let running = json!({"status": "running"});
            let found = self.sdk.call("compute.migrations", json!([]), running)?;
            Ok(found
                .as_array()
                .is_some_and(|it| !it.is_empty())
                .then_some(()))
        })
    }

    fn move_away(&mut self, server: &str) -> Result<()> {
        self.sdk.live_migrate(server, None)?;
        self.sdk
            .await_migration(server, "completed", MOVE)
            .map(drop)
    }

    fn abort(&mut self, server: &str) -> Result<()> {
        let migration = self.sdk.newest_migration(server)?.id;
        self.sdk.abort(server, migration)?;
        self.sdk
            .await_migration(server, "cancelled", MOVE)
            .map(drop)
    }
}

/// Asks for servers from many sides at a time, each for as long as it takes; how they end does not
/// matter.
fn crowd(deployment: &Simulated) -> Result<()> {
    let native = deployment.native("manager")?;
    Runtime::new()?.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..12 {
            let native = native.clone();
            clients.spawn(async move {
                for _ in 0..3 {
                    let _ = native.call(Method::GET, "/v2.1/servers", None).await;
                }
            });
        }
        clients.join_all().await;
    });
    Ok(())
}

/// Everything that some panel shows: moves of each kind, ends of each kind, a queue, a deadline,
/// hosts and conductors that go and come back, a database that does not answer.
fn let_things_happen(deployment: &Simulated, prometheus: &Prometheus) -> Result<()> {
    let mut fleet = Fleet::of(deployment)?;
    webhook_to_nowhere(deployment)?;
    // A series is there from the first thing that it counts, and shows an increase from the second
    // on, so everything happens twice.
    for _ in 0..2 {
        for name in ["vm-1", "vm-2", "vm-3"] {
            let server = fleet.sdk.server_named(name)?;
            fleet.move_away(&server)?;
        }
        let server = fleet.sdk.server_named("vm-4")?;
        fleet.sdk.migrate(&server, None)?;
        fleet.sdk.await_migration(&server, "finished", MOVE)?;
        fleet.sdk.confirm(&server)?;

        let (busy, neighbour) = fleet.busy_and_neighbour()?;
        fleet.sdk.live_migrate(&busy, None)?;
        fleet.sdk.await_migration(&busy, "running", MOVE)?;
        fleet.sdk.live_migrate(&neighbour, None)?;
        fleet.sdk.await_migration(&neighbour, "queued", MOVE)?;
        prometheus.await_something("max(godwit_queue_length)")?;
        prometheus.await_something("max(godwit_queue_oldest_seconds)")?;
        fleet.abort(&busy)?;
        fleet.sdk.await_migration(&neighbour, "completed", MOVE)?;
    }
    // Two conductors count, each from its first on, and what it counts between two scrapes is one.
    wait_for_blocking("moves to be seen to fail", MOVE, || {
        nowhere_to_go(&mut fleet)?;
        let failed = prometheus.query("sum(increase(godwit_migrations_failed_total[10s]))")?;
        ensure!(failed.iter().any(|(_, count)| *count > 0.0), "{failed:?}");
        Ok(Some(()))
    })?;
    hosts_are_drained(deployment, prometheus, &mut fleet)?;
    no_conductor_hears(deployment, prometheus, &mut fleet)?;
    a_conductor_sleeps(deployment, prometheus, &mut fleet)?;
    hosts_die_during_a_move(deployment, prometheus, &mut fleet)?;
    let lock = locked(deployment)?;
    crowd(deployment)?;
    prometheus.await_something("sum(increase(godwit_conductor_database_refusals_total[10s]))")?;
    unlock(deployment, lock)
}

/// A migration that ends in an error: no host is left that may be chosen.
fn nowhere_to_go(fleet: &mut Fleet) -> Result<()> {
    let server = fleet.sdk.server_named("vm-5")?;
    let here = fleet.host_of(&server)?;
    let others: Vec<_> = ["host-1", "host-2", "host-3"]
        .into_iter()
        .filter(|host| *host != here)
        .collect();
    for host in &others {
        fleet.sdk.set_enabled(host, false)?;
    }
    let refused: Refused = fleet
        .sdk
        .live_migrate(&server, None)
        .unwrap_err()
        .downcast()?;
    ensure!(refused.status == Some(400), "{refused}");
    fleet.sdk.await_migration(&server, "error", MOVE)?;
    for host in &others {
        fleet.sdk.set_enabled(host, true)?;
    }
    Ok(())
}

/// Hosts that are emptied and get their servers back; one whose servers can go nowhere; and a run
/// with a deadline that does not get on.
fn hosts_are_drained(
    deployment: &Simulated,
    prometheus: &Prometheus,
    fleet: &mut Fleet,
) -> Result<()> {
    let busy = fleet.sdk.server_named("vm-busy")?;
    let slow = fleet.host_of(&busy)?;
    let quick = ["host-1", "host-2", "host-3"];
    let quick = quick.into_iter().find(|host| *host != slow);
    let quick = Maintained::new(deployment, quick.context("no other host")?)?;
    for _ in 0..2 {
        quick.hold(&json!({"reason": "a new kernel"}))?;
        quick.gets("in_maintenance")?;
        quick.release("now")?;
        quick.gets("none")?;
    }
    for host in ["host-1", "host-2", "host-3"] {
        fleet.sdk.set_enabled(host, false)?;
    }
    // As with moves that fail: each conductor counts from its first plan on.
    wait_for_blocking("servers to be seen to be blocked", MOVE, || {
        quick.hold(&json!({"reason": "nowhere to go"}))?;
        prometheus.await_something("sum(max by (code) (godwit_maintenance_blockers))")?;
        quick.release("never")?;
        quick.gets("none")?;
        let blocked = prometheus.query("sum(increase(godwit_plan_blockers_total[10s]))")?;
        ensure!(blocked.iter().any(|(_, count)| *count > 0.0), "{blocked:?}");
        Ok(Some(()))
    })?;
    for host in ["host-1", "host-2", "host-3"] {
        fleet.sdk.set_enabled(host, true)?;
    }
    let slow = Maintained::new(deployment, &slow)?;
    slow.hold(&json!({"deadline": after(20)?, "reason": "soon"}))?;
    prometheus.await_something("min(godwit_run_deadline_seconds)")?;
    prometheus.await_something("max(godwit_run_oldest_step_seconds)")?;
    slow.release("never")?;
    slow.gets("none")
}

/// A move that ends while there is nobody to report it to.
fn no_conductor_hears(
    deployment: &Simulated,
    prometheus: &Prometheus,
    fleet: &mut Fleet,
) -> Result<()> {
    for _ in 0..2 {
        let server = fleet.sdk.server_named("vm-6")?;
        // On a busy machine a move may have ended, and been reported, before nobody hears.
        wait_for_blocking("a move to end when nobody hears", MOVE, || {
            fleet.sdk.live_migrate(&server, None)?;
            fleet.sdk.await_migration(&server, "running", MOVE)?;
            for conductor in &deployment.conductors {
                conductor.kill9()?;
            }
            let unheard = wait_for_blocking("an outcome", MOVE / 6, || {
                let outstanding = prometheus.query("sum(godwit_agent_reports_outstanding)")?;
                Ok(outstanding
                    .iter()
                    .any(|(_, count)| *count > 0.0)
                    .then_some(()))
            });
            if unheard.is_ok() {
                return Ok(Some(()));
            }
            for conductor in &deployment.conductors {
                conductor.start()?;
            }
            fleet.sdk.await_migration(&server, "completed", MOVE)?;
            Ok(None)
        })?;
        prometheus.await_something(
            r#"sum(increase(godwit_agent_conductor_calls_failed_total{call="report"}[10s]))"#,
        )?;
        for conductor in &deployment.conductors {
            conductor.start()?;
        }
        fleet.sdk.await_migration(&server, "completed", MOVE)?;
    }
    Ok(())
}

/// Whoever follows a move stands still until another one does, and hears of that when it goes on.
fn a_conductor_sleeps(
    deployment: &Simulated,
    prometheus: &Prometheus,
    fleet: &mut Fleet,
) -> Result<()> {
    let busy = fleet.sdk.server_named("vm-busy")?;
    fleet.sdk.live_migrate(&busy, None)?;
    fleet.sdk.await_migration(&busy, "running", MOVE)?;
    for conductor in &deployment.conductors {
        conductor.freeze(true)?;
        prometheus.await_something(r#"count(up{job="godwit-conductor"} == 0)"#)?;
        prometheus.await_something("sum(godwit_leases_held)")?;
        conductor.freeze(false)?;
        prometheus.await_something(r#"count(up{job="godwit-conductor"} == 1) == 2"#)?;
    }
    let lost = r#"sum(increase(godwit_effect_seconds_count{outcome="lost"}[30s]))"#;
    prometheus.await_something(lost)?;
    fleet.abort(&busy)
}

/// The source dies while it moves a guest for longer than it may: the deadline passes, and nobody
/// can be told.
fn hosts_die_during_a_move(
    deployment: &Simulated,
    prometheus: &Prometheus,
    fleet: &mut Fleet,
) -> Result<()> {
    let busy = fleet.sdk.server_named("vm-busy")?;
    fleet.sdk.live_migrate(&busy, None)?;
    fleet.sdk.await_migration(&busy, "running", MOVE)?;
    deployment.hosts.kill9()?;
    for query in [
        "max(godwit_migrations_overdue)",
        "max(godwit_discrepancies_open)",
        r#"sum(rate(godwit_effect_seconds_count{outcome="again"}[10s]))"#,
    ] {
        prometheus.await_something(query)?;
    }
    deployment.hosts.start()?;
    deployment.await_hosts(3)
}

/// Wants somebody to be told of events who is not there; returns the webhook, and who may delete it.
fn webhook_to_nowhere(deployment: &Simulated) -> Result<(Native, Value)> {
    let native = deployment.native("admin")?;
    let url = format!("http://{}/", free_address()?);
    let webhook = Runtime::new()?.block_on(native.webhook(&url, None))?;
    Ok((native, webhook))
}

/// Few connections for the API, so that a crowd takes them all, and two for a conductor, soon given up
/// waiting for; a move may take ten seconds.
fn overlay() -> Value {
    json!({
        "database": {"pool_size": 3, "busy_timeout": 3},
        "conductor_database": {"pool_size": 2, "busy_timeout": 1},
        "conductor": {
            "slots": {"per_source": 1},
            "time_limits": {"completion_per_gib": 5, "grace": 5},
        },
    })
}

#[test]
fn real_every_panel_says_something() -> Result<()> {
    let deployment = Simulated::up(&overlay())?;
    let prometheus = Prometheus::start(&deployment.jobs(), &rules()?)?;
    let_things_happen(&deployment, &prometheus).inspect_err(|_| deployment.show_logs())?;

    let mut silent = vec![];
    let mut panels = 0;
    for file in fs::read_dir(repository().join("deploy/grafana/dashboards"))? {
        let dashboard: Value = serde_json::from_slice(&fs::read(file?.path())?)?;
        for panel in dashboard["panels"].as_array().into_iter().flatten() {
            let title = format!("{}: {}", dashboard["title"], panel["title"]);
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().context("no expression")?;
                panels += 1;
                let query = query.replace("$__rate_interval", "10s");
                let said = prometheus.history(&query).with_context(|| title.clone())?;
                if !said.iter().any(|series| series.says_something()) {
                    silent.push(format!("{title}: {query}: {} series", said.len()));
                }
            }
        }
    }
    ensure!(panels > 50, "only {panels} queries were found");
    ensure!(silent.is_empty(), "{}", silent.join("\n"));
    Ok(())
}

/// The deployment and its Prometheus, whose rules are shortened.
struct Watched {
    deployment: Simulated,
    prometheus: Prometheus,
}

impl Watched {
    fn up() -> Result<Self> {
        Self::with(&overlay())
    }

    fn with(overlay: &Value) -> Result<Self> {
        let deployment = Simulated::up(overlay)?;
        let rules = shortened(&rules()?, SHORTER)?;
        let prometheus = Prometheus::start(&deployment.jobs(), &rules)?;
        let watched = Self {
            deployment,
            prometheus,
        };
        // Nobody answers before somebody was asked.
        watched.calm()?;
        Ok(watched)
    }

    /// Waits until all of these fire; others may.
    fn fire(&self, alerts: &[&str]) -> Result<()> {
        let what = format!("{alerts:?} to fire");
        wait_for_blocking(&what, NOTICED, || {
            let firing = self.prometheus.firing()?;
            let wanted = alerts.iter().all(|alert| firing.contains(*alert));
            ensure!(wanted, "{firing:?}");
            Ok(Some(()))
        })
    }

    /// Waits until nothing fires any more.
    fn calm(&self) -> Result<()> {
        wait_for_blocking("all alerts to clear", NOTICED, || {
            let firing = self.prometheus.firing()?;
            ensure!(firing.is_empty(), "{firing:?}");
            Ok(Some(()))
        })
    }
}

#[test]
fn real_alerts_about_processes_and_the_database() -> Result<()> {
    let watched = Watched::up()?;
    let deployment = &watched.deployment;

    deployment.apis[0].kill9()?;
    watched.fire(&["GodwitProcessDown"])?;
    deployment.start_api(0)?;
    watched.calm()?;

    for conductor in &deployment.conductors {
        conductor.kill9()?;
    }
    watched.fire(&["GodwitNoConductor", "GodwitProcessDown"])?;
    for conductor in &deployment.conductors {
        conductor.start()?;
    }
    watched.calm()?;

    open_database(deployment, false)?;
    watched.fire(&["GodwitFiguresOld"])?;
    open_database(deployment, true)?;
    watched.calm()?;

    let lock = locked(deployment)?;
    crowd(deployment)?;
    watched.fire(&["GodwitDatabasePoolExhausted", "GodwitErrorRate"])?;
    unlock(deployment, lock)?;
    // Requests that are answered again, or there would be no rate.
    crowd(deployment)?;
    watched.calm()
}

#[test]
fn real_alerts_about_agents_and_moves() -> Result<()> {
    let watched = Watched::up()?;
    let deployment = &watched.deployment;
    let mut fleet = Fleet::of(deployment)?;
    let (busy, neighbour) = fleet.busy_and_neighbour()?;

    // Long enough that the neighbour has waited for too long before the deadline.
    fleet.sdk.live_migrate(&busy, None)?;
    fleet.sdk.await_migration(&busy, "running", MOVE)?;
    fleet.sdk.live_migrate(&neighbour, None)?;
    watched.fire(&["GodwitQueueTooOld"])?;

    deployment.hosts.kill9()?;
    watched.fire(&[
        "GodwitNoAgentHeard",
        "GodwitAgentDown",
        "GodwitMigrationOverdue",
        "GodwitDiscrepancyOpen",
        "GodwitEffectsNotDelivered",
    ])?;
    deployment.hosts.start()?;
    deployment.await_hosts(3)?;
    watched.calm()
}

/// A host that is to be empty in a moment, and whose agent hangs in the middle of the first move.
#[test]
fn real_alerts_about_maintenance_and_runs() -> Result<()> {
    let watched = Watched::up()?;
    let deployment = &watched.deployment;
    let mut fleet = Fleet::of(deployment)?;
    let server = fleet.sdk.server_named("vm-1")?;
    let host = fleet.host_of(&server)?;
    let host = Maintained::new(deployment, &host)?;
    host.hold(&json!({"deadline": after(5)?, "reason": "soon"}))?;
    fleet.await_anything_running()?;
    deployment.hosts.freeze(true)?;
    watched.fire(&[
        "GodwitRunStuck",
        "GodwitRunDeadlineInDanger",
        "GodwitMaintenanceHeldTooLong",
    ])?;
    deployment.hosts.freeze(false)?;
    host.release("never")?;
    host.gets("none")?;
    watched.calm()
}

#[test]
fn real_alerts_about_certificates() -> Result<()> {
    let watched = Watched::up()?;
    let deployment = &watched.deployment;
    let conductor = &deployment.conductors[0];
    for (days, fires) in [(10, true), (365, false)] {
        deployment.certify_conductor(1, days)?;
        conductor.stop()?;
        conductor.start()?;
        if fires {
            watched.fire(&["GodwitCertificateEndsSoon"])?;
        } else {
            watched.calm()?;
        }
    }
    Ok(())
}

#[test]
fn real_alert_about_events_that_nobody_takes() -> Result<()> {
    let mut broker = RabbitMq::start()?;
    let mut settings = overlay();
    // Few connections would be taken whenever somebody looks.
    settings["database"] = json!({});
    settings["notifications"] = json!({
        "url": broker.url(),
        "password_file": broker.password_file()?,
        "durable": true,
        "timeout": 2,
        "retries": {"first": 0.2, "longest": 1},
    });
    let watched = Watched::with(&settings)?;
    let deployment = &watched.deployment;
    let mut fleet = Fleet::of(deployment)?;
    let server = fleet.sdk.server_named("vm-1")?;
    let fires_for = |reader: &str| {
        watched.fire(&["GodwitEventDeliveryBehind"])?;
        let query = r#"ALERTS{alertname="GodwitEventDeliveryBehind", alertstate="firing"}"#;
        let alerts = watched.prometheus.query(query)?;
        let readers: Vec<_> = alerts
            .iter()
            .map(|(it, _)| it.metric.get("reader"))
            .collect();
        ensure!(readers == [Some(&reader.to_owned())], "{readers:?}");
        Ok(())
    };

    // Whoever wants to be called is not there, until nobody wants that any more.
    let (native, webhook) = webhook_to_nowhere(deployment)?;
    fleet.move_away(&server)?;
    fires_for("webhooks")?;
    Runtime::new()?.block_on(native.delete_webhook(&webhook))?;
    watched.calm()?;

    broker.kill();
    fleet.move_away(&server)?;
    fires_for("notifications")?;
    broker.resume()?;
    watched.calm()
}

/// No alert is forgotten here.
#[test]
fn every_alert_is_caused_by_a_test() -> Result<()> {
    let this = include_str!("real_watch.rs");
    let rules = rules()?;
    let alerts = rules.split("- alert: ").skip(1);
    let names: BTreeSet<_> = alerts
        .filter_map(|rule| rule.lines().next())
        .map(str::trim)
        .collect();
    for name in names {
        ensure!(
            this.contains(&format!("\"{name}\"")),
            "no test causes {name}"
        );
    }
    Ok(())
}
