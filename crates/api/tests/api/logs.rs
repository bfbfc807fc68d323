//! What the log says of requests, and what it never says.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::seed::{SERVER, migration_uuid};
use crate::world::{Wanted, Who, World};

/// A log in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn requests_are_named_and_tokens_never_logged() {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone());
    log.init();
    let world = World::with(Wanted {
        identity: true,
        ..Wanted::default()
    })
    .await;
    world.moving("running").await;
    let token = world.token(Who::Manager);
    let signature = token.rsplit('.').next().unwrap();

    let abort = format!("/v2.1/servers/{SERVER}/migrations/1");
    let global = "req-11111111-1111-4111-8111-111111111111";
    let ask = world.ask("DELETE", &abort).by(Who::Manager).version(80);
    let answer = ask.header("X-OpenStack-Request-ID", global).send().await;
    answer.accepted();
    let bad = format!("{}x{signature}", world.token(Who::Admin));
    assert_eq!(
        world
            .ask("GET", "/v2.1/servers")
            .header("X-Auth-Token", &bad)
            .send()
            .await
            .status,
        401
    );
    let log_in = json!({"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"name": "admin", "domain": {"id": "default"}, "password": "a-secret-guess"}}}}});
    let refused = world
        .ask("POST", "/identity/v3/auth/tokens")
        .json(&log_in)
        .send()
        .await;
    assert_eq!(refused.status, 401);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let id = answer.header("x-openstack-request-id").unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("\"answered\"") && line.contains(id))
        .unwrap();
    for what in [
        abort.as_str(),
        &migration_uuid(1),
        global,
        "\"status\":202",
        "DELETE",
    ] {
        assert!(line.contains(what), "{what} is not in {line}");
    }
    for secret in [
        signature,
        token.split('.').nth(1).unwrap(),
        "a-secret-guess",
    ] {
        assert!(!text.contains(secret), "{secret} was logged");
    }
}
