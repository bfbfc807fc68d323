//! Between what travels and what is meant. Total in both directions: every value of ours can
//! be sent, and every message is either understood as a whole or refused by the name of the
//! field that makes no sense. A property test sends everything there and back.

mod choices;
mod messages;

pub(crate) mod refusal;
mod words;

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use godwit_core::ids::{HostName, MigrationUuid, ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use godwit_core::time::Timestamp;
use semver::Version;
use uuid::Uuid;

use crate::proto;
use crate::refusal::Refusal;
use crate::version::Speaks;
use words::Word;

/// A type of the domain that travels as a message.
pub(crate) trait Native: Sized {
    type Wire;
    fn to_wire(self) -> Self::Wire;
    fn from_wire(wire: Self::Wire) -> Result<Self, Refusal>;
}

/// A type of the domain that travels as a field of a message.
trait Field<W>: Sized {
    fn send(self) -> W;
    fn read(name: &'static str, wire: W) -> Result<Self, Refusal>;
}

/// Types that travel as messages of the same name and with the same fields.
macro_rules! mirrored {
    ($($name:ident { $($field:ident),+ })+) => {$(
        impl Native for $name {
            type Wire = proto::$name;

            fn to_wire(self) -> proto::$name {
                let Self { $($field),+ } = self;
                proto::$name { $($field: Field::send($field)),+ }
            }

            fn from_wire(wire: proto::$name) -> Result<Self, Refusal> {
                Ok(Self { $($field: Field::read(stringify!($field), wire.$field)?),+ })
            }
        }
    )+};
}
use mirrored;

impl Native for () {
    type Wire = proto::Empty;

    fn to_wire(self) -> proto::Empty {
        proto::Empty {}
    }

    fn from_wire(proto::Empty {}: proto::Empty) -> Result<Self, Refusal> {
        Ok(())
    }
}

impl From<Speaks> for proto::HelloReply {
    fn from(speaks: Speaks) -> Self {
        Self {
            rpc_version: speaks.version.to_string(),
            capabilities: speaks.capabilities.into_iter().collect(),
        }
    }
}

impl<N: Native> Native for Box<N> {
    type Wire = N::Wire;

    fn to_wire(self) -> N::Wire {
        (*self).to_wire()
    }

    fn from_wire(wire: N::Wire) -> Result<Self, Refusal> {
        N::from_wire(wire).map(Self::new)
    }
}

/// protobuf lets every message be absent.
impl<N: Native> Field<Option<N::Wire>> for N {
    fn send(self) -> Option<N::Wire> {
        Some(self.to_wire())
    }

    fn read(name: &'static str, wire: Option<N::Wire>) -> Result<Self, Refusal> {
        required(name, wire).and_then(N::from_wire)
    }
}

impl<N: Native> Field<Option<N::Wire>> for Option<N> {
    fn send(self) -> Option<N::Wire> {
        self.map(N::to_wire)
    }

    fn read(_: &'static str, wire: Option<N::Wire>) -> Result<Self, Refusal> {
        wire.map(N::from_wire).transpose()
    }
}

impl<N: Native> Field<Vec<N::Wire>> for Vec<N> {
    fn send(self) -> Vec<N::Wire> {
        self.into_iter().map(N::to_wire).collect()
    }

    fn read(_: &'static str, wire: Vec<N::Wire>) -> Result<Self, Refusal> {
        wire.into_iter().map(N::from_wire).collect()
    }
}

impl<T: Word> Field<i32> for T {
    fn send(self) -> i32 {
        words::send(self)
    }

    fn read(name: &'static str, wire: i32) -> Result<Self, Refusal> {
        words::read(name, wire)
    }
}

macro_rules! plain {
    ($($plain:ty),+) => {$(
        impl Field<Self> for $plain {
            fn send(self) -> Self {
                self
            }

            fn read(_: &'static str, wire: Self) -> Result<Self, Refusal> {
                Ok(wire)
            }
        }
    )+};
}

plain!(
    bool,
    i64,
    u32,
    u64,
    String,
    Vec<String>,
    Option<bool>,
    Option<u32>,
    Option<u64>,
    Option<String>
);

/// Words, ids, addresses: what has a text form of its own.
macro_rules! texts {
    ($($text:ty),+) => {$(
        impl Field<String> for $text {
            fn send(self) -> String {
                self.to_string()
            }

            fn read(name: &'static str, wire: String) -> Result<Self, Refusal> {
                parsed(name, &wire)
            }
        }

        impl Field<Option<String>> for Option<$text> {
            fn send(self) -> Option<String> {
                self.map(|text| text.to_string())
            }

            fn read(name: &'static str, wire: Option<String>) -> Result<Self, Refusal> {
                wire.map(|text| parsed(name, &text)).transpose()
            }
        }

        impl Field<Vec<String>> for Vec<$text> {
            fn send(self) -> Vec<String> {
                self.iter().map(ToString::to_string).collect()
            }

            fn read(name: &'static str, wire: Vec<String>) -> Result<Self, Refusal> {
                wire.iter().map(|text| parsed(name, text)).collect()
            }
        }
    )+};
}

texts!(
    HostName,
    MigrationUuid,
    ServerUuid,
    ServerGroupUuid,
    Uuid,
    Policy,
    IpAddr,
    Version
);

/// Microseconds.
impl Field<i64> for Timestamp {
    fn send(self) -> i64 {
        self.as_micros()
    }

    fn read(name: &'static str, wire: i64) -> Result<Self, Refusal> {
        Self::from_micros(wire).ok_or_else(|| malformed(name, "out of range"))
    }
}

/// Whole milliseconds; a span too long for that is as long as can be.
impl Field<u64> for Duration {
    fn send(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }

    fn read(_: &'static str, wire: u64) -> Result<Self, Refusal> {
        Ok(Self::from_millis(wire))
    }
}

impl Field<Option<u64>> for Option<Duration> {
    fn send(self) -> Option<u64> {
        self.map(Field::send)
    }

    fn read(name: &'static str, wire: Option<u64>) -> Result<Self, Refusal> {
        wire.map(|wire| Field::read(name, wire)).transpose()
    }
}

fn malformed(field: &str, problem: impl Display) -> Refusal {
    Refusal::Malformed {
        field: field.to_owned(),
        problem: problem.to_string(),
    }
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| malformed(field, "missing"))
}

pub(crate) fn parsed<T: FromStr<Err: Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, Refusal> {
    text.parse().map_err(|error| malformed(field, error))
}
