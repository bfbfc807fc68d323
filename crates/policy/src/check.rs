//! The compiled form of a rule: names are resolved, templates and left sides are read.

use crate::left_side::LeftSide;
use crate::python::percent::Template;

/// The place of a rule in its enforcer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleId(pub(crate) usize);

#[derive(Debug)]
pub(crate) enum Check {
    Constant(bool),
    Not(Box<Check>),
    All(Box<[Check]>),
    Any(Box<[Check]>),
    /// `rule:name`, resolved; unknown names have become the default rule or a constant.
    Rule(RuleId),
    Role(Template),
    IsAdmin(bool),
    /// `http:` or `https:`, with the template of the whole URL.
    Remote(Template),
    /// Anything else: the left side compared with the right one.
    Compare {
        left: LeftSide,
        right: Template,
    },
}

impl Check {
    /// Calls `visit` on this check and on each one in it.
    pub(crate) fn walk(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        match self {
            Self::Not(inner) => inner.walk(visit),
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.walk(visit));
            }
            Self::Constant(_)
            | Self::Rule(_)
            | Self::Role(_)
            | Self::IsAdmin(_)
            | Self::Remote(_)
            | Self::Compare { .. } => {}
        }
    }
}
