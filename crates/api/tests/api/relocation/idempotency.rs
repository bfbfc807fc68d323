//! `Idempotency-Key` on Nova's actions: the same request again makes nothing twice.

use std::time::Duration;

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::time::Clock;
use godwit_store::{Actor, CommitNote};
use godwit_test_support::wait_for;
use serde_json::{Value, json};

use crate::access::requests;
use crate::answers::Answer;
use crate::seed::{SERVER, Server};
use crate::world::{Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

fn live() -> Value {
    json!({"os-migrateLive": {"host": null, "block_migration": "auto"}})
}

async fn act(
    world: &World,
    who: Who,
    (minor, server): (u32, &str),
    key: &str,
    body: &Value,
) -> Answer {
    let ask = world.ask("POST", &format!("/v2.1/servers/{server}/action"));
    let ask = ask.by(who).version(minor).header("Idempotency-Key", key);
    ask.json(body).send().await
}

async fn count(world: &World) -> usize {
    world.store.migrations_unfinished().await.unwrap().len()
}

#[tokio::test]
async fn every_action_is_done_once_and_answered_alike() {
    for request in requests() {
        let Some(operation) = request.plain_action() else {
            continue;
        };
        let world = request.world().await;
        let send = async || {
            let ask = request.ask(&world, Who::HomeAdmin);
            ask.header("Idempotency-Key", "k").send().await
        };
        let (first, again) = (send().await, send().await);
        let name = operation.action().unwrap();
        assert_eq!(first.status, operation.answers.as_u16(), "{name} {first:?}");
        assert_eq!(
            (again.status, &again.text),
            (first.status, &first.text),
            "{name}"
        );
        assert_eq!(
            again.header("content-type"),
            first.header("content-type"),
            "{name}"
        );
        let ids = [&first, &again].map(|it| it.header("x-openstack-request-id").unwrap());
        assert_ne!(ids[0], ids[1], "{name}");
    }
}

#[tokio::test]
async fn without_a_key_a_repetition_is_another_request() {
    let world = World::new().await;
    world.populate().await;
    let path = format!("/v2.1/servers/{SERVER}/action");
    let send = async || world.post(Who::Manager, 80, &path, live()).await;
    send().await.accepted();
    send().await.conflict();
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_caller() {
    let world = World::new().await;
    world.populate().await;
    world.server(Server {
        uuid: OTHER,
        name: "vm-2",
        ..Server::default()
    });
    let at = (80, SERVER);
    act(&world, Who::Manager, at, "k", &live()).await.accepted();
    act(&world, Who::Manager, at, "k", &live()).await.accepted();
    let lock = json!({"lock": null});
    for (place, body) in [(at, &lock), ((80, OTHER), &live())] {
        let other = act(&world, Who::Manager, place, "k", body).await;
        let text = other.fault(422, "computeFault");
        assert!(text.contains("Use a new one"), "{text}");
    }
    // Another one's key is another key.
    act(&world, Who::HomeAdmin, at, "k", &live())
        .await
        .conflict();
    act(&world, Who::Admin, at, "k", &lock).await.accepted();
    assert_eq!(count(&world).await, 1);
    act(&world, Who::Manager, (80, OTHER), "k2", &live())
        .await
        .accepted();
    assert_eq!(count(&world).await, 2);
}

#[tokio::test]
async fn keys_that_are_none() {
    let world = World::new().await;
    world.populate().await;
    let at = (80, SERVER);
    for key in ["", &"k".repeat(256)] {
        let text = act(&world, Who::Manager, at, key, &live())
            .await
            .bad_request();
        assert_eq!(text, "Idempotency-Key is one text of 1 to 255 characters.");
    }
    let ask = world.ask("POST", &format!("/v2.1/servers/{SERVER}/action"));
    let ask = ask.by(Who::Manager).version(80).json(&live());
    let twice = ask
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    twice.send().await.bad_request();
    assert_eq!(count(&world).await, 0);
    let longest = "k".repeat(255);
    act(&world, Who::Manager, at, &longest, &live())
        .await
        .accepted();
}

#[tokio::test]
async fn what_made_nothing_may_be_tried_again() {
    let world = World::new().await;
    world.populate().await;
    world.sql("UPDATE servers SET vm_state = 'stopped'");
    let at = (80, SERVER);
    act(&world, Who::Manager, at, "k", &live()).await.conflict();
    world.sql("UPDATE servers SET vm_state = 'active'");
    act(&world, Who::Manager, at, "k", &live()).await.accepted();
    act(&world, Who::Manager, at, "k", &live()).await.accepted();
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn of_many_at_once_one_makes_it() {
    let world = World::new().await;
    world.populate().await;
    let all = (0..8).map(|_| async {
        let answer = act(&world, Who::Manager, (80, SERVER), "k", &live()).await;
        answer.status
    });
    let codes = futures::future::join_all(all).await;
    assert!(codes.contains(&202), "{codes:?}");
    assert!(
        codes.iter().all(|code| [202, 409].contains(code)),
        "{codes:?}"
    );
    let again = act(&world, Who::Manager, (80, SERVER), "k", &live()).await;
    again.accepted();
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn while_the_first_is_answered_the_others_wait_and_then_get_its_answer() {
    let world = World::new().await;
    world.populate().await;
    // Below 2.34 the answer waits for the pre-checks.
    let (at, body) = ((30, SERVER), live());
    let first = act(&world, Who::Admin, at, "k", &body);
    let others = async {
        let made = wait_for("a migration", Duration::from_secs(20), async || {
            let all = world.store.migrations_unfinished().await.unwrap();
            Ok(all.into_iter().next())
        });
        let uuid = made.await.unwrap().migration.uuid;
        act(&world, Who::Admin, at, "k", &body).await.conflict();
        let lock = json!({"lock": null});
        let other = act(&world, Who::Admin, at, "k", &lock).await;
        other.fault(422, "computeFault");
        // Whoever was to answer may have died; then what was promised counts.
        world.advance(121);
        act(&world, Who::Admin, at, "k", &body).await.accepted();
        let failure = Failure::new(FailureCode::NoValidHost, "No valid host was found.");
        let note = CommitNote::new(Actor::Conductor, world.clock.now());
        let refused = Event::NotPlaced(failure);
        world
            .store
            .migration_apply(uuid, refused, note)
            .await
            .unwrap();
    };
    let (first, ()) = tokio::join!(first, others);
    let again = act(&world, Who::Admin, at, "k", &body).await;
    assert_eq!(first.bad_request(), "No valid host was found.");
    assert_eq!(again.bad_request(), first.bad_request());
    assert_eq!(count(&world).await, 0);
}
