//! What the file may say.

use godwit_core::host::scope::beginning::Beginning;
use serde_json::Value;

use super::*;

fn parse(text: &str) -> Result<Config> {
    Config::parse(text, Path::new("godwit.yaml"))
}

fn refused(text: &str) -> String {
    format!("{:#}", parse(text).expect_err(text))
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.api, ApiConfig::default());
    assert_eq!(config.conductor, godwit_conductor::Config::default());
    assert!(!config.identity.development);
}

#[test]
fn what_is_new_begins_as_it_is_configured() {
    let config = parse("allocation: {new_hosts: disabled}\n").unwrap();
    let expected = Beginnings {
        new_hosts: Beginning::Disabled,
        new_scopes: Beginning::Enabled,
    };
    assert_eq!(config.allocation, expected);
    let error = refused("allocation: {new_hosts: never}\n");
    assert!(error.starts_with("godwit.yaml: "), "{error}");
}

#[test]
fn a_missing_section_is_named_with_its_file() {
    let error = parse("log: {format: pretty}\n")
        .unwrap()
        .database()
        .unwrap_err();
    assert_eq!(error.to_string(), "godwit.yaml has no section `database`");
}

#[test]
fn what_nobody_knows_is_refused_with_its_line() {
    for (text, says) in [
        (
            "database:\n  url: sqlite:a\n  pool: 3\n",
            "unknown field `pool`",
        ),
        ("databse: {}\n", "unknown field `databse`"),
        ("log:\n  format: xml\n", "xml"),
        ("api:\n  listen: here\n", "socket address"),
        ("conductor:\n  lease: -1\n", "line 2"),
        ("conductor:\n  slots:\n    per_host: 1\n", "line 3"),
        ("auth:\n  secret: abc\n", "unknown field `secret`"),
    ] {
        let error = refused(text);
        assert!(error.starts_with("godwit.yaml: "), "{error}");
        assert!(error.contains(says) && error.contains("line "), "{error}");
    }
}

#[test]
fn passwords_stand_in_files() {
    for url in [
        "postgres://godwit:secret@db/godwit",
        "postgresql://db/godwit?user=godwit&password=secret",
    ] {
        let error = refused(&format!("database:\n  url: {url}\n"));
        assert!(error.contains("passfile"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    parse("database:\n  url: postgres://godwit@db/godwit?passfile=/etc/godwit/pgpass\n").unwrap();
}

#[test]
fn traces_go_to_a_collector_and_callers_may_be_ignored() {
    assert!(!parse("").unwrap().api.continue_traces);
    let config = parse("traces: {endpoint: 'http://[::1]:4318'}\n").unwrap();
    assert!(config.api.continue_traces);
    let text = "traces: {endpoint: 'https://c.example.org', continue_callers: false}\n";
    assert!(!parse(text).unwrap().api.continue_traces);
    for (text, says) in [
        ("traces: {}\n", "endpoint"),
        ("traces: {endpoint: 'localhost:4318'}\n", "http or https"),
        ("traces: {endpoint: 'http://u:secret@c'}\n", "password"),
        (
            "traces: {endpoint: 'http://c', sampled: 1.5}\n",
            "from 0 to 1",
        ),
        (
            "traces: {endpoint: 'http://c', interval: 0}\n",
            "more than 0",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn what_is_kept_concerns_api_and_conductor() {
    let config = parse("retention: {events: 60, webhook_deliveries: 0}\n").unwrap();
    let kept = Retention {
        events: Some(std::time::Duration::from_secs(60)),
        webhook_deliveries: None,
        ..Retention::default()
    };
    assert_eq!(
        (config.api.retention, config.conductor.retention),
        (kept, kept)
    );
    let error = refused("retention: {migrations: 3600, events: 60}\n");
    assert!(error.contains("604800 seconds"), "{error}");
    let error = refused("retention: {events: 0}\n");
    assert!(error.contains("`retention.events`"), "{error}");
}

#[cfg(feature = "libvirt")]
#[test]
fn an_agent_remembers_nothing_that_was_removed() {
    let agent = "agent: {host: a, conductors: [], pace: {remember: 700000}}\n";
    let kept = "retention: {migrations: 604800, events: 60}\n";
    parse(agent).unwrap();
    let error = refused(&format!("{agent}{kept}"));
    assert!(error.contains("`agent.pace.remember`"), "{error}");
}

fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/godwit.yaml")
}

fn deployed(name: &str) -> String {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    std::fs::read_to_string(deploy.join(name)).unwrap()
}

#[test]
fn what_is_deployed_is_good() {
    for name in [
        "debian/godwit.yaml",
        "docker/config/agent.yaml",
        "docker/config/api.yaml",
        "docker/config/api-keystone.yaml",
        "docker/config/conductor-1.yaml",
        "docker/config/conductor-2.yaml",
        "docker/config/hosts.yaml",
    ] {
        // What is put in when it is deployed.
        let text = deployed(name)
            .replace("@HOST@", "host-1")
            .replace("@ADDRESS@", "192.0.2.7")
            .replace("@URL_ADDRESS@", "192.0.2.7")
            .replace("@URL@", "https://keystone.example.org:5000/v3")
            .replace("@CA@", "null");
        let config = Config::parse(&text, Path::new(name)).unwrap();
        if name.contains("hosts") {
            config.simulated_agents().unwrap();
        } else if !name.contains("agent") {
            config.database().unwrap();
        }
        assert_eq!(config.identity.development, name.ends_with("/api.yaml"));
    }
}

#[test]
fn the_clouds_of_docker_compose_are_those_of_the_development_identity() {
    let text = deployed("docker/clouds.yaml");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let written: String = lines.flat_map(|line| [line, "\n"]).collect();
    let clouds = godwit_api::development_identity::clouds_yaml("http://127.0.0.1:8774");
    assert_eq!(written, clouds);
}

/// Every key of `section` stands in `written`, and so on within.
fn shows(written: &Value, section: &Value, path: &str) {
    for (key, value) in section.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        let there = written
            .get(key)
            .unwrap_or_else(|| panic!("the example lacks {path}"));
        shows(there, value, &path);
    }
}

#[test]
fn the_example_is_a_good_file_and_shows_every_key() {
    let config = Config::read(&example()).unwrap();
    config.database().unwrap();
    let text = std::fs::read_to_string(example()).unwrap();
    let written: Value = serde_saphyr::from_str(&text).unwrap();
    let sections = [
        ("api", serde_json::to_value(&config.api)),
        ("auth", serde_json::to_value(&config.auth)),
        ("policy", serde_json::to_value(&config.policy)),
        ("retention", serde_json::to_value(config.retention)),
        ("allocation", serde_json::to_value(config.allocation)),
        ("conductor", serde_json::to_value(&config.conductor)),
        (
            "simulated_agents",
            serde_json::to_value(config.simulated_agents().unwrap()),
        ),
        #[cfg(feature = "libvirt")]
        ("agent", serde_json::to_value(config.agent().unwrap())),
        ("traces", serde_json::to_value(&config.traces)),
        #[cfg(feature = "notifications")]
        (
            "notifications",
            serde_json::to_value(config.notifications.as_ref().unwrap()),
        ),
    ];
    for (name, section) in sections {
        shows(&written[name], &section.unwrap(), name);
    }
}

#[test]
fn what_the_example_shows_is_the_default() {
    let mut config = Config::read(&example()).unwrap();
    assert_eq!(config.log, LogConfig::default());
    assert!(config.api.continue_traces, "which is set from `traces`");
    config.api.continue_traces = false;
    assert_eq!(config.api, ApiConfig::default());
    assert_eq!(config.policy, PolicyConfig::default());
    assert_eq!(config.retention, Retention::default());
    assert_eq!(config.allocation, Beginnings::default());
    config.conductor.tls = None;
    config.conductor.name = None;
    assert_eq!(config.conductor, godwit_conductor::Config::default());
    let database = config.database().unwrap();
    assert_eq!(*database, DatabaseConfig::at(database.url.clone()));
    config.identity.private_key = None;
    assert_eq!(config.identity, IdentityConfig::default());
    let traces = config.traces.take().unwrap();
    let text = format!("traces: {{endpoint: '{}'}}", traces.endpoint);
    assert_eq!(parse(&text).unwrap().traces, Some(traces));
    #[cfg(feature = "notifications")]
    {
        let mut notifications = config.notifications.take().unwrap();
        notifications.password_file = None;
        let url = notifications.url.clone();
        assert_eq!(notifications, godwit_notifications::Config::at(url));
    }
    #[cfg(feature = "libvirt")]
    {
        use godwit_compute_agent::{config::Pace, drivers::libvirt::LibvirtConfig};
        let agent = config.agent().unwrap();
        assert_eq!(agent.pace, Pace::default());
        assert_eq!(agent.libvirt, LibvirtConfig::default());
    }
}

#[test]
fn the_record_of_the_decision_says_how_often_the_database_is_looked_at() {
    let record = example().with_file_name("adr/0001-commands-travel-as-rows.md");
    let text = std::fs::read_to_string(record).unwrap();
    let interval = godwit_conductor::Config::default().poll_interval;
    let says = format!("`poll_interval`, {} ms by default", interval.as_millis());
    assert!(text.contains(&says), "not in the record: {says}");
}
