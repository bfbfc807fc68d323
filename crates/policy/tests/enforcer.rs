//! What an enforcer decides: overriding, deprecated rules, scope, remote checks.

use std::sync::{Arc, Mutex};

use godwit_policy::{
    Credentials, Decision, DeprecatedRule, Enforcer, Fault, Finding, Identity, Overrides,
    RemoteCheck, RemoteFailure, RemoteQuestion, RuleDefault, Scope, Settings, Target,
    UnregisteredRule, registry,
};
use serde_json::{Value, json};

const INDEX: &str = "os_compute_api:os-migrations:index";
const INDEX_HOST: &str = "os_compute_api:os-migrations:index:host";
const LIVE: &str = "os_compute_api:os-migrate-server:migrate_live";
const LIVE_HOST: &str = "os_compute_api:os-migrate-server:migrate_live:host";
const SHOW: &str = "os_compute_api:servers:migrations:show";

fn nova(file: Value) -> Enforcer {
    nova_with(file, &Settings::default())
}

fn nova_with(file: Value, settings: &Settings) -> Enforcer {
    Enforcer::new(registry::RULES, &Overrides::read(&file).unwrap(), settings)
}

fn identity(roles: &[&str]) -> Identity {
    Identity {
        user_id: Some("u".into()),
        project_id: Some("p".into()),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        ..Identity::default()
    }
}

/// The credentials of a request, as the service makes them.
fn request(enforcer: &Enforcer, identity: Identity) -> Credentials {
    let credentials = Credentials::from(identity);
    let is_admin = enforcer.is_admin(&credentials);
    credentials.with_is_admin(is_admin)
}

fn allows(enforcer: &Enforcer, rule: &str, roles: &[&str]) -> bool {
    let credentials = request(enforcer, identity(roles));
    enforcer
        .enforce(rule, &credentials, &Target::of_project(Some("p")))
        .unwrap()
        .is_allowed()
}

#[test]
fn novas_defaults_by_role() {
    let enforcer = nova(json!({}));
    for (rule, allowed) in [
        ("os_compute_api:servers:show", [true, false, false, true]),
        (
            "os_compute_api:os-lock-server:lock",
            [false, true, false, true],
        ),
        (LIVE, [false, false, true, true]),
        (LIVE_HOST, [false, false, false, true]),
        (SHOW, [false, false, false, true]),
        ("compute:servers:resize:cross_cell", [false; 4]),
    ] {
        let actual =
            ["reader", "member", "manager", "admin"].map(|role| allows(&enforcer, rule, &[role]));
        assert_eq!(actual, allowed, "{rule}");
    }
}

#[test]
fn only_an_administrator_acts_on_another_project_or_on_nothing_in_particular() {
    let enforcer =
        nova(json!({ "os_compute_api:os-services:list": "rule:project_manager_or_admin" }));
    let elsewhere = Target::of_project(Some("q"));
    for (roles, allowed) in [(["manager"], false), (["admin"], true)] {
        let credentials = request(&enforcer, identity(&roles));
        for (rule, target) in [
            (LIVE, &elsewhere),
            ("os_compute_api:os-services:list", &Target::empty()),
        ] {
            let decision = enforcer.enforce(rule, &credentials, target).unwrap();
            assert_eq!(decision.is_allowed(), allowed, "{rule}");
        }
    }
}

#[test]
fn a_denial_names_the_rule() {
    let enforcer = nova(json!({}));
    let credentials = request(&enforcer, identity(&["reader"]));
    let decision = enforcer
        .enforce(LIVE, &credentials, &Target::of_project(Some("p")))
        .unwrap();
    assert_eq!(
        decision,
        Decision::Denied {
            rule: LIVE.into(),
            fault: None
        }
    );
}

#[test]
fn a_token_of_another_scope_is_refused_even_for_an_administrator() {
    let enforcer = nova(json!({ SHOW: "@" }));
    let system = Identity {
        system_scope: Some("all".into()),
        ..identity(&["admin"])
    };
    let domain = Identity {
        domain_id: Some("d".into()),
        ..identity(&["admin"])
    };
    for (token, scope) in [(system, Scope::System), (domain, Scope::Domain)] {
        let credentials = request(&enforcer, token);
        assert_eq!(
            credentials.is_admin(),
            Some(true),
            "who is an administrator is no matter of scope"
        );
        let decision = enforcer.enforce(SHOW, &credentials, &Target::of_project(Some("p")));
        assert_eq!(
            decision,
            Ok(Decision::WrongScope {
                rule: SHOW.into(),
                scope
            })
        );
    }
}

#[test]
fn an_unregistered_rule_is_a_mistake_of_the_caller() {
    let enforcer = nova(json!({ "mine": "@" }));
    let credentials = Credentials::from(Identity::default());
    let result = enforcer.enforce("mine", &credentials, &Target::empty());
    assert_eq!(result, Err(UnregisteredRule("mine".into())));
    assert_eq!(
        enforcer.decide("mine", &credentials, &Target::empty()),
        Decision::Allowed
    );
}

#[test]
fn an_override_of_a_replaced_rule_counts_for_its_successors() {
    let enforcer = nova(json!({ INDEX: "role:member" }));
    assert!(allows(&enforcer, INDEX, &["member"]));
    assert!(allows(&enforcer, INDEX_HOST, &["member"]));
    assert!(!allows(&enforcer, LIVE_HOST, &["member"]));
    assert!(!allows(
        &nova(json!({ INDEX: "role:member", INDEX_HOST: "!" })),
        INDEX_HOST,
        &["member"]
    ));
}

#[test]
fn an_override_that_changes_nothing_is_not_inherited() {
    for same in [
        json!("rule:context_is_admin"),
        json!(["rule:context_is_admin"]),
        json!(format!("rule:{INDEX_HOST}")),
    ] {
        let enforcer = nova(json!({ INDEX: same, "rule:context_is_admin": "!" }));
        assert!(allows(&enforcer, INDEX_HOST, &["admin"]));
        assert!(
            !enforcer
                .findings()
                .iter()
                .any(|finding| matches!(finding, Finding::Circular { .. }))
        );
    }
}

/// A rule may be another's predecessor and in force itself, with another default than it had.
#[test]
fn a_predecessor_in_force_decides_for_itself_by_its_own_default() {
    const FLAVOR: &str = "os_compute_api:os-flavor-extra-specs:index";
    const SERVER: &str = "os_compute_api:servers:show:flavor-extra-specs";
    let readers: &[&str] = &["reader", "admin"];
    let everybody: &[&str] = &["reader", "member", "manager", "admin"];
    for (file, flavor, server) in [
        (json!({}), readers, readers),
        (json!({ FLAVOR: "rule:admin_or_owner" }), everybody, readers),
        (
            json!({ FLAVOR: "role:manager" }),
            &["manager"],
            &["manager"],
        ),
        (
            json!({ FLAVOR: format!("rule:{SERVER}") }),
            readers,
            readers,
        ),
        (json!({ FLAVOR: "!", SERVER: "@" }), &[], everybody),
        (json!({ SERVER: "role:manager" }), readers, &["manager"]),
    ] {
        let enforcer = nova(file.clone());
        for (rule, expected) in [(FLAVOR, flavor), (SERVER, server)] {
            let mut allowed = everybody.to_vec();
            allowed.retain(|role| allows(&enforcer, rule, &[role]));
            assert_eq!(allowed, expected, "{rule} under {file}");
        }
    }
}

#[test]
fn overriding_admin_api_makes_nobody_an_administrator() {
    let enforcer = nova(json!({ "admin_api": "@", "admin_or_owner": "@" }));
    assert!(!allows(&enforcer, SHOW, &["member"]));
    assert!(!allows(&enforcer, LIVE, &["member"]));
}

#[test]
fn old_defaults_count_unless_new_ones_are_enforced() {
    let lenient = Settings {
        enforce_new_defaults: false,
        ..Settings::default()
    };
    let rule = "os_compute_api:os-instance-actions:list";
    assert!(!allows(&nova(json!({})), rule, &["member"]));
    assert!(allows(&nova_with(json!({}), &lenient), rule, &["member"]));
    assert!(!allows(
        &nova_with(json!({ rule: "role:reader" }), &lenient),
        rule,
        &["member"]
    ));
}

#[test]
fn who_is_an_administrator_follows_the_file() {
    let enforcer = nova(json!({ "context_is_admin": "role:operator" }));
    assert!(allows(&enforcer, SHOW, &["operator"]));
    assert!(!allows(&enforcer, SHOW, &["admin"]));
}

#[test]
fn who_is_an_administrator_is_asked_before_it_is_known() {
    let enforcer = nova(json!({ "context_is_admin": "is_admin:True or is_admin:False" }));
    let credentials = Credentials::from(identity(&["admin"]));
    assert!(!enforcer.is_admin(&credentials));
    assert!(!enforcer.is_admin(&credentials.with_is_admin(true)));
}

#[test]
fn what_is_odd_is_found() {
    let file = json!({
        "garbled": "role:a role:b",
        "half": [["role:a", "nonsense"]],
        "lost": "not rule:nowhere",
        "round": "@ or rule:round",
        "towards": "rule:round",
        "os_compute_api:os-services": "@",
    });
    let findings: Vec<String> = nova(file)
        .findings()
        .iter()
        .map(ToString::to_string)
        .collect();
    for expected in [
        "policy rule garbled: not understood, so it denies: role:a role:b",
        "policy rule half: not understood, so it denies: nonsense",
        "policy rule lost refers to nowhere, which does not exist",
        "policy rule round leads into a circle of references",
        "policy rule towards leads into a circle of references",
        "policy rule os_compute_api:os-services is deprecated in favor of os_compute_api:os-services:list",
    ] {
        assert!(
            findings.iter().any(|found| found == expected),
            "{expected}: {findings:#?}"
        );
    }
    assert_eq!(findings.len(), 8, "{findings:#?}");
}

#[test]
fn a_rule_that_is_its_own_predecessor_keeps_its_override() {
    let old = DeprecatedRule {
        name: "r",
        check: "@",
        since: None,
    };
    let defaults = [RuleDefault::new("r", "!", "").replacing(old)];
    let lenient = Settings {
        enforce_new_defaults: false,
        ..Settings::default()
    };
    let credentials = Credentials::from(identity(&[]));
    for (file, settings, allowed) in [
        (json!({}), &lenient, true),
        (json!({}), &Settings::default(), false),
        (json!({ "r": "role:gone" }), &lenient, false),
    ] {
        let enforcer = Enforcer::new(&defaults, &Overrides::read(&file).unwrap(), settings);
        assert_eq!(
            enforcer
                .decide("r", &credentials, &Target::empty())
                .is_allowed(),
            allowed
        );
    }
}

/// Answers as told, and keeps what it was asked.
#[derive(Default)]
struct Service {
    answer: Option<&'static str>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl RemoteCheck for Service {
    fn post(&self, question: &RemoteQuestion<'_>) -> Result<String, RemoteFailure> {
        let [rule, target, credentials] = question.form();
        assert_eq!(
            (rule.0, target.0, credentials.0),
            ("rule", "target", "credentials")
        );
        let parts =
            [rule.1, target.1, credentials.1].map(|part| serde_json::from_str(&part).unwrap());
        let [rule, target, credentials]: [Value; 3] = parts;
        let form = json!({ "rule": rule, "target": target, "credentials": credentials });
        assert_eq!(form, question.json());
        self.asked
            .lock()
            .unwrap()
            .push((question.url.to_owned(), form));
        self.answer
            .map(str::to_owned)
            .ok_or_else(|| RemoteFailure("no answer".into()))
    }
}

#[test]
fn remote_checks_are_asked_through_the_caller() {
    let file = json!({ SHOW: "rule:elsewhere", "elsewhere": "http://host/%(project_id)s" });
    for (answer, expected) in [
        (Some("\"True\""), Decision::Allowed),
        (
            Some("False"),
            Decision::Denied {
                rule: SHOW.into(),
                fault: None,
            },
        ),
        (
            None,
            Decision::Denied {
                rule: SHOW.into(),
                fault: Some(Fault::Remote("no answer".into())),
            },
        ),
    ] {
        let service = Arc::new(Service {
            answer,
            ..Service::default()
        });
        let enforcer = nova(file.clone()).with_remote(Arc::clone(&service) as Arc<dyn RemoteCheck>);
        let credentials = request(&enforcer, identity(&["member"]));
        let decision = enforcer
            .enforce(SHOW, &credentials, &Target::of_project(Some("p")))
            .unwrap();
        assert_eq!(decision, expected);

        let asked = service.asked.lock().unwrap();
        let [(url, form)] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert_eq!(url, "http://host/p");
        assert_eq!(
            form["rule"], SHOW,
            "the rule that is enforced, not the one it refers to"
        );
        assert_eq!(form["target"], json!({ "project_id": "p" }));
        assert_eq!(form["credentials"], credentials.to_json());
        assert!(enforcer.asks_remote(SHOW) && !enforcer.asks_remote(LIVE));
    }
}
