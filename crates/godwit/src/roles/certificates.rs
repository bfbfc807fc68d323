//! When the certificates of this process end.

use godwit_rpc::transport::{Ends, Transport};
use prometheus::{Registry, register_int_gauge_vec_with_registry};

/// Shows in `registry` which of the certificates of `transports` ends first, and which of the
/// authorities that they trust. Transports without certificates have nothing to show.
pub(crate) fn observe<'a>(
    registry: &Registry,
    transports: impl IntoIterator<Item = &'a Transport>,
) -> prometheus::Result<()> {
    let ends = register_int_gauge_vec_with_registry!(
        "godwit_certificate_expiry_timestamp_seconds",
        "When the certificate of this process ends, or its authority's: own or authority.",
        &["certificate"],
        registry
    )?;
    let found = transports
        .into_iter()
        .filter_map(|transport| transport.tls().map(|tls| tls.ends()));
    let first = found.reduce(|one, other| Ends {
        own: one.own.min(other.own),
        authority: one.authority.min(other.authority),
    });
    if let Some(Ends { own, authority }) = first {
        ends.with_label_values(&["own"]).set(own);
        ends.with_label_values(&["authority"]).set(authority);
    }
    Ok(())
}
