//! The sample policy file: every rule with its default, commented out.

use std::fmt::Write;

use crate::rule_default::{DeprecatedRule, RuleDefault};

/// How wide comments get, in characters.
const WIDTH: usize = 78;

const HEADER: &str = "Every policy rule with its default. A rule in force differs from its \
    default only if it stands here, or in a file of the policy directory, without the leading \
    hash mark.";

/// The sample file for `rules`.
#[must_use]
pub fn render(rules: &[RuleDefault<'_>]) -> String {
    let mut file = String::new();
    comment(&mut file, HEADER);
    for rule in rules {
        file.push('\n');
        render_rule(&mut file, rule);
    }
    file
}

fn render_rule(file: &mut String, rule: &RuleDefault<'_>) {
    comment(file, rule.description);
    if !rule.scope_types.is_empty() {
        let scopes: Vec<&str> = rule
            .scope_types
            .iter()
            .map(|scope| scope.as_str())
            .collect();
        comment(file, &format!("Token scope: {}", scopes.join(", ")));
    }
    if let Some(since) = rule.deprecated_since {
        comment(
            file,
            &format!("Deprecated since {since}, and to be removed."),
        );
    }
    if let Some(replaced) = &rule.replaces {
        comment(file, &succession(rule, replaced));
    }
    // JSON's quoting is YAML's, too. Writing to a String cannot fail.
    let (name, check) = (serde_json::json!(rule.name), serde_json::json!(rule.check));
    let _ = writeln!(file, "#{name}: {check}");
}

fn succession(rule: &RuleDefault<'_>, replaced: &DeprecatedRule<'_>) -> String {
    let since = replaced
        .since
        .map(|since| format!(" since {since}"))
        .unwrap_or_default();
    let DeprecatedRule { name, check, .. } = replaced;
    if *name == rule.name {
        return format!("Before, its default was \"{check}\", which is deprecated{since}.");
    }
    format!(
        "Takes the place of \"{name}\": \"{check}\", which is deprecated{since}: where a file \
         names that rule and not this one, it decides here too."
    )
}

fn comment(file: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > 1 {
            file.push_str(&line);
            file.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    file.push_str(&line);
    file.push('\n');
}
