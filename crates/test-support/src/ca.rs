//! A certificate authority for one test, and certificates that are wrong on purpose.
//!
//! A peer's identity is a SAN URI, `godwit://ROLE/NAME`. A [`TestCa`] issues good certificates
//! and each kind of bad one that a server must refuse: expired, without an identity, or (by a
//! second `TestCa`) signed by an authority nobody trusts.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// What a certificate's owner is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Agent,
    Conductor,
    Api,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Conductor => "conductor",
            Self::Api => "api",
        })
    }
}

/// A certificate authority that lives in memory.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl fmt::Debug for TestCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCa").finish_non_exhaustive()
    }
}

impl TestCa {
    /// Makes an authority with a key of its own: two of them do not trust each other.
    ///
    /// # Errors
    /// Key generation failed.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    pub fn cert_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A good certificate for `godwit://ROLE/NAME`, valid at `addresses`.
    ///
    /// # Errors
    /// `name` does not fit into a certificate.
    pub fn issue(&self, role: Role, name: &str, addresses: &[IpAddr]) -> Result<Certificate> {
        self.sign(leaf(Some((role, name)), addresses)?)
    }

    /// Good but for its dates: it expired in 2001.
    ///
    /// # Errors
    /// `name` does not fit into a certificate.
    pub fn issue_expired(
        &self,
        role: Role,
        name: &str,
        addresses: &[IpAddr],
    ) -> Result<Certificate> {
        let mut params = leaf(Some((role, name)), addresses)?;
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// Good but for the identity, which it does not have.
    ///
    /// # Errors
    /// Key generation failed.
    pub fn issue_without_identity(&self, addresses: &[IpAddr]) -> Result<Certificate> {
        self.sign(leaf(None, addresses)?)
    }

    /// Writes the authority's certificate to `ca.pem` in `directory` and returns its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join("ca.pem");
        write_with_mode(&path, &self.cert_pem(), 0o644)?;
        Ok(path)
    }

    fn sign(&self, params: CertificateParams) -> Result<Certificate> {
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.issuer)?;
        Ok(Certificate {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

/// A certificate with its private key.
#[derive(Clone)]
pub struct Certificate {
    pub cert_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("cert_pem", &self.cert_pem)
            .finish_non_exhaustive()
    }
}

/// Where [`Certificate::write`] put the two files.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// `NAME.pem`, readable by all.
    pub cert: PathBuf,
    /// `NAME.key`, mode 0600.
    pub key: PathBuf,
}

impl Certificate {
    /// Writes `NAME.pem` and `NAME.key` into `directory`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> Result<CertificateFiles> {
        let cert = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}.key"));
        write_with_mode(&cert, &self.cert_pem, 0o644)?;
        write_with_mode(&key, &self.key_pem, 0o600)?;
        Ok(CertificateFiles { cert, key })
    }
}

fn leaf(identity: Option<(Role, &str)>, addresses: &[IpAddr]) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    let common_name = identity.map_or("nobody", |(_, name)| name);
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Every part is a client of some and a server of others.
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
        .subject_alt_names
        .extend(addresses.iter().copied().map(SanType::IpAddress));
    if let Some((role, name)) = identity {
        params
            .subject_alt_names
            .push(SanType::URI(format!("godwit://{role}/{name}").try_into()?));
    }
    Ok(params)
}

pub(crate) fn write_with_mode(path: &Path, text: &str, mode: u32) -> Result<()> {
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        options.open(path)?.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_private_and_certificates_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let ca = TestCa::new().unwrap();
        let loopback = [IpAddr::from([127, 0, 0, 1])];
        let files = ca
            .issue(Role::Agent, "host-1", &loopback)
            .unwrap()
            .write(directory.path(), "host-1")
            .unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files.key), 0o600);
        assert_eq!(mode(&files.cert), 0o644);
        assert_eq!(mode(&ca.write(directory.path()).unwrap()), 0o644);
    }

    #[test]
    fn debug_shows_no_key() {
        let certificate = TestCa::new().unwrap().issue_without_identity(&[]).unwrap();
        assert!(!format!("{certificate:?}").contains("PRIVATE"));
    }
}
