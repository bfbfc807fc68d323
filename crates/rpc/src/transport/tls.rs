//! mTLS: TLS 1.3, one authority, certificates on both sides.
//!
//! The files are looked at before each handshake. What they have become counts for it and for those
//! that follow, if it is of use; connections that are there go on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use godwit_core::time::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
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
        let pem = Pem::read(self)?;
        let roots = roots(&self.ca, certificates(&self.ca, &pem.ca)?)?;
        let chain = certificates(&self.cert, &pem.cert)?;
        let since_1970 = u64::try_from(at.as_micros()).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_micros(since_1970));
        verify(&chain, &roots.roots, at).map_err(|source| TlsError::NotBelieved {
            cert: self.cert.clone(),
            source,
        })?;
        client(self, roots, chain, key(&self.key, &pem.key)?).map(drop)
    }
}

/// What is in the files. Compared as a whole: times of changes are too coarse to tell that one file
/// was written after another.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    ca: Vec<u8>,
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pem {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error: io::Error| TlsError::File {
                path: path.clone(),
                source: pem::Error::Io(error),
            })
        };
        Ok(Self {
            ca: read(&files.ca)?,
            cert: read(&files.cert)?,
            key: read(&files.key)?,
        })
    }
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
        ca: PathBuf,
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

/// One party's certificate and whom it trusts, as the files have them. Cheap to clone; all clones
/// take what is new together.
#[derive(Clone)]
pub struct Tls(Arc<Party>);

struct Party {
    files: TlsFiles,
    identity: PeerIdentity,
    state: Mutex<State>,
}

struct State {
    current: Arc<Loaded>,
    /// Why the files, as they are, are not taken: it was said once.
    refused: Option<Refused>,
}

#[derive(PartialEq, Eq)]
enum Refused {
    Unreadable,
    Unusable(Pem),
}

/// What was made of the files at one time.
struct Loaded {
    pem: Pem,
    identity: PeerIdentity,
    ends: Ends,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Loaded {
    fn new(files: &TlsFiles, pem: Pem) -> Result<Self, TlsError> {
        let authorities = certificates(&files.ca, &pem.ca)?;
        let chain = certificates(&files.cert, &pem.cert)?;
        let ends = Ends {
            own: first_end(&chain),
            authority: first_end(&authorities),
        };
        let roots = roots(&files.ca, authorities)?;
        let identity = identity_of(Some(&chain)).map_err(|source| TlsError::Identity {
            path: files.cert.clone(),
            source,
        })?;
        let key = key(&files.key, &pem.key)?;
        let client = client(files, roots.clone(), chain.clone(), key.clone_key())?;
        let server = server(files, roots, chain, key)?;
        Ok(Self {
            pem,
            identity,
            ends,
            client: Arc::new(client),
            server: Arc::new(server),
        })
    }

    fn check(self, files: &TlsFiles, wanted: &PeerIdentity) -> Result<Self, TlsError> {
        if self.identity == *wanted {
            return Ok(self);
        }
        Err(TlsError::Somebody {
            path: files.cert.clone(),
            wanted: wanted.clone(),
            found: self.identity,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("identity", self.identity())
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let loaded = Loaded::new(files, Pem::read(files)?)?;
        Ok(Self::of(files, loaded))
    }

    /// Reads the files and checks that they are `wanted`'s.
    ///
    /// # Errors
    /// As [`Tls::load`]; [`TlsError::Somebody`].
    pub fn load_as(files: &TlsFiles, wanted: &PeerIdentity) -> Result<Self, TlsError> {
        let loaded = Loaded::new(files, Pem::read(files)?)?;
        Ok(Self::of(files, loaded.check(files, wanted)?))
    }

    fn of(files: &TlsFiles, loaded: Loaded) -> Self {
        Self(Arc::new(Party {
            files: files.clone(),
            identity: loaded.identity.clone(),
            state: Mutex::new(State {
                current: Arc::new(loaded),
                refused: None,
            }),
        }))
    }

    /// Who the certificate is for. It stays so: a certificate for somebody else is not taken.
    pub fn identity(&self) -> &PeerIdentity {
        &self.0.identity
    }

    /// When the certificates end.
    pub fn ends(&self) -> Ends {
        self.current().ends
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current().client)
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current().server)
    }

    /// What the files have become, or, where that is of no use, what they were last.
    fn current(&self) -> Arc<Loaded> {
        let Party {
            files,
            identity,
            state,
        } = &*self.0;
        let found = Pem::read(files);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if found.as_ref().is_ok_and(|pem| *pem == state.current.pem) {
            state.refused = None;
            return Arc::clone(&state.current);
        }
        let refused = match &found {
            Ok(pem) => Refused::Unusable(pem.clone()),
            Err(_) => Refused::Unreadable,
        };
        if state.refused.as_ref() == Some(&refused) {
            return Arc::clone(&state.current);
        }
        let loaded = found
            .and_then(|pem| Loaded::new(files, pem))
            .and_then(|loaded| loaded.check(files, identity));
        match loaded {
            Ok(loaded) => {
                tracing::info!(
                    %identity,
                    own_ends = loaded.ends.own,
                    authority_ends = loaded.ends.authority,
                    "took new certificates"
                );
                state.current = Arc::new(loaded);
                state.refused = None;
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%identity, %error, cause, "new certificates are not taken");
                state.refused = Some(refused);
            }
        }
        Arc::clone(&state.current)
    }
}

fn client(
    files: &TlsFiles,
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|source| unusable(files, source))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|source| unusable(files, source))?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn server(
    files: &TlsFiles,
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
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
        .with_single_cert(chain, key)
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

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })?;
    if found.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(found)
}

fn key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
