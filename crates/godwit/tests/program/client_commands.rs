//! Commands of operators that change what a service does, each against the same service.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use godwit_test_support::wait_for;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::process::{Process, command_in, run_in, text, up};

/// How long the service may take for what it was asked.
const PATIENCE: Duration = Duration::from_secs(60);
const WAIT: &[&str] = &["--wait", "--timeout", "60"];

/// Three hosts, of which each has room for the servers of the two others.
const FLEET: &str = "
hosts:
  - {name: a, capacity: {vcpus: 32, memory_mib: 65536, disk_gib: 500}}
  - {name: b, capacity: {vcpus: 32, memory_mib: 65536, disk_gib: 500}}
  - {name: c, capacity: {vcpus: 32, memory_mib: 65536, disk_gib: 500}}
servers:
  - {name: a-1, host: a, vcpus: 1, memory_mib: 1024}
  - {name: a-2, host: a, vcpus: 1, memory_mib: 1024}
  - {name: b-1, host: b, vcpus: 1, memory_mib: 1024}
  - {name: b-2, host: b, vcpus: 1, memory_mib: 1024}
  - {name: c-1, host: c, vcpus: 1, memory_mib: 1024}
";

/// A running `up`, which an administrator uses.
struct Operator {
    _process: Process,
    folder: tempfile::TempDir,
}

impl Operator {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let fleet = folder.path().join("fleet.yaml");
        std::fs::write(&fleet, FLEET)?;
        let data = folder.path().join("data");
        let arguments = ["--fleet", text(&fleet), "--speed", "20"];
        let mut process = Process::start(&up(text(&data), &arguments))?;
        process.says("ready").await?;
        // What is said last comes behind clouds.yaml.
        process.says("metrics").await?;
        std::fs::copy(data.join("clouds.yaml"), folder.path().join("clouds.yaml"))?;
        let operator = Self {
            _process: process,
            folder,
        };
        wait_for("all hosts to be known", PATIENCE, async || {
            let hosts = operator.document(&["hosts"]).await?;
            Ok((items(&hosts).len() == 3).then_some(()))
        })
        .await?;
        Ok(operator)
    }

    async fn output(&self, arguments: &[&str]) -> Result<Output> {
        let arguments = [&["--os-cloud", "admin"], arguments].concat();
        run_in(self.folder.path(), &[], &arguments).await
    }

    /// What people are shown by a command that ends with this number.
    async fn says(&self, number: i32, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments).await?;
        let said = [&output.stdout, &output.stderr]
            .map(|it| String::from_utf8_lossy(it).into_owned())
            .concat();
        ensure!(
            output.status.code() == Some(number),
            "{arguments:?}: {} {said}",
            output.status
        );
        Ok(said)
    }

    /// The document of a command that is done.
    async fn document(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [arguments, &["--json"]].concat();
        let output = self.output(&arguments).await?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
    }

    /// Waits until a run is as it should be.
    async fn until(&self, run: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for("the run to be so far", PATIENCE, async || {
            let document = self.document(&["run", "show", run]).await?;
            let so_far = is_so(&document);
            ensure!(so_far, "{document}");
            Ok(Some(document))
        })
        .await
    }

    /// The position behind all that has happened.
    async fn now(&self) -> Result<String> {
        let mut after = "0".to_owned();
        loop {
            let page = self.document(&["events", "--after", &after]).await?;
            after = word(&page["last_position"]);
            if page["next"].is_null() {
                return Ok(after);
            }
        }
    }
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn host_is(run: &Value, host: &str, state: &str) -> bool {
    let hosts = run["hosts"].as_array().into_iter().flatten();
    hosts
        .into_iter()
        .any(|it| it["host"] == host && it["state"] == state)
}

/// Plans are made, seen, made anew and dropped, and say which of their words are wrong.
async fn plans(operator: &Operator) -> Result<()> {
    let rolling = [
        "plan",
        "create",
        "--hosts",
        "a",
        "b",
        "--max-unavailable",
        "1",
    ];
    let plan = operator.document(&rolling).await?;
    assert_eq!(
        (&plan["type"], &plan["state"]),
        (&"rolling".into(), &"ready".into())
    );
    let mut sources: Vec<String> = plan["sources"]
        .as_array()
        .context("no list")?
        .iter()
        .map(word)
        .collect();
    sources.sort();
    assert_eq!(sources, ["a", "b"]);
    let first = word(&plan["id"]);
    let again = operator.document(&["plan", "remake", &first]).await?;
    assert_eq!(
        (&again["type"], &again["state"]),
        (&plan["type"], &plan["state"])
    );
    let second = word(&again["id"]);
    assert_ne!(first, second);

    let list = ["plan", "list", "--type", "rolling", "--state", "ready"];
    let known = |list: &Value| {
        items(list)
            .iter()
            .map(|it| word(&it["id"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&operator.document(&list).await?), [&*second, &*first]);
    assert_eq!(operator.says(0, &["plan", "delete", &second]).await?, "");
    assert_eq!(known(&operator.document(&list).await?), [&*first]);
    let gone = operator.says(1, &["plan", "delete", &second]).await?;
    assert!(gone.contains("404 not-found"), "{gone}");

    let wanted = "plan create --server a-1 b-1 --before a-1 b-1 --not-together a-1,b-1 \
                  --at-most 1,a-1,b-1 --reason order";
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let shown = operator.says(0, &wanted).await?;
    assert!(shown.contains("(servers): ready"), "{shown}");
    assert!(
        shown.contains("a-1") && shown.contains("godwit plan run"),
        "{shown}"
    );
    let begun = ["plan", "create", "--server", "a-1", "--no-wait"];
    let shown = operator.says(0, &begun).await?;
    assert!(shown.contains("initializing"), "{shown}");

    for (number, arguments, says) in [
        (
            1,
            "plan create --hosts a nowhere --max-unavailable 1",
            "#/hosts/1",
        ),
        (
            1,
            "plan create --server a-1 --before a-1 b-1",
            "#/constraints/0",
        ),
        (
            1,
            "plan create --server a-1 b-1 --destination c",
            "one server",
        ),
        (1, "plan create --server nobody", "no server \"nobody\""),
        (1, "plan list --state odd", "?state"),
        (2, "plan create --hosts a b", "--max-unavailable"),
        (2, "plan create --server a-1 --at-most 1", "N,SERVER"),
        (2, "plan create --server a-1 --deadline soon", "--deadline"),
        (2, "plan show odd", "odd"),
        (2, "plan create", "--server"),
        (3, "plan create --server a-1 --destination a", "is-source"),
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let said = operator.says(number, &arguments).await?;
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    Ok(())
}

/// A rolling run: an operation is left out, a host is done, and the rest is cancelled.
async fn rolling_run(operator: &Operator) -> Result<String> {
    let rolling = [
        "plan",
        "create",
        "--hosts",
        "a",
        "b",
        "--max-unavailable",
        "1",
    ];
    let plan = word(&operator.document(&rolling).await?["id"]);
    let run = word(&operator.document(&["plan", "run", &plan]).await?["id"]);
    let said = operator.says(1, &["plan", "run", &plan]).await?;
    assert!(said.contains("409 plan-already-run"), "{said}");
    let said = operator.says(1, &["plan", "delete", &plan]).await?;
    assert!(said.contains("409 plan-already-run"), "{said}");

    let document = operator.document(&["run", "show", &run]).await?;
    let hosts = document["hosts"].as_array().context("no hosts")?;
    let hosts: Vec<String> = hosts.iter().map(|it| word(&it["host"])).collect();
    let [first, next] = &hosts[..] else {
        bail!("{document}");
    };
    let document = operator
        .until(&run, |it| host_is(it, first, "ready"))
        .await?;
    let said = operator
        .says(0, &["watch", first, "--timeout", "60"])
        .await?;
    assert!(said.contains(&format!("held by run:{run}")), "{said}");
    assert!(
        said.contains(&format!("{first}: in_maintenance; safe to reboot")),
        "{said}"
    );
    let said = operator.says(1, &["run", "host-done", &run, next]).await?;
    assert!(said.contains("409 wrong-state"), "{said}");
    let said = operator.says(1, &["run", "host-done", &run, "c"]).await?;
    assert!(said.contains("404 not-found"), "{said}");

    let waits = document["operations"].as_array().into_iter().flatten();
    let waits: Vec<&Value> = waits.filter(|it| it["state"] == "waiting").collect();
    let left_out = word(&waits.first().context("nothing waits")?["id"]);
    let skipped = operator.document(&["run", "skip", &run, &left_out]).await?;
    assert_eq!(skipped["id"].as_str(), Some(&*run));
    let has_state = |it: &Value, state: &str| {
        let operations = it["operations"].as_array().into_iter().flatten();
        operations
            .into_iter()
            .any(|it| it["id"] == *left_out && it["state"] == state)
    };
    operator.until(&run, |it| has_state(it, "skipped")).await?;
    let said = operator.says(1, &["run", "skip", &run, &run]).await?;
    assert!(said.contains("404 not-found"), "{said}");

    let done = operator
        .document(&["run", "host-done", &run, first])
        .await?;
    assert_eq!(done["id"].as_str(), Some(&*run));
    operator
        .until(&run, |it| host_is(it, first, "done"))
        .await?;

    let cancel = [&["run", "cancel", &run, "--abort-running"], WAIT].concat();
    let said = operator.says(0, &cancel).await?;
    assert!(said.contains(": cancelled, "), "{said}");
    let said = operator.says(1, &["run", "cancel", &run]).await?;
    assert!(said.contains("409 already-ended"), "{said}");
    let list = ["run", "list", "--state", "cancelled", "--type", "rolling"];
    let said = operator.says(0, &list).await?;
    assert!(said.contains(&run), "{said}");
    Ok(run)
}

/// A host is drained by one command and watched by another, and is asked about.
async fn watched_host(operator: &Operator) -> Result<()> {
    let said = operator.says(0, &["why-not", "c"]).await?;
    assert!(said.starts_with("c: "), "{said}");
    let drain = ["drain", "c", "--yes", "--holder", "me", "--reason", "disks"];
    let said = operator.says(0, &drain).await?;
    assert!(said.contains("godwit watch c"), "{said}");
    let said = operator.says(0, &["watch", "c", "--timeout", "60"]).await?;
    assert!(said.contains("c: in_maintenance; safe to reboot"), "{said}");
    assert!(said.contains("held by me: disks"), "{said}");
    let shown = operator
        .document(&["watch", "c", "--timeout", "60"])
        .await?;
    assert_eq!(shown["state"], "in_maintenance");

    let said = operator.says(3, &["why-not", "a-1", "c"]).await?;
    assert!(said.contains("maintenance"), "{said}");
    let said = operator.says(1, &["undrain", "c"]).await?;
    assert!(
        said.contains("c is held by me: name one with --holder"),
        "{said}"
    );
    let undrain = ["undrain", "c", "--holder", "me", "--return-home", "now"];
    let said = operator.says(0, &[&undrain[..], WAIT].concat()).await?;
    assert!(said.contains("c is left"), "{said}");
    let shown = operator
        .document(&["watch", "c", "--timeout", "60"])
        .await?;
    assert_eq!(shown["state"], "none");
    let own = operator.says(3, &["why-not", "c-1", "c"]).await?;
    assert!(own.contains("is-source"), "{own}");
    let own = [
        &["--os-cloud", "admin"][..],
        &["why-not", "c-1", "c", "--json"],
    ]
    .concat();
    let own = run_in(operator.folder.path(), &[], &own).await?;
    assert_eq!(own.status.code(), Some(3), "{own:?}");
    let own: Value = serde_json::from_slice(&own.stdout)?;
    assert_eq!(own["reasons"][0]["code"], "is-source");
    for (arguments, says) in [
        (&["why-not", "nobody"][..], "godwit why-not nobody HOST"),
        (
            &["watch", "00000000-0000-0000-0000-000000000001"],
            "There is no such server",
        ),
    ] {
        let said = operator.says(1, arguments).await?;
        assert!(said.contains(says), "{said}");
    }
    Ok(())
}

/// Events are read from a position on, and from now on.
async fn events(operator: &Operator, run: &str, before: &str) -> Result<()> {
    let subject = format!("run/{run}");
    let follow = [
        "events",
        "--follow",
        "--types",
        "run.*",
        "--subject",
        &subject,
    ];
    let follow = [&follow[..], &["--after", before, "--timeout", "2"]].concat();
    let said = operator.says(6, &follow).await?;
    for line in ["run.requested", "run.skip_requested", "run.host_done"] {
        assert_eq!(said.matches(line).count(), 1, "{line}: {said}");
    }
    assert!(said.ends_with("2 s of following are over\n"), "{said}");

    let arguments = [
        "--os-cloud",
        "admin",
        "events",
        "-f",
        "--types",
        "plan.*",
        "--json",
    ];
    let mut listener = command_in(operator.folder.path(), &[], &arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let out = listener.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(out).lines();
    // It listens from some time on: then it hears of a plan that is asked for.
    let heard = wait_for("a plan to be heard of", PATIENCE, async || {
        operator
            .document(&["plan", "create", "--host", "a"])
            .await?;
        let line = tokio::time::timeout(Duration::from_secs(1), lines.next_line()).await?;
        Ok(line?)
    });
    let event: Value = serde_json::from_str(&heard.await?)?;
    assert!(word(&event["type"]).starts_with("plan."), "{event}");
    assert!(event["position"].is_string(), "{event}");
    listener.kill().await?;

    let none = operator
        .says(0, &["events", "--subject", "host/nowhere"])
        .await?;
    assert_eq!(none, "none\n");
    let said = operator.says(1, &["events", "--types", "odd.*"]).await?;
    assert!(said.contains("?types"), "{said}");
    Ok(())
}

#[tokio::test]
async fn every_command_does_what_it_says() -> Result<()> {
    let operator = Operator::new().await?;
    plans(&operator).await?;
    let before = operator.now().await?;
    let run = rolling_run(&operator).await?;
    watched_host(&operator).await?;
    events(&operator, &run, &before).await
}
