//! Evaluation of compiled checks.
//!
//! A check holds, does not hold, or cannot be told: a [`Fault`]. Faults end the whole evaluation,
//! as an exception does in oslo.policy, with one exception that it has too: a missing value within
//! a referenced rule makes that reference false.

use std::borrow::Cow;
use std::cell::Cell;

use crate::check::{Check, RuleId};
use crate::credentials::Credentials;
use crate::decision::Fault;
use crate::python::percent::{Template, Unrenderable};
use crate::remote::{RemoteCheck, RemoteQuestion, allows};
use crate::target::Target;

/// How deep checks and references may nest, all in all. Python gives up at about this depth.
const MAX_DEPTH: usize = 450;

/// How many checks one decision may take. Without it, rules that each refer twice to the next
/// would take time that doubles with every rule.
const MAX_STEPS: usize = 100_000;

/// One question, and what is needed to answer it.
pub(crate) struct Evaluation<'a> {
    rules: &'a [Check],
    rule: &'a str,
    credentials: &'a Credentials,
    target: &'a Target,
    remote: Option<&'a dyn RemoteCheck>,
    steps: Cell<usize>,
}

/// Where an evaluation is: the rules that it is inside of.
#[derive(Clone, Copy)]
struct Frame<'s> {
    rule: RuleId,
    /// How deep it is in checks and rules.
    depth: usize,
    outer: Option<&'s Frame<'s>>,
}

impl Frame<'_> {
    const fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }

    fn is_inside(&self, rule: RuleId) -> bool {
        self.rule == rule || self.outer.is_some_and(|outer| outer.is_inside(rule))
    }
}

impl<'a> Evaluation<'a> {
    /// `rule` is the name that remote services are told.
    pub(crate) const fn new(
        rules: &'a [Check],
        rule: &'a str,
        credentials: &'a Credentials,
        target: &'a Target,
        remote: Option<&'a dyn RemoteCheck>,
    ) -> Self {
        Self {
            rules,
            rule,
            credentials,
            target,
            remote,
            steps: Cell::new(0),
        }
    }

    pub(crate) fn holds(&self, rule: RuleId) -> Result<bool, Fault> {
        self.check(
            &self.rules[rule.0],
            Frame {
                rule,
                depth: 0,
                outer: None,
            },
        )
    }

    fn check(&self, check: &'a Check, frame: Frame<'_>) -> Result<bool, Fault> {
        self.count_step(frame)?;
        match check {
            Check::Constant(holds) => Ok(*holds),
            Check::Not(inner) => self.check(inner, frame.deeper()).map(|holds| !holds),
            Check::All(checks) => self.first(checks, false, frame).map(|found| !found),
            Check::Any(checks) => self.first(checks, true, frame),
            Check::Rule(rule) => self.reference(*rule, &frame),
            Check::Role(role) => Ok(self.render(role)?.is_some_and(|role| self.has_role(&role))),
            Check::IsAdmin(wanted) => {
                let flag = self.credentials.admin_flag().ok_or(Fault::MissingValue)?;
                Ok(flag == wanted)
            }
            Check::Remote(url) => self.ask(&self.render(url)?.ok_or(Fault::MissingValue)?),
            Check::Compare { left, right } => match self.render(right)? {
                Some(right) => left.equals(&right, self.credentials.attributes()),
                None => Ok(false),
            },
        }
    }

    /// Whether any of `checks` is `wanted`; those behind the first are not looked at.
    fn first(&self, checks: &'a [Check], wanted: bool, frame: Frame<'_>) -> Result<bool, Fault> {
        for check in checks {
            if self.check(check, frame.deeper())? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn reference(&self, rule: RuleId, frame: &Frame<'_>) -> Result<bool, Fault> {
        if frame.is_inside(rule) {
            // Nothing changes on the way round, so there is no end to it.
            return Err(Fault::Circular);
        }
        let inside = Frame {
            rule,
            depth: frame.depth + 1,
            outer: Some(frame),
        };
        match self.check(&self.rules[rule.0], inside) {
            Err(Fault::MissingValue) => Ok(false),
            result => result,
        }
    }

    fn count_step(&self, frame: Frame<'_>) -> Result<(), Fault> {
        if frame.depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > MAX_STEPS {
            Err(Fault::TooLong)
        } else {
            Ok(())
        }
    }

    /// The template filled in, or `None` when the target lacks a key.
    fn render(&self, template: &'a Template) -> Result<Option<Cow<'a, str>>, Fault> {
        match template.render(self.target.as_json()) {
            Ok(text) => Ok(Some(text)),
            Err(Unrenderable::MissingKey) => Ok(None),
            Err(Unrenderable::Malformed) => Err(Fault::MalformedSubstitution),
        }
    }

    fn has_role(&self, role: &str) -> bool {
        if role
            .bytes()
            .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
        {
            self.credentials.has_role(role)
        } else {
            self.credentials.has_role(&role.to_lowercase())
        }
    }

    fn ask(&self, url: &str) -> Result<bool, Fault> {
        let remote = self
            .remote
            .ok_or_else(|| Fault::Remote("none are configured".into()))?;
        let Self {
            rule,
            target,
            credentials,
            ..
        } = *self;
        remote
            .post(&RemoteQuestion {
                url,
                rule,
                target,
                credentials,
            })
            .map(|answer| allows(&answer))
            .map_err(|failure| Fault::Remote(failure.0))
    }
}
