//! Which build this is.

use prometheus::{Registry, register_int_gauge_vec_with_registry};

/// The commit that it was built from, where whoever built it said so.
const COMMIT: &str = match option_env!("GODWIT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Shows it in `registry`.
pub(crate) fn observe(registry: &Registry) -> prometheus::Result<()> {
    let build = register_int_gauge_vec_with_registry!(
        "godwit_build_info",
        "Always 1: the version of this process, and the commit that it was built from.",
        &["version", "commit"],
        registry
    )?;
    let labels = [env!("CARGO_PKG_VERSION"), COMMIT];
    build.with_label_values(&labels).set(1);
    Ok(())
}
