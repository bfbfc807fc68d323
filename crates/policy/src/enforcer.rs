//! The rules in force, and the decisions they make.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::check::{Check, RuleId};
use crate::compile::compile;
use crate::credentials::Credentials;
use crate::decision::Decision;
use crate::effective_rule::effective_rule;
use crate::evaluate::Evaluation;
use crate::finding::Finding;
use crate::overrides::Overrides;
use crate::parser::Parsed;
use crate::references::{circular, remote};
use crate::registry::CONTEXT_IS_ADMIN;
use crate::remote::RemoteCheck;
use crate::rule_default::RuleDefault;
use crate::scope::Scope;
use crate::target::Target;

/// The options that change what rules mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether the defaults of replaced rules no longer count.
    pub enforce_new_defaults: bool,
    /// The rule that stands in for one that does not exist. Empty: none.
    pub default_rule: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enforce_new_defaults: true,
            default_rule: "default".into(),
        }
    }
}

/// A rule was to be enforced that nobody registered: a mistake in the code that asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy rule {0} is not registered")]
pub struct UnregisteredRule(pub String);

/// A policy: the registered rules with an operator's overrides. It never changes; when a file
/// does, build another one.
pub struct Enforcer {
    checks: Vec<Check>,
    /// For each check, whether it can come to a remote one.
    remote_checks: Vec<bool>,
    ids: HashMap<String, RuleId>,
    /// What an unknown name stands for.
    default_rule: Option<RuleId>,
    /// The scopes of the registered rules.
    scopes: HashMap<String, Box<[Scope]>>,
    remote: Option<Arc<dyn RemoteCheck>>,
    findings: Vec<Finding>,
}

impl Enforcer {
    /// The policy that `defaults`, each with a name of its own, and `overrides` make.
    #[must_use]
    pub fn new(defaults: &[RuleDefault<'_>], overrides: &Overrides, settings: &Settings) -> Self {
        let mut rules: BTreeMap<&str, Parsed> = BTreeMap::new();
        for default in defaults
            .iter()
            .filter(|it| !overrides.rules.contains_key(it.name))
        {
            rules.insert(
                default.name,
                effective_rule(default, overrides, settings.enforce_new_defaults),
            );
        }
        rules.extend(
            overrides
                .rules
                .iter()
                .map(|(name, rule)| (name.as_str(), rule.clone())),
        );

        let ids: HashMap<String, RuleId> = rules
            .keys()
            .enumerate()
            .map(|(id, name)| ((*name).to_owned(), RuleId(id)))
            .collect();
        let default_rule = Some(settings.default_rule.as_str()).filter(|name| !name.is_empty());
        let default_rule = default_rule.and_then(|name| ids.get(name).copied());
        let resolve = |name: &str| ids.get(name).copied().or(default_rule);

        let mut findings = deprecated(defaults, overrides);
        let mut checks = Vec::with_capacity(rules.len());
        for (name, Parsed { expr, misread }) in &rules {
            let mut unknown = Vec::new();
            checks.push(compile(expr, &resolve, &mut unknown));
            let rule = || (*name).to_owned();
            findings.extend(misread.iter().map(|text| Finding::NotUnderstood {
                rule: rule(),
                text: text.clone(),
            }));
            findings.extend(unknown.into_iter().map(|reference| Finding::Undefined {
                rule: rule(),
                reference,
            }));
        }
        let circles = circular(&checks);
        let circular_rules = rules.keys().zip(circles).filter(|(_, circular)| *circular);
        findings.extend(circular_rules.map(|(rule, _)| Finding::Circular {
            rule: (*rule).to_owned(),
        }));

        let scopes = defaults
            .iter()
            .map(|it| (it.name.to_owned(), it.scope_types.into()))
            .collect();
        Self {
            remote_checks: remote(&checks),
            checks,
            ids,
            default_rule,
            scopes,
            remote: None,
            findings,
        }
    }

    /// The same policy, with `remote` to carry its remote checks. Without one they are faults.
    #[must_use]
    pub fn with_remote(mut self, remote: Arc<dyn RemoteCheck>) -> Self {
        self.remote = Some(remote);
        self
    }

    /// Whether `rule` allows the bearer of `credentials` to act on `target`.
    ///
    /// # Errors
    /// When the rule is not registered.
    pub fn enforce(
        &self,
        rule: &str,
        credentials: &Credentials,
        target: &Target,
    ) -> Result<Decision, UnregisteredRule> {
        if !self.scopes.contains_key(rule) {
            return Err(UnregisteredRule(rule.to_owned()));
        }
        Ok(self.decide(rule, credentials, target))
    }

    /// The same for any name: a rule that only a policy file knows is as good as a registered
    /// one, and the default rule stands in for one that does not exist.
    pub fn decide(&self, rule: &str, credentials: &Credentials, target: &Target) -> Decision {
        let denied = |fault| Decision::Denied {
            rule: rule.to_owned(),
            fault,
        };
        let Some(id) = self.resolve(rule) else {
            return denied(None);
        };
        let scope = credentials.scope();
        if !self
            .scopes
            .get(rule)
            .is_none_or(|scopes| scopes.is_empty() || scopes.contains(&scope))
        {
            return Decision::WrongScope {
                rule: rule.to_owned(),
                scope,
            };
        }
        let remote = self.remote.as_deref();
        let evaluation = Evaluation::new(&self.checks, rule, credentials, target, remote);
        match evaluation.holds(id) {
            Ok(true) => Decision::Allowed,
            Ok(false) => denied(None),
            Err(fault) => denied(Some(fault)),
        }
    }

    /// Whether the bearer of `credentials` is an administrator: whether `context_is_admin` holds
    /// for them, on what is their own. It is asked before `is_admin` is known, so a rule that
    /// asks for `is_admin` in turn does not hold, whatever the credentials say.
    #[must_use]
    pub fn is_admin(&self, credentials: &Credentials) -> bool {
        let own = |key| credentials.get(key).cloned().unwrap_or(Value::Null);
        let target = Target::empty()
            .with("project_id", own("project_id"))
            .with("user_id", own("user_id"));
        let decision = match credentials.get("is_admin") {
            Some(Value::Null) => self.decide(CONTEXT_IS_ADMIN, credentials, &target),
            _ => self.decide(CONTEXT_IS_ADMIN, &credentials.clone().undecided(), &target),
        };
        decision.is_allowed()
    }

    /// Whether enforcing `rule` can ask another service, and so block.
    #[must_use]
    pub fn asks_remote(&self, rule: &str) -> bool {
        self.resolve(rule)
            .is_some_and(|id| self.remote_checks[id.0])
    }

    /// What is odd in this policy, for the log.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn resolve(&self, rule: &str) -> Option<RuleId> {
        self.ids.get(rule).copied().or(self.default_rule)
    }
}

impl fmt::Debug for Enforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enforcer")
            .field("rules", &self.ids.len())
            .finish_non_exhaustive()
    }
}

fn deprecated(defaults: &[RuleDefault<'_>], overrides: &Overrides) -> Vec<Finding> {
    let registered = |name: &str| defaults.iter().any(|default| default.name == name);
    defaults
        .iter()
        .filter_map(|default| Some((default, default.replaces?)))
        .filter(|(_, old)| overrides.rules.contains_key(old.name) && !registered(old.name))
        .map(|(default, old)| Finding::Deprecated {
            name: old.name.to_owned(),
            successor: default.name.to_owned(),
        })
        .collect()
}
