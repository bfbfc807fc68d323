//! What a certificate says: whose it is, once it has been verified, and when it ends.

use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

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
    let ends = certificates.iter().map(|it| end(it).unwrap_or_default());
    ends.min().unwrap_or_default()
}

/// When it ends. webpki says so only when it refuses a certificate that has ended, which at the end
/// of time each has; it looks at that before it looks for who signed it.
fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let last = UnixTime::since_unix_epoch(Duration::MAX);
    let usage = KeyUsage::client_auth();
    let verified = certificate.verify_for_usage(&[], &[], &[], last, usage, None, None);
    let Err(Error::CertExpired { not_after, .. }) = verified else {
        return None;
    };
    i64::try_from(not_after.as_secs()).ok()
}

/// Would whoever trusts `authorities` believe the first of these at `at`, as a server and as a
/// client?
pub(super) fn verify(
    chain: &[CertificateDer<'_>],
    authorities: &[TrustAnchor<'_>],
    at: UnixTime,
) -> Result<(), Error> {
    let Some((first, others)) = chain.split_first() else {
        return Err(Error::UnknownIssuer);
    };
    let certificate = EndEntityCert::try_from(first)?;
    let algorithms = ring::default_provider().signature_verification_algorithms;
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        certificate.verify_for_usage(algorithms.all, authorities, others, at, usage, None, None)?;
    }
    Ok(())
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
