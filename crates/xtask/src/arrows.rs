//! Which crate may depend on which, and within `api` which room.
//!
//! Cargo forbids circles, and nothing else. What keeps the domain pure, and the API free of the
//! conductor (a 202 must come from the database alone), is this table.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::sizes;

/// Each crate, and the crates of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("godwit-core", &[]),
    ("godwit-policy", &[]),
    ("godwit-planner", &["godwit-core"]),
    ("godwit-store", &["godwit-core"]),
    (
        "godwit-facts",
        &["godwit-core", "godwit-planner", "godwit-store"],
    ),
    ("godwit-telemetry", &["godwit-core"]),
    ("godwit-rpc", &["godwit-core", "godwit-telemetry"]),
    (
        "godwit-api",
        &[
            "godwit-core",
            "godwit-facts",
            "godwit-planner",
            "godwit-policy",
            "godwit-store",
            "godwit-telemetry",
        ],
    ),
    (
        "godwit-conductor",
        &[
            "godwit-core",
            "godwit-facts",
            "godwit-planner",
            "godwit-rpc",
            "godwit-store",
            "godwit-telemetry",
        ],
    ),
    (
        "godwit-compute-agent",
        &["godwit-core", "godwit-rpc", "godwit-telemetry"],
    ),
    ("godwit-notifications", &["godwit-core", "godwit-store"]),
    (
        "godwit",
        &[
            "godwit-api",
            "godwit-compute-agent",
            "godwit-conductor",
            "godwit-core",
            "godwit-facts",
            "godwit-notifications",
            "godwit-planner",
            "godwit-policy",
            "godwit-rpc",
            "godwit-store",
            "godwit-telemetry",
        ],
    ),
    // The fleet of the tests, in the types of these: the unit tests of none of them can use it.
    (
        "godwit-test-support",
        &["godwit-core", "godwit-rpc", "godwit-store"],
    ),
    ("xtask", &["godwit-core"]),
    // Measures the API as the binary serves it, and so puts it together itself.
    (
        "godwit-bench",
        &[
            "godwit-api",
            "godwit-core",
            "godwit-facts",
            "godwit-planner",
            "godwit-store",
            "godwit-test-support",
            "system-tests",
        ],
    ),
    // Whole-system tests and what brings a system up for them; nothing depends on these.
    (
        "system-tests",
        &[
            "godwit-api",
            "godwit-core",
            "godwit-store",
            "godwit-test-support",
        ],
    ),
];

/// Not even for tests: the API is tested against the database, which is all it may know.
const NEVER: &[(&str, &str)] = &[("godwit-api", "godwit-conductor")];

/// The rooms of `api`, and the rooms that each must not know. Within a crate nothing else forbids it.
const ROOMS: &[(&str, &[&str])] = &[
    ("http", &["nova", "relocation", "development_identity"]),
    ("nova", &["relocation", "development_identity"]),
    ("relocation", &["nova", "development_identity"]),
    ("development_identity", &["nova", "relocation"]),
];

/// Where the binary is a client of a service elsewhere, which may use nothing of one: it knows what
/// `/relocation/v1` says, and core's words.
const CLIENT: &str = "crates/godwit/src/client";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary one, else `"dev"` or `"build"`.
    kind: Option<String>,
    /// Only crates of ours are found by their path.
    path: Option<String>,
}

/// Fails with every arrow that points where it must not.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut wrong = wrong_arrows(&metadata(root)?)?;
    for (room, strangers) in ROOMS {
        for file in sizes::rust_files(&root.join("crates/api/src").join(room))? {
            let text = std::fs::read_to_string(&file)?;
            let found = strangers.iter().filter(|stranger| names(&text, stranger));
            wrong.extend(found.map(|stranger| format!("{} names {stranger}", file.display())));
        }
    }
    for file in sizes::rust_files(&root.join(CLIENT))? {
        let text = std::fs::read_to_string(&file)?;
        let found = of_a_service(&text);
        wrong.extend(found.map(|name| format!("{} names {name}", file.display())));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The crates that a text names, but for core.
fn of_a_service(text: &str) -> impl Iterator<Item = &'static str> {
    let crates = ARROWS.iter().map(|(name, _)| *name);
    let others = crates.filter(|name| name.starts_with("godwit-") && *name != "godwit-core");
    others.filter(move |name| text.contains(&format!("{}::", name.replace('-', "_"))))
}

/// Does a file name this room? Lists in braces would hide it, so they name every room.
fn names(text: &str, room: &str) -> bool {
    text.contains(&format!("crate::{room}")) || text.contains("crate::{")
}

fn metadata(root: &Path) -> Result<Metadata> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata has changed its format")
}

fn wrong_arrows(metadata: &Metadata) -> Result<Vec<String>> {
    let table: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let from = package.name.as_str();
        let allowed = table
            .get(from)
            .with_context(|| format!("{from} is not in the table of arrows; add it"))?;
        let ours = package.dependencies.iter().filter(|to| to.path.is_some());
        for dependency in ours {
            let to = dependency.name.as_str();
            let for_tests = dependency.kind.as_deref() == Some("dev");
            if NEVER.contains(&(from, to)) {
                wrong.push(format!(
                    "{from} must never depend on {to}, not even in tests"
                ));
            } else if !for_tests && !allowed.contains(&to) {
                wrong.push(format!("{from} must not depend on {to}"));
            }
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrows_hold() {
        check(&crate::workspace_root().unwrap()).unwrap();
    }

    #[test]
    fn a_room_that_another_must_not_know_is_found() {
        assert!(names("use crate::nova::call::Call;", "nova"));
        assert!(names("use crate::{http, nova};", "nova"));
        assert!(!names(
            "use crate::http::query::Query; // not nova's",
            "nova"
        ));
    }

    #[test]
    fn a_client_that_opens_the_store_is_found() {
        let found: Vec<_> = of_a_service("use godwit_store::Store;").collect();
        assert_eq!(found, ["godwit-store"]);
        assert_eq!(of_a_service("use godwit_core::ids::HostName;").count(), 0);
    }

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Metadata {
        let dependencies = dependencies.iter().map(|(name, kind)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
            path: Some(format!("/crates/{name}")),
        });
        Metadata {
            packages: vec![Package {
                name: name.to_owned(),
                dependencies: dependencies.collect(),
            }],
        }
    }

    #[test]
    fn a_wrong_arrow_is_found() {
        let wrong = |metadata| wrong_arrows(&metadata).unwrap();
        assert_eq!(
            wrong(package("godwit-core", &[("godwit-store", None)])),
            ["godwit-core must not depend on godwit-store"]
        );
        assert_eq!(
            wrong(package("godwit-rpc", &[("godwit-store", Some("build"))])),
            ["godwit-rpc must not depend on godwit-store"]
        );
        assert_eq!(
            wrong(package("godwit-api", &[("godwit-conductor", Some("dev"))])).len(),
            1
        );
        assert!(
            wrong(package(
                "godwit-store",
                &[("godwit-test-support", Some("dev"))]
            ))
            .is_empty()
        );
    }

    #[test]
    fn a_crate_that_nobody_thought_of_is_found() {
        wrong_arrows(&package("godwit-shortcut", &[]))
            .err()
            .unwrap();
    }
}
