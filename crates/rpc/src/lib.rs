//! How conductors and agents talk.
//!
//! ```text
//!   conductor ──Agent──────► agent      commands, and the stream of a move under way
//!   agent ─────Conductor───► conductor  enrolment, heartbeats, terminal reports
//! ```
//!
//! Both services are traits over the types of the domain ([`agent::Agent`],
//! [`conductor::Conductor`]); what travels (protobuf over gRPC) never leaves this crate. A
//! server renders a trait on a [`transport`], a client has the same calls. The transport proves
//! who is at the other end ([`identity`]): by mTLS between hosts, by construction within one
//! process, where no port is opened. Versions are compared on every call ([`version`]).
//!
//! Commands may be repeated and may come late; the rules are at [`agent::Agent`].

#![warn(missing_docs)]

pub mod agent;
pub mod command;
pub mod conductor;
pub mod domain;
pub mod enrolment;
pub mod facts;
pub mod identity;
pub mod progress;
pub mod refusal;
pub mod transport;
pub mod version;

mod convert;
mod gate;
mod proto;
mod session;
mod trace;

pub use session::Deadlines;
