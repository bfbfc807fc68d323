//! Calls that the API makes to others: to Keystone, and to services that policy asks.
//!
//! They go where the configuration says, whatever the environment says of proxies, and what
//! comes back is read up to a limit only.

use std::error::Error;
use std::path::{Path, PathBuf};

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Response};

/// How to tell who is at the other end, and who is at this one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust<'a> {
    /// A file with the certificates that others' are checked with, PEM; `None`: the system's.
    pub(crate) ca: Option<&'a Path>,
    /// Files with a certificate and its key, PEM, shown to whoever asks for one.
    pub(crate) own: Option<(&'a Path, &'a Path)>,
}

#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no certificate, or no key, that can be used: {cause}")]
    Unusable { path: PathBuf, cause: String },
    /// There is no way of making calls at all.
    #[error("calls cannot be made: {0}")]
    Client(String),
}

pub(crate) fn client(trust: Trust<'_>, redirects: Policy) -> Result<Client, OutgoingError> {
    made(builder(trust, redirects)?)
}

/// Makes a client that is somehow special.
pub(crate) fn made(builder: ClientBuilder) -> Result<Client, OutgoingError> {
    builder
        .build()
        .map_err(|error| OutgoingError::Client(with_causes(&error)))
}

pub(crate) fn builder(trust: Trust<'_>, redirects: Policy) -> Result<ClientBuilder, OutgoingError> {
    // reqwest is built without any cryptography. Another client may have installed the same before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = ClientBuilder::new().no_proxy().redirect(redirects);
    if let Some(path) = trust.ca {
        let certificates = Certificate::from_pem_bundle(&read(path)?);
        builder = builder.tls_certs_only(certificates.map_err(|error| unusable(path, &error))?);
    }
    if let Some((certificate, key)) = trust.own {
        let mut pem = read(certificate)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let own = Identity::from_pem(&pem).map_err(|error| unusable(certificate, &error))?;
        builder = builder.identity(own);
    }
    Ok(builder)
}

/// Reads the body of an answer; `None` if it is longer than `most` bytes.
pub(crate) async fn body(
    mut response: Response,
    most: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// An error with what caused it. The client's own says little more than that it failed.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn read(path: &Path) -> Result<Vec<u8>, OutgoingError> {
    std::fs::read(path).map_err(|cause| OutgoingError::Unreadable {
        path: path.to_owned(),
        cause,
    })
}

fn unusable(path: &Path, error: &reqwest::Error) -> OutgoingError {
    OutgoingError::Unusable {
        path: path.to_owned(),
        cause: with_causes(error),
    }
}
