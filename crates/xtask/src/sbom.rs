//! What the binary is made of, as CycloneDX: every crate that its build with all features reads,
//! with licence and checksum. Libraries in C come in crates, too (`openssl-src`, `pq-src`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// `None` for an ordinary one, else `"dev"` or `"build"`.
    kind: Option<String>,
}

impl Dependency {
    /// Does it take part in the build, or in tests alone?
    fn is_built(&self) -> bool {
        self.dep_kinds
            .iter()
            .any(|it| it.kind.as_deref() != Some("dev"))
    }
}

impl Package {
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self, checksums: &BTreeMap<(String, String), String>) -> Value {
        let mut component = json!({
            "type": "library",
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "purl": self.purl(),
        });
        if let Some(license) = &self.license {
            // Written so before there were expressions.
            let expression = license.replace('/', " OR ");
            component["licenses"] = json!([{ "expression": expression }]);
        }
        if let Some(url) = &self.repository {
            component["externalReferences"] = json!([{ "type": "vcs", "url": url }]);
        }
        let key = (self.name.clone(), self.version.clone());
        if let Some(sum) = checksums.get(&key) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        component
    }
}

/// Writes the bill to a file.
pub(crate) fn write(root: &Path, file: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(&bill(root)?)?;
    std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
}

fn bill(root: &Path) -> Result<Value> {
    let metadata = metadata(root)?;
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let ours = metadata.packages.iter().find(|it| it.name == "godwit");
    let ours = ours.context("there is no crate godwit")?;

    let mut found = BTreeSet::from([ours.id.as_str()]);
    let mut ahead = vec![ours.id.as_str()];
    let mut dependencies = BTreeMap::new();
    while let Some(id) = ahead.pop() {
        let node = nodes.get(id).with_context(|| format!("{id} has no node"))?;
        let mut on = BTreeSet::new();
        for dependency in node.deps.iter().filter(|it| it.is_built()) {
            let to = dependency.pkg.as_str();
            on.insert(packages[to].purl());
            if found.insert(to) {
                ahead.push(to);
            }
        }
        dependencies.insert(packages[id].purl(), on);
    }

    let checksums = checksums(&std::fs::read_to_string(root.join("Cargo.lock"))?);
    let of_others = found.iter().filter(|id| **id != ours.id);
    let mut components: Vec<Value> = of_others
        .map(|id| packages[id].component(&checksums))
        .collect();
    components.sort_by_key(|it| it["bom-ref"].as_str().unwrap_or_default().to_owned());
    let mut program = ours.component(&checksums);
    program["type"] = json!("application");
    let dependencies: Vec<Value> = dependencies
        .into_iter()
        .map(|(of, on)| json!({ "ref": of, "dependsOn": on }))
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": program },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn metadata(root: &Path) -> Result<Metadata> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", &platform, "--features", "full"])
        .args(["--manifest-path", "crates/godwit/Cargo.toml"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("cargo metadata has changed its format")
}

/// What the lock file says of each version of each crate.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut sums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let start = format!("{name} = \"");
            let line = package.lines().find_map(|line| line.strip_prefix(&start));
            line.map(|rest| rest.trim_end_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name"), field("version"), field("checksum"))
        {
            sums.insert((name, version), sum);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_in_it_and_what_only_tests_need_is_not() {
        let bill = bill(&crate::workspace_root().unwrap()).unwrap();
        assert_eq!(bill["metadata"]["component"]["name"], "godwit");
        let components = bill["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|it| it["name"] == name);
        for name in ["godwit-core", "rustls", "openssl-src", "virt"] {
            assert!(named(name).is_some(), "{name}");
        }
        assert!(named("proptest").is_none());
        let rustls = named("rustls").unwrap();
        assert_eq!(rustls["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert_eq!(
            rustls["licenses"][0]["expression"],
            "Apache-2.0 OR ISC OR MIT"
        );
        let known: BTreeSet<&str> = components
            .iter()
            .map(|it| it["bom-ref"].as_str().unwrap())
            .collect();
        for dependency in bill["dependencies"].as_array().unwrap() {
            for on in dependency["dependsOn"].as_array().unwrap() {
                assert!(known.contains(on.as_str().unwrap()), "{on}");
            }
        }
    }

    #[test]
    fn checksums_are_those_of_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    checksum = \"abc\"\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let sums = checksums(lock);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[&("a".to_owned(), "1.0.0".to_owned())], "abc");
    }
}
