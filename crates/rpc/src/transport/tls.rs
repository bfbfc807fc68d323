//! mTLS: TLS 1.3, one authority, certificates on both sides.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use godwit_core::time::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

use super::certificate::{NoIdentity, first_end, identity_of, verify};
use crate::identity::PeerIdentity;

const HTTP2: &[u8] = b"h2";

/// Where the PEM files are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The authority that signs everybody's certificates.
    pub ca: PathBuf,
    /// This party's certificate, with a SAN URI `godwit://ROLE/NAME` and its addresses.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Do they belong together, and would others that trust the same authority believe them at
    /// `at`? Whose they are does not matter.
    ///
    /// # Errors
    /// They would not: [`TlsError`] names the file and what is wrong with it.
    pub fn verify_at(&self, at: Timestamp) -> Result<(), TlsError> {
        let roots = roots(&self.ca, certificates(&self.ca)?)?;
        let chain = certificates(&self.cert)?;
        let since_1970 = u64::try_from(at.as_micros()).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_micros(since_1970));
        verify(&chain, &roots.roots, at).map_err(|source| TlsError::NotBelieved {
            cert: self.cert.clone(),
            source,
        })?;
        client(self, roots, chain).map(drop)
    }
}

/// The files do not make a party that others would talk to.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM of the right kind.
    #[error("{path} cannot be read as PEM")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{0}: no certificate in it")]
    Empty(PathBuf),
    /// Our own certificate does not say who we are.
    #[error("{path} does not say whose it is")]
    Identity {
        /// Which.
        path: PathBuf,
        /// Why.
        source: NoIdentity,
    },
    /// The certificate is somebody else's.
    #[error("{path}: the certificate is for {found}, not for {wanted}")]
    Somebody {
        /// Which.
        path: PathBuf,
        /// Who we should be.
        wanted: PeerIdentity,
        /// Who it is for.
        found: PeerIdentity,
    },
    /// The parts do not fit together, such as a key of another certificate.
    #[error("{cert} cannot be used")]
    Unusable {
        /// The certificate.
        cert: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Others would refuse the certificate.
    #[error("nobody would believe {cert}")]
    NotBelieved {
        /// The certificate.
        cert: PathBuf,
        /// Why.
        source: webpki::Error,
    },
    /// The authority cannot verify anybody.
    #[error("{ca} cannot verify anybody")]
    Authority {
        /// The authority.
        ca: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

/// When certificates end, in seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// The party's own, or one that stands between it and the authority.
    pub own: i64,
    /// The authority's; of several the first.
    pub authority: i64,
}

/// One party's certificate and whom it trusts. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    identity: PeerIdentity,
    ends: Ends,
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let authorities = certificates(&files.ca)?;
        let chain = certificates(&files.cert)?;
        let ends = Ends {
            own: first_end(&chain),
            authority: first_end(&authorities),
        };
        let roots = roots(&files.ca, authorities)?;
        let identity = identity_of(Some(&chain)).map_err(|source| TlsError::Identity {
            path: files.cert.clone(),
            source,
        })?;
        Ok(Self {
            identity,
            ends,
            client: Arc::new(client(files, roots.clone(), chain.clone())?),
            server: Arc::new(server(files, roots, chain)?),
        })
    }

    /// Reads the files and checks that they are `wanted`'s.
    ///
    /// # Errors
    /// As [`Tls::load`]; [`TlsError::Somebody`].
    pub fn load_as(files: &TlsFiles, wanted: &PeerIdentity) -> Result<Self, TlsError> {
        let tls = Self::load(files)?;
        if tls.identity == *wanted {
            return Ok(tls);
        }
        Err(TlsError::Somebody {
            path: files.cert.clone(),
            wanted: wanted.clone(),
            found: tls.identity,
        })
    }

    /// Who the certificate is for.
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// When the certificates end.
    pub fn ends(&self) -> Ends {
        self.ends
    }
}

fn client(
    files: &TlsFiles,
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|source| unusable(files, source))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key(&files.key)?)
        .map_err(|source| unusable(files, source))?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn server(
    files: &TlsFiles,
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .build()
        .map_err(|source| TlsError::Authority {
            ca: files.ca.clone(),
            source,
        })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|source| unusable(files, source))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key(&files.key)?)
        .map_err(|source| unusable(files, source))?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn unusable(files: &TlsFiles, source: rustls::Error) -> TlsError {
    let cert = files.cert.clone();
    TlsError::Unusable { cert, source }
}

fn roots(
    path: &Path,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Unusable {
                cert: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if found.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
