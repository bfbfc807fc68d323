//! Receivers of webhooks that are slow, hang, are broken, lead elsewhere or are gone: none of them
//! misses anything, and nobody else waits for them. Time passes when a test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use godwit_api::config::{ApiConfig, WebhookConfig};
use godwit_api::relocation::webhooks::deliver::Deliverer;
use godwit_core::time::{Clock, Timestamp};
use godwit_core::webhook::DeliveryState;
use godwit_store::Delivery;
use godwit_test_support::receiver::{Absent, Called, Receiver};
use godwit_test_support::wait_for;
use serde_json::Value;
use uuid::Uuid;

use super::events::story_in;
use super::webhooks::{PATIENCE, config, create, made};
use crate::world::{Who, World};

/// Events before the first that is told.
const BEFORE: i64 = 4;

/// A receiver that is not as it should be, and one that is.
struct Scene {
    world: World,
    /// Two migrations, to which things happen in turn.
    migrations: [String; 2],
    /// The webhook of the receiver that a test is about.
    hook: Uuid,
    other: Uuid,
    well: Receiver,
    happened: i64,
}

fn uuid_of(hook: &Value) -> Uuid {
    hook["id"].as_str().unwrap().parse().unwrap()
}

fn deliver(world: &World) {
    let deliverer = Deliverer::new(world.state.clone()).unwrap().unwrap();
    tokio::spawn(deliverer.run(std::future::pending()));
}

/// Deliveries of a webhook, the oldest first.
async fn deliveries(world: &World, hook: Uuid) -> Result<Vec<Delivery>> {
    let row = world.store.webhook_find(hook, None).await?;
    let row = row.expect("the webhook is there");
    let mut all = world.store.webhook_deliveries(row.id, None, 999).await?;
    all.reverse();
    Ok(all)
}

/// Of each subject the first that has not arrived.
fn due(all: &[Delivery]) -> Vec<&Delivery> {
    let mut first = BTreeMap::new();
    for delivery in all.iter().filter(|it| it.ended_at.is_none()) {
        first.entry(delivery.subject.as_str()).or_insert(delivery);
    }
    first.into_values().collect()
}

/// The positions of calls, each at the place of its first.
fn positions(calls: &[Called]) -> Vec<i64> {
    let mut before = BTreeSet::new();
    let position = |it: &Called| {
        let id = it.header("webhook-id").strip_prefix("evt_");
        id.unwrap().parse::<i64>().unwrap()
    };
    let all = calls.iter().map(position);
    all.filter(|position| before.insert(*position)).collect()
}

impl Scene {
    async fn new(config: ApiConfig, url: &str) -> Self {
        let (world, migrations) = story_in(World::configured(config).await).await;
        let hook = made(&create(&world, Who::Admin, url).await, 201);
        let well = Receiver::start().unwrap();
        let other = made(&create(&world, Who::Admin, &well.url()).await, 201);
        deliver(&world);
        Self {
            world,
            migrations,
            hook: uuid_of(&hook),
            other: uuid_of(&other),
            well,
            happened: 0,
        }
    }

    /// So many things happen, of which the one that is well is told at once.
    async fn happens(&mut self, times: i64) {
        for _ in 0..times {
            let turn = usize::try_from(self.happened % 2).unwrap();
            self.world.happens(&self.migrations[turn]).await;
            self.happened += 1;
        }
        self.all_arrive(self.other, false).await;
        self.is_complete(&self.well.calls());
        let count = i64::try_from(self.well.count()).unwrap();
        assert_eq!(count, self.happened, "each once");
    }

    /// All that happened is among the calls, of each migration in its order.
    #[track_caller]
    fn is_complete(&self, calls: &[Called]) {
        let positions = positions(calls);
        for turn in 0..2 {
            let of_one = positions.iter().filter(|it| (*it - BEFORE - 1) % 2 == turn);
            let of_one: Vec<i64> = of_one.copied().collect();
            let all = BEFORE + 1..=BEFORE + self.happened;
            let expected: Vec<i64> = all.filter(|it| (it - BEFORE - 1) % 2 == turn).collect();
            assert_eq!(of_one, expected);
        }
    }

    /// Waits until all deliveries of a webhook are there and have arrived. `steered`: whenever
    /// those that are next wait for their time, it comes.
    async fn all_arrive(&self, hook: Uuid, steered: bool) {
        wait_for("everything to arrive", PATIENCE, async || {
            let all = deliveries(&self.world, hook).await?;
            let made = i64::try_from(all.len())?;
            ensure!(made == self.happened, "{made} deliveries");
            let arrived = |it: &&Delivery| it.state == DeliveryState::Delivered;
            let arrived = all.iter().filter(arrived).count();
            if arrived == all.len() {
                return Ok(Some(()));
            }
            if steered {
                self.let_time_pass(&due(&all));
            }
            anyhow::bail!("{arrived} of {made} have arrived")
        })
        .await
        .unwrap();
    }

    /// Moves the clock to the first of these, unless one is being tried or about to be.
    fn let_time_pass(&self, due: &[&Delivery]) {
        let now = self.world.clock.now();
        let next = due.iter().map(|it| it.not_before).min();
        if let Some(next) = next.filter(|next| now < *next) {
            let seconds = next.since(now).as_secs() + 1;
            self.world.advance(i64::try_from(seconds).unwrap());
        }
    }

    /// Waits until those that are next of the webhook have failed, and wait; returns them.
    async fn fails(&self, wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        wait_for("attempts to fail", PATIENCE, async || {
            let all = deliveries(&self.world, self.hook).await?;
            let (now, due) = (self.world.clock.now(), due(&all));
            let failed = |it: &&Delivery| it.attempts > 0 && it.not_before > now && wanted(it);
            ensure!(due.len() == 2 && due.iter().all(failed), "{due:?}");
            Ok(Some(due.into_iter().cloned().collect()))
        })
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn one_that_answers_with_errors_or_leads_elsewhere_misses_nothing() {
    let (receiver, elsewhere) = (Receiver::start().unwrap(), Receiver::start().unwrap());
    let mut scene = Scene::new(config(), &receiver.url()).await;
    let to = |status: &str, url: &str| format!("{status} Elsewhere\r\nlocation: {url}");
    for answer in [
        "500 Broken".to_owned(),
        "404 Gone".to_owned(),
        // Not even where a call would be allowed.
        to("302", &elsewhere.url()),
        to("307", &elsewhere.url()),
        to("308", "http://169.254.169.254/latest/meta-data"),
    ] {
        let status: i64 = answer[..3].parse().unwrap();
        receiver.answers(&answer);
        scene.happens(6).await;
        scene.fails(|it| it.status == Some(status)).await;
        receiver.answers("204 Fine");
        scene.all_arrive(scene.hook, true).await;
        scene.is_complete(&receiver.calls());
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn one_that_hangs_is_left_alone_and_misses_nothing() {
    let receiver = Receiver::start().unwrap();
    let config = ApiConfig {
        webhooks: WebhookConfig {
            // Of the machine's time: who is well has to answer within it.
            timeout: Duration::from_secs(2),
            ..config().webhooks
        },
        ..config()
    };
    let mut scene = Scene::new(config, &receiver.url()).await;
    let mut stream = scene.world.listen(Who::Admin, "?after=4", None).await;
    receiver.hangs();
    scene.happens(12).await;
    for _ in 0..12 {
        assert!(stream.next().await.is_some(), "streams go on, too");
    }
    let late = |it: &Delivery| it.error.as_deref() == Some("There was no answer in time.");
    let failed = scene.fails(late).await;
    assert!(failed.iter().all(|it| it.attempts == 1));
    scene.let_time_pass(&failed.iter().collect::<Vec<_>>());
    let failed = scene.fails(late).await;
    assert!(failed.iter().any(|it| it.attempts == 2));
    receiver.answers("204 Fine");
    scene.all_arrive(scene.hook, true).await;
    scene.is_complete(&receiver.calls());
}

#[tokio::test]
async fn one_that_is_slow_has_its_time_and_is_called_once() {
    let receiver = Receiver::start().unwrap();
    let mut scene = Scene::new(config(), &receiver.url()).await;
    receiver.hangs();
    scene.happens(12).await;
    // One for each migration; the others wait for these.
    receiver.called(2).await.unwrap();
    assert_eq!(receiver.count(), 2);
    receiver.answers("200 Finally");
    scene.all_arrive(scene.hook, false).await;
    scene.is_complete(&receiver.calls());
    assert_eq!(receiver.count(), 12);
    let all = deliveries(&scene.world, scene.hook).await.unwrap();
    assert!(all.iter().all(|it| it.attempts == 1), "{all:?}");
}

#[tokio::test]
async fn one_that_is_gone_for_an_hour_is_told_everything_when_it_is_back() {
    let absent = Absent::new().unwrap();
    let mut scene = Scene::new(config(), &absent.url().unwrap()).await;
    let begin: Timestamp = scene.world.clock.now();
    while scene.world.clock.now().since(begin) < Duration::from_secs(3_600) {
        scene.happens(2).await;
        let gone = "The receiver cannot be reached.";
        let failed = scene.fails(|it| it.error.as_deref() == Some(gone)).await;
        scene.let_time_pass(&failed.iter().collect::<Vec<_>>());
    }
    let receiver = absent.returns().unwrap();
    scene.all_arrive(scene.hook, true).await;
    scene.is_complete(&receiver.calls());
    let count = i64::try_from(receiver.count()).unwrap();
    assert_eq!(count, scene.happened, "each once");
}

/// It was allowed when the webhook was made, and leads here by now.
#[tokio::test]
async fn what_is_not_public_any_more_is_not_called() {
    let only = ApiConfig {
        webhooks: WebhookConfig {
            allowed_networks: vec!["127.0.0.2/32".to_owned()],
            ..WebhookConfig::default()
        },
        ..config()
    };
    let (world, [first, _]) = story_in(World::configured(only).await).await;
    let receiver = Receiver::start().unwrap();
    let mut hooks = Vec::new();
    for (host, why) in [
        ("127.0.0.1", "The address leads to what is not public."),
        ("localhost", "The receiver cannot be reached."),
    ] {
        let hook = made(
            &create(&world, Who::Admin, "http://127.0.0.2:1/").await,
            201,
        );
        let (uuid, port) = (uuid_of(&hook), receiver.port());
        world.sql(&format!(
            "UPDATE webhooks SET url = 'http://{host}:{port}/hook' WHERE uuid = '{uuid}'"
        ));
        hooks.push((uuid, why));
    }
    deliver(&world);
    world.happens(&first).await;
    for (hook, why) in hooks {
        wait_for("an attempt to fail", PATIENCE, async || {
            let all = deliveries(&world, hook).await?;
            let error = all.first().and_then(|it| it.error.as_deref());
            ensure!(error == Some(why), "{all:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
    }
    assert_eq!(receiver.count(), 0);
}
