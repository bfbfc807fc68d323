//! Rules that ask another service: over HTTP on both sides.

use std::time::Duration;

use godwit_api::config::{ApiConfig, PolicyConfig, RemoteConfig};
use godwit_test_support::wait_for;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::{Wanted, Who, World};

const PATIENCE: Duration = Duration::from_secs(20);

/// A service that allows managers, once its gate is open.
struct Decider {
    address: std::net::SocketAddr,
    gate: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Decider {
    async fn start() -> &'static Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        // For the test's process, which is this test alone.
        let decider: &'static Self = Box::leak(Box::new(Self {
            address: listener.local_addr().unwrap(),
            gate: watch::Sender::new(true),
            waiting: watch::Sender::new(0),
        }));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(decider.decide(stream));
            }
        });
        decider
    }

    async fn decide(&'static self, mut stream: TcpStream) -> std::io::Result<()> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4_096]);
        let question: Value = loop {
            let count = stream.read(&mut chunk).await?;
            if count == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes);
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            if let Ok(question) = serde_json::from_str(body) {
                break question;
            }
        };
        self.waiting.send_modify(|count| *count += 1);
        let _ = self.gate.subscribe().wait_for(|open| *open).await;
        let roles = question["credentials"]["roles"].as_array().unwrap();
        let answer = if roles.contains(&json!("manager")) {
            "True"
        } else {
            "False"
        };
        let length = answer.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
        );
        stream.write_all(answer.as_bytes()).await
    }
}

/// A world with one thread for requests, in which `rule` asks.
async fn world(decider: &Decider, rule: &str, timeout: Duration, at_once: usize) -> World {
    let check = format!("http://{}/decide", decider.address);
    let remote = RemoteConfig {
        content_type: godwit_api::config::ContentType::Json,
        timeout,
        requests_at_once: at_once,
        ..RemoteConfig::default()
    };
    let world = World::with(Wanted {
        config: ApiConfig {
            workers: Some(1),
            ..ApiConfig::default()
        },
        policy: PolicyConfig {
            remote,
            ..PolicyConfig::default()
        },
        rules: Some(json!({ rule: check })),
        ..Wanted::default()
    })
    .await;
    world.populate().await;
    world
}

const INDEX: &str = "os_compute_api:servers:index";

async fn status(world: &World, who: Who, path: &str) -> u16 {
    world.get(who, 80, path).await.status
}

#[tokio::test]
async fn the_other_service_decides() {
    let decider = Decider::start().await;
    let world = world(decider, INDEX, PATIENCE, 8).await;
    assert_eq!(status(&world, Who::Manager, "/v2.1/servers").await, 200);
    assert_eq!(status(&world, Who::Reader, "/v2.1/servers").await, 403);
}

#[tokio::test]
async fn it_may_even_decide_who_is_an_administrator() {
    let decider = Decider::start().await;
    let world = world(decider, "context_is_admin", PATIENCE, 8).await;
    let all = "/v2.1/servers?all_tenants=1";
    assert_eq!(status(&world, Who::Manager, all).await, 200);
    assert_eq!(status(&world, Who::Reader, all).await, 403);
}

#[tokio::test]
async fn who_waits_for_it_stops_nobody_else_and_too_many_do_not_wait() {
    let decider = Decider::start().await;
    decider.gate.send_replace(false);
    let world = world(decider, INDEX, PATIENCE, 2).await;
    let patient =
        futures::future::join_all((0..2).map(|_| status(&world, Who::Manager, "/v2.1/servers")));
    let others = async {
        let mut waiting = decider.waiting.subscribe();
        let both = waiting.wait_for(|count| *count == 2);
        tokio::time::timeout(PATIENCE, both).await.unwrap().unwrap();
        assert_eq!(status(&world, Who::Manager, "/v2.1/flavors").await, 200);
        assert_eq!(status(&world, Who::Manager, "/v2.1/servers").await, 503);
        decider.gate.send_replace(true);
    };
    let (answers, ()) = tokio::join!(patient, others);
    assert_eq!(answers, [200, 200]);
}

/// An action's rule stands beside the action, not beside the route that it shares with others.
#[tokio::test]
async fn who_waits_for_an_action_stops_nobody_else() {
    let decider = Decider::start().await;
    decider.gate.send_replace(false);
    let rule = "os_compute_api:os-lock-server:lock";
    let world = world(decider, rule, PATIENCE, 2).await;
    let patient = world.act(Who::Manager, 80, json!({"lock": null}));
    let others = async {
        let mut waiting = decider.waiting.subscribe();
        let one = waiting.wait_for(|count| *count == 1);
        tokio::time::timeout(PATIENCE, one).await.unwrap().unwrap();
        assert_eq!(status(&world, Who::Manager, "/v2.1/flavors").await, 200);
        decider.gate.send_replace(true);
    };
    let (locked, ()) = tokio::join!(patient, others);
    locked.accepted();
}

#[tokio::test]
async fn without_an_answer_nobody_may() {
    let decider = Decider::start().await;
    decider.gate.send_replace(false);
    let world = world(decider, INDEX, Duration::from_millis(100), 8).await;
    assert_eq!(status(&world, Who::Manager, "/v2.1/servers").await, 403);
    decider.gate.send_replace(true);
    let back =
        async || Ok((status(&world, Who::Manager, "/v2.1/servers").await == 200).then_some(()));
    wait_for("the service to decide again", PATIENCE, back)
        .await
        .unwrap();
}
