//! What the policy language borrows from Python.
//!
//! oslo.policy hands three things straight to its host language: the right side of a check goes
//! through the `%` operator, the left side through `ast.literal_eval`, and values are compared by
//! their `str()`. None of it is documented as part of the language, all of it decides who may do
//! what. These modules reproduce it for the values that JSON can hold (`docs/adr/0023`).

mod cursor;
pub(crate) mod literal;
mod number;
pub(crate) mod percent;
mod scan;
pub(crate) mod text;

pub use text::{repr, repr_text, str_of};
