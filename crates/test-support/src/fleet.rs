//! The fleet of the tests: what its hosts, servers and migrations are called, and when things
//! happen to them.

#[cfg(feature = "rpc")]
pub mod rpc;
#[cfg(feature = "store")]
pub mod store;

use std::fmt::Display;

use godwit_core::ids::{HostName, MigrationUuid, ServerGroupUuid, ServerUuid};
use godwit_core::migration::LiveRequest;
use godwit_core::server_group::{DeclaredGroup, Policy};
use godwit_core::time::Timestamp;
use uuid::Uuid;

pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

pub const SERVER: ServerUuid = ServerUuid(numbered(0x5e77, 1));
pub const MIGRATION: MigrationUuid = MigrationUuid(numbered(0x4d16, 1));

pub fn named(name: &str) -> HostName {
    HostName::new(name).expect("a host name")
}

/// `host-1`, `host-2` and so on.
pub fn host(number: impl Display) -> HostName {
    named(&format!("host-{number}"))
}

pub fn server(number: impl TryInto<u128>) -> ServerUuid {
    ServerUuid(numbered(0x5e77, natural(number)))
}

pub fn migration(number: impl TryInto<u128>) -> MigrationUuid {
    MigrationUuid(numbered(0x4d16, natural(number)))
}

pub fn group(number: impl TryInto<u128>) -> ServerGroupUuid {
    ServerGroupUuid(numbered(0x6200, natural(number)))
}

/// The group of this number, as guests declare it.
pub fn declared(number: u128, policy: Policy) -> DeclaredGroup {
    DeclaredGroup {
        uuid: group(number),
        name: Some(format!("group-{number}")),
        policy: Some(policy),
        max_server_per_host: None,
    }
}

const fn numbered(kind: u128, number: u128) -> Uuid {
    Uuid::from_u128(kind << 112 | 0x4000_8000_0000_0000_0000 | number)
}

fn natural(number: impl TryInto<u128>) -> u128 {
    let natural = number.try_into();
    natural.unwrap_or_else(|_| panic!("a negative number"))
}

/// A uuid that stands for a word.
pub fn uuid(kind: &str, name: &str) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, letter) in bytes.iter_mut().zip(kind.bytes().chain(name.bytes())) {
        *byte = letter;
    }
    Uuid::from_bytes(bytes)
}

/// So many seconds after the beginning of the tests' time, plus a bit that databases must keep.
pub fn at(seconds: i64) -> Timestamp {
    let micros = 1_700_000_000_123_456 + seconds * 1_000_000;
    Timestamp::from_micros(micros).expect("an instant")
}

/// What a request asks for when it asks for nothing in particular.
pub fn anywhere() -> LiveRequest {
    LiveRequest::anywhere()
}
