//! The registered rules make sense, and the sample file at the root lists them.

use std::collections::HashSet;
use std::path::Path;

use godwit_policy::{Enforcer, Overrides, Scope, Settings, registry, sample};

#[test]
fn every_rule_is_understood_and_leads_somewhere() {
    for enforce_new_defaults in [true, false] {
        let settings = Settings {
            enforce_new_defaults,
            ..Settings::default()
        };
        let enforcer = Enforcer::new(registry::RULES, &Overrides::default(), &settings);
        assert_eq!(enforcer.findings(), []);
    }
}

#[test]
fn every_rule_has_a_name_of_its_own_and_says_what_it_decides() {
    let mut names = HashSet::new();
    for rule in registry::RULES {
        assert!(names.insert(rule.name), "{}", rule.name);
        assert!(rule.description.ends_with('.'), "{}", rule.name);
    }
    assert!(names.contains(registry::CONTEXT_IS_ADMIN));
}

#[test]
fn rules_of_the_api_are_for_projects_and_the_others_for_everybody() {
    for rule in registry::RULES {
        let expected: &[Scope] = if rule.name.contains(':') {
            &[Scope::Project]
        } else {
            &[]
        };
        assert_eq!(rule.scope_types, expected, "{}", rule.name);
    }
}

#[test]
fn the_sample_file_lists_every_rule_and_sets_none() {
    let sample = sample::render(registry::RULES);
    for rule in registry::RULES {
        let line = format!("#\"{}\": \"{}\"", rule.name, rule.check);
        assert_eq!(
            sample.lines().filter(|found| *found == line).count(),
            1,
            "{line}"
        );
    }
    assert!(
        sample
            .lines()
            .all(|line| line.is_empty() || line.starts_with('#'))
    );
}

#[test]
fn the_sample_file_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy.yaml");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == sample::render(registry::RULES),
        "policy.yaml is stale; run `cargo run -p godwit-policy --example sample > policy.yaml`"
    );
}
