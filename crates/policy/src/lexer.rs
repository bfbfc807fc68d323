//! Splits the text of a rule into tokens.
//!
//! Words are separated by white space alone. Parentheses count as tokens only at the edges of a
//! word, because `%(key)s` holds some of its own; a word that is quoted as a whole is a token that
//! no grammar rule accepts.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    /// A word in quotes: legal to write, and the end of every hope to parse the rule.
    Quoted,
    /// A check such as `role:admin`, `@` or `!`.
    Check(&'a str),
}

pub(crate) fn lex(rule: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for word in rule.split(is_space).filter(|word| !word.is_empty()) {
        lex_word(word, &mut tokens);
    }
    tokens
}

fn lex_word<'a>(word: &'a str, tokens: &mut Vec<Token<'a>>) {
    let opened = word.trim_start_matches('(');
    let core = opened.trim_end_matches(')');
    tokens.extend(std::iter::repeat_n(Token::Open, word.len() - opened.len()));
    if !core.is_empty() {
        // Quotes are looked for before the closing parentheses are taken off: `('a':'b')` is a
        // check where `'a':'b'` is a quoted word.
        let quoted = is_quoted(opened).then_some(Token::Quoted);
        tokens.push(keyword(core).or(quoted).unwrap_or(Token::Check(core)));
    }
    tokens.extend(std::iter::repeat_n(Token::Close, opened.len() - core.len()));
}

fn keyword(word: &str) -> Option<Token<'static>> {
    [("and", Token::And), ("or", Token::Or), ("not", Token::Not)]
        .into_iter()
        .find_map(|(name, token)| word.eq_ignore_ascii_case(name).then_some(token))
}

fn is_quoted(word: &str) -> bool {
    ['"', '\'']
        .iter()
        .any(|&quote| word.len() >= 2 && word.starts_with(quote) && word.ends_with(quote))
}

/// White space as Python's regular expressions see it: Unicode's, and four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::{Token::*, lex};

    #[test]
    fn parentheses_count_only_at_the_edges_of_a_word() {
        assert_eq!(
            lex("(not project_id:%(project_id)s)"),
            [Open, Not, Check("project_id:%(project_id)s"), Close]
        );
        assert_eq!(lex("()"), [Open, Close]);
        assert_eq!(lex("a:(b)c"), [Check("a:(b)c")]);
        assert_eq!(lex("a:b((("), [Check("a:b(((")]);
    }

    #[test]
    fn keywords_ignore_case() {
        assert_eq!(lex("AND oR Not"), [And, Or, Not]);
        assert_eq!(lex("(and)"), [Open, And, Close]);
    }

    #[test]
    fn quotes_are_judged_before_closing_parentheses_are_taken_off() {
        assert_eq!(lex("'a':'b'"), [Quoted]);
        assert_eq!(lex("('a':'b')"), [Open, Check("'a':'b'"), Close]);
        assert_eq!(lex("'a':b"), [Check("'a':b")]);
        assert_eq!(lex("'"), [Check("'")]);
    }

    #[test]
    fn the_separators_of_ascii_are_white_space() {
        assert_eq!(lex("@\u{1f}or\u{a0}!"), [Check("@"), Or, Check("!")]);
        assert!(lex(" \t\n").is_empty());
    }
}
