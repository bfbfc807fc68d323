//! Documents as JSON: byte for byte what `serde_json` writes, with fewer instructions.
//!
//! An answer is mostly text, and nearly no text has anything to escape. To find that out
//! `serde_json` looks at one byte after the other; here it is eight at a time. What is rare
//! (text with escapes, fractions) is left to `serde_json`.

use std::fmt::Display;
use std::io::Write as _;

use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};
use serde_json::Error;

/// Writes `document` behind what is in `to`.
///
/// # Errors
/// When `document` has no JSON form.
pub(crate) fn write(to: &mut Vec<u8>, document: &impl Serialize) -> Result<(), Error> {
    document.serialize(Writer(to))
}

/// Can `text` stand between quotes as it is, without quotes, backslashes and control characters
/// of its own?
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    // What is left at the end of a longer text is looked at together with what is before it.
    words.iter().copied().all(is_plain_word)
        && match text.last_chunk::<8>() {
            Some(last) => is_plain_word(*last),
            None => rest
                .iter()
                .all(|byte| !matches!(byte, ..0x20 | b'"' | b'\\')),
        }
}

/// The same of eight bytes. Subtraction sets a byte's highest bit where the byte was less, and
/// a byte equals another one where their difference is less than 1. A borrow may spoil the bits
/// above one that is set rightly, which then are not asked about any more.
fn is_plain_word(word: [u8; 8]) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    const fn less(word: u64, than: u8) -> u64 {
        word.wrapping_sub(each(than)) & !word
    }
    let word = u64::from_le_bytes(word);
    let control = less(word, 0x20);
    let quote = less(word ^ each(b'"'), 1);
    let backslash = less(word ^ each(b'\\'), 1);
    (control | quote | backslash) & each(0x80) == 0
}

struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    fn bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// What `serde_json` does no better or worse.
    fn by_serde<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(self.0, value)
    }

    /// `"name":`, of a name in the program's text, none of which has anything to escape.
    fn named(self, name: &'static str) -> Self {
        debug_assert!(is_plain(name.as_bytes()), "{name:?}");
        self.0.reserve(name.len() + 3);
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self
    }

    /// What has items between brackets.
    fn items(self, open: u8, close: &'static [u8]) -> Result<Items<'a>, Error> {
        self.0.push(open);
        Ok(Items {
            to: self.0,
            first: true,
            close,
        })
    }

    /// `{"variant":`, behind which its value comes.
    fn variant(self, variant: &'static str) -> Self {
        self.0.push(b'{');
        self.named(variant)
    }
}

macro_rules! by_serde {
    ($($method:ident: $number:ty),+ $(,)?) => {$(
        fn $method(self, value: $number) -> Result<(), Error> {
            self.by_serde(&value)
        }
    )+};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    by_serde! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_bytes: &[u8],
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        if !is_plain(text.as_bytes()) {
            return self.by_serde(text);
        }
        self.0.reserve(text.len() + 2);
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.bytes(b"\"")
    }

    /// Written at once, and only what needs escapes is taken back.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        let begin = self.0.len();
        write!(self.0, "\"{value}").map_err(Error::custom)?;
        if is_plain(&self.0[begin + 1..]) {
            return self.bytes(b"\"");
        }
        self.0.truncate(begin);
        self.by_serde(&value.to_string())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.bytes(b"null")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let writer = self.variant(variant);
        value.serialize(Writer(writer.0))?;
        writer.bytes(b"}")
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Items<'a>, Error> {
        self.items(b'[', b"]")
    }

    fn serialize_tuple(self, _length: usize) -> Result<Items<'a>, Error> {
        self.items(b'[', b"]")
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Items<'a>, Error> {
        self.items(b'[', b"]")
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(variant).items(b'[', b"]}")
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Items<'a>, Error> {
        self.items(b'{', b"}")
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Items<'a>, Error> {
        self.items(b'{', b"}")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(variant).items(b'{', b"}}")
    }
}

/// Writes items, and commas between them.
struct Items<'a> {
    to: &'a mut Vec<u8>,
    first: bool,
    close: &'static [u8],
}

impl Items<'_> {
    fn item(&mut self) -> Writer<'_> {
        if !std::mem::take(&mut self.first) {
            self.to.push(b',');
        }
        Writer(self.to)
    }

    fn close(self) -> Result<(), Error> {
        Writer(self.to).bytes(self.close)
    }
}

/// What items are called in each of serde's kinds of them, and whether they have names.
macro_rules! items {
    ($($kind:ident, $item:ident $(, $name:ident)?;)+) => {$(
        impl $kind for Items<'_> {
            type Ok = ();
            type Error = Error;

            fn $item<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Result<(), Error> {
                value.serialize(self.item()$(.named($name))?)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )+};
}

items! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
    SerializeStruct, serialize_field, name;
    SerializeStructVariant, serialize_field, name;
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let Writer(to) = self.item();
        let begin = to.len();
        key.serialize(Writer(to))?;
        match to.get(begin) {
            Some(b'"') => Ok(()),
            _ => Err(Error::custom("a member's name is not text")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.to.push(b':');
        value.serialize(Writer(self.to))
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

#[cfg(test)]
mod tests;
