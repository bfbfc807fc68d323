//! What strings must match or mean.

use std::sync::LazyLock;

use regex::Regex;

use crate::timestamps;

/// A regular expression of Nova's schemas, or the one that stands for what databases refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// The characters of host names, in any number.
    HostName,
    /// Digits, in any number.
    Digits,
    /// Anything that every database keeps.
    Storable,
}

impl Pattern {
    /// As Nova writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HostName => "^[a-zA-Z0-9-._]*$",
            Self::Digits => "^[0-9]*$",
            Self::Storable => r"^[^\x00]*$",
        }
    }

    /// Does `text` match? As in Python, `$` is also satisfied before a last line break.
    pub fn matches(self, text: &str) -> bool {
        let line = text.strip_suffix('\n').unwrap_or(text);
        line.bytes().all(|byte| match self {
            Self::HostName => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'),
            Self::Digits => byte.is_ascii_digit(),
            Self::Storable => byte != 0,
        })
    }
}

/// A meaning that a string must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A point in time.
    DateTime,
    /// What a thing may be called. What is wrong with one is said in words of its own.
    Name,
    /// A regular expression.
    Regex,
    /// A UUID.
    Uuid,
}

impl Format {
    /// Its name in texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Name => "name",
            Self::Regex => "regex",
            Self::Uuid => "uuid",
        }
    }

    /// Does `text` mean that?
    pub fn matches(self, text: &str) -> bool {
        match self {
            Self::DateTime => timestamps::parse(text).is_some(),
            Self::Name => is_name(text),
            // Python would take nothing for a pattern; Nova does not.
            Self::Regex => !text.is_empty() && Regex::new(text).is_ok(),
            Self::Uuid => is_uuid_like(text),
        }
    }
}

/// Printable characters of the first plane, without blanks at either end. As in Python, the end
/// is also before a last line break.
fn is_name(text: &str) -> bool {
    static UNPRINTABLE: LazyLock<Regex> = LazyLock::new(|| {
        let form = r"[\p{C}\p{Zl}\p{Zp}\x{FFFF}-\x{10FFFF}]|^\p{Zs}|\p{Zs}$";
        Regex::new(form).expect("the pattern is a constant")
    });
    let line = text.strip_suffix('\n').unwrap_or(text);
    !UNPRINTABLE.is_match(line)
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
    fn names_are_printable_and_have_no_blanks_around_them() {
        for name in ["web", "a b", "ä-鴫", "web\n", "", "\u{300}"] {
            assert!(Format::Name.matches(name), "{name:?}");
        }
        for name in [
            " web",
            "web ",
            "web\u{a0}",
            "a\tb",
            "a\0",
            "a\u{2028}b",
            "\n\n",
            "🦀",
        ] {
            assert!(!Format::Name.matches(name), "{name:?}");
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
