//! Answers questions of policy over standard input and output, so that other implementations can
//! be compared with this one.
//!
//! Each line of input is a JSON object: a policy and questions about it.
//! ```text
//! {"defaults": [{"name", "check", "scope_types", "replaces": {"name", "check"}}] or "nova",
//!  "file": {name: rule}, "enforce_new_defaults": bool, "default_rule": text,
//!  "cases": [{"rule", "credentials", "target", "decide_admin": bool}]}
//! ```
//! Each line of output is a list with an answer per question: `outcome` is `allowed`, `denied`,
//! `scope` or `fault`; `asked` lists what a remote service was asked. That service is a pretence:
//! it answers with what the URL has behind `?answer=`, and not at all if that is `nothing`.
//! `evaluate --registry` prints the registered rules instead.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

use godwit_policy::{
    Credentials, Decision, DeprecatedRule, Enforcer, Overrides, RemoteCheck, RemoteFailure,
    RemoteQuestion, RuleDefault, Scope, Settings, Target, registry,
};
use serde_json::{Value, json};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    if std::env::args().any(|argument| argument == "--registry") {
        println!("{}", registry_json());
        return Ok(());
    }
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let policy: Value = serde_json::from_str(&line?)?;
        writeln!(output, "{}", answer(&policy)?)?;
    }
    Ok(())
}

fn answer(policy: &Value) -> Result<Value, Failure> {
    let defaults = defaults(&policy["defaults"])?;
    let settings = Settings {
        enforce_new_defaults: policy["enforce_new_defaults"].as_bool().unwrap_or(true),
        default_rule: text(&policy["default_rule"])?.to_owned(),
    };
    let pretence = Arc::new(Pretence::default());
    let enforcer = Enforcer::new(&defaults, &Overrides::read(&policy["file"])?, &settings)
        .with_remote(Arc::clone(&pretence) as Arc<dyn RemoteCheck>);
    let cases = policy["cases"].as_array().ok_or("cases must be a list")?;
    let answers: Result<Vec<Value>, Failure> = cases
        .iter()
        .map(|case| answer_case(&enforcer, &pretence, case))
        .collect();
    Ok(Value::Array(answers?))
}

fn answer_case(enforcer: &Enforcer, pretence: &Pretence, case: &Value) -> Result<Value, Failure> {
    let mut credentials = Credentials::from_json(case["credentials"].clone())?;
    if case["decide_admin"] == true {
        let is_admin = enforcer.is_admin(&credentials);
        credentials = credentials.with_is_admin(is_admin);
        pretence.take();
    }
    let target = case["target"]
        .as_object()
        .ok_or("a target must be a mapping")?;
    let target = Target::from(target.clone());
    let outcome = match enforcer.decide(text(&case["rule"])?, &credentials, &target) {
        Decision::Allowed => "allowed",
        Decision::Denied { fault: None, .. } => "denied",
        Decision::Denied { fault: Some(_), .. } => "fault",
        Decision::WrongScope { .. } => "scope",
    };
    Ok(json!({ "outcome": outcome, "asked": pretence.take() }))
}

fn defaults(value: &Value) -> Result<Vec<RuleDefault<'_>>, Failure> {
    if value == "nova" {
        return Ok(registry::RULES.to_vec());
    }
    let list = value.as_array().ok_or("defaults must be a list")?;
    list.iter().map(rule_default).collect()
}

fn rule_default(value: &Value) -> Result<RuleDefault<'_>, Failure> {
    let mut rule = RuleDefault::new(text(&value["name"])?, text(&value["check"])?, "");
    rule = match value["scope_types"][0].as_str() {
        None => rule,
        Some("project") => rule.scoped(&[Scope::Project]),
        Some("domain") => rule.scoped(&[Scope::Domain]),
        Some("system") => rule.scoped(&[Scope::System]),
        Some(other) => return Err(format!("no such scope: {other}").into()),
    };
    let replaces = &value["replaces"];
    if replaces.is_null() {
        return Ok(rule);
    }
    let (name, check) = (text(&replaces["name"])?, text(&replaces["check"])?);
    Ok(rule.replacing(DeprecatedRule {
        name,
        check,
        since: None,
    }))
}

fn text(value: &Value) -> Result<&str, Failure> {
    value
        .as_str()
        .ok_or_else(|| format!("not a text: {value}").into())
}

fn registry_json() -> Value {
    registry::RULES
        .iter()
        .map(|rule| {
            let scopes: Vec<&str> = rule
                .scope_types
                .iter()
                .map(|scope| scope.as_str())
                .collect();
            let replaces = rule
                .replaces
                .map(|old| json!({ "name": old.name, "check": old.check }));
            json!({
                "name": rule.name,
                "check": rule.check,
                "scope_types": scopes,
                "replaces": replaces,
            })
        })
        .collect()
}

/// A remote service that needs no network.
#[derive(Default)]
struct Pretence {
    asked: Mutex<Vec<Value>>,
}

impl Pretence {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RemoteCheck for Pretence {
    fn post(&self, question: &RemoteQuestion<'_>) -> Result<String, RemoteFailure> {
        let mut asked = question.json();
        asked["url"] = question.url.into();
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        match question.url.split_once("?answer=") {
            Some((_, "nothing")) | None => Err(RemoteFailure("no answer".into())),
            Some((_, answer)) => Ok(answer.to_owned()),
        }
    }
}
