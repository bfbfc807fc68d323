//! The bodies of actions: types that several share, and which schema applies when.

use super::{Literal, Pattern, Schema, Type};
use crate::nova::microversion::Microversion;

/// The value of an action's one member, from some version on.
#[derive(Clone, Copy, Debug)]
pub struct Edition {
    pub since: Microversion,
    pub schema: &'static Schema,
}

impl Edition {
    pub const fn new(since: Microversion, schema: &'static Schema) -> Self {
        Self { since, schema }
    }
}

/// The schema of `version`; the editions are in the order of their versions.
pub fn edition(editions: &'static [Edition], version: Microversion) -> &'static Schema {
    let edition = editions.iter().rfind(|edition| edition.since <= version);
    edition.map_or(&Schema::ANY, |edition| edition.schema)
}

/// The words for yes and no, in the order of Nova's texts. [`is_true`] reads them.
const BOOLEANS: [Literal; 22] = {
    use Literal::{Boolean, Text};
    [
        Boolean(true),
        Text("True"),
        Text("TRUE"),
        Text("true"),
        Text("1"),
        Text("ON"),
        Text("On"),
        Text("on"),
        Text("YES"),
        Text("Yes"),
        Text("yes"),
        Boolean(false),
        Text("False"),
        Text("FALSE"),
        Text("false"),
        Text("0"),
        Text("OFF"),
        Text("Off"),
        Text("off"),
        Text("NO"),
        Text("No"),
        Text("no"),
    ]
};

/// Where in [`BOOLEANS`] the words for no begin.
const FIRST_NO: usize = 11;

const BOOLEANS_AND_AUTO: [Literal; 23] = {
    let mut all = [Literal::Text("auto"); 23];
    let mut index = 0;
    while index < BOOLEANS.len() {
        all[index] = BOOLEANS[index];
        index += 1;
    }
    all
};

/// A boolean, or one of the words for it.
pub static BOOLEAN: Schema = Schema {
    types: &[Type::Boolean, Type::String],
    any_of: &BOOLEANS,
    ..Schema::ANY
};

/// The same, or "auto".
pub static BOOLEAN_OR_AUTO: Schema = Schema {
    types: &[Type::Boolean, Type::String],
    any_of: &BOOLEANS_AND_AUTO,
    ..Schema::ANY
};

pub static HOST: Schema = Schema {
    types: &[Type::String],
    min_length: 1,
    max_length: 255,
    pattern: Some(Pattern::HostName),
    ..Schema::ANY
};

/// The name of a host, or nothing.
pub static HOST_OR_NULL: Schema = Schema {
    types: &[Type::String, Type::Null],
    ..HOST
};

pub static NULL: Schema = Schema {
    types: &[Type::Null],
    ..Schema::ANY
};

/// Reads a value that is valid by [`BOOLEAN`]. Anything else is no.
pub fn is_true(value: &serde_json::Value) -> bool {
    BOOLEANS[..FIRST_NO].iter().any(|word| match word {
        Literal::Boolean(word) => value.as_bool() == Some(*word),
        Literal::Text(word) => value.as_str() == Some(word),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn each_word_is_a_yes_or_a_no() {
        let value = |word: &Literal| match word {
            Literal::Boolean(word) => json!(word),
            Literal::Text(word) => json!(word),
        };
        for word in &BOOLEANS[..FIRST_NO] {
            assert!(is_true(&value(word)), "{word:?}");
        }
        for word in &BOOLEANS[FIRST_NO..] {
            assert!(!is_true(&value(word)), "{word:?}");
        }
        assert!(!is_true(&Value::Null) && !is_true(&json!("auto")));
    }
}
