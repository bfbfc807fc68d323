//! A thousand readers of events, who hang up at random and go on elsewhere, while conductors and those
//! who serve the API are killed in the midst of migrations: what each of them is told is the table,
//! and so are the calls of a webhook and the notifications of a broker.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use godwit_store::{EventQuery, LoggedEvent, PositionedEvent, Store, StoreOptions};
use godwit_test_support::rabbitmq::RabbitMq;
use godwit_test_support::receiver::Receiver;
use godwit_test_support::{wait_for, wait_for_blocking};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use system_tests::native::{Native, live_migration};
use system_tests::notifications::Listener;
use system_tests::readers::{Readers, Told};
use system_tests::simulated::{Options, Simulated};
use tokio::runtime::Runtime;

/// What is left to chance follows from it, but for what the machine decides.
const SEED: u64 = 9;
const READERS: u64 = 1_000;
/// How often every server is moved.
const WAVES: usize = 2;
/// Events between one that is killed and the next.
const STEP: i64 = 15;
/// How often each of the four processes is killed.
const ROUNDS: usize = 2;

/// Longer than anything here takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Files that a process may have open: a connection for each reader, and then some.
const FILES: u32 = 8_192;

/// Lets this process, and those that it starts, have as many connections as there are readers.
fn allow_many_files() -> Result<()> {
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--pid={}", std::process::id()));
    let output = prlimit.arg(format!("--nofile={FILES}:")).output();
    let output = output.context("cannot run prlimit")?;
    ensure!(output.status.success(), "prlimit: {output:?}");
    Ok(())
}

struct Scene {
    runtime: Runtime,
    listener: Listener,
    deployment: Simulated,
    native: Native,
    store: Store,
    // Dropped last: the others use it.
    _broker: RabbitMq,
}

impl Scene {
    fn set() -> Result<Self> {
        let broker = RabbitMq::start()?;
        let listener = Listener::start(&broker)?;
        let overlay = json!({
            "api": {
                // A host that is heard late, on a machine that is busy, is not dead.
                "service_down_time": 60,
                // Those that were hung up on count until something is said to them.
                "quotas": {"streams": 10 * READERS},
                // A call of who was killed is left alone for this and a bit.
                "webhooks": {"timeout": 2},
            },
            // A thousand come back at once.
            "database": {"pool_size": 16, "busy_timeout": 30},
            "conductor": {"service_down_time": 60, "lease": 2},
            "notifications": {
                "url": broker.url(),
                "password_file": broker.password_file()?,
                "durable": true,
                "timeout": 1,
                "retries": {"first": 0.2, "longest": 1},
            },
        });
        let deployment = Simulated::with(&Options {
            overlay,
            apis: 2,
            hosts: &["--servers", "17", "--speed", "20"],
            ..Options::default()
        })?;
        let runtime = Runtime::new()?;
        let url = deployment.database();
        let store = runtime.block_on(Store::open(url, StoreOptions::default()))?;
        Ok(Self {
            runtime,
            listener,
            native: deployment.native("admin")?,
            deployment,
            store,
            _broker: broker,
        })
    }

    /// Kills one after the other, as things happen, and starts each again.
    fn kill_and_restart(&self, readers: &Readers) -> Result<()> {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut position = 0;
        for _ in 0..ROUNDS {
            let mut victims = [0, 1, 2, 3];
            victims.shuffle(&mut random);
            for victim in victims {
                position += STEP;
                self.runtime.block_on(readers.reach(position, PATIENCE))?;
                self.strike(victim)?;
            }
        }
        Ok(())
    }

    fn strike(&self, victim: usize) -> Result<()> {
        if let Some(conductor) = self.deployment.conductors.get(victim) {
            conductor.kill9()?;
            return conductor.start();
        }
        let api = victim - self.deployment.conductors.len();
        self.deployment.apis[api].kill9()?;
        self.deployment.start_api(api)
    }

    /// Every event that there is.
    fn table(&self) -> Result<Vec<PositionedEvent>> {
        self.runtime.block_on(async {
            let mut all: Vec<PositionedEvent> = Vec::new();
            self.store.events_end().await?;
            loop {
                let last = all.last().map_or(0, |it| it.position);
                let query = EventQuery::after(last, 1_000);
                let page = self.store.events_page(&query).await?;
                all.extend(page.events);
                if !page.more {
                    return Ok(all);
                }
            }
        })
    }
}

/// Moves all servers but the one that never gets there, several times; those who serve the API may
/// be gone at any time.
async fn move_all(native: &Native, store: &Store) -> Result<()> {
    let mut random = StdRng::seed_from_u64(SEED);
    let servers = native.servers().await?;
    for _ in 0..WAVES {
        for (_, server) in servers.iter().filter(|(name, _)| name != "vm-busy") {
            move_away(native, &mut random, server).await?;
        }
        wait_for("all moves to end", PATIENCE, async || {
            let going_on = store.migrations_unfinished().await?.len();
            ensure!(going_on == 0, "{going_on} go on");
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}

async fn move_away(native: &Native, random: &mut StdRng, server: &str) -> Result<()> {
    let path = format!("/v2.1/servers/{server}/action");
    wait_for("a move to be accepted", PATIENCE, async || {
        let index = random.random_range(0..native.count());
        let request = native.request(index, Method::POST, &path);
        let answer = request.json(&live_migration()).send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        // A request whose answer was lost may have made it begin.
        ensure!(matches!(status, 202 | 409), "{status}: {text}");
        Ok(Some(()))
    })
    .await
}

/// What is told of an event of a live migration, in the words of docs/notifications.md: priority and
/// type.
fn notices(event: &str) -> Result<&'static [(&'static str, &'static str)]> {
    let told: &'static [(&'static str, &'static str)] = match event {
        "requested" | "placed" => &[],
        "admitted" => &[("info", "instance.live_migration_pre.start")],
        "prepared" => &[("info", "instance.live_migration_pre.end")],
        "handed_over" | "found_at_destination" => &[
            ("info", "instance.live_migration_post.start"),
            ("info", "instance.live_migration_post_dest.start"),
        ],
        "finished" => &[
            ("info", "instance.live_migration_post_dest.end"),
            ("info", "instance.live_migration_post.end"),
        ],
        "not_placed" => &[("error", "compute_task.migrate_server.error")],
        "not_prepared" | "move_failed" => &[
            ("info", "instance.live_migration_rollback.start"),
            ("info", "instance.live_migration_rollback_dest.start"),
        ],
        "rolled_back" => &[
            ("info", "instance.live_migration_rollback_dest.end"),
            ("info", "instance.live_migration_rollback.end"),
        ],
        other => bail!("nobody said what is told of {other}"),
    };
    Ok(told)
}

/// Notifications by server and priority, each with a queue of its own, in their order.
type Notifications = BTreeMap<(String, String), Vec<String>>;

fn expected(table: &[PositionedEvent]) -> Result<Notifications> {
    let mut all = Notifications::new();
    for row in table {
        // Hosts are told of as their services, which are not looked at here.
        let LoggedEvent::Migration { server, line, .. } = &row.event else {
            continue;
        };
        for (priority, kind) in notices(&line.name)? {
            let queue = (server.to_string(), (*priority).to_owned());
            all.entry(queue).or_default().push((*kind).to_owned());
        }
    }
    Ok(all)
}

/// What arrived, each at the place of its first arrival.
fn heard(listener: &Listener) -> Result<Notifications> {
    let (mut all, mut before) = (Notifications::new(), BTreeSet::new());
    for it in listener.heard()? {
        if it.event_type.starts_with("service.") {
            continue;
        }
        if before.insert(it.metadata["message_id"].to_string()) {
            let server = it.server().context("it is of no server")?.to_owned();
            let queue = all.entry((server, it.priority)).or_default();
            queue.push(it.event_type);
        }
    }
    Ok(all)
}

/// What a receiver was called with, each at the place of its first arrival; those about a migration
/// have to be in their order.
fn called(receiver: &Receiver) -> Result<BTreeMap<i64, Told>> {
    let mut all = BTreeMap::new();
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for call in receiver.calls() {
        let told = Told::read(&call.body)?;
        let position = told.position;
        ensure!(call.header("webhook-id") == format!("evt_{position}"));
        if all.contains_key(&position) {
            continue;
        }
        let (migration, _) = told.id.split_once('/').context("an odd id")?;
        let before = last.insert(migration.to_owned(), position).unwrap_or(0);
        ensure!(before < position, "{position} came behind {before}");
        all.insert(position, told);
    }
    Ok(all)
}

#[test]
fn real_thousand_readers_are_each_told_the_table_whoever_is_killed() -> Result<()> {
    allow_many_files()?;
    let scene = Scene::set()?;
    let runtime = &scene.runtime;
    let receiver = runtime.block_on(async { Receiver::start() })?;
    let url = receiver.url();
    runtime.block_on(scene.native.webhook(&url, None))?;

    let readers = runtime.block_on(async { Readers::start(&scene.native, READERS, SEED) });
    std::thread::scope(|threads| {
        let moving = threads.spawn(|| runtime.block_on(move_all(&scene.native, &scene.store)));
        // Processes end with the thread that started them, which is this one.
        let struck = scene.kill_and_restart(&readers);
        let moved = moving.join();
        // Without moves nothing happens that others could wait for.
        moved.unwrap_or_else(|_| bail!("whoever moves servers has panicked"))?;
        struck
    })
    .inspect_err(|_| scene.deployment.show_logs())?;

    let table = scene.table()?;
    let told: Vec<Told> = table.iter().map(Told::from).collect();
    let end = told.last().context("nothing happened")?.position;
    let dense = told.iter().map(|it| it.position).eq(1..=end);
    ensure!(dense, "the table has gaps");
    let readings = runtime.block_on(readers.finish(end, PATIENCE))?;
    ensure!(
        u64::try_from(readings.len())? == READERS,
        "some are missing"
    );
    for (number, reading) in readings.iter().enumerate() {
        let differs = reading.iter().zip(&told).find(|(one, other)| one != other);
        ensure!(differs.is_none(), "reader {number}: {differs:?}");
        let (read, all) = (reading.len(), told.len());
        ensure!(read == all, "reader {number} was told {read} of {all}");
    }

    // What the webhook was made for.
    let of_migrations = told
        .into_iter()
        .filter(|it| it.kind.starts_with("migration."));
    let by_position = of_migrations.map(|it| (it.position, it));
    let expected_calls: BTreeMap<i64, Told> = by_position.collect();
    wait_for_blocking("all calls", PATIENCE, || {
        let called = called(&receiver)?;
        let (is, all) = (called.len(), expected_calls.len());
        ensure!(is == all, "{is} of {all} events arrived");
        ensure!(called == expected_calls, "the calls tell something else");
        Ok(Some(()))
    })?;

    let expected = expected(&table)?;
    wait_for_blocking("all notifications", PATIENCE, || {
        let heard = heard(&scene.listener)?;
        for (queue, all) in &expected {
            let heard = heard.get(queue);
            ensure!(heard == Some(all), "{queue:?}: {heard:?} of {all:?}");
        }
        ensure!(heard.len() == expected.len(), "something else was told");
        Ok(Some(()))
    })
    .with_context(|| scene.listener.log())?;
    scene.deployment.check_invariants()
}
