//! What a certificate says: whose it is, once it has been verified, and when it ends.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::identity::PeerIdentity;

/// A certificate that says nothing, or too much, about who its owner is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoIdentity {
    /// There is no certificate.
    #[error("there is no certificate")]
    NoCertificate,
    /// It cannot be parsed.
    #[error("the certificate cannot be parsed")]
    Unreadable,
    /// No SAN URI of ours.
    #[error("the certificate has no SAN URI godwit://ROLE/NAME")]
    None,
    /// Several SAN URIs of ours: nobody is two.
    #[error("the certificate has more than one SAN URI godwit://ROLE/NAME")]
    Several,
}

/// When the first of these ends, in seconds since 1970. What cannot be read has ended.
pub(super) fn first_end(certificates: &[CertificateDer<'_>]) -> i64 {
    let ends = certificates.iter().map(|certificate| {
        let parsed = parse_x509_certificate(certificate);
        parsed.map_or(0, |(_, it)| it.validity().not_after.timestamp())
    });
    ends.min().unwrap_or_default()
}

/// Who the owner of the first certificate of a verified chain is.
pub(super) fn identity_of(
    chain: Option<&[CertificateDer<'_>]>,
) -> Result<PeerIdentity, NoIdentity> {
    let leaf = chain
        .and_then(<[_]>::first)
        .ok_or(NoIdentity::NoCertificate)?;
    let (_, leaf) = parse_x509_certificate(leaf).map_err(|_| NoIdentity::Unreadable)?;
    let names = leaf
        .subject_alternative_name()
        .map_err(|_| NoIdentity::Unreadable)?
        .ok_or(NoIdentity::None)?;
    let mut identities = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => uri.parse::<PeerIdentity>().ok(),
            _ => None,
        });
    match (identities.next(), identities.next()) {
        (Some(identity), None) => Ok(identity),
        (None, _) => Err(NoIdentity::None),
        (Some(_), Some(_)) => Err(NoIdentity::Several),
    }
}
