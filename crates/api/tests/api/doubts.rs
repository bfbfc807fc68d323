//! Tokens that somebody else vouches for, who may say otherwise to those who ask again.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use godwit_api::auth::jwt::JwtAuthenticator;
use godwit_api::auth::{AuthError, Authenticator, InvalidToken, Principal};

/// What is said to those who ask again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Doubt {
    #[default]
    None,
    NobodyKnows,
    TakenBack,
}

#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<(Doubt, usize)>);

impl Doubts {
    pub(crate) fn raise(&self, doubt: Doubt) {
        *self.0.lock().unwrap() = (doubt, 0);
    }

    /// How often somebody asked again since.
    pub(crate) fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

/// Knows every token from its signature, for whoever asks but once.
pub(crate) struct Doubting {
    pub(crate) verifier: Arc<JwtAuthenticator>,
    pub(crate) doubts: Arc<Doubts>,
}

#[async_trait]
impl Authenticator for Doubting {
    async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        self.verifier.authenticate(token).await
    }

    async fn authenticate_again(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        let doubt = {
            let mut doubts = self.doubts.0.lock().unwrap();
            doubts.1 += 1;
            doubts.0
        };
        match doubt {
            Doubt::None => self.authenticate(token).await,
            Doubt::NobodyKnows => Err(AuthError::Unavailable("it is down".to_owned())),
            Doubt::TakenBack => Err(InvalidToken::NotKnown.into()),
        }
    }
}
