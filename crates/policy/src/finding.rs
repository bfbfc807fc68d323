//! What is worth telling an operator about a policy.

/// Something odd in a policy. None of it is an error: the policy works, and denies where it makes
/// no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Finding {
    /// A rule, or a check in it, is not of the language, and denies.
    #[error("policy rule {rule}: not understood, so it denies: {text}")]
    NotUnderstood { rule: String, text: String },
    /// A rule refers to one that does not exist, which denies.
    #[error("policy rule {rule} refers to {reference}, which does not exist")]
    Undefined {
        rule: String,
        /// The name that nothing stands for.
        reference: String,
    },
    /// A rule goes in circles, and denies when it comes round.
    #[error("policy rule {rule} leads into a circle of references")]
    Circular { rule: String },
    /// A policy file overrides a rule whose place another took.
    #[error("policy rule {name} is deprecated in favor of {successor}")]
    Deprecated {
        /// The name in the file.
        name: String,
        /// The rule that took its place.
        successor: String,
    },
}
