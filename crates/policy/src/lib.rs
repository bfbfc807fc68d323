//! The oslo.policy language, as a pure evaluator.
//!
//! Operators bring their policy files from Nova and expect them to mean what they meant there, so
//! this crate follows oslo.policy's behaviour to the letter, quirks included; a differential test
//! (`tests/clients/policy_differential.py`) compares the two over many thousand generated cases.
//!
//! ```text
//! file ──serde──▶ Overrides ─┐
//!                            ├─▶ Enforcer ──enforce(rule, credentials, target)──▶ Decision
//! registry::RULES ───────────┘        (all parsing happens on this side of the call)
//! ```
//!
//! Three properties hold throughout:
//! - **It fails closed.** What cannot be read, cannot be substituted, goes in circles or raises in
//!   oslo.policy is a [`Decision::Denied`] that carries a [`Fault`], never a panic, and no `not`
//!   in a rule turns such a fault into permission.
//! - **It is pure.** No files, clocks or sockets. `http:` checks go through [`RemoteCheck`], which
//!   the caller supplies.
//! - **It is fast.** Rules are parsed and their references resolved once, in [`Enforcer::new`];
//!   the rules that Nova ships evaluate without allocating.

#![warn(missing_docs)]

mod check;
mod compile;
mod credentials;
mod decision;
mod effective_rule;
mod enforcer;
mod evaluate;
mod expr;
mod finding;
mod left_side;
mod lexer;
mod overrides;
mod parser;
pub mod python;
mod references;
pub mod registry;
mod remote;
mod rule_default;
pub mod sample;
mod scope;

mod target;

pub use credentials::{Credentials, Identity, InvalidCredentials};
pub use decision::{Decision, Fault};
pub use enforcer::{Enforcer, Settings, UnregisteredRule};
pub use finding::Finding;
pub use overrides::{InvalidOverrides, Overrides};
pub use remote::{RemoteCheck, RemoteFailure, RemoteQuestion};
pub use rule_default::{DeprecatedRule, RuleDefault};
pub use scope::Scope;
pub use target::Target;
