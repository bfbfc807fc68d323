//! Requests about a server's migrations (`contract: migrations.md §2`).

use crate::nova::microversion::milestone;
use crate::nova::schema::body::{Edition, NULL};

pub static FORCE_COMPLETE: &[Edition] = &[Edition::new(milestone::FORCE_COMPLETE, &NULL)];
