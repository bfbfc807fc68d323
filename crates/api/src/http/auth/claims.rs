//! What a token says.

use godwit_core::time::Timestamp;
use godwit_policy::Identity;
use serde::{Deserialize, Serialize, Serializer};

use super::{InvalidToken, Principal};
use crate::http::timestamps::{from_unix_seconds, unix_seconds};

/// The claims of a token. Times are seconds since 1970 (`NumericDate` of RFC 7519).
///
/// Unknown claims are ignored, so tokens may carry more than this service reads.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The user under another name, read where `sub` is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_domain_id: Option<String>,
    /// The project that the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_domain_id: Option<String>,
    /// The domain that the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<String>,
    /// `all`, where the token is for the system as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_scope: Option<String>,
    /// What the user may be there. Absent is none.
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<NumericDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
    /// From then on it is no longer good. Required.
    pub exp: NumericDate,
    /// Makes each token another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

impl Claims {
    /// Claims that begin at `now` and end at `until`, and say nothing else.
    pub fn lasting(now: Timestamp, until: Timestamp) -> Self {
        Self {
            iat: Some(now.into()),
            exp: until.into(),
            ..Self::default()
        }
    }

    /// The user, under either name.
    pub fn user(&self) -> Option<&str> {
        let user = self.sub.as_deref().or(self.user_id.as_deref());
        user.filter(|user| !user.is_empty())
    }

    pub fn expires_at(&self) -> Option<Timestamp> {
        self.exp.instant()
    }

    /// When the token was made.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.iat.and_then(NumericDate::instant)
    }

    pub(super) fn into_principal(self) -> Result<Principal, InvalidToken> {
        let user_id = self.user().ok_or(InvalidToken::Claims)?.to_owned();
        let expires_at = self.expires_at().ok_or(InvalidToken::Claims)?;
        let not_before = self
            .nbf
            .map(|nbf| nbf.instant().ok_or(InvalidToken::Claims));
        let identity = Identity {
            user_id: Some(user_id),
            user_domain_id: self.user_domain_id,
            project_id: self.project_id,
            project_domain_id: self.project_domain_id,
            domain_id: self.domain_id,
            system_scope: self.system_scope,
            roles: self.roles,
            ..Identity::default()
        };
        Ok(Principal::new(
            identity,
            expires_at,
            not_before.transpose()?,
        ))
    }
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519 §2).
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
pub struct NumericDate(f64);

impl NumericDate {
    /// The instant, its fraction cut; `None` for what is no time at all.
    fn instant(self) -> Option<Timestamp> {
        let whole = self.0.floor();
        let plausible = (0.0..=253_402_300_799.0).contains(&whole);
        plausible.then(|| from_unix_seconds(whole as i64)).flatten()
    }
}

impl From<Timestamp> for NumericDate {
    fn from(at: Timestamp) -> Self {
        // Seconds stay far below 2^53, so nothing is lost.
        Self(unix_seconds(at) as f64)
    }
}

impl Serialize for NumericDate {
    /// Whole: some readers take nothing else.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(self.0.floor() as i64)
    }
}
