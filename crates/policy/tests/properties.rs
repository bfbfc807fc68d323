//! Whatever an operator writes, an enforcer is built from it, and decides.

use std::collections::BTreeMap;

use godwit_policy::{Credentials, Decision, Enforcer, Overrides, Settings, Target};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NAMES: [&str; 4] = ["a", "b", "c", "default"];

/// Texts that look like rules, and others.
fn rule() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => "[(]{0,2}(role|user_id|roles|x\\.y|'x'|1\\.|http|is_admin):(%\\(k\\)[sdrcx%]|[a-z%(]{0,4})[)]{0,2}",
        4 => proptest::sample::select(NAMES.as_slice()).prop_map(|name| format!("rule:{name}")),
        4 => "and|or|not|@|!",
        1 => "[()]{1,4}",
        1 => "\\PC{0,8}",
        1 => any::<String>(),
    ];
    proptest::collection::vec(token, 0..8).prop_map(|tokens| tokens.join(" "))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let keys = "[a-z]{1,2}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(keys, inner, 0..3)
                .prop_map(|entries| entries.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn decide(file: &Value, rule: &str, value: &Value) -> Decision {
    let overrides = Overrides::read(file).unwrap();
    let enforcer = Enforcer::new(&[], &overrides, &Settings::default());
    let credentials = json!({ "user_id": value, "x": value, "roles": ["a"], "is_admin": false });
    let credentials = Credentials::from_json(credentials).unwrap();
    enforcer.decide(
        rule,
        &credentials,
        &Target::empty().with("k", value.clone()),
    )
}

proptest! {
    #[test]
    fn any_rules_make_a_policy_that_decides(
        rules in proptest::collection::btree_map(
            proptest::sample::select(NAMES.as_slice()), rule(), 1..4
        ),
        value in value(),
    ) {
        let file = json!(rules);
        for name in NAMES {
            let _ = decide(&file, name, &value);
        }
    }

    #[test]
    fn any_contents_are_read_or_refused(contents in value()) {
        if let Ok(overrides) = Overrides::read(&contents) {
            let _ = Enforcer::new(&[], &overrides, &Settings::default());
        }
    }

    #[test]
    fn a_list_of_texts_is_the_same_as_those_texts_joined(
        checks in proptest::collection::vec(
            proptest::collection::vec("(role|user_id|x):[a-c]{1,2}", 1..3), 1..3
        ),
        value in value(),
    ) {
        let alternatives: Vec<String> =
            checks.iter().map(|all| format!("({})", all.join(" and "))).collect();
        let file = json!({ "list": checks, "text": alternatives.join(" or ") });
        let allowed = |rule| decide(&file, rule, &value).is_allowed();
        prop_assert_eq!(allowed("list"), allowed("text"));
    }

    #[test]
    fn not_never_turns_a_fault_into_permission(rule in rule(), value in value()) {
        let rules = BTreeMap::from([("a", rule.clone()), ("b", format!("not ({rule})"))]);
        let faulty = |decision: &Decision| matches!(decision, Decision::Denied { fault: Some(_), .. });
        let [plain, negated] = ["a", "b"].map(|name| decide(&json!(rules), name, &value));
        prop_assert!(!faulty(&plain) || !negated.is_allowed(), "{plain:?} {negated:?}");
    }
}
