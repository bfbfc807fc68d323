//! Between what travels and what is meant. Total in both directions: every value of ours can
//! be sent, and every message is either understood as a whole or refused by the name of the
//! field that makes no sense. One file a subject; a property test sends everything there and
//! back.

mod command;
mod domain;
mod enrolment;
mod facts;
mod progress;
pub(crate) mod refusal;
mod words;

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use godwit_core::time::Timestamp;

use crate::refusal::Refusal;

/// A message makes no sense.
fn malformed(field: &str, problem: impl Display) -> Refusal {
    Refusal::Malformed {
        field: field.to_owned(),
        problem: problem.to_string(),
    }
}

/// A message field, which protobuf always lets be absent.
fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| malformed(field, "missing"))
}

/// A required message, understood.
fn read<W, N>(field: &'static str, wire: Option<W>) -> Result<N, Refusal>
where
    N: TryFrom<W, Error = Refusal>,
{
    required(field, wire).and_then(N::try_from)
}

/// An optional message, understood.
fn read_some<W, N>(wire: Option<W>) -> Result<Option<N>, Refusal>
where
    N: TryFrom<W, Error = Refusal>,
{
    wire.map(N::try_from).transpose()
}

fn read_all<W, N>(wire: Vec<W>) -> Result<Vec<N>, Refusal>
where
    N: TryFrom<W, Error = Refusal>,
{
    wire.into_iter().map(N::try_from).collect()
}

fn send_all<N, W: From<N>>(native: Vec<N>) -> Vec<W> {
    native.into_iter().map(W::from).collect()
}

/// A word, an id, an address: whatever has a text form of its own.
pub(crate) fn parsed<T: FromStr<Err: Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, Refusal> {
    text.parse().map_err(|error| malformed(field, error))
}

fn timestamp(field: &'static str, micros: i64) -> Result<Timestamp, Refusal> {
    Timestamp::from_micros(micros).ok_or_else(|| malformed(field, "out of range"))
}

/// Whole milliseconds; a span too long for that is as long as can be.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
