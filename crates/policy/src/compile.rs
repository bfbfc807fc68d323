//! From syntax tree to compiled check.

use crate::check::{Check, RuleId};
use crate::expr::Expr;
use crate::left_side::LeftSide;
use crate::python::percent::Template;

/// Compiles `expr`. `resolve` finds the rule that a name stands for; names it does not know deny,
/// and are collected in `unknown`.
pub(crate) fn compile(
    expr: &Expr,
    resolve: &impl Fn(&str) -> Option<RuleId>,
    unknown: &mut Vec<String>,
) -> Check {
    let mut each = |parts: &[Expr]| -> Box<[Check]> {
        parts
            .iter()
            .map(|part| compile(part, resolve, unknown))
            .collect()
    };
    match expr {
        Expr::Always => Check::Constant(true),
        Expr::Never => Check::Constant(false),
        Expr::All(parts) => Check::All(each(parts)),
        Expr::Any(parts) => Check::Any(each(parts)),
        Expr::Not(inner) => Check::Not(Box::new(compile(inner, resolve, unknown))),
        Expr::Check { kind, operand } => match kind.as_str() {
            "rule" => resolve(operand).map_or_else(
                || {
                    unknown.push(operand.clone());
                    Check::Constant(false)
                },
                Check::Rule,
            ),
            "role" => Check::Role(Template::new(operand)),
            "is_admin" => Check::IsAdmin(operand == "True"),
            "http" | "https" => Check::Remote(Template::new(&format!("{kind}:{operand}"))),
            _ => Check::Compare {
                left: LeftSide::new(kind),
                right: Template::new(operand),
            },
        },
    }
}
