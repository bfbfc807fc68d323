use godwit_core::plan::PlanState;
use serde_json::{Value, json};

use super::*;

const FILE: &str = "
pools: [{name: nfs, shared: true}]
hosts:
  - {name: a, pools: [nfs], capacity: {vcpus: 8, memory_mib: 8192}}
  - {name: b, pools: [nfs], capacity: {vcpus: 8, memory_mib: 8192}}
  - {name: c, pools: [nfs], capacity: {vcpus: 8, memory_mib: 2048}, enabled: false}
servers:
  - {name: one, host: a, vcpus: 1, memory_mib: 4096, disks: [{pool: nfs}], dirty_bytes_per_second: 1000}
  - {name: two, host: b, vcpus: 1, memory_mib: 2048, disks: [{pool: nfs}]}
";

const ONE: &str = "11111111-0000-4000-8000-000000000000";

fn ask(file: &str, body: &Value) -> Result<Simulated> {
    let file = FleetFile::parse(file).unwrap();
    let (target, options) = plans::asked(body).map_err(|wrong| anyhow!(wrong))?;
    simulated(&file, &target, &options)
}

fn planned(file: &str, body: &Value) -> Document {
    match ask(file, body).unwrap() {
        Simulated::Planned(document) => *document,
        Simulated::Refused(why) => panic!("{why}"),
    }
}

#[test]
fn a_plan_is_shown_with_its_makespan_and_the_bound() {
    let document = planned(FILE, &json!({"host": "a"}));
    assert_eq!(document.exit_code(), 0);
    let value = serde_json::to_value(&document).unwrap();
    assert_eq!(
        (&value["state"], &value["type"]),
        (&json!("ready"), &json!("host"))
    );
    let operation = &value["operations"][0];
    assert_eq!(operation["kind"], "live");
    assert_eq!(
        (&operation["source"], &operation["destination"]),
        (&json!("a"), &json!("b"))
    );
    let seconds = |name: &str| value[name].as_f64().unwrap();
    // 4 GiB at 10 Gbit/s.
    assert!(seconds("lower_bound_seconds") >= 3.4);
    assert!(seconds("lower_bound_seconds") <= seconds("simulated_makespan_seconds"));

    let mut text = Vec::new();
    tables::print(&mut text, &document, &FleetFile::parse(FILE).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "host plan: ready, 1 operations, 0 servers blocked"
    );
    assert!(
        lines[2].starts_with("0  live  one     a     b   -"),
        "{text}"
    );
    assert!(
        text.contains("makespan: ") && text.contains("bound: no schedule"),
        "{text}"
    );
}

#[test]
fn a_server_that_cannot_move_is_blocked_with_reasons() {
    let full = FILE.replace(
        "name: b, pools: [nfs], capacity: {vcpus: 8, memory_mib: 8192}",
        "name: b, pools: [nfs], capacity: {vcpus: 8, memory_mib: 4096}",
    );
    assert_ne!(full, FILE);
    let document = planned(&full, &json!({"servers": [ONE]}));
    assert_eq!(
        (document.exit_code(), document.state),
        (BLOCKED, PlanState::Aborted)
    );
    assert_eq!(document.makespan_seconds, None);
    let mut text = Vec::new();
    tables::print(&mut text, &document, &FleetFile::parse(&full).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("blocked: one: memory: "), "{text}");
}

#[test]
fn a_silent_host_that_is_not_fenced_is_not_emptied() {
    let silent = FILE.replace("{name: a,", "{name: a, up: false,");
    let document = planned(&silent, &json!({"host": "a"}));
    assert_eq!(
        (document.exit_code(), document.state),
        (BLOCKED, PlanState::Aborted)
    );
    assert_eq!(document.reasons[0].code.as_str(), "source-not-fenced");
}

#[test]
fn what_the_fleet_does_not_have_is_refused() {
    let other = "22222222-0000-4000-8000-000000000000";
    for body in [
        json!({"host": "x"}),
        json!({"hosts": ["a", "x"]}),
        json!({"servers": [other]}),
        json!({"servers": [ONE], "destination": "x"}),
        json!({"pool": "nfs", "to": "local"}),
    ] {
        let refused = matches!(ask(FILE, &body).unwrap(), Simulated::Refused(_));
        assert!(refused, "{body}");
    }
}

#[test]
fn a_request_that_the_api_would_not_take_is_an_error() {
    for body in [
        json!([]),
        json!({}),
        json!({"host": "a", "hosts": ["b"]}),
        json!({"host": "a", "odd": 1}),
        json!({"host": "a", "valid_seconds": 0}),
        json!({"host": "a", "constraints": [{"before": [ONE, ONE]}]}),
    ] {
        assert!(ask(FILE, &body).is_err(), "{body}");
    }
}
