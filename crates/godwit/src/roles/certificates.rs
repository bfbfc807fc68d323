//! When the certificates of this process end.

use godwit_rpc::transport::{Ends, Tls, Transport};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};

/// Shows in `registry` which of the certificates of `transports` ends first, and which of the
/// authorities that they trust. Transports without certificates have nothing to show.
pub(crate) fn observe<'a>(
    registry: &Registry,
    transports: impl IntoIterator<Item = &'a Transport>,
) -> prometheus::Result<()> {
    let ends = IntGaugeVec::new(
        Opts::new(
            "godwit_certificate_expiry_timestamp_seconds",
            "When the certificate of this process ends, or its authority's: own or authority.",
        ),
        &["certificate"],
    )?;
    let certificates = transports
        .into_iter()
        .filter_map(|transport| transport.tls().cloned());
    registry.register(Box::new(Certificates {
        certificates: certificates.collect(),
        ends,
    }))
}

/// Looked at when somebody wants to know: they may be new ones by then.
struct Certificates {
    certificates: Vec<Tls>,
    ends: IntGaugeVec,
}

impl Collector for Certificates {
    fn desc(&self) -> Vec<&Desc> {
        self.ends.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let found = self.certificates.iter().map(Tls::ends);
        let first = found.reduce(|one, other| Ends {
            own: one.own.min(other.own),
            authority: one.authority.min(other.authority),
        });
        if let Some(Ends { own, authority }) = first {
            self.ends.with_label_values(&["own"]).set(own);
            self.ends.with_label_values(&["authority"]).set(authority);
        }
        self.ends.collect()
    }
}
