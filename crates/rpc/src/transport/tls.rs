//! mTLS: TLS 1.3, one authority, certificates on both sides.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::VerifierBuilderError;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

use super::certificate::{NoIdentity, identity_of};
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

/// The files do not make a party that others would talk to.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    /// A file cannot be read, or is not PEM of the right kind.
    #[error("{path} cannot be read as PEM")]
    File {
        path: PathBuf,
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{0}: no certificate in it")]
    Empty(PathBuf),
    /// Our own certificate does not say who we are.
    #[error("{path} does not say whose it is")]
    Identity { path: PathBuf, source: NoIdentity },
    /// The certificate is somebody else's.
    #[error("{path}: the certificate is for {found}, not for {wanted}")]
    Somebody {
        path: PathBuf,
        wanted: PeerIdentity,
        found: PeerIdentity,
    },
    /// The parts do not fit together, such as a key of another certificate.
    #[error("{cert} cannot be used")]
    Unusable {
        cert: PathBuf,
        source: rustls::Error,
    },
    /// The authority cannot verify anybody.
    #[error("{ca} cannot verify anybody")]
    Authority {
        ca: PathBuf,
        source: VerifierBuilderError,
    },
}

/// One party's certificate and whom it trusts. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    identity: PeerIdentity,
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
        let roots = roots(&files.ca)?;
        let chain = certificates(&files.cert)?;
        let identity = identity_of(Some(&chain)).map_err(|source| TlsError::Identity {
            path: files.cert.clone(),
            source,
        })?;
        Ok(Self {
            identity,
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

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
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
