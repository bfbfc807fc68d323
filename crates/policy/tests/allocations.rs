//! Enforcing is on the path of every request, so what it allows costs no allocation.

use godwit_policy::{Credentials, Enforcer, Identity, Overrides, Settings, Target, registry};

#[test]
fn novas_rules_allow_without_allocating() {
    let enforcer = Enforcer::new(registry::RULES, &Overrides::default(), &Settings::default());
    let identity = Identity {
        user_id: Some("u".into()),
        project_id: Some("p".into()),
        roles: vec!["Admin".into(), "member".into(), "reader".into()],
        ..Identity::default()
    };
    let credentials = Credentials::from(identity);
    let is_admin = enforcer.is_admin(&credentials);
    let credentials = credentials.with_is_admin(is_admin);
    let target = Target::of_owner(Some("p"), Some("u"));

    let allows = |rule: &str| {
        enforcer
            .enforce(rule, &credentials, &target)
            .is_ok_and(|decision| decision.is_allowed())
    };
    // A denial carries the rule's name, which is worth one.
    let allowed: Vec<&str> = registry::RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|rule| allows(rule))
        .collect();
    assert!(allowed.len() > 50, "{allowed:?}");
    let measured = allocation_counter::measure(|| assert!(allowed.iter().all(|rule| allows(rule))));
    assert_eq!(measured.count_total, 0);
}
