//! The answer to a question of policy.

use crate::scope::Scope;

/// What an enforcer decides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Go ahead.
    Allowed,
    /// The rule does not hold.
    Denied {
        /// The full name of the rule that was asked for.
        rule: String,
        /// Set when the rule could not be evaluated to its end. Clients see no difference;
        /// operators want it in the log, because oslo.policy would have raised.
        fault: Option<Fault>,
    },
    /// The rule was not even looked at: the token's scope is not among the rule's.
    WrongScope {
        /// The full name of the rule that was asked for.
        rule: String,
        /// The scope of the token.
        scope: Scope,
    },
}

impl Decision {
    /// Whether it is [`Decision::Allowed`].
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// Why a rule could not be evaluated to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A remote check's URL needs a key that the target lacks, or `is_admin` is not known.
    #[error("a value that the check needs is missing")]
    MissingValue,
    /// A `%` that is malformed, or does not fit the value.
    #[error("the right side of a check is malformed, or does not fit the target")]
    MalformedSubstitution,
    /// The left side of a check is nothing that Python could read.
    #[error("the left side of a check is unreadable")]
    UnreadableLeftSide,
    /// The left side of a check looks for a key in a credential that has none.
    #[error("the left side of a check looks into a credential that is no mapping")]
    NotAMapping,
    /// A rule refers back to itself.
    #[error("rules refer to each other in a circle")]
    Circular,
    /// Checks and references nest beyond reason.
    #[error("rules nest too deeply")]
    TooDeep,
    /// Rules refer to each other so often that evaluation would not end in time.
    #[error("the rule takes too many steps")]
    TooLong,
    /// A remote check got no answer.
    #[error("a remote check failed: {0}")]
    Remote(String),
}
