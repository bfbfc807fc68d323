//! Who is asking: from a token to credentials.
//!
//! [`Authenticator`] is the seam: [`jwt::JwtAuthenticator`] checks signed tokens by itself,
//! [`keystone::KeystoneAuthenticator`] asks Keystone. Whatever is wrong with a token, the
//! caller learns only that it is not good.

pub mod claims;
mod der;
mod jws;
pub mod jwt;
pub mod keys;
pub mod keystone;
mod principal;
pub mod revocation;
pub mod signer;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::principal::{Decided, Principal};

/// Why a token is not accepted. For the log; clients are not told.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("{0}")]
    Invalid(#[from] InvalidToken),
    /// Whoever knows could not be asked.
    #[error("tokens cannot be checked: {0}")]
    Unavailable(String),
}

/// What is wrong with a token. Never carries any of it.
#[derive(Debug, thiserror::Error)]
pub enum InvalidToken {
    /// Longer than any token is.
    #[error("the token is too long")]
    TooLong,
    /// No trusted key made this signature, or it is no signed token at all.
    #[error("the token is not signed by a trusted key")]
    Signature,
    /// Signed, but it does not say who it is for or how long.
    #[error("the token lacks a claim, or has one of the wrong kind")]
    Claims,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Keystone does not know it, or took it back.
    #[error("Keystone does not know the token")]
    NotKnown,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
}

#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, AuthError>;

    /// The same for who goes on long after that: what is known counts for a few seconds only, so
    /// that a token which was taken back is found out. [`AuthError::Unavailable`] of a good token
    /// too, where nobody can tell by now.
    async fn authenticate_again(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        self.authenticate(token).await
    }
}
