//! Bodies as JSON in which every member is there once: of two with one name nobody could say which
//! was meant.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads a body.
///
/// # Errors
/// It is no JSON, or a name is there twice in an object.
pub(crate) fn read(text: &[u8]) -> serde_json::Result<Value> {
    // Nesting beyond any body's is an error of the parser, long before the stack ends.
    serde_json::from_slice::<Document>(text).map(|document| document.0)
}

struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Document(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name:?} is there twice")));
            }
            let Document(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_there_once_in_each_object() {
        let good = br#"{"a": [{"b": 1}, {"b": -2.5}], "b": {"a": null, "b": "x"}, "c": true}"#;
        let expected = json!({
            "a": [{"b": 1}, {"b": -2.5}], "b": {"a": null, "b": "x"}, "c": true,
        });
        assert_eq!(read(good).unwrap(), expected);
        for bad in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"b": 0, "c": [{"a": 1, "b": 2, "a": 3}]}"#,
            // The same name, written otherwise.
            r#"{"a": 1, "\u0061": 2}"#,
        ] {
            let error = read(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("\"a\" is there twice"), "{error}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[a-z\"\\\\é]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z]{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_has_each_name_once_is_read_as_it_is(value in values()) {
            let text = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(read(&text).unwrap(), value);
        }
    }
}
