//! The messages as they travel. Nobody outside this crate sees them: [`crate::convert`] turns
//! them into the types of the domain at the border.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated; the documentation is in the proto files"
)]

tonic::include_proto!("godwit.v1");

/// The compiled protocol, which the version test takes its fingerprint of.
#[cfg(test)]
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
