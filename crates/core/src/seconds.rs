//! Spans of time as numbers of seconds with a fraction: the way configurations write them, and
//! rows that are to stay readable. For serde's `with`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Writes the number.
pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(span.as_secs_f64())
}

/// Reads the number.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
}

/// The same, but not zero: for what would be done again without a pause.
pub fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let span = deserialize(from)?;
    if span.is_zero() {
        return Err(D::Error::custom("it has to be more than 0 seconds"));
    }
    Ok(span)
}
