use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn written(document: &impl Serialize) -> String {
    let mut to = Vec::new();
    write(&mut to, document).unwrap();
    String::from_utf8(to).unwrap()
}

fn assert_same(document: &impl Serialize) {
    let expected = serde_json::to_string(document).unwrap();
    assert_eq!(written(document), expected);
}

/// A text, written for display.
struct Shown(String);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Pair(i64, &'static str);

#[derive(Serialize)]
struct Inner {
    c: f64,
}

#[derive(Serialize)]
struct Outer<T> {
    a: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<bool>,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Serialize)]
enum Kind {
    Unit,
    New(u8),
    Tuple(u8, char),
    Struct { a: i128 },
}

#[test]
fn every_byte_is_found_wherever_it_stands() {
    for length in 0..20 {
        for place in 0..length {
            for byte in 0..=0x7f {
                let mut text = vec![b'x'; length];
                text[place] = byte;
                assert_same(&String::from_utf8(text).unwrap());
            }
        }
    }
}

#[test]
fn all_kinds_of_values() {
    assert_same(&(Unit, Pair(-1, "a\"b"), (), Some(1.5_f32), None::<u8>));
    assert_same(&[Kind::Unit, Kind::New(7), Kind::Tuple(1, '\n')]);
    assert_same(&Kind::Struct { a: i128::MIN });
    for b in [None, Some(true)] {
        let inner = Inner { c: f64::NAN };
        assert_same(&Outer { a: "ä", b, inner });
    }
    assert_same(&BTreeMap::<String, u8>::new());
    assert_same(&BTreeMap::from([
        ("a\\", Vec::<u8>::new()),
        ("b", vec![1, 2]),
    ]));
    assert_same(&[Shown("plain".to_owned()), Shown("\u{1}\u{7f}".to_owned())]);
}

#[test]
fn a_name_has_to_be_text() {
    let numbers = BTreeMap::from([(1, 2)]);
    assert!(write(&mut Vec::new(), &numbers).is_err());
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_what_serde_json_writes(value in values()) {
        prop_assert_eq!(written(&value), serde_json::to_string(&value).unwrap());
    }
}
