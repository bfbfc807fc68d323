//! How rules are evaluated: what stands in for missing ones, and what becomes of rules that have
//! no end or cannot be told.

use godwit_policy::{
    Credentials, Decision, Enforcer, Fault, Identity, Overrides, Settings, Target,
};
use serde_json::{Value, json};

/// What a policy of nothing but a file decides about a member, acting on nothing in particular.
fn decide(file: Value, rule: &str) -> Decision {
    decide_with(file, rule, &Settings::default())
}

fn decide_with(file: Value, rule: &str, settings: &Settings) -> Decision {
    let member = Identity {
        roles: vec!["member".into()],
        ..Identity::default()
    };
    Enforcer::new(&[], &Overrides::read(&file).unwrap(), settings).decide(
        rule,
        &Credentials::from(member),
        &Target::empty(),
    )
}

fn fault(fault: Fault) -> Decision {
    Decision::Denied {
        rule: "r".into(),
        fault: Some(fault),
    }
}

#[test]
fn the_default_rule_stands_in_for_what_does_not_exist() {
    let member = json!({ "default": "role:member", "r": "rule:unheard-of" });
    assert!(decide(member.clone(), "r").is_allowed());
    assert!(decide(member, "unheard-of").is_allowed());
    assert!(!decide(json!({ "r": "rule:unheard-of" }), "r").is_allowed());
    let none = Settings {
        default_rule: String::new(),
        ..Settings::default()
    };
    assert!(!decide_with(json!({ "": "@" }), "unheard-of", &none).is_allowed());
}

#[test]
fn circles_deny() {
    for rule in [
        "rule:r",
        "not rule:r",
        "rule:s",
        "@ and rule:s",
        "role:gone or not (rule:t and @)",
    ] {
        let file = json!({ "r": rule, "s": "rule:r", "t": "not rule:s" });
        assert_eq!(decide(file, "r"), fault(Fault::Circular), "{rule}");
    }
    assert!(
        decide(json!({ "r": "role:member or rule:r" }), "r").is_allowed(),
        "it is not entered"
    );
    let default = json!({ "r": "rule:unheard-of", "default": "rule:nowhere" });
    assert_eq!(decide(default, "r"), fault(Fault::Circular));
}

#[test]
fn chains_without_end_deny() {
    let chain = |length: usize| -> Value {
        let links = (0..length).map(|n| (format!("r{n}"), json!(format!("rule:r{}", n + 1))));
        links.chain([(format!("r{length}"), json!("@"))]).collect()
    };
    assert!(decide(chain(400), "r0").is_allowed());
    let decision = decide(chain(100_000), "r0");
    assert!(
        matches!(
            decision,
            Decision::Denied {
                fault: Some(Fault::TooDeep),
                ..
            }
        ),
        "{decision:?}"
    );
}

#[test]
fn rules_that_double_at_every_step_deny_in_time() {
    let doubling = |n: usize| json!(format!("rule:r{0} and rule:r{0}", n + 1));
    let mut file: Value = (0..60).map(|n| (format!("r{n}"), doubling(n))).collect();
    file["r60"] = json!("@");
    let decision = decide(file, "r0");
    assert!(
        matches!(
            decision,
            Decision::Denied {
                fault: Some(Fault::TooLong),
                ..
            }
        ),
        "{decision:?}"
    );
}

#[test]
fn a_fault_denies_whatever_stands_around_it() {
    for (check, expected) in [
        ("class:x", Fault::UnreadableLeftSide),
        ("user_id.x:y", Fault::NotAMapping),
        ("user_id:%(broken", Fault::MalformedSubstitution),
        ("http://%(gone)s/", Fault::MissingValue),
        (
            "https://somewhere/",
            Fault::Remote("none are configured".into()),
        ),
    ] {
        for rule in [
            check.to_owned(),
            format!("not {check}"),
            format!("{check} or @"),
        ] {
            assert_eq!(
                decide(json!({ "r": rule }), "r"),
                fault(expected.clone()),
                "{rule}"
            );
        }
    }
}

#[test]
fn a_missing_value_within_a_referenced_rule_only_makes_it_false() {
    let file = json!({ "r": "not rule:s", "s": "not http://%(gone)s/" });
    assert_eq!(decide(file, "r"), Decision::Allowed);
}
