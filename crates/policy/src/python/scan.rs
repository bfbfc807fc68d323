//! Numbers and quoted texts of Python's source, as far as a policy can hold them.

use super::text::{repr_float, repr_text};

/// More digits than this Python refuses to read.
const MAX_DIGITS: usize = 4300;

/// A literal's faces: what `str()` and what `repr()` make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constant {
    pub(super) str: String,
    pub(super) repr: String,
    /// The text of its negative, if it is a number that may still take one sign.
    pub(super) negative: Option<String>,
}

impl Constant {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let str = text.into();
        Self {
            repr: str.clone(),
            str,
            negative: None,
        }
    }

    fn number(text: String) -> Self {
        // There is no negative whole zero.
        let negative = Some(if text == "0" {
            "0".into()
        } else {
            format!("-{text}")
        });
        Self {
            negative,
            ..Self::plain(text)
        }
    }

    fn imaginary(value: f64) -> Self {
        let digits = repr_float(value);
        let text = format!("{}j", digits.strip_suffix(".0").unwrap_or(&digits));
        Self {
            negative: Some(format!("(-0-{text})")),
            ..Self::plain(text)
        }
    }
}

/// Takes a number off the front of `source`. `None` when it is malformed.
pub(super) fn number(source: &mut &str) -> Option<Constant> {
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        let head = source
            .get(..2)
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix));
        if head {
            let mut rest = &source[2..];
            rest = rest.strip_prefix('_').unwrap_or(rest);
            let digits = digits(&mut rest, radix)?;
            *source = rest;
            // Beyond 128 bits nothing is worth comparing with.
            let value = u128::from_str_radix(&digits, radix).ok()?;
            return Some(Constant::number(value.to_string()));
        }
    }
    let mut rest = *source;
    let whole = digits(&mut rest, 10);
    let mut text = whole.clone().unwrap_or_default();
    let mut float = false;
    if let Some(after) = rest.strip_prefix('.') {
        float = true;
        rest = after;
        text.push('.');
        text.push_str(&digits(&mut rest, 10).unwrap_or_default());
    }
    if text.is_empty() || text == "." {
        return None;
    }
    if let Some((exponent, after)) = exponent(rest) {
        float = true;
        rest = after;
        text.push_str(&exponent);
    }
    if let Some(after) = rest.strip_prefix(['j', 'J']) {
        *source = after;
        return text.parse().ok().map(Constant::imaginary);
    }
    *source = rest;
    if float {
        return text
            .parse()
            .ok()
            .map(|value: f64| Constant::number(repr_float(value)));
    }
    let significant = text.trim_start_matches('0');
    match significant {
        "" => Some(Constant::number("0".into())),
        _ if significant.len() < text.len() || text.len() > MAX_DIGITS => None,
        _ => Some(Constant::number(text)),
    }
}

/// Digits with single underscores between them, without the underscores.
fn digits(source: &mut &str, radix: u32) -> Option<String> {
    let mut digits = String::new();
    let mut rest = *source;
    loop {
        let next = if digits.is_empty() {
            rest
        } else {
            rest.strip_prefix('_').unwrap_or(rest)
        };
        let Some(digit) = next.chars().next().filter(|c| c.is_digit(radix)) else {
            break;
        };
        digits.push(digit);
        rest = &next[1..];
    }
    *source = rest;
    (!digits.is_empty()).then_some(digits)
}

fn exponent(source: &str) -> Option<(String, &str)> {
    let after = source.strip_prefix(['e', 'E'])?;
    let (sign, mut rest) = match after.strip_prefix(['+', '-']) {
        Some(rest) => (&after[..1], rest),
        None => ("", after),
    };
    let digits = digits(&mut rest, 10)?;
    Some((format!("e{sign}{digits}"), rest))
}

/// What a quoted text turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Quoted {
    Text(String),
    Bytes(Vec<u8>),
    /// A formatted text: legal, and no literal.
    Formatted,
}

/// The length of the prefix, if `source` begins with a quoted text (`'`, `rb"`, …).
pub(super) fn quoted_prefix(source: &str) -> Option<usize> {
    const PREFIXES: [&str; 9] = ["", "r", "u", "b", "f", "br", "rb", "fr", "rf"];
    let length = source
        .bytes()
        .take(3)
        .position(|byte| matches!(byte, b'\'' | b'"'))?;
    let prefix = &source[..length];
    PREFIXES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(prefix))
        .then_some(length)
}

/// Takes a quoted text off the front of `source`. `None` when it is malformed, or holds what a
/// Rust text cannot (lone surrogates) or need not (characters by name).
pub(super) fn quoted(source: &mut &str) -> Option<Quoted> {
    let length = quoted_prefix(source)?;
    let prefix = source[..length].to_ascii_lowercase();
    let rest = &source[length..];
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let (body, after) = if let Some(body) = rest.strip_prefix(triple.as_str()) {
        split_body(body, &triple)?
    } else {
        let (body, after) = split_body(&rest[1..], quote)?;
        (!body.contains('\n')).then_some((body, after))?
    };
    *source = after;
    if prefix.contains('f') {
        return Some(Quoted::Formatted);
    }
    let bytes = prefix.contains('b');
    let text = match prefix.contains('r') {
        true => body.to_owned(),
        false => unescape(body, bytes)?,
    };
    if !bytes {
        return Some(Quoted::Text(text));
    }
    // The source is ASCII, and an escape is one byte, which `unescape` gave as U+0000–U+00FF.
    body.is_ascii().then_some(())?;
    let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).ok());
    bytes.collect::<Option<_>>().map(Quoted::Bytes)
}

/// Up to the closing quotes; a backslash takes the next character along, raw or not.
fn split_body<'a>(source: &'a str, close: &str) -> Option<(&'a str, &'a str)> {
    let mut chars = source.char_indices();
    while let Some((index, c)) = chars.next() {
        if let Some(after) = source[index..].strip_prefix(close) {
            return Some((&source[..index], after));
        }
        if c == '\\' {
            chars.next()?;
        }
    }
    None
}

fn unescape(body: &str, bytes: bool) -> Option<String> {
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let c = escape.chars().next()?;
        rest = &escape[c.len_utf8()..];
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => text.push(c),
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\u{b}'),
            '0'..='7' => {
                let length = escape
                    .bytes()
                    .take(3)
                    .take_while(|b| (b'0'..=b'7').contains(b))
                    .count();
                let code = u32::from_str_radix(&escape[..length], 8).ok()?;
                // Three octal digits exceed a byte; Python drops what does.
                text.push(char::from_u32(if bytes { code & 0xff } else { code })?);
                rest = &escape[length..];
            }
            'x' => text.push(hex(&mut rest, 2)?),
            'u' if !bytes => text.push(hex(&mut rest, 4)?),
            'U' if !bytes => text.push(hex(&mut rest, 8)?),
            'N' if !bytes => return None,
            _ => text.extend(['\\', c]),
        }
    }
    text.push_str(rest);
    Some(text)
}

fn hex(rest: &mut &str, length: usize) -> Option<char> {
    let digits = rest
        .get(..length)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    *rest = &rest[length..];
    u32::from_str_radix(digits, 16)
        .ok()
        .and_then(char::from_u32)
}

pub(super) fn repr_bytes(bytes: &[u8]) -> String {
    // Read as Latin-1 every byte is one character, which `repr` escapes just as bytes want it,
    // but for what is printable above ASCII.
    let text: String = bytes.iter().copied().map(char::from).collect();
    let mut out = String::from("b");
    for c in repr_text(&text).chars() {
        if c.is_ascii() {
            out.push(c)
        } else {
            out.push_str(&format!("\\x{:02x}", u32::from(c)))
        }
    }
    out
}
