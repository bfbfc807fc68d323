//! Spans of time as numbers of seconds, the way the configuration writes them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(span.as_secs_f64())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
}

/// The same, but not zero: for what would be done again without a pause.
pub(crate) fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let span = deserialize(from)?;
    if span.is_zero() {
        return Err(D::Error::custom("it has to be more than 0 seconds"));
    }
    Ok(span)
}
