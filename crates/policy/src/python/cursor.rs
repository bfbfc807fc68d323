//! A place in Python's source, past which blanks and words are taken.

use unicode_ident::{is_xid_continue, is_xid_start};

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Longest first, so that `**` is not read as two.
const OPERATORS: [&str; 19] = [
    "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "@", "&", "|", "^",
    "<", ">",
];

#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// A name that is no keyword.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.word().filter(|word| !KEYWORDS.contains(word))
    }

    pub(super) fn word(&mut self) -> Option<&'a str> {
        let next = self.peek();
        next.starts_with(|c| c == '_' || is_xid_start(c))
            .then_some(())?;
        let length = next.find(|c| !is_xid_continue(c)).unwrap_or(next.len());
        self.rest = &next[length..];
        Some(&next[..length])
    }

    /// Takes `word` if it is what comes next.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        let found = self.word() == Some(word);
        if !found {
            self.rest = before;
        }
        found
    }

    /// Takes `symbol` if it is what comes next.
    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        match self.peek().strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a symbol that stands between two operands, if one comes next.
    pub(super) fn eat_operator(&mut self) -> bool {
        OPERATORS.iter().any(|operator| self.eat(operator))
    }

    /// What comes next, past blanks and the comment that ends the text.
    pub(super) fn peek(&mut self) -> &'a str {
        let next = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
        self.rest = if next.starts_with('#') && !next.contains(['\n', '\r']) {
            ""
        } else {
            next
        };
        self.rest
    }
}
