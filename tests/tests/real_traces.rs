//! One request is one trace, over API, conductors and agents to the job, whoever dies in between.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::{http, wait_for_blocking};
use serde_json::json;
use system_tests::collector::{Collector, Span, Trace};
use system_tests::prometheus::{Prometheus, rules};
use system_tests::simulated::Simulated;

const MOVE: Duration = Duration::from_secs(60);
/// Spans are sent ten times a second.
const SENT: Duration = Duration::from_secs(60);

/// The request to this path that changed something.
fn request(collector: &Collector, path: &str) -> Result<Span> {
    let is_it = |span: &Span| {
        let said = |key: &str| span.attributes.get(key).map(String::as_str);
        let asks = said("path").is_some_and(|it| it.ends_with(path));
        span.service == "godwit-api" && said("method") == Some("POST") && asks
    };
    let found = collector.spans().into_iter().find(is_it);
    found.with_context(|| format!("no request to {path} was sent"))
}

/// Waits until the trace of the request to this path has all of these.
fn trace(collector: &Collector, path: &str, titles: &[&str]) -> Result<Trace> {
    wait_for_blocking(&format!("the trace of {path}"), SENT, || {
        let trace = collector.trace_of(&request(collector, path)?);
        let there = trace.titles();
        let missing = titles.iter().find(|it| !there.contains(**it));
        ensure!(missing.is_none(), "{missing:?} is not among {there:?}");
        Ok(Some(trace))
    })
}

/// The same, and waits until every span of it is below another one, but for the request.
fn whole(collector: &Collector, path: &str, titles: &[&str]) -> Result<Trace> {
    wait_for_blocking(&format!("the whole trace of {path}"), SENT, || {
        let trace = trace(collector, path, titles)?;
        trace.is_whole()?;
        Ok(Some(trace))
    })
}

#[test]
fn real_one_request_is_one_trace_whoever_dies() -> Result<()> {
    let collector = Collector::start()?;
    let deployment = Simulated::up(&json!({
        "traces": {"endpoint": collector.url(), "interval": 0.1},
    }))?;
    let mut sdk = deployment.sdk("admin")?;
    // It never gets there by itself, so that there is time for everything.
    let server = sdk.server_named("vm-busy")?;
    sdk.live_migrate(&server, None)?;
    let migration = sdk.await_migration(&server, "running", MOVE)?;

    // What the conductors have done by now is known; what they are doing is lost with them.
    let action = format!("/servers/{server}/action");
    let begun = [
        "godwit-api request POST",
        "godwit-conductor effect schedule",
        "godwit-agent call check_source",
        "godwit-agent call check_destination",
        "godwit-conductor effect prepare",
        "godwit-agent step prepare",
        "godwit-conductor effect start",
        "godwit-agent step start",
    ];
    trace(&collector, &action, &begun)?;
    for conductor in &deployment.conductors {
        conductor.kill9()?;
    }
    for conductor in &deployment.conductors {
        conductor.start()?;
    }
    sdk.force_complete(&server, migration)?;
    sdk.await_migration(&server, "completed", MOVE)?;

    let ended = [
        "godwit-agent job",
        "godwit-agent report",
        "godwit-conductor effect finish",
        "godwit-agent call finish",
        "godwit-agent step finish",
    ];
    let moved = whole(&collector, &action, &[&begun[..], &ended].concat())?;
    assert_eq!(
        moved.ancestry("godwit-agent job"),
        [
            "godwit-agent job",
            "godwit-agent step start",
            "godwit-agent call start",
            "godwit-conductor effect start",
            "godwit-api request POST",
        ]
    );
    assert_eq!(
        moved.ancestry("godwit-conductor effect finish"),
        ["godwit-conductor effect finish", "godwit-api request POST"]
    );

    // Who asks for something while it moves has a trace of their own.
    let path = format!("/servers/{server}/migrations/{migration}/action");
    let forced = whole(&collector, &path, &["godwit-agent step force_complete"])?;
    assert_eq!(
        forced.ancestry("godwit-agent step force_complete"),
        [
            "godwit-agent step force_complete",
            "godwit-agent call force_complete",
            "godwit-conductor effect force_complete",
            "godwit-api request POST",
        ]
    );
    assert!(!forced.titles().contains("godwit-agent job"));

    goes_on_from_its_caller(&collector, &deployment)?;
    leads_to_them_from_metrics(&collector, &deployment)
}

/// Beside what is counted Prometheus is given traces, and keeps them.
fn leads_to_them_from_metrics(collector: &Collector, deployment: &Simulated) -> Result<()> {
    let prometheus = Prometheus::start(&deployment.jobs(), &rules()?)?;
    for metric in [
        "godwit_http_request_seconds_bucket",
        "godwit_effect_seconds_bucket",
        "godwit_migration_status_seconds_bucket",
        "godwit_agent_step_seconds_bucket",
    ] {
        let traces = wait_for_blocking(&format!("an exemplar of {metric}"), SENT, || {
            let traces = prometheus.exemplars(metric)?;
            Ok((!traces.is_empty()).then_some(traces))
        })?;
        wait_for_blocking("their spans to be sent", SENT, || {
            let known: BTreeSet<_> = collector.spans().into_iter().map(|it| it.trace).collect();
            let unknown: Vec<_> = traces.difference(&known).collect();
            ensure!(unknown.is_empty(), "{metric}: {unknown:?}");
            Ok(Some(()))
        })?;
    }
    Ok(())
}

/// The trace that a client names is gone on with; one that it does not record, we do not either.
fn goes_on_from_its_caller(collector: &Collector, deployment: &Simulated) -> Result<()> {
    let traces = [
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "0af7651916cd43dd8448eb211c80319c",
    ];
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        for (trace, flags) in traces.iter().zip(["00", "01"]) {
            let asked = http::client().get(format!("{}/", deployment.url())).header(
                "traceparent",
                format!("00-{trace}-00f067aa0ba902b7-{flags}"),
            );
            ensure!(asked.send().await?.status().is_success());
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let of = |trace: &str| collector.spans().into_iter().find(|it| it.trace == trace);
    let recorded = wait_for_blocking("the request to be sent", SENT, || Ok(of(traces[1])))?;
    assert_eq!(recorded.parent, "00f067aa0ba902b7");
    assert_eq!(of(traces[0]), None);
    Ok(())
}
