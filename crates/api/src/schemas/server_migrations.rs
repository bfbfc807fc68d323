//! Requests about a server's migrations (`contract: migrations.md §2`).

use crate::microversion::milestone;
use crate::schema::body::{Edition, NULL};

/// The body of `force_complete`.
pub static FORCE_COMPLETE: &[Edition] = &[Edition {
    since: milestone::FORCE_COMPLETE,
    schema: &NULL,
}];
