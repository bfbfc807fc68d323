//! Values as Python writes them.
//!
//! Nova's texts for schema violations quote the offending value with `str()` and `repr()`, and
//! clients match on those texts. This is the rendering of JSON values, no more.

use std::fmt::Write;
use std::io;
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::Formatter;

/// `str(value)`: like [`repr`], but a string stands for itself.
pub(crate) fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// `repr(text)`.
pub(crate) fn repr_str(text: &str) -> String {
    let mut out = String::new();
    write_text(&mut out, text);
    out
}

/// `json.dumps(value)`: JSON with a space behind each comma and colon.
pub(crate) fn dumps(value: &Value) -> String {
    let mut out = Vec::new();
    let mut to = serde_json::Serializer::with_formatter(&mut out, Spaced);
    // Neither the value nor the buffer can refuse.
    match value.serialize(&mut to) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => value.to_string(),
    }
}

/// The separators of Python's encoder.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        to.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        to.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}

/// `repr()` of a list of strings.
pub(crate) fn repr_list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", comma_separated(items.into_iter().map(repr_str)))
}

/// Joins with `", "`.
pub(crate) fn comma_separated(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().collect::<Vec<_>>().join(", ")
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => write_float(out, float),
            None => out.push_str(&number.to_string()),
        },
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_text(out, name);
                out.push_str(": ");
                write_repr(out, member);
            }
            out.push('}');
        }
    }
}

/// Shortest digits that read back; an exponent below 1e-4 and from 1e16 on.
fn write_float(out: &mut String, float: f64) {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = float.to_string();
        out.push_str(&plain);
        if !plain.contains('.') {
            out.push_str(".0");
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let exponent = exponent.unsigned_abs();
        // Writing to a String cannot fail.
        let _ = write!(out, "{digits}e{sign}{exponent:02}");
    }
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
            '\\' => out.push_str(r"\\"),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => write_escape(out, c),
        }
    }
    out.push(quote);
}

fn write_escape(out: &mut String, c: char) {
    let code = u32::from(c);
    let _ = match code {
        0..=0xff => write!(out, r"\x{code:02x}"),
        0x100..=0xffff => write!(out, r"\u{code:04x}"),
        _ => write!(out, r"\U{code:08x}"),
    };
}

fn is_printable(c: char) -> bool {
    static UNPRINTABLE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[\p{Other}\p{Separator}]$").expect("the pattern is a constant")
    });
    match c {
        ' '..='~' => true,
        '\0'..='\u{7f}' => false,
        c => !UNPRINTABLE.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_as_python_writes_it() {
        let value = serde_json::json!({"b": [1, "x"], "a": {}, "c": null});
        assert_eq!(dumps(&value), r#"{"b": [1, "x"], "a": {}, "c": null}"#);
    }
    use serde_json::json;

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
        assert_eq!(str(&json!("bare")), "bare");
        assert_eq!(str(&json!(["bare"])), "['bare']");
    }
}
