//! The syntax tree of a rule, before names are resolved and substitutions are prepared.
//!
//! It is kept apart from the compiled form because the handling of deprecated rules compares rules
//! for equality, and equality is a matter of what was written.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    /// `@`, and the empty rule.
    Always,
    /// `!`, and whatever could not be understood.
    Never,
    Not(Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    /// `kind:operand`, split at the first colon.
    Check {
        kind: String,
        operand: String,
    },
}

impl Expr {
    /// Reads one check: `@`, `!` or `kind:operand`. `None` when it is none of these.
    pub(crate) fn read_check(text: &str) -> Option<Self> {
        match text {
            "@" => return Some(Self::Always),
            "!" => return Some(Self::Never),
            _ => {}
        }
        let (kind, operand) = text.split_once(':')?;
        // Nova's own check keeps nothing of its operand but whether it says true.
        let operand = match kind {
            "is_admin" if operand.to_lowercase() == "true" => "True",
            "is_admin" => "False",
            _ => operand,
        };
        Some(Self::Check {
            kind: kind.to_owned(),
            operand: operand.to_owned(),
        })
    }

    /// Whether this is nothing but a reference to the rule `name`.
    pub(crate) fn is_reference_to(&self, name: &str) -> bool {
        matches!(self, Self::Check { kind, operand } if kind == "rule" && operand == name)
    }
}
