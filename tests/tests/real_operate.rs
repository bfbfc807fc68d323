//! Every command on docs/operate.md is run: in a tree of Debian's packages, in the order in which an
//! operator would, or by another test, which is named here.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use system_tests::package::{make, try_in_tree};
use system_tests::sdk::repository;

/// What commands begin with that stand in running text.
const PROGRAMS: &[&str] = &[
    "./scripts/",
    "apt-get ",
    "curl ",
    "docker compose",
    "godwit ",
    "journalctl ",
    "man ",
    "openstack ",
    "pg_dump ",
    "sqlite3 ",
    "sudo ",
    "systemd-analyze ",
    "virsh ",
];

const COMPOSE: &str = "tests/tests/real_compose.rs";
const CLIENTS: &str = "tests/clients/test_openstack.py";

/// Commands that another test runs: its file, and what stands there for the command.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "docker compose up --detach",
        COMPOSE,
        r#"["up", "--detach"]"#,
    ),
    ("docker compose down", COMPOSE, r#"compose(&["down"])"#),
    ("docker compose build", COMPOSE, r#"compose(&["build""#),
    (
        "docker compose stop api-1 api-2 conductor-1 conductor-2",
        COMPOSE,
        r#"["stop", "api-1", "api-2", "conductor-1", "conductor-2"]"#,
    ),
    (
        "GODWIT_KEYSTONE_URL=https://keystone.example.org:5000/v3 docker compose up --detach",
        COMPOSE,
        "GODWIT_KEYSTONE_URL=https://keystone.example.org:5000/v3",
    ),
    (
        "export OS_CLIENT_CONFIG_FILE=deploy/docker/clouds.yaml",
        COMPOSE,
        "OS_CLIENT_CONFIG_FILE",
    ),
    (
        "openstack --os-cloud manager server migrate --live-migration vm-1",
        COMPOSE,
        r#"["server", "migrate", "--live-migration", "vm-1""#,
    ),
    (
        "openstack compute service list",
        CLIENTS,
        r#""compute", "service", "list""#,
    ),
    (
        "openstack compute service list --long",
        CLIENTS,
        r#""compute", "service", "list", "--long""#,
    ),
    (
        "openstack server migration list",
        CLIENTS,
        r#""server", "migration", "list""#,
    ),
    (
        "openstack server migration show SERVER UUID",
        CLIENTS,
        r#""server", "migration", "show", server"#,
    ),
    (
        "openstack server event list SERVER",
        CLIENTS,
        r#""server", "event", "list""#,
    ),
    (
        "openstack server event show SERVER REQUEST-ID",
        CLIENTS,
        r#""server", "event", "show", server"#,
    ),
];

/// The lines of every `sh` block of a page, and what of its code in running text is a command.
fn commands(page: &str) -> Vec<String> {
    let (mut found, mut text, mut within) = (vec![], String::new(), false);
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            within = !within;
        } else if within {
            found.push(line.to_owned());
        } else {
            text.push_str(line);
            text.push(' ');
        }
    }
    let code = text.split('`').skip(1).step_by(2);
    let code = code.filter(|it| PROGRAMS.iter().any(|program| it.starts_with(program)));
    found.extend(code.map(str::to_owned));
    found
}

#[test]
fn commands_are_found_in_blocks_and_in_text() {
    let page = "Run `godwit\n up`, then\n   ```sh\n   a b\n   ```\nor `FILE`.";
    assert_eq!(commands(page), ["a b", "godwit up"]);
}

#[test]
fn what_others_run_is_run_by_them() -> Result<()> {
    let page = fs::read_to_string(repository().join("docs/operate.md"))?;
    let commands = commands(&page);
    for (command, file, there) in ELSEWHERE {
        ensure!(
            commands.iter().any(|it| it == command),
            "not on the page: {command}"
        );
        let text = fs::read_to_string(repository().join(file))?;
        ensure!(text.contains(there), "{file} does not run {command}");
    }
    Ok(())
}

#[test]
fn real_commands_of_the_page_work() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
    let given = directory.path().join("given");
    fs::create_dir(&given)?;
    let page = fs::read_to_string(repository().join("docs/operate.md"))?;
    let commands = commands(&page);
    fs::write(given.join("commands"), commands.join("\n") + "\n")?;
    make(&given, &[])?;
    try_in_tree(directory.path(), &["try-operate", "units"])?;

    let tried = fs::read_to_string(given.join("tried"))?;
    let tried: BTreeSet<&str> = tried
        .lines()
        .chain(ELSEWHERE.iter().map(|(command, ..)| *command))
        .collect();
    let untried: Vec<_> = commands
        .iter()
        .filter(|it| !tried.contains(it.as_str()))
        .collect();
    ensure!(untried.is_empty(), "nobody runs {untried:#?}");
    Ok(())
}
