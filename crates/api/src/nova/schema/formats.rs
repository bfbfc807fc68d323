//! What strings must match or mean.

use std::sync::LazyLock;

use regex::Regex;

use crate::http::timestamps;

/// A regular expression of Nova's schemas, or the one that stands for what databases refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// The characters of host names, in any number.
    HostName,
    /// Digits, in any number.
    Digits,
    /// Anything that every database keeps.
    Storable,
    MetadataKey,
}

impl Pattern {
    /// As Nova writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HostName => "^[a-zA-Z0-9-._]*$",
            Self::Digits => "^[0-9]*$",
            Self::Storable => r"^[^\x00]*$",
            Self::MetadataKey => "^[a-zA-Z0-9-_:. ]{1,255}$",
        }
    }

    /// Does `text` match? As in Python, `$` is also satisfied before a last line break.
    pub fn matches(self, text: &str) -> bool {
        let line = text.strip_suffix('\n').unwrap_or(text);
        if self == Self::MetadataKey && !(1..=255).contains(&line.len()) {
            return false;
        }
        line.bytes().all(|byte| match self {
            Self::HostName => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'),
            Self::Digits => byte.is_ascii_digit(),
            Self::Storable => byte != 0,
            Self::MetadataKey => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.' | b' ')
            }
        })
    }
}

/// A meaning that a string must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    DateTime,
    Regex,
    Uuid,
    /// The name of something. What is wrong with one is said in words of its own.
    Name,
    /// The same, with spaces around it or without.
    SpacedName,
    ZoneName,
}

impl Format {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Regex => "regex",
            Self::Uuid => "uuid",
            Self::Name => "name",
            Self::SpacedName => "name_with_leading_trailing_spaces",
            Self::ZoneName => "az_name",
        }
    }

    /// What names of this format must be; `None`: they are no names.
    pub(super) const fn of_names(self) -> Option<&'static str> {
        match self {
            Self::DateTime | Self::Regex | Self::Uuid => None,
            Self::Name => Some("printable characters. Can not start or end with whitespace."),
            Self::SpacedName => Some("printable characters with at least one non space character"),
            Self::ZoneName => {
                // Without the space that one expects.
                Some("printable characters except :.Can not start or end with whitespace.")
            }
        }
    }

    pub fn matches(self, text: &str) -> bool {
        match self {
            Self::DateTime => timestamps::parse(text).is_some(),
            // Python would take nothing for a pattern; Nova does not.
            Self::Regex => !text.is_empty() && Regex::new(text).is_ok(),
            Self::Uuid => is_uuid_like(text),
            Self::Name => is_name(text),
            Self::SpacedName => printable(line(text)) && !line(text).trim().is_empty(),
            Self::ZoneName => is_name(text) && !text.contains(':'),
        }
    }
}

/// As in Python, `$` is also satisfied before a last line break.
fn line(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// Nothing but characters to be seen, and spaces, of the plane that every language is written in.
fn printable(text: &str) -> bool {
    static HIDDEN: LazyLock<Regex> = LazyLock::new(|| {
        let hidden = r"[\p{C}\p{Zl}\p{Zp}\x{10000}-\x{10ffff}]";
        Regex::new(hidden).expect("the pattern is a constant")
    });
    !HIDDEN.is_match(text)
}

/// Printable, without spaces around it; whether nothing at all is a name, its length says.
fn is_name(text: &str) -> bool {
    let line = line(text);
    printable(line) && line.trim() == line
}

/// Hexadecimal digits in their groups, or without any dashes; in any case.
fn is_uuid_like(text: &str) -> bool {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        let form = r"(?i)^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$";
        Regex::new(form).expect("the pattern is a constant")
    });
    FORM.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_pythons() {
        assert!(Pattern::Digits.matches("") && Pattern::Digits.matches("12\n"));
        assert!(!Pattern::Digits.matches("1\n\n") && !Pattern::Digits.matches(" 2"));
        assert!(!Pattern::Digits.matches("٣"));
        assert!(Pattern::Storable.matches("ä\n\n") && !Pattern::Storable.matches("a\0"));
        assert!(Pattern::HostName.matches("a-B.c_9") && !Pattern::HostName.matches("a b"));
    }

    #[test]
    fn names_are_printable() {
        for (text, name, spaced, zone) in [
            ("a b", true, true, true),
            ("a:b", true, true, false),
            (" a", false, true, false),
            ("a\u{a0}", false, true, false),
            ("a\n", true, true, true),
            ("", true, false, true),
            ("  ", false, false, false),
            ("a\tb", false, false, false),
            ("\0", false, false, false),
            ("ä", true, true, true),
            ("\u{1f600}", false, false, false),
        ] {
            let of =
                [Format::Name, Format::SpacedName, Format::ZoneName].map(|it| it.matches(text));
            assert_eq!(of, [name, spaced, zone], "{text:?}");
        }
    }

    #[test]
    fn uuids_with_and_without_dashes() {
        let dashed = "0cd6de88-da98-4f7b-b896-794c5f1cfecd";
        assert!(Format::Uuid.matches(dashed));
        assert!(Format::Uuid.matches(&dashed.replace('-', "").to_uppercase()));
        assert!(!Format::Uuid.matches("0cd6de88-da98-4f7b-b896-794c5f1cfec"));
    }
}
