//! Programs that operators use to empty, fence and evacuate hosts, unmodified, from PyPI and
//! Debian: `operators.yaml` of `tests/clients` says which run, what of them, and why the others
//! do not.
//!
//! Each has a `godwit up` of its own, with its development identity, and drives its hosts with
//! nothing between them.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, text, up};
use crate::scripts;

/// A service for one program.
struct Cloud {
    directory: TempDir,
    _up: Process,
}

impl Cloud {
    async fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut up = Process::start(&up(text(directory.path()), &["--speed", "10"]))?;
        up.says("ready").await?;
        Ok(Self { directory, _up: up })
    }

    async fn passes(&self, script: &str) -> Result<()> {
        let clouds = self.directory.path().join("clouds.yaml");
        scripts::passes(".venv-operators", &clouds, script).await
    }
}

/// A test for each script, and the list of them.
macro_rules! programs {
    ($($test:ident: $script:literal,)*) => {
        const SCRIPTS: &[&str] = &[$($script),*];
        $(
            #[tokio::test]
            async fn $test() -> Result<()> {
                Cloud::new().await?.passes($script).await
            }
        )*
    };
}

programs! {
    fence_agents_fence_evacuate_and_unfence_a_host: "test_fence_agents.py",
    masakari_recovers_hosts: "test_masakari.py",
    osism_empties_hosts: "test_osism.py",
    rally_runs_its_scenarios_of_moves: "test_rally.py",
    watcher_applies_its_plans: "test_watcher.py",
}

/// The page lists what is tested, each with its reason if it is not, and nothing twice.
#[test]
fn the_page_says_what_runs_and_what_cannot() {
    let page = std::fs::read_to_string(scripts::directory().join("operators.yaml")).unwrap();
    let page: Value = serde_saphyr::from_str(&page).unwrap();
    let part = |name: &str| page[name].as_array().unwrap();
    let word = |entry: &Value, key: &str| {
        let word = entry[key].as_str().unwrap_or_default().to_owned();
        assert!(!word.is_empty(), "no {key} in {entry}");
        word
    };
    let scripts: Vec<_> = part("runs").iter().map(|it| word(it, "script")).collect();
    assert_eq!(
        scripts.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        SCRIPTS.iter().copied().collect(),
    );
    let mut programs = BTreeSet::new();
    for entry in part("runs").iter().chain(part("cannot")) {
        assert!(programs.insert(word(entry, "program")), "twice: {entry}");
    }
    for entry in part("cannot") {
        word(entry, "because");
    }
}
