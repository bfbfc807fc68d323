//! Queries: which keys there are is said by the route, and a key is there once.

use super::problem::{InputError, Problem};
use crate::http::query::{NotUtf8, Query};

/// A query whose keys are known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params {
    query: Query,
}

impl Params {
    /// Reads what stands behind the `?`.
    ///
    /// # Errors
    /// `invalid-input` with every key that is not among `known`, or there twice.
    pub(crate) fn read(text: &str, known: &[&str]) -> Result<Self, Problem> {
        let query =
            Query::parse(text).map_err(|NotUtf8| Problem::input("?", "The query is not UTF-8."))?;
        let mut seen = Vec::new();
        let mut errors = Vec::new();
        for (name, _) in query.pairs() {
            let detail = if !known.contains(&name) {
                match known {
                    [] => "There is no such key; there are none.".to_owned(),
                    known => format!("There is no such key; there are {}.", known.join(", ")),
                }
            } else if seen.contains(&name) {
                "It is there twice.".to_owned()
            } else {
                seen.push(name);
                continue;
            };
            let pointer = format!("?{name}");
            errors.push(InputError { pointer, detail });
        }
        match errors.is_empty() {
            true => Ok(Self { query }),
            false => Err(Problem::inputs(errors)),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.last(name)
    }

    /// Reads a value, if it is there.
    ///
    /// # Errors
    /// `invalid-input` with `expected` where `read` finds none in it.
    pub fn parse<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::input(format!("?{name}"), expected)),
        }
    }

    /// The query of the page behind this one.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let same = self.query.pairs().filter(|(other, _)| *other != name);
        let pairs = same.chain([(name, value)]);
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(pairs).finish()
    }
}

/// A number without a sign.
pub(crate) fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// What is expected of a value that is a word.
pub(crate) fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    format!("It is one of {}.", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_wrong_is_named() {
        let problem = Params::read("b=1&a=1&c=2&a=2", &["a", "x"]).unwrap_err();
        let detail = problem.clone().into_response("req-1");
        assert_eq!(detail.status(), 400);
        let expected = Problem::inputs(
            [
                ("?b", "There is no such key; there are a, x."),
                ("?c", "There is no such key; there are a, x."),
                ("?a", "It is there twice."),
            ]
            .map(|(pointer, detail)| InputError {
                pointer: pointer.to_owned(),
                detail: detail.to_owned(),
            })
            .to_vec(),
        );
        assert_eq!(problem, expected);
        assert!(Params::read("a=%ff", &["a"]).is_err());
        assert!(Params::read("", &[]).is_ok());
    }

    #[test]
    fn a_page_repeats_the_query_of_the_last() {
        let params = Params::read("a=x%20y&marker=1&b=%26", &["a", "b", "marker"]).unwrap();
        assert_eq!(params.with("marker", "2"), "a=x+y&b=%26&marker=2");
    }

    #[test]
    fn numbers_have_no_sign() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("9223372036854775807"), Some(i64::MAX));
        for bad in ["", "-1", "+1", " 1", "1.0", "9223372036854775808", "١"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
