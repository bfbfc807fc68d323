//! `str()`, `repr()` and `ascii()` of JSON values.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Number, Value};
use unicode_general_category::{GeneralCategory, get_general_category};

/// `str(value)`: texts are themselves, everything else is its `repr`.
pub fn str_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed("None"),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        Value::Number(number) => Cow::Owned(repr_number(number)),
        Value::Array(_) | Value::Object(_) => Cow::Owned(repr(value)),
    }
}

/// `repr(value)`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// `ascii(value)`: `repr` with everything beyond ASCII escaped.
pub(crate) fn ascii(value: &Value) -> String {
    let mut out = String::new();
    for c in repr(value).chars() {
        if c.is_ascii() {
            out.push(c)
        } else {
            write_escape(&mut out, c)
        }
    }
    out
}

/// `repr` of a text: in single quotes, unless only double ones save an escape.
pub fn repr_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_text(&mut out, text);
    out
}

/// `repr` of a float: the shortest digits that read back as the same number.
pub(crate) fn repr_float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "nan".into()
        } else {
            format!("{value}")
        };
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = split_exponent(&scientific);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        }
    } else {
        format!("{mantissa}{}", exponent_suffix(exponent))
    }
}

/// Takes Rust's `1.5e-7` apart.
pub(super) fn split_exponent(scientific: &str) -> (&str, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, exponent.parse().unwrap_or(0))
}

/// Python's exponent: a sign always, two digits at least.
pub(super) fn exponent_suffix(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", exponent.unsigned_abs())
}

fn repr_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => repr_float(float),
        _ => number.to_string(),
    }
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            write_joined(out, ['[', ']'], items, write_repr);
        }
        Value::Object(entries) => write_joined(out, ['{', '}'], entries, |out, (key, item)| {
            write_text(out, key);
            out.push_str(": ");
            write_repr(out, item);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&str_of(value)),
    }
}

fn write_joined<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write_item: impl Fn(&mut String, T),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_item(out, item);
    }
    out.push(close);
}

fn write_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => write_escape(out, c),
        }
    }
    out.push(quote);
}

fn write_escape(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// What Python prints as it is: neither control, format, unassigned or private characters, nor
/// any white space but the blank.
fn is_printable(c: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate,
        Unassigned,
    };
    c == ' '
        || !matches!(
            get_general_category(c),
            Control
                | Format
                | LineSeparator
                | ParagraphSeparator
                | PrivateUse
                | SpaceSeparator
                | Surrogate
                | Unassigned
        )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_values() {
        for (value, expected) in [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!(-7), "-7"),
            (json!("it's"), "it's"),
            (json!([1, "a", null]), "[1, 'a', None]"),
            (
                json!({"a": ["it's"], "b": {}}),
                r#"{'a': ["it's"], 'b': {}}"#,
            ),
        ] {
            assert_eq!(str_of(&value), expected);
        }
    }

    #[test]
    fn floats() {
        for (value, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1.5e300, "1.5e+300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(repr_float(value), expected);
        }
    }

    #[test]
    fn texts_are_quoted_and_escaped() {
        for (text, expected) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("\u{0}\n\u{7f}\u{a0}é€", "'\\x00\\n\\x7f\\xa0é€'"),
            (
                "\u{200b}\u{e000}\u{1f600}\u{e0001}",
                "'\\u200b\\ue000😀\\U000e0001'",
            ),
        ] {
            assert_eq!(repr_text(text), expected);
        }
        assert_eq!(ascii(&json!("é€😀")), "'\\xe9\\u20ac\\U0001f600'");
    }

    #[test]
    fn values_look_like_pythons() {
        for (value, expected) in [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!(false), "False"),
            (json!(5), "5"),
            (json!(-1), "-1"),
            (json!(1.5), "1.5"),
            (json!(1.0), "1.0"),
            (json!(-0.0), "-0.0"),
            (json!(1e15), "1000000000000000.0"),
            (json!(1e16), "1e+16"),
            (json!(1.25e-7), "1.25e-07"),
            (json!(0.0001), "0.0001"),
            (json!(1e300), "1e+300"),
            (json!("x"), "'x'"),
            (json!("it's"), r#""it's""#),
            (json!("both ' and \""), r#"'both \' and "'"#),
            (json!("a\nb\t\\"), r"'a\nb\t\\'"),
            (json!("\u{0}\u{7f}"), r"'\x00\x7f'"),
            (json!("ä…\u{a0}"), r"'ä…\xa0'"),
            (json!("\u{feff}\u{e000}"), r"'\ufeff\ue000'"),
            (json!("\u{1f600}\u{e0001}"), "'\u{1f600}\\U000e0001'"),
            (json!([1, "a", null]), "[1, 'a', None]"),
            (json!([]), "[]"),
            (json!({"host": null, "x": {}}), "{'host': None, 'x': {}}"),
        ] {
            assert_eq!(repr(&value), expected);
        }
        assert_eq!(str_of(&json!("bare")), "bare");
        assert_eq!(str_of(&json!(["bare"])), "['bare']");
    }
}
