//! Values as Python writes them: Nova's texts quote them so, and clients match on those texts.

use std::io;

pub(crate) use godwit_policy::python::{repr, repr_text, str_of};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::Formatter;

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

pub(crate) fn repr_list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", comma_separated(items.into_iter().map(repr_text)))
}

pub(crate) fn comma_separated(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_as_python_writes_it() {
        let value = serde_json::json!({"b": [1, "x"], "a": {}, "c": null});
        assert_eq!(dumps(&value), r#"{"b": [1, "x"], "a": {}, "c": null}"#);
    }
}
