//! The alert rules, and the page of each.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::read;

const RULES: &str = "deploy/prometheus/godwit.rules.yml";
const PAGES: &str = "docs/alerts";
const INDEX: &str = "docs/alerts/README.md";

/// Each alert, with the text of its rule.
pub(super) fn rules(root: &Path) -> Result<Vec<(String, String)>> {
    let text = read(root, RULES)?;
    let rules = text.split("- alert: ").skip(1);
    Ok(rules
        .map(|rule| {
            let name = rule.lines().next().unwrap_or_default().trim();
            (name.to_owned(), rule.to_owned())
        })
        .collect())
}

/// Fails when an alert names no page that is about it, and when a page is about none.
pub(super) fn check(root: &Path) -> Result<()> {
    let index = read(root, INDEX)?;
    let mut wanted = BTreeSet::from([INDEX.to_owned()]);
    for (alert, rule) in rules(root)? {
        let page = rule
            .lines()
            .find_map(|line| line.trim().strip_prefix("runbook: "))
            .with_context(|| format!("the alert {alert} has no runbook"))?;
        let text = read(root, page)?;
        ensure!(
            text.starts_with(&format!("# {alert}\n")),
            "{page} is not about {alert}"
        );
        ensure!(
            index.contains(&format!("| {alert} |")),
            "{INDEX} lacks {alert}"
        );
        wanted.insert(page.to_owned());
    }
    for file in std::fs::read_dir(root.join(PAGES))? {
        let name = format!("{PAGES}/{}", file?.file_name().to_string_lossy());
        ensure!(wanted.contains(&name), "{name} is about no alert");
    }
    Ok(())
}
