//! Which build this is.

use std::sync::LazyLock;

use prometheus::{Registry, register_int_gauge_vec_with_registry};

/// The release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, where whoever built it said so.
const COMMIT: &str = match option_env!("GODWIT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Version and commit, as `--version` shows them.
pub(crate) static BUILD: LazyLock<String> = LazyLock::new(|| format!("{VERSION} ({COMMIT})"));

/// Shows it in `registry`.
pub(crate) fn observe(registry: &Registry) -> prometheus::Result<()> {
    let build = register_int_gauge_vec_with_registry!(
        "godwit_build_info",
        "Always 1: the version of this process, and the commit that it was built from.",
        &["version", "commit"],
        registry
    )?;
    build.with_label_values(&[VERSION, COMMIT]).set(1);
    Ok(())
}
