//! Which build this is.

use prometheus::{IntGaugeVec, Opts, Registry};

/// The commit that it was built from, where whoever built it said so.
const COMMIT: &str = match option_env!("GODWIT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Shows it in `registry`.
pub(crate) fn observe(registry: &Registry) -> prometheus::Result<()> {
    let build = IntGaugeVec::new(
        Opts::new(
            "godwit_build_info",
            "Always 1: the version of this process, and the commit that it was built from.",
        ),
        &["version", "commit"],
    )?;
    registry.register(Box::new(build.clone()))?;
    let labels = [env!("CARGO_PKG_VERSION"), COMMIT];
    build.with_label_values(&labels).set(1);
    Ok(())
}
