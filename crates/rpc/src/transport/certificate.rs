//! The identity in a certificate that has been verified already.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

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

/// Who the owner of the first certificate of a verified chain is.
pub(super) fn identity_of(
    chain: Option<&[CertificateDer<'_>]>,
) -> Result<PeerIdentity, NoIdentity> {
    let leaf = chain
        .and_then(<[_]>::first)
        .ok_or(NoIdentity::NoCertificate)?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| NoIdentity::Unreadable)?;
    let mut identities = leaf
        .valid_uri_names()
        .filter_map(|uri| uri.parse::<PeerIdentity>().ok());
    match (identities.next(), identities.next()) {
        (Some(identity), None) => Ok(identity),
        (None, _) => Err(NoIdentity::None),
        (Some(_), Some(_)) => Err(NoIdentity::Several),
    }
}
