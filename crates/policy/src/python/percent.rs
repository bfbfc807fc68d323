//! The `%` operator on a text and a mapping, as the right sides of checks use it.
//!
//! Nearly always that is `%(project_id)s`. But the operator is the whole of printf: it pads, cuts
//! and converts, `%s` without a key prints the target itself, and a slip raises. A template is
//! read once; what would raise is kept in its place, because a missing key before it wins.

use std::borrow::Cow;

use serde_json::Value;

use super::number;
use super::text::{ascii, repr, str_of};

/// The widest padding that is carried out. Python would go on to gigabytes.
const MAX_WIDTH: usize = 4096;

/// Why a template has no text for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unrenderable {
    /// The target lacks a key (`KeyError`).
    MissingKey,
    /// The template or the value does not fit the conversion (`ValueError`, `TypeError`).
    Malformed,
}

/// A text with conversions, ready to be filled in from a target.
#[derive(Debug)]
pub(crate) struct Template(Box<[Piece]>);

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    /// A value, or without a key the target as a whole.
    Convert {
        key: Option<String>,
        spec: Spec,
    },
    /// A mistake; but if the key it names is missing, that shows first.
    Malformed {
        key: Option<String>,
    },
}

/// One conversion: flags, width, precision and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spec {
    pub(super) left: bool,
    pub(super) plus: bool,
    pub(super) space: bool,
    pub(super) alternate: bool,
    pub(super) zero: bool,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
    pub(super) conversion: char,
}

impl Template {
    /// Reads `source`. Never fails: what is wrong with it shows when it is rendered.
    pub(crate) fn new(source: &str) -> Self {
        Self(Reader::read(source).into_boxed_slice())
    }

    /// `template % target`, where `target` is a JSON object.
    pub(crate) fn render<'a>(&'a self, target: &'a Value) -> Result<Cow<'a, str>, Unrenderable> {
        match &*self.0 {
            [] => Ok(Cow::Borrowed("")),
            [piece] => piece.render(target),
            pieces => {
                let mut text = String::new();
                for piece in pieces {
                    text.push_str(&piece.render(target)?);
                }
                Ok(Cow::Owned(text))
            }
        }
    }
}

impl Piece {
    fn render<'a>(&'a self, target: &'a Value) -> Result<Cow<'a, str>, Unrenderable> {
        let get = |key: &Option<String>| match key {
            Some(key) => target.get(key).ok_or(Unrenderable::MissingKey),
            None => Ok(target),
        };
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Convert { key, spec } => spec.convert(get(key)?),
            Self::Malformed { key } => get(key).and(Err(Unrenderable::Malformed)),
        }
    }
}

impl Spec {
    fn is_known(&self) -> bool {
        "sracdiuoxXeEfFgG".contains(self.conversion)
    }

    fn convert<'a>(&self, value: &'a Value) -> Result<Cow<'a, str>, Unrenderable> {
        let text = match self.conversion {
            's' => str_of(value),
            'r' => Cow::Owned(repr(value)),
            'a' => Cow::Owned(ascii(value)),
            'c' => {
                let one = Self {
                    precision: None,
                    ..*self
                };
                return character(value)
                    .map(|text| one.fit(text))
                    .ok_or(Unrenderable::Malformed);
            }
            _ => {
                return number::format(self, value)
                    .map(Cow::Owned)
                    .ok_or(Unrenderable::Malformed);
            }
        };
        Ok(self.fit(text))
    }

    /// Cuts to the precision and pads to the width, both in characters.
    fn fit<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if self.width == 0 && self.precision.is_none() {
            return text;
        }
        let most = self.precision.unwrap_or(usize::MAX);
        let kept: String = text.chars().take(most).collect();
        Cow::Owned(self.pad(&kept))
    }

    pub(super) fn pad(&self, text: &str) -> String {
        let width = self.width;
        if self.left {
            format!("{text:<width$}")
        } else {
            format!("{text:>width$}")
        }
    }
}

/// `%c`: a text of one character, or the number of one.
fn character(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => (text.chars().count() == 1).then_some(Cow::Borrowed(text)),
        Value::Bool(bit) => Some(Cow::Borrowed(if *bit { "\u{1}" } else { "\u{0}" })),
        Value::Number(code) => {
            let code = u32::try_from(code.as_u64()?).ok()?;
            char::from_u32(code).map(|c| Cow::Owned(c.to_string()))
        }
        _ => None,
    }
}

struct Reader<'a> {
    rest: &'a str,
    pieces: Vec<Piece>,
    /// Whether there was a conversion. The target as a whole can only be printed by the first.
    converted: bool,
}

impl<'a> Reader<'a> {
    fn read(source: &'a str) -> Vec<Piece> {
        let mut reader = Self {
            rest: source,
            pieces: Vec::new(),
            converted: false,
        };
        while let Some((text, conversion)) = reader.rest.split_once('%') {
            reader.text(text);
            reader.rest = conversion;
            if let Some(rest) = conversion.strip_prefix('%') {
                reader.text("%");
                reader.rest = rest;
            } else if !reader.conversion() {
                // Nothing behind the first mistake is ever looked at.
                return reader.pieces;
            }
        }
        let text = reader.rest;
        reader.text(text);
        reader.pieces
    }

    fn text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// Reads what follows a `%`, and says whether it makes sense.
    fn conversion(&mut self) -> bool {
        let mut key = None;
        if let Some(after) = self.rest.strip_prefix('(') {
            let Some((name, rest)) = split_key(after) else {
                self.pieces.push(Piece::Malformed { key });
                return false;
            };
            key = Some(name.to_owned());
            self.rest = rest;
        }
        let has_value = key.is_some() || !self.converted;
        self.converted = true;
        let spec = self.spec().filter(|spec| has_value && spec.is_known());
        let known = spec.is_some();
        self.pieces.push(match spec {
            Some(spec) => Piece::Convert { key, spec },
            None => Piece::Malformed { key },
        });
        known
    }

    fn spec(&mut self) -> Option<Spec> {
        let mut spec = Spec::default();
        let mut c = self.next()?;
        loop {
            match c {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => break,
            }
            c = self.next()?;
        }
        // A width of `*` wants a number where there is a text: it is malformed like any other
        // character that is no type.
        if c.is_ascii_digit() {
            spec.width = self.number(&mut c)?;
        }
        if c == '.' {
            c = self.next()?;
            spec.precision = Some(if c.is_ascii_digit() {
                self.number(&mut c)?
            } else {
                0
            });
        }
        if matches!(c, 'h' | 'l' | 'L') {
            c = self.next()?;
        }
        spec.conversion = c;
        Some(spec)
    }

    /// Reads the number that `c` begins, and leaves the character behind it in `c`.
    fn number(&mut self, c: &mut char) -> Option<usize> {
        let mut number = 0;
        while let Some(digit) = c.to_digit(10) {
            number = number * 10 + digit as usize;
            if number > MAX_WIDTH {
                return None;
            }
            *c = self.next()?;
        }
        Some(number)
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }
}

/// The key up to the parenthesis that closes it; parentheses within must pair up.
fn split_key(after: &str) -> Option<(&str, &str)> {
    let mut depth = 1usize;
    for (index, c) in after.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&after[..index], &after[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &str) -> Result<String, Unrenderable> {
        let target = json!({"a": "xyz", "n": 42, "b(c)": "nested", "none": null});
        Template::new(template).render(&target).map(Cow::into_owned)
    }

    #[test]
    fn texts_are_substituted_padded_and_cut() {
        for (template, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("%(a)s", "xyz"),
            ("<%(a)s-%(n)s>", "<xyz-42>"),
            ("%(b(c))s", "nested"),
            ("%(none)s", "None"),
            ("%(a)5s|%(a)-5s|%(a).2s|%(a)05s", "  xyz|xyz  |xy|  xyz"),
            ("%(a)r %(a)a", "'xyz' 'xyz'"),
            ("100%% %(a)ls", "100% xyz"),
            ("%(n)04d %(n)x %(n)c", "0042 2a *"),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_conversion_without_a_key_prints_the_target_once() {
        assert_eq!(
            Template::new("%s").render(&json!({"a": 1})).as_deref(),
            Ok("{'a': 1}")
        );
        assert_eq!(rendered("%s%s"), Err(Unrenderable::Malformed));
        assert_eq!(rendered("%(a)s%s"), Err(Unrenderable::Malformed));
    }

    #[test]
    fn slips_are_malformed_in_their_place() {
        for template in [
            "%",
            "%(a",
            "%(a)",
            "%(a)z",
            "%(a)d",
            "%(a)*s",
            "%(a)c",
            "%(a)99999999s",
        ] {
            assert_eq!(
                rendered(template),
                Err(Unrenderable::Malformed),
                "{template}"
            );
        }
        assert_eq!(rendered("%(gone)s%"), Err(Unrenderable::MissingKey));
        assert_eq!(rendered("%(gone)"), Err(Unrenderable::MissingKey));
        assert_eq!(rendered("%(gone)%"), Err(Unrenderable::MissingKey));
        assert_eq!(rendered("%%(gone)s").as_deref(), Ok("%(gone)s"));
        assert_eq!(rendered("%z%(gone)s"), Err(Unrenderable::Malformed));
    }

    #[test]
    fn the_usual_template_allocates_nothing() {
        let target = json!({"project_id": "p"});
        let template = Template::new("%(project_id)s");
        assert!(matches!(template.render(&target), Ok(Cow::Borrowed("p"))));
    }
}
