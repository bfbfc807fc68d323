//! Turns tokens into a syntax tree by shifting and greedily reducing.
//!
//! A conventional grammar would accept the same sensible rules, but oslo.policy reduces greedily
//! on a stack, and on odd input the two part ways. The reductions are therefore the same ones:
//!
//! ```text
//! ( check | and | or )  → check          or  and check → or, the last one bound by and
//! check and check       → and            check or check → or
//! and   and check       → and            and   or check → or
//! not check             → check          or    or check → or
//! ```
//!
//! A rule that does not end as one symbol denies.

use std::mem::replace;

use serde_json::Value;

use crate::expr::Expr;
use crate::lexer::{Token, lex};

/// Symbols that may wait on the stack. It bounds how deep a tree can get: a rule that needs more
/// is refused as unreadable, so that no recursion over a tree can exhaust the stack.
const MAX_PENDING: usize = 256;

/// A rule that was read, and what of it made no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) expr: Expr,
    /// The texts that were not understood; each denies where it stands.
    pub(crate) misread: Vec<String>,
}

/// Reads a rule in the language. The empty text allows.
pub(crate) fn parse_text(rule: &str) -> Parsed {
    let mut misread = Vec::new();
    if rule.is_empty() {
        return Parsed {
            expr: Expr::Always,
            misread,
        };
    }
    let mut stack = Vec::new();
    for token in lex(rule) {
        stack.push(shift(token, &mut misread));
        while reduce(&mut stack) {}
        if stack.len() > MAX_PENDING {
            break;
        }
    }
    let expr = match <[Symbol; 1]>::try_from(stack) {
        Ok([Symbol::Check(expr)]) => expr,
        Ok([Symbol::All(parts)]) => Expr::All(parts),
        Ok([Symbol::Any(parts)]) => Expr::Any(parts),
        _ => {
            misread = vec![rule.to_owned()];
            Expr::Never
        }
    };
    Parsed { expr, misread }
}

/// Reads the old list form: the outer list means `or`, an inner one `and`, and a text within the
/// outer list is one check. `None` when an item is neither.
pub(crate) fn parse_list(rule: &[Value]) -> Option<Parsed> {
    let mut misread = Vec::new();
    if rule.is_empty() {
        return Some(Parsed {
            expr: Expr::Always,
            misread,
        });
    }
    let mut alternatives = Vec::new();
    for item in rule {
        let inner = match item {
            Value::String(_) => std::slice::from_ref(item),
            Value::Array(inner) => inner.as_slice(),
            _ => return None,
        };
        if matches!(inner, []) || *item == "" {
            continue;
        }
        let checks = inner
            .iter()
            .map(|check| read_item(check, &mut misread))
            .collect();
        alternatives.push(join(checks, Expr::All));
    }
    let expr = if alternatives.is_empty() {
        Expr::Never
    } else {
        join(alternatives, Expr::Any)
    };
    Some(Parsed { expr, misread })
}

fn read_item(item: &Value, misread: &mut Vec<String>) -> Expr {
    item.as_str().and_then(Expr::read_check).unwrap_or_else(|| {
        misread.push(
            item.as_str()
                .map_or_else(|| item.to_string(), str::to_owned),
        );
        Expr::Never
    })
}

fn join(mut parts: Vec<Expr>, joined: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        joined(parts)
    }
}

enum Symbol {
    Open,
    Close,
    And,
    Or,
    Not,
    Quoted,
    Check(Expr),
    All(Vec<Expr>),
    Any(Vec<Expr>),
}

fn shift(token: Token<'_>, misread: &mut Vec<String>) -> Symbol {
    match token {
        Token::Open => Symbol::Open,
        Token::Close => Symbol::Close,
        Token::And => Symbol::And,
        Token::Or => Symbol::Or,
        Token::Not => Symbol::Not,
        Token::Quoted => Symbol::Quoted,
        Token::Check(text) => Symbol::Check(Expr::read_check(text).unwrap_or_else(|| {
            misread.push(text.to_owned());
            Expr::Never
        })),
    }
}

/// Applies the one reduction that fits the top of the stack, if any does.
fn reduce(stack: &mut Vec<Symbol>) -> bool {
    use Symbol::{All, And, Any, Check, Close, Not, Open, Or};
    let (consumed, reduced) = match stack.as_mut_slice() {
        [.., Open, Check(inner), Close] => (3, Check(take(inner))),
        [.., Open, All(inner), Close] => (3, Check(Expr::All(std::mem::take(inner)))),
        [.., Open, Any(inner), Close] => (3, Check(Expr::Any(std::mem::take(inner)))),
        [.., Check(left), And, Check(right)] => (3, All(vec![take(left), take(right)])),
        [.., All(parts), And, Check(right)] => (3, All(extended(parts, right))),
        [.., Any(parts), And, Check(right)] => (3, Any(last_bound(parts, right))),
        [.., Check(left), Or, Check(right)] => (3, Any(vec![take(left), take(right)])),
        [.., All(parts), Or, Check(right)] => {
            (3, Any(vec![Expr::All(std::mem::take(parts)), take(right)]))
        }
        [.., Any(parts), Or, Check(right)] => (3, Any(extended(parts, right))),
        [.., Not, Check(inner)] => (2, Check(Expr::Not(Box::new(take(inner))))),
        _ => return false,
    };
    stack.truncate(stack.len() - consumed);
    stack.push(reduced);
    true
}

fn take(expr: &mut Expr) -> Expr {
    replace(expr, Expr::Never)
}

fn extended(parts: &mut Vec<Expr>, right: &mut Expr) -> Vec<Expr> {
    let mut parts = std::mem::take(parts);
    parts.push(take(right));
    parts
}

/// `A or B and C`: the `and` takes the last alternative along.
fn last_bound(parts: &mut Vec<Expr>, right: &mut Expr) -> Vec<Expr> {
    let mut parts = std::mem::take(parts);
    let bound = match parts.pop() {
        Some(Expr::All(mut inner)) => {
            inner.push(take(right));
            inner
        }
        Some(last) => vec![last, take(right)],
        None => vec![take(right)],
    };
    parts.push(Expr::All(bound));
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str) -> Expr {
        Expr::read_check(text).unwrap()
    }

    fn parsed(rule: &str) -> Expr {
        parse_text(rule).expr
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let expected = Expr::Any(vec![
            check("a:1"),
            Expr::All(vec![check("b:1"), check("c:1")]),
            check("d:1"),
        ]);
        assert_eq!(parsed("a:1 or b:1 and c:1 or d:1"), expected);
    }

    #[test]
    fn not_takes_the_next_check_or_group_only() {
        let not_a = Expr::Not(Box::new(check("a:1")));
        assert_eq!(
            parsed("not a:1 and b:1"),
            Expr::All(vec![not_a, check("b:1")])
        );
        let group = Expr::Any(vec![check("a:1"), check("b:1")]);
        assert_eq!(parsed("not (a:1 or b:1)"), Expr::Not(Box::new(group)));
    }

    #[test]
    fn the_empty_rule_allows_and_blanks_deny() {
        assert_eq!(parsed(""), Expr::Always);
        assert_eq!(parsed("  "), Expr::Never);
    }

    #[test]
    fn what_does_not_reduce_denies_as_a_whole() {
        for rule in [
            "a:1 b:1",
            "and",
            "(a:1",
            "a:1)",
            "not",
            "a:1 or",
            "()",
            "'a:1'",
            "a:1 or 'x'",
        ] {
            let parsed = parse_text(rule);
            assert_eq!(parsed.expr, Expr::Never, "{rule}");
            assert_eq!(parsed.misread, [rule]);
        }
    }

    #[test]
    fn a_check_without_a_colon_denies_where_it_stands() {
        let parsed = parse_text("admin or @");
        assert_eq!(parsed.expr, Expr::Any(vec![Expr::Never, Expr::Always]));
        assert_eq!(parsed.misread, ["admin"]);
    }

    #[test]
    fn nesting_without_end_denies() {
        let deep = format!("{}@{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(parsed(&deep), Expr::Never);
        assert_eq!(parsed(&format!("{}@", "not ".repeat(100_000))), Expr::Never);
    }

    #[test]
    fn a_long_flat_rule_is_no_deep_one() {
        let long = vec!["role:a"; 10_000].join(" or ");
        assert!(matches!(parsed(&long), Expr::Any(parts) if parts.len() == 10_000));
    }

    #[test]
    fn the_list_form() {
        let list = |value: Value| parse_list(value.as_array().unwrap());
        let expr = |value: Value| list(value).unwrap().expr;
        assert_eq!(expr(json!([])), Expr::Always);
        assert_eq!(expr(json!([[]])), Expr::Never);
        assert_eq!(expr(json!([""])), Expr::Never);
        assert_eq!(expr(json!(["a:1"])), check("a:1"));
        assert_eq!(
            expr(json!([["a:1", "b:1"], "c:1"])),
            Expr::Any(vec![
                Expr::All(vec![check("a:1"), check("b:1")]),
                check("c:1")
            ])
        );
        assert_eq!(
            expr(json!([["a:1", 5]])),
            Expr::All(vec![check("a:1"), Expr::Never])
        );
        assert_eq!(list(json!([5])), None);
    }
}
