//! Decides what the left side of a check is to Python: a literal, some other expression, or
//! nothing it can read.
//!
//! The three lead to three behaviours: a literal is compared, an expression is a path into the
//! credentials, and the unreadable raises. So this is a recogniser of Python's expressions that
//! also knows the value of literals. Precedence does not matter to it, since whatever has an
//! operator is no literal. A left side never holds a colon, which leaves out slices, lambdas and
//! dictionaries with entries.
//!
//! Some of what Python reads counts as unreadable here, and so denies: sets of several items (they
//! have no order to print), keyword and starred arguments, comprehensions, `await` and `yield`,
//! characters by name, whole numbers beyond 128 bits in another base than ten, and line breaks. A
//! sum of a real and an imaginary number counts as an expression. No credential has such a name.

use super::cursor::Cursor;
use super::scan::{Constant, Quoted, number, quoted, quoted_prefix, repr_bytes};
use super::text::repr_text;

const MAX_DEPTH: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A literal, with what `str()` makes of it.
    Literal(String),
    /// A readable expression that is no literal.
    Expression,
    Unreadable,
}

pub(crate) fn read(source: &str) -> Reading {
    if source.contains('\0') {
        return Reading::Unreadable;
    }
    let mut reader = Reader {
        at: Cursor { rest: source },
        depth: 0,
    };
    match reader.whole() {
        Some(Some(constant)) => Reading::Literal(constant.str),
        Some(None) => Reading::Expression,
        None => Reading::Unreadable,
    }
}

/// A literal, or `None` for any other expression.
type Node = Option<Constant>;

struct Reader<'a> {
    at: Cursor<'a>,
    depth: usize,
}

/// Each method takes what its name says off the front; `None` is a syntax error.
impl Reader<'_> {
    fn whole(&mut self) -> Option<Node> {
        let (mut items, comma) = self.items("")?;
        self.at.peek().is_empty().then_some(())?;
        match (items.len(), comma) {
            (0, _) => None,
            (1, false) => items.pop(),
            _ => Some(tuple(items)),
        }
    }

    /// Expressions between commas, up to `close`; and whether a comma came last.
    fn items(&mut self, close: &str) -> Option<(Vec<Node>, bool)> {
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            let next = self.at.peek();
            if next.is_empty() || (!close.is_empty() && next.starts_with(close)) {
                return Some((items, comma));
            }
            items.push(self.expression()?);
            comma = self.at.eat(",");
            if !comma {
                return Some((items, comma));
            }
        }
    }

    /// `a if b else c`, or less.
    fn expression(&mut self) -> Option<Node> {
        let node = self.disjunction()?;
        if !self.at.eat_word("if") {
            return Some(node);
        }
        self.disjunction()?;
        self.at.eat_word("else").then_some(())?;
        self.nested(Self::expression)?;
        Some(None)
    }

    /// Operands joined by operators, `and` and `or`; behind these two and in front of all, any
    /// number of `not`. A literal is one operand with nothing else.
    fn disjunction(&mut self) -> Option<Node> {
        let mut alone = true;
        loop {
            while self.at.eat_word("not") {
                alone = false;
            }
            let node = self.operand()?;
            while self.operator() {
                self.operand()?;
                alone = false;
            }
            if !(self.at.eat_word("and") || self.at.eat_word("or")) {
                return Some(node.filter(|_| alone));
            }
            alone = false;
        }
    }

    fn operator(&mut self) -> bool {
        if self.at.eat_word("in") {
            return true;
        }
        if self.at.eat_word("is") {
            self.at.eat_word("not");
            return true;
        }
        let before = self.at;
        if self.at.eat_word("not") && self.at.eat_word("in") {
            return true;
        }
        self.at = before;
        self.at.eat_operator()
    }

    /// A primary behind any number of signs. One sign leaves a number a literal.
    fn operand(&mut self) -> Option<Node> {
        let mut signs = 0;
        let mut last = "";
        while let Some(sign) = ["+", "-", "~"].into_iter().find(|sign| self.at.eat(sign)) {
            signs += 1;
            last = sign;
        }
        let node = self.primary()?;
        Some(match (signs, last, node) {
            (0, _, node) => node,
            (1, "+", Some(number)) if number.negative.is_some() => {
                Some(Constant::plain(number.str))
            }
            (1, "-", Some(number)) => number.negative.map(Constant::plain),
            _ => None,
        })
    }

    /// An atom with attributes, calls and subscripts behind it.
    fn primary(&mut self) -> Option<Node> {
        let start = self.at.peek();
        let mut node = self.atom()?;
        let is_set = &start[..start.len() - self.at.rest.len()] == "set";
        let mut trailers = 0;
        loop {
            if self.at.eat(".") {
                self.at.name()?;
                node = None;
            } else if self.at.eat("(") {
                let (arguments, _) = self.closed(")")?;
                let empty_set = is_set && trailers == 0 && arguments.is_empty();
                node = empty_set.then(|| Constant::plain("set()"));
            } else if self.at.eat("[") {
                let (subscripts, _) = self.closed("]")?;
                (!subscripts.is_empty()).then_some(())?;
                node = None;
            } else {
                return Some(node);
            }
            trailers += 1;
        }
    }

    fn atom(&mut self) -> Option<Node> {
        let next = self.at.peek();
        if quoted_prefix(next).is_some() {
            return self.texts();
        }
        let unpointed = next.strip_prefix('.').unwrap_or(next);
        if unpointed.starts_with(|c: char| c.is_ascii_digit()) {
            return number(&mut self.at.rest).map(Some);
        }
        if self.at.eat("...") {
            return Some(Some(Constant::plain("Ellipsis")));
        }
        if self.at.eat("(") {
            let (mut items, comma) = self.closed(")")?;
            return if items.len() == 1 && !comma {
                items.pop()
            } else {
                Some(tuple(items))
            };
        }
        if self.at.eat("[") {
            let (items, _) = self.closed("]")?;
            return Some(joined(&items).map(|items| Constant::plain(format!("[{items}]"))));
        }
        if self.at.eat("{") {
            let (items, _) = self.closed("}")?;
            return set(&items);
        }
        for name in ["True", "False", "None"] {
            if self.at.eat_word(name) {
                return Some(Some(Constant::plain(name)));
            }
        }
        self.at.name().map(|_| None)
    }

    /// Quoted texts side by side are one.
    fn texts(&mut self) -> Option<Node> {
        let (mut text, mut bytes, mut formatted) = (None::<String>, None::<Vec<u8>>, false);
        while quoted_prefix(self.at.peek()).is_some() {
            match quoted(&mut self.at.rest)? {
                Quoted::Text(more) => text.get_or_insert_default().push_str(&more),
                Quoted::Bytes(more) => bytes.get_or_insert_default().extend(more),
                Quoted::Formatted => formatted = true,
            }
        }
        match (text, bytes, formatted) {
            (Some(text), None, false) => Some(Some(Constant {
                repr: repr_text(&text),
                str: text,
                negative: None,
            })),
            (None, Some(bytes), false) => Some(Some(Constant::plain(repr_bytes(&bytes)))),
            (_, None, true) => Some(None),
            _ => None,
        }
    }

    /// Items behind an opening bracket, with the closing one.
    fn closed(&mut self, close: &str) -> Option<(Vec<Node>, bool)> {
        let items = self.nested(|reader| reader.items(close))?;
        self.at.eat(close).then_some(items)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let result = (self.depth <= MAX_DEPTH).then(|| read(self)).flatten();
        self.depth -= 1;
        result
    }
}

fn tuple(items: Vec<Node>) -> Node {
    let comma = if items.len() == 1 { "," } else { "" };
    joined(&items).map(|items| Constant::plain(format!("({items}{comma})")))
}

/// The items' `repr`s, unless one of them is no literal.
fn joined(items: &[Node]) -> Option<String> {
    let items: Option<Vec<&str>> = items
        .iter()
        .map(|item| Some(item.as_ref()?.repr.as_str()))
        .collect();
    items.map(|items| items.join(", "))
}

fn set(items: &[Node]) -> Option<Node> {
    match items {
        [] => Some(Some(Constant::plain("{}"))),
        // Lists, dictionaries and sets cannot be in a set.
        [Some(item)] if !item.repr.contains(['[', '{']) && item.repr != "set()" => {
            Some(Some(Constant::plain(format!("{{{}}}", item.repr))))
        }
        items if items.iter().all(Option::is_some) => None,
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading::*, read};

    #[test]
    fn literals_are_known_by_what_str_makes_of_them() {
        for (source, expected) in [
            ("'Member'", "Member"),
            ("\"it's\"", "it's"),
            ("'a''b'", "ab"),
            (r"'\x41\u00e9\101\q'", "AéA\\q"),
            (r"r'\x41'", r"\x41"),
            ("b'x'", "b'x'"),
            ("True", "True"),
            ("None", "None"),
            ("...", "Ellipsis"),
            ("1_000", "1000"),
            ("00", "0"),
            ("0x_ff", "255"),
            ("-5", "-5"),
            ("-0", "0"),
            ("-(1)", "-1"),
            ("1e16", "1e+16"),
            (".5", "0.5"),
            ("01.5", "1.5"),
            ("(1)", "1"),
            ("1,", "(1,)"),
            ("('a', None)", "('a', None)"),
            ("[1, [2.0]]", "[1, [2.0]]"),
            ("set()", "set()"),
            ("{'a'}", "{'a'}"),
            ("{}", "{}"),
            ("1#x", "1"),
            ("2.0j", "2j"),
            ("-1.5j", "(-0-1.5j)"),
        ] {
            assert_eq!(read(source), Literal(expected.into()), "{source}");
        }
    }

    #[test]
    fn other_expressions_are_paths() {
        let words = "project_id user.domain.id foo-bar a/b roles[0] --1 -True ~1 f'x' é a#b set \
                     set(1) x.set() [a] {a} -'x' 1+2 (a) a.b(c)[d].e";
        let phrases = [
            "f(x, 1)",
            "not a",
            "a if b else c",
            "1if 1else 2",
            "1 not in 2",
        ];
        for source in words.split_whitespace().chain(phrases) {
            assert_eq!(read(source), Expression, "{source}");
        }
    }

    #[test]
    fn the_rest_is_unreadable() {
        let words = r"class user.1 a.class 1abc 01 a. . 'x !a € a=1 ( ) [1 a..b b'é' 'a'b'c' '\x4'
                      0x 1__0 a[] ()( # a\";
        for source in words
            .split_whitespace()
            .chain(["", "a b", "1 + not 2", "{1, 2}"])
        {
            assert_eq!(read(source), Unreadable, "{source}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert_eq!(read(&"(".repeat(100_000)), Unreadable);
        assert_eq!(read(&format!("{}1", "-".repeat(100_000))), Expression);
        assert_eq!(read(&format!("{}1", "not ".repeat(100_000))), Expression);
        assert_eq!(read(&"1if 1else ".repeat(100_000)), Unreadable);
    }
}
