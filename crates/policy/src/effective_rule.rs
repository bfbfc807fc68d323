//! What a registered rule comes down to when a policy file does not name it.

use crate::expr::Expr;
use crate::overrides::Overrides;
use crate::parser::{Parsed, parse_text};
use crate::rule_default::RuleDefault;

/// The rule in force for `default`, which `overrides` does not name: as a rule its default, but
/// one that took another's place inherits.
pub(crate) fn effective_rule(
    default: &RuleDefault<'_>,
    overrides: &Overrides,
    enforce_new_defaults: bool,
) -> Parsed {
    let new = parse_text(default.check);
    let Some(replaced) = &default.replaces else {
        return new;
    };
    let old = parse_text(replaced.check);
    if let Some(inherited) = inherited(default, overrides, &old.expr) {
        return inherited.clone();
    }
    if enforce_new_defaults || replaced.check == default.check {
        return new;
    }
    let misread = [new.misread, old.misread].concat();
    Parsed {
        expr: Expr::Any(vec![new.expr, old.expr]),
        misread,
    }
}

/// An override of the replaced rule counts for its successor if it changes anything: it is neither
/// what held before, nor a mere reference to the successor (as sample files suggest).
fn inherited<'a>(
    default: &RuleDefault<'_>,
    overrides: &'a Overrides,
    old: &Expr,
) -> Option<&'a Parsed> {
    let replaced = default
        .replaces
        .filter(|replaced| replaced.name != default.name)?;
    let written = overrides.rules.get(replaced.name)?;
    let changes = written.expr != *old && !written.expr.is_reference_to(default.name);
    changes.then_some(written)
}
