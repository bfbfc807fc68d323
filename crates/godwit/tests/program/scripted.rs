//! A service that answers what the test says, and remembers what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::process::Output;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Result;
use serde_json::{Value, json};

use crate::process::run_in;
use crate::terminal::Terminal;

pub(crate) const RUN: &str = "0cd6de88-da98-4f7b-b896-794c5f1cfecd";
pub(crate) const PLAN: &str = "11d6de88-da98-4f7b-b896-794c5f1cfecd";
pub(crate) const SERVER: &str = "22d6de88-da98-4f7b-b896-794c5f1cfecd";

/// What is answered to `METHOD /path`: one after the other, the last again and again.
#[derive(Default)]
struct Script {
    answers: Mutex<BTreeMap<String, VecDeque<(u16, Value)>>>,
    /// What was asked, in order, with the body and the last event that was seen.
    asked: Mutex<Vec<(String, Value, Option<String>)>>,
}

impl Script {
    fn answer(&self, request: &HttpRequest, body: &[u8]) -> HttpResponse {
        let path = request.path().trim_start_matches("/relocation/v1");
        let key = format!("{} {path}", request.method());
        let header = |name: &str| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let seen = header("last-event-id");
        assert_eq!(header("x-auth-token").as_deref(), Some("secret-token"));
        assert_eq!(
            header("idempotency-key").is_some(),
            request.method() != "GET"
        );
        let body = serde_json::from_slice(body).unwrap_or_default();
        self.asked
            .lock()
            .unwrap()
            .push((key.clone(), body, seen.clone()));
        if path == "/events" {
            return events(seen.as_deref());
        }
        let mut answers = self.answers.lock().unwrap();
        let Some(queue) = answers.get_mut(&key) else {
            return HttpResponse::NotFound().json(json!({
                "type": "about:blank", "title": "Not there.", "status": 404,
                "detail": key, "code": "not-found", "request_id": "req-1",
            }));
        };
        let next = queue.front().cloned();
        if queue.len() > 1 {
            queue.pop_front();
        }
        let (status, document) = next.unwrap();
        let status = status.try_into().unwrap();
        let mut response = actix_web::HttpResponseBuilder::new(status);
        match document.is_null() {
            true => response.finish(),
            false => response.json(document),
        }
    }
}

/// A stream that is cut off behind its first event.
fn events(seen: Option<&str>) -> HttpResponse {
    let event = json!({"type": "run.cancel_requested", "subject": format!("run/{RUN}")});
    let text = match seen {
        None => format!(": keep-alive\n\nid: 7\ndata: {event}\n\n"),
        Some(_) => ": keep-alive\n\n".to_owned(),
    };
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .body(text)
}

pub(crate) struct Service {
    script: Arc<Script>,
    address: String,
    handle: actix_web::dev::ServerHandle,
    folder: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start(answers: &[(&str, &[(u16, Value)])]) -> Result<Self> {
        let script = Arc::new(Script::default());
        for (key, queue) in answers {
            let queue = queue.iter().cloned().collect();
            script
                .answers
                .lock()
                .unwrap()
                .insert((*key).to_owned(), queue);
        }
        let shared = Arc::clone(&script);
        let server = HttpServer::new(move || {
            let script = Arc::clone(&shared);
            let answer = move |request: HttpRequest, body: Bytes| {
                let script = Arc::clone(&script);
                async move { script.answer(&request, &body) }
            };
            App::new().default_service(web::to(answer))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0))?;
        let address = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            script,
            address,
            handle,
            folder: tempfile::tempdir()?,
        })
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let variables = [("OS_TOKEN", "secret-token"), ("OS_ENDPOINT", &self.address)];
        let output = run_in(self.folder.path(), &variables, arguments).await?;
        for text in [&output.stdout, &output.stderr] {
            assert!(
                !String::from_utf8_lossy(text).contains("secret-token"),
                "{output:?}"
            );
        }
        Ok(output)
    }

    /// The same, at a terminal.
    pub(crate) fn terminal(&self, more: &[(&str, &str)], arguments: &[&str]) -> Result<Terminal> {
        let address = [("OS_TOKEN", "secret-token"), ("OS_ENDPOINT", &self.address)];
        let variables = [&address[..], more].concat();
        Terminal::start(self.folder.path(), &variables, arguments)
    }

    pub(crate) fn asked(&self) -> Vec<(String, Value, Option<String>)> {
        self.script.asked.lock().unwrap().clone()
    }

    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

pub(crate) fn run(state: &str, operation: &str, percent: u64) -> Value {
    json!({
        "id": RUN, "plan": PLAN, "state": state, "type": "maintenance", "percent": percent,
        "eta_seconds": {"low": 1.0, "mid": 2.0, "high": 3.0}, "messages": [], "waits_for": [],
        "hosts": [],
        "operations": [{
            "id": SERVER, "kind": "live", "server": SERVER, "source": "host-1",
            "destination": "host-2", "state": operation, "migration": null, "reasons": [],
        }],
    })
}

pub(crate) fn maintenance(state: &str, blocked: bool) -> Value {
    let reason = json!({
        "code": "memory", "text": "No host has room.", "evidence": {"needed_mib": 8192}, "fix": null,
    });
    let blockers = if blocked {
        vec![json!({"server": SERVER, "reasons": [reason]})]
    } else {
        vec![]
    };
    json!({"state": state, "holders": [], "blockers": blockers, "safe_to_reboot": false, "run": RUN})
}
