//! Calls of webhooks, as a running deployment sends them, verified by the official libraries of
//! Standard Webhooks for two languages: they take what was sent, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_api::relocation::webhooks::Secret;
use godwit_test_support::receiver::{Called, Receiver};
use godwit_test_support::wait_for;
use serde_json::{Value, json};
use system_tests::native::Native;
use system_tests::sdk::{python, repository};
use system_tests::simulated::{Options, Simulated};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(90);

/// The headers that a library looks at.
const HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

/// A secret that a user made, and not the service.
const OWN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A call that a library is to judge.
#[derive(Clone, Debug)]
struct Case {
    what: &'static str,
    secret: String,
    headers: BTreeMap<&'static str, String>,
    body: String,
    good: bool,
}

impl Case {
    /// What was received, and is good.
    fn of(call: &Called, secret: &str) -> Self {
        let header = |name| (name, call.header(name).to_owned());
        Self {
            what: "as it was sent",
            secret: secret.to_owned(),
            headers: HEADERS.into_iter().map(header).collect(),
            body: call.body.clone(),
            good: true,
        }
    }

    /// The same with one byte of one header changed to another that may stand there.
    fn with_other(&self, header: &'static str, at: usize) -> Self {
        let mut other = self.clone();
        (other.what, other.good) = (header, false);
        if let Some(value) = other.headers.get_mut(header) {
            let now = if value[at..].starts_with('1') {
                "2"
            } else {
                "1"
            };
            value.replace_range(at..=at, now);
        }
        other
    }

    /// The same with one byte of the body changed.
    fn with_other_body(&self, at: usize) -> Result<Self> {
        let mut bytes = self.body.clone().into_bytes();
        let ascii = |byte: &&mut u8| byte.is_ascii();
        let byte = bytes.iter_mut().skip(at).find(ascii);
        *byte.context("no such byte")? ^= 1;
        Ok(Self {
            what: "another body",
            body: String::from_utf8(bytes)?,
            good: false,
            ..self.clone()
        })
    }

    /// The same, signed so many seconds earlier.
    fn sent_earlier(&self, seconds: i64, good: bool) -> Result<Self> {
        let mut other = self.clone();
        (other.what, other.good) = ("sent earlier", good);
        let timestamp = self.headers["webhook-timestamp"].parse::<i64>()? - seconds;
        let secret = Secret::read(&self.secret).context("no secret")?;
        let signature = secret.sign(&self.headers["webhook-id"], timestamp, &self.body);
        other
            .headers
            .insert("webhook-timestamp", timestamp.to_string());
        other.headers.insert("webhook-signature", signature);
        Ok(other)
    }

    fn with_secret(&self, secret: &str) -> Self {
        Self {
            what: "by another secret",
            secret: secret.to_owned(),
            good: false,
            ..self.clone()
        }
    }

    fn document(&self) -> Value {
        json!({"secret": self.secret, "headers": self.headers, "body": self.body})
    }
}

/// What was received, and the secrets of before and behind a rotation.
struct Received {
    old: Vec<Called>,
    new: Vec<Called>,
    secrets: [String; 2],
}

/// Has a receiver called while the secret is rotated: a webhook's secret is what it was made with, so
/// another webhook is made for the same receiver, which knows both for a while, and then the first is
/// deleted.
async fn rotate(native: &Native) -> Result<Received> {
    let receiver = Receiver::start()?;
    // So that it is seen whose a call is; receivers tell them apart by the signature alone.
    let (old, new) = (receiver.url() + "?of=old", receiver.url() + "?of=new");
    let of = |which: &str| -> Vec<Called> {
        let calls = receiver.calls().into_iter();
        calls.filter(|it| it.path.ends_with(which)).collect()
    };
    // Moves a server, until all of these were told of its end.
    let move_away = async |name: &str, told: &[&str]| {
        let server = native.server(name).await?;
        native.live_migrate(&server).await?;
        wait_for("a move to be told", PATIENCE, async || {
            for which in told {
                let knows = |it: &Called| it.body.contains(&server) && is_last(it);
                let calls = of(which);
                ensure!(calls.iter().any(knows), "{which}: {} calls", calls.len());
            }
            Ok(Some(()))
        })
        .await
    };
    let first = native.webhook(&old, None).await?;
    move_away("vm-1", &["old"]).await?;
    let second = native.webhook(&new, Some(OWN)).await?;
    ensure!(second["secret"] == OWN, "{second}");
    move_away("vm-2", &["old", "new"]).await?;
    let before = of("old").len();
    native.delete_webhook(&first).await?;
    move_away("vm-3", &["new"]).await?;
    let after = of("old").len();
    ensure!(before == after, "one that was deleted was called");
    let secret = first["secret"].as_str().context("it has no secret")?;
    Ok(Received {
        old: of("old"),
        new: of("new"),
        secrets: [secret.to_owned(), OWN.to_owned()],
    })
}

/// Is it of the last event of a live migration?
fn is_last(call: &Called) -> bool {
    let document: Value = serde_json::from_str(&call.body).unwrap_or_default();
    document["type"] == "migration.finished"
}

fn cases(received: &Received) -> Result<Vec<Case>> {
    let mut all = Vec::new();
    let [old, new] = &received.secrets;
    for (calls, secret, other) in [(&received.old, old, new), (&received.new, new, old)] {
        for (number, call) in calls.iter().enumerate() {
            let good = Case::of(call, secret);
            let at = number * 37 % call.body.len();
            all.extend([
                good.with_secret(other),
                good.with_other("webhook-id", "evt_".len()),
                good.with_other(
                    "webhook-timestamp",
                    call.header("webhook-timestamp").len() - 1,
                ),
                good.with_other("webhook-signature", "v1,".len() + number % 40),
                good.with_other_body(at)?,
                // Both libraries bear with five minutes.
                good.sent_earlier(600, false)?,
                good.sent_earlier(60, true)?,
                good,
            ]);
        }
    }
    Ok(all)
}

/// What a library says of each.
fn verdicts(mut library: Command, cases: &[Case]) -> Result<Vec<String>> {
    let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
    let file = directory.path().join("calls.json");
    let documents: Vec<Value> = cases.iter().map(Case::document).collect();
    fs::write(&file, serde_json::to_vec(&documents)?)?;
    let output = library.arg(&file).output();
    let output = output.context("it cannot be run: has scripts/install-clients been run?")?;
    ensure!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn libraries() -> [(&'static str, Command); 2] {
    let clients = repository().join("tests/clients");
    let mut for_python = Command::new(python());
    for_python.arg(clients.join("verify_webhooks.py"));
    let mut for_node = Command::new("node");
    for_node
        .env("NODE_PATH", repository().join(".node/node_modules"))
        .arg(clients.join("verify_webhooks.cjs"));
    [("Python", for_python), ("Node.js", for_node)]
}

#[test]
fn real_webhook_calls_are_verified_by_the_libraries_of_two_languages() -> Result<()> {
    let deployment = Simulated::with(&Options {
        hosts: &["--speed", "20"],
        ..Options::default()
    })?;
    let native = deployment.native("admin")?;
    let received = Runtime::new()?.block_on(rotate(&native))?;
    let ids = |calls: &[Called]| -> BTreeSet<String> {
        let ids = calls.iter().map(|it| it.header("webhook-id").to_owned());
        ids.collect()
    };
    let both = ids(&received.old).intersection(&ids(&received.new)).count();
    ensure!(both >= 6, "{both} events were told by both webhooks");

    let cases = cases(&received)?;
    for (language, library) in libraries() {
        let verdicts = verdicts(library, &cases).context(language)?;
        ensure!(verdicts.len() == cases.len());
        for (case, verdict) in cases.iter().zip(&verdicts) {
            let expected = match (case.good, case.what) {
                (true, _) => "good",
                (false, "sent earlier") => "Message timestamp too old",
                (false, _) => "No matching signature found",
            };
            ensure!(verdict == expected, "{language}: {verdict}: {case:#?}");
        }
    }
    Ok(())
}
