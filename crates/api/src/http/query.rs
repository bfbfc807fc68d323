//! Query strings, read as Nova's server reads them.
//!
//! `&` and `;` separate, `+` is a space, a name without `=` has an empty value, empty pieces
//! are skipped, a broken percent sequence stands for itself, and the whole must be UTF-8.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A parsed query: names and values in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotUtf8;

impl Query {
    pub fn parse(text: &str) -> Result<Self, NotUtf8> {
        let pieces = text.split(['&', ';']).filter(|piece| !piece.is_empty());
        let pairs = pieces.map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Ok((decode(name)?, decode(value)?))
        });
        Ok(Self {
            pairs: pairs.collect::<Result<_, _>>()?,
        })
    }

    /// The names and values, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs()
            .filter(move |(n, _)| *n == name)
            .map(|(_, v)| v)
    }

    /// The last value of `name`: where several are allowed, the last one counts.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .rfind(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Drops every pair whose name `unwanted` says so of.
    pub fn strip(&mut self, mut unwanted: impl FnMut(&str) -> bool) {
        self.pairs.retain(|(name, _)| !unwanted(name));
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// Reads a word for yes or no as filters take it, in any case.
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

fn decode(text: &str) -> Result<String, NotUtf8> {
    let spaced: Cow<'_, str> = if text.contains('+') {
        text.replace('+', " ").into()
    } else {
        text.into()
    };
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        Query::parse(text).unwrap().pairs
    }

    fn expect(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn reads_what_wsgi_reads() {
        for (text, expected) in [
            ("", &[][..]),
            ("a=1", &[("a", "1")]),
            ("a=1&b=2;c=3", &[("a", "1"), ("b", "2"), ("c", "3")]),
            ("&&a=1&", &[("a", "1")]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a=+2", &[("a", " 2")]),
            ("a=%2B%zz", &[("a", "+%zz")]),
            ("%61=%C3%A4", &[("a", "ä")]),
            ("a=a%00b", &[("a", "a\0b")]),
        ] {
            assert_eq!(pairs(text), expect(expected), "{text}");
        }
        assert_eq!(Query::parse("a=%ff"), Err(NotUtf8));
        assert_eq!(Query::parse("%ff=a"), Err(NotUtf8));
    }

    #[test]
    fn the_last_value_counts() {
        let query = Query::parse("s=1&x=&s=2").unwrap();
        assert_eq!(query.last("s"), Some("2"));
        assert_eq!(query.all("s").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.last("y"), None);
    }
}
