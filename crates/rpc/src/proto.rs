//! The messages as they travel. Nobody outside this crate sees them: [`crate::convert`] turns
//! them into the types of the domain at the border. `cargo xtask protocol` writes them.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated; the documentation is in the proto files"
)]

include!("../proto/godwit.v1.rs");
