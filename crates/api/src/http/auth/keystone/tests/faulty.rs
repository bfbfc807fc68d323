//! A Keystone with every fault that the real one cannot be made to have.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Behaviour {
    /// Answers as Keystone does.
    Well,
    /// Reads the request, and that is all.
    Hangs,
    /// Closes the connection.
    HangsUp,
    /// Says 200 and something else than a token.
    Babbles,
    /// Says 200 and does not stop.
    Floods,
    /// Answers with this status.
    Says(u16),
    /// Does not let the service log in.
    Distrusts,
}

/// What it was asked, and how it behaves.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) address: SocketAddr,
    behaviour: watch::Sender<Behaviour>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    logins: usize,
    validations: usize,
    under_way: usize,
    most_under_way: usize,
    refused: HashSet<String>,
    revoked: HashSet<String>,
}

impl Faulty {
    /// Serves on a free port of the loopback address, until the test's runtime ends.
    pub(super) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let faulty = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            behaviour: watch::Sender::new(Behaviour::Well),
            seen: Mutex::default(),
        });
        let serving = Arc::clone(&faulty);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let faulty = Arc::clone(&serving);
                tokio::spawn(async move { faulty.serve(stream).await });
            }
        });
        faulty
    }

    pub(super) fn behaves(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    pub(super) fn logins(&self) -> usize {
        self.seen.lock().unwrap().logins
    }

    pub(super) fn validations(&self) -> usize {
        self.seen.lock().unwrap().validations
    }

    pub(super) fn most_under_way(&self) -> usize {
        self.seen.lock().unwrap().most_under_way
    }

    /// No longer accepts the token of the latest login.
    pub(super) fn forgets_the_service(&self) {
        let mut seen = self.seen.lock().unwrap();
        let latest = format!("service-{}", seen.logins);
        seen.refused.insert(latest);
    }

    /// Takes a token back.
    pub(super) fn revokes(&self, token: &str) {
        self.seen.lock().unwrap().revoked.insert(token.to_owned());
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let head = read_request(&mut stream).await?;
        let is_login = head.starts_with("POST ");
        let number = self.begin(is_login);
        let answer = self.answer(&head, is_login, number).await;
        self.seen.lock().unwrap().under_way -= 1;
        match answer {
            Some(answer) => stream.write_all(answer.as_bytes()).await.ok(),
            None if *self.behaviour.borrow() == Behaviour::Floods => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b' '; 4_096]).await.is_ok() {}
                None
            }
            None => None,
        }
    }

    fn begin(&self, is_login: bool) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.under_way += 1;
        seen.most_under_way = seen.most_under_way.max(seen.under_way);
        let count = if is_login {
            &mut seen.logins
        } else {
            &mut seen.validations
        };
        *count += 1;
        *count
    }

    /// `None`: the connection closes without one.
    async fn answer(&self, head: &str, is_login: bool, number: usize) -> Option<String> {
        let mut moods = self.behaviour.subscribe();
        let behaviour = *moods
            .wait_for(|behaviour| *behaviour != Behaviour::Hangs)
            .await
            .ok()?;
        Some(match behaviour {
            Behaviour::HangsUp | Behaviour::Floods | Behaviour::Hangs => return None,
            Behaviour::Babbles => response(200, &[], "{\"tocken\": 1}"),
            Behaviour::Says(status) => response(status, &[("location", "http://127.0.0.1:1/")], ""),
            Behaviour::Distrusts if is_login => response(401, &[], "{}"),
            Behaviour::Well | Behaviour::Distrusts if is_login => {
                let token = format!("service-{number}");
                response(
                    201,
                    &[("x-subject-token", &token)],
                    &document("s").to_string(),
                )
            }
            Behaviour::Well | Behaviour::Distrusts => {
                let refused = |token: &str| self.seen.lock().unwrap().refused.contains(token);
                let service = header(head, "x-auth-token").is_none_or(|token| refused(&token));
                let subject = header(head, "x-subject-token").unwrap_or_default();
                let revoked = self.seen.lock().unwrap().revoked.contains(&subject);
                match subject.strip_prefix("good-") {
                    _ if service => response(401, &[], "{}"),
                    _ if revoked => response(404, &[], "{}"),
                    Some(user) => response(200, &[], &document(user).to_string()),
                    None => response(404, &[], "{}"),
                }
            }
        })
    }
}

/// What Keystone says of a token; good until 2100.
fn document(user: &str) -> Value {
    let domain = json!({"id": "default", "name": "Default"});
    json!({"token": {
        "user": {"id": user, "name": user, "domain": domain},
        "project": {"id": "p", "name": "p", "domain": domain},
        "roles": [{"id": "1", "name": "member"}],
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": "2100-01-01T00:00:00.000000Z",
    }})
}

/// The head of a request whose body has come too.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut chunk));
        match read.await.ok()?.ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&chunk[..count]),
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = header(head, "content-length").map_or(0, |it| it.parse().unwrap());
        if body.len() >= length {
            return Some(head.to_owned());
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.to_owned())
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
