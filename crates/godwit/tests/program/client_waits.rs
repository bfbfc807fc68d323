//! How waits end, against a service that does what the test says.

use std::process::Output;

use anyhow::Result;
use serde_json::{Value, json};

use crate::scripted::{PLAN, RUN, SERVER, Service, maintenance, run};

fn text(output: &Output) -> (Option<i32>, String, String) {
    let [out, error] =
        [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    (output.status.code(), out, error)
}

#[tokio::test]
async fn a_run_ends_with_its_number_and_a_line_for_each_change() -> Result<()> {
    for (state, number) in [
        ("completed", 0),
        ("partial", 4),
        ("cancelled", 5),
        ("failed", 1),
    ] {
        let looks = [
            (200, run("pending", "waiting", 0)),
            (200, run("running", "running", 40)),
            (200, run(state, "completed", 100)),
        ];
        let runs = format!("POST /plans/{PLAN}/runs");
        let shown = format!("GET /runs/{RUN}");
        let service = Service::start(&[
            (&runs, &[(202, run("pending", "waiting", 0))]),
            (&shown, &looks),
        ])?;
        let output = service
            .run(&["plan", "run", PLAN, "--wait", "--timeout", "60"])
            .await?;
        let (code, out, error) = text(&output);
        assert_eq!(code, Some(number), "{state}: {out}{error}");
        let lines: Vec<&str> = out.lines().collect();
        let pending = format!("run {RUN}: pending");
        let running = format!("run {RUN}: pending -> running");
        for line in [&*pending, &*running, "run.cancel_requested"] {
            assert_eq!(
                lines.iter().filter(|it| **it == line).count(),
                1,
                "{line}: {out}"
            );
        }
        assert!(
            out.contains("(live): waiting -> running, host-1 to host-2"),
            "{out}"
        );
        service.stop().await;
    }
    Ok(())
}

#[tokio::test]
async fn programs_get_the_final_run_and_nothing_else() -> Result<()> {
    let shown = format!("GET /runs/{RUN}");
    let looks = [
        (200, run("running", "running", 1)),
        (200, run("completed", "completed", 100)),
    ];
    let service = Service::start(&[(&shown, &looks)])?;
    let output = service
        .run(&["watch", RUN, "--json", "--timeout", "60"])
        .await?;
    let (code, out, _) = text(&output);
    assert_eq!(code, Some(0), "{output:?}");
    assert_eq!(
        serde_json::from_str::<Value>(&out)?,
        run("completed", "completed", 100)
    );
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_was_cut_off_goes_on_where_it_was() -> Result<()> {
    let shown = format!("GET /runs/{RUN}");
    let service = Service::start(&[(&shown, &[(200, run("running", "running", 1))])])?;
    let output = service.run(&["watch", RUN, "--timeout", "2"]).await?;
    let (code, out, error) = text(&output);
    assert_eq!(code, Some(6), "{out}{error}");
    assert_eq!(out.matches("run.cancel_requested").count(), 1, "{out}");
    let asked = service.asked();
    let streams: Vec<_> = asked
        .iter()
        .filter(|(key, ..)| key == "GET /events")
        .collect();
    assert_eq!(streams[0].2, None);
    assert!(streams.len() > 1, "{asked:?}");
    assert!(
        streams[1..].iter().all(|it| it.2.as_deref() == Some("7")),
        "{asked:?}"
    );
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_drain_waits_until_the_host_is_empty() -> Result<()> {
    let check = json!({"movable": [SERVER], "blocked": [], "fix": null});
    let shown = format!("GET /runs/{RUN}");
    let service = Service::start(&[
        ("GET /hosts/host-1/drain-check", &[(200, check)]),
        (
            "POST /hosts/host-1/maintenance",
            &[(202, maintenance("entering", false))],
        ),
        (
            &shown,
            &[
                (200, run("running", "running", 1)),
                (200, run("completed", "completed", 100)),
            ],
        ),
        (
            "GET /hosts/host-1/maintenance",
            &[
                (200, maintenance("empty", false)),
                (200, maintenance("in_maintenance", false)),
            ],
        ),
    ])?;
    let arguments = [
        "drain",
        "host-1",
        "--yes",
        "--wait",
        "--holder",
        "me",
        "--timeout",
        "60",
    ];
    let output = service.run(&arguments).await?;
    let (code, out, error) = text(&output);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("host-1: empty -> in_maintenance"), "{out}");
    let asked = service.asked();
    let held = asked.iter().find(|(key, ..)| key.starts_with("POST "));
    assert_eq!(held.map(|it| it.1.clone()), Some(json!({"holder": "me"})));
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_keeps_a_host_from_being_emptied_is_a_table() -> Result<()> {
    let shown = format!("GET /runs/{RUN}");
    let service = Service::start(&[
        (
            "POST /hosts/host-1/maintenance",
            &[(202, maintenance("entering", true))],
        ),
        (&shown, &[(200, run("partial", "completed", 50))]),
        (
            "GET /hosts/host-1/maintenance",
            &[(200, maintenance("entering", true))],
        ),
        (
            "GET /hosts/host-1/drain-check",
            &[(
                200,
                json!({
                    "movable": [], "fix": null, "blocked": maintenance("entering", true)["blockers"],
                }),
            )],
        ),
    ])?;
    let arguments = ["drain", "host-1", "--yes", "--wait", "--timeout", "60"];
    let (code, out, error) = text(&service.run(&arguments).await?);
    assert_eq!(code, Some(3), "{out}{error}");
    assert!(out.contains("No host has room. (needed_mib 8192)"), "{out}");

    let before = service.asked().len();
    for arguments in [&["drain", "host-1", "--check"][..], &["why-not", "host-1"]] {
        let (code, out, error) = text(&service.run(arguments).await?);
        assert_eq!(code, Some(3), "{out}{error}");
        assert!(out.contains("memory"), "{out}");
    }
    let asked = service.asked();
    assert!(
        asked[before..]
            .iter()
            .all(|(key, ..)| key.starts_with("GET ")),
        "{asked:?}"
    );
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_plan_is_shown_once_it_is_made() -> Result<()> {
    let plan = |state: &str, blocked: Value| {
        json!({"id": PLAN, "state": state, "type": "maintenance", "operations": [], "reasons": [],
            "blocked": blocked, "percent": 0, "messages": [], "sources": ["host-1"], "runs": []})
    };
    let shown = format!("GET /plans/{PLAN}");
    let blocked = maintenance("entering", true)["blockers"].clone();
    for (state, blocked, number) in [
        ("ready", json!([]), 0),
        ("ready", blocked.clone(), 3),
        ("aborted", blocked, 3),
    ] {
        let made = plan(state, blocked);
        let service = Service::start(&[
            ("POST /plans", &[(201, plan("initializing", json!([])))]),
            (
                &shown,
                &[(200, plan("initializing", json!([]))), (200, made.clone())],
            ),
        ])?;
        let arguments = [
            "drain",
            "host-1",
            "--plan-only",
            "--json",
            "--immovable",
            "skip",
        ];
        let (code, out, error) = text(&service.run(&arguments).await?);
        assert_eq!(code, Some(number), "{out}{error}");
        assert_eq!(serde_json::from_str::<Value>(&out)?, made);
        let asked = service.asked();
        assert_eq!(
            asked[0].1,
            json!({"immovable": "skip", "host": "host-1", "enter_maintenance": true})
        );
        let posts = asked
            .iter()
            .filter(|(key, ..)| key.starts_with("POST "))
            .count();
        assert_eq!(posts, 1, "{asked:?}");
        service.stop().await;
    }
    Ok(())
}

/// What was under way is ending, and the run home is made then.
#[tokio::test]
async fn a_way_home_that_is_yet_to_be_made_is_waited_for() -> Result<()> {
    let mut yet = maintenance("leaving", false);
    yet["run"] = Value::Null;
    let shown = format!("GET /runs/{RUN}");
    let service = Service::start(&[
        ("DELETE /hosts/host-1/maintenance", &[(202, yet.clone())]),
        (
            "GET /hosts/host-1/maintenance",
            &[(200, yet), (200, maintenance("leaving", false))],
        ),
        (&shown, &[(200, run("partial", "failed", 50))]),
    ])?;
    let arguments = ["undrain", "host-1", "--wait", "--timeout", "60"];
    let (code, out, error) = text(&service.run(&arguments).await?);
    assert_eq!(code, Some(4), "the way home is partial: {out}{error}");
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_host_is_left_with_or_without_a_way_home() -> Result<()> {
    let shown = format!("GET /runs/{RUN}");
    let service = Service::start(&[
        (
            "DELETE /hosts/host-1/maintenance",
            &[(202, maintenance("leaving", false)), (204, Value::Null)],
        ),
        (&shown, &[(200, run("completed", "completed", 100))]),
        (
            "GET /hosts/host-1/maintenance",
            &[(200, maintenance("none", false))],
        ),
    ])?;
    let arguments = [
        "undrain",
        "host-1",
        "--return-home",
        "now",
        "--wait",
        "--timeout",
        "60",
    ];
    let (code, out, error) = text(&service.run(&arguments).await?);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("host-1 is left"), "{out}");
    let (code, out, error) = text(&service.run(&["undrain", "host-1", "--json"]).await?);
    assert_eq!(code, Some(0), "{out}{error}");
    assert_eq!(serde_json::from_str::<Value>(&out)?["state"], "none");
    service.stop().await;
    Ok(())
}
