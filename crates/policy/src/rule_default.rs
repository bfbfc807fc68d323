//! How a rule is registered in code.

use crate::scope::Scope;

/// A rule that the service enforces, with what holds unless a policy file says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleDefault<'a> {
    /// The full name.
    pub name: &'a str,
    /// The rule itself, in the policy language.
    pub check: &'a str,
    /// What it decides, for operators.
    pub description: &'a str,
    /// The scopes that a token must be of. Empty: any.
    pub scope_types: &'a [Scope],
    /// The rule whose place it took.
    pub replaces: Option<DeprecatedRule<'a>>,
    /// The release since which it is to go away itself.
    pub deprecated_since: Option<&'a str>,
}

/// What used to decide in place of a registered rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeprecatedRule<'a> {
    /// Its name. If a policy file still overrides it, and not its successor, the override counts
    /// for the successor.
    pub name: &'a str,
    /// Its default. Added to that of the successor unless new defaults are enforced.
    pub check: &'a str,
    /// The release since which it is deprecated, where that was announced.
    pub since: Option<&'a str>,
}

impl<'a> RuleDefault<'a> {
    /// A rule for tokens of any scope, that took no other's place.
    #[must_use]
    pub const fn new(name: &'a str, check: &'a str, description: &'a str) -> Self {
        let (scope_types, replaces, deprecated_since) = (&[] as &[Scope], None, None);
        Self {
            name,
            check,
            description,
            scope_types,
            replaces,
            deprecated_since,
        }
    }

    /// The rule, for tokens of these scopes only.
    #[must_use]
    pub const fn scoped(self, scope_types: &'a [Scope]) -> Self {
        Self {
            scope_types,
            ..self
        }
    }

    /// The rule, as the successor of another.
    #[must_use]
    pub const fn replacing(self, replaced: DeprecatedRule<'a>) -> Self {
        Self {
            replaces: Some(replaced),
            ..self
        }
    }

    /// The rule, deprecated since a release.
    #[must_use]
    pub const fn deprecated(self, since: &'a str) -> Self {
        Self {
            deprecated_since: Some(since),
            ..self
        }
    }
}
