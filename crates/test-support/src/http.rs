//! Asking over HTTP.

use reqwest::{Client, ClientBuilder};

/// A client. A builder of reqwest's own panics, as reqwest is built without any cryptography.
pub fn client() -> Client {
    builder().build().expect("a client is all defaults")
}

/// Makes a client that is somehow special.
pub fn builder() -> ClientBuilder {
    // Another client may have installed the same before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
}
