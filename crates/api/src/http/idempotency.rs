//! `Idempotency-Key`: who sends a request again gets the answer of the first, and nothing is made
//! twice. Decision 15.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use godwit_core::idempotency::{KEY_MAX, Repetition, compare};
use godwit_core::time::Timestamp;
use godwit_store::{IdempotencyKey, KeptAnswer, KeyedRequest, KeyedWrite, StoreError};
use sha2::{Digest, Sha256};

use crate::http::auth::Principal;
use crate::http::state::ApiState;

const HEADER: &str = "idempotency-key";

/// Why a request with a key is not granted.
#[derive(Debug)]
pub(crate) enum KeyError {
    /// The header holds no key.
    Malformed,
    /// The key came with another request before.
    Reused,
    /// The same request is being answered.
    InProgress,
    Store(StoreError),
}

impl KeyError {
    pub(crate) const MALFORMED: &'static str =
        "Idempotency-Key is one text of 1 to 255 characters.";
    pub(crate) const REUSED: &'static str =
        "The idempotency key was sent before, with another request. Use a new one.";
    pub(crate) const IN_PROGRESS: &'static str =
        "A request with this idempotency key is being answered. Send it again a little later.";
}

/// A request's key, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<&str>, KeyError> {
    let mut values = headers.get_all(HEADER);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| KeyError::Malformed)?;
    let fits = (1..=KEY_MAX).contains(&text.chars().count());
    match fits && values.next().is_none() {
        true => Ok(Some(text)),
        false => Err(KeyError::Malformed),
    }
}

/// What a request says, as far as its key is concerned.
pub(crate) struct Said<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// Method and path of the route.
    pub(crate) route: String,
    /// As the caller wrote it.
    pub(crate) path: &'a str,
    /// The same.
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    /// The status that is promised, should nobody live to answer.
    pub(crate) promise: u16,
}

impl Said<'_> {
    /// The request, if it has a key.
    pub(crate) fn keyed(
        self,
        state: &ApiState,
        principal: &Principal,
    ) -> Result<Option<KeyedRequest>, KeyError> {
        let Some(key) = key(self.headers)? else {
            return Ok(None);
        };
        let mut fingerprint = Sha256::new();
        fingerprint.update(self.path.as_bytes());
        fingerprint.update([0_u8]);
        fingerprint.update(self.body);
        if !self.query.is_empty() {
            fingerprint.update([0_u8]);
            fingerprint.update(self.query.as_bytes());
        }
        let at = state.clock.now();
        // Nothing waits longer than for pre-checks; the rest is for the database.
        let longest = state.config.precheck_wait.saturating_mul(2);
        Ok(Some(KeyedRequest {
            key: IdempotencyKey {
                user_id: principal.user_id.clone().unwrap_or_default(),
                project_id: principal.project_id.clone().unwrap_or_default(),
                route: self.route,
                key: key.to_owned(),
            },
            fingerprint: hex::encode(fingerprint.finalize()),
            promise: KeptAnswer {
                status: self.promise,
                location: None,
                etag: None,
                body: String::new(),
            },
            open_until: at.plus(longest),
            forgotten: forgotten(state, at),
            at,
        }))
    }
}

/// From when on, into the past, keys are forgotten.
fn forgotten(state: &ApiState, now: Timestamp) -> Timestamp {
    let kept = state.config.retention.idempotency_keys;
    now.minus(kept.unwrap_or(Duration::MAX))
}

/// How a request with a key goes on.
pub(crate) enum Begun {
    First(Box<First>),
    /// It was answered before.
    Again(KeptAnswer),
}

/// A request that is the first with its key, as far as anybody knows.
pub(crate) struct First {
    /// The API, whose next transaction writes the key.
    pub(crate) state: Data<ApiState>,
    /// The API as it is for everybody.
    plain: Data<ApiState>,
    request: KeyedRequest,
    pub(crate) write: Arc<KeyedWrite>,
}

/// Looks whether there was such a request before.
pub(crate) async fn begin(
    state: &Data<ApiState>,
    request: KeyedRequest,
) -> Result<Begun, KeyError> {
    if let Some(answer) = earlier(state, &request).await? {
        return Ok(Begun::Again(answer));
    }
    let (store, write) = state.store.keyed(request.clone());
    let keyed = ApiState {
        store,
        ..state.get_ref().clone()
    };
    Ok(Begun::First(Box::new(First {
        state: Data::new(keyed),
        plain: state.clone(),
        request,
        write,
    })))
}

/// What the request with the same key was answered, if there was one.
async fn earlier(state: &ApiState, request: &KeyedRequest) -> Result<Option<KeptAnswer>, KeyError> {
    let now = state.clock.now();
    let found = state
        .store
        .idempotency_find(&request.key, forgotten(state, now))
        .await;
    let Some(kept) = found.map_err(KeyError::Store)? else {
        return Ok(None);
    };
    match compare(
        &kept.fingerprint,
        kept.open_until,
        &request.fingerprint,
        now,
    ) {
        Repetition::Answered => Ok(Some(kept.answer)),
        Repetition::InProgress => Err(KeyError::InProgress),
        Repetition::Other => Err(KeyError::Reused),
    }
}

impl First {
    /// Keeps the answer, where something was made or there was nothing to make. `Some`: another request
    /// with the same key was first after all, and this is what that was answered.
    pub(crate) async fn end(
        self,
        answer: Option<KeptAnswer>,
    ) -> Result<Option<KeptAnswer>, KeyError> {
        if !self.write.is_written() {
            // Another one may have been first meanwhile, and be why nothing was made.
            return match earlier(&self.plain, &self.request).await? {
                None if self.write.is_lost() => Err(KeyError::InProgress),
                None => self.keep(answer).await,
                first => Ok(first),
            };
        }
        if let Some(answer) = answer {
            let kept = self
                .plain
                .store
                .idempotency_answer(&self.request.key, &answer);
            // What was made is made, and the promise stands.
            if let Err(error) = kept.await {
                tracing::warn!(%error, "the answer to a request with a key was not kept");
            }
        }
        Ok(None)
    }

    /// Keeps an answer that no transaction was needed for. A refusal may be another one next time.
    async fn keep(self, answer: Option<KeptAnswer>) -> Result<Option<KeptAnswer>, KeyError> {
        let Some(answer) = answer.filter(|it| it.status < 400) else {
            return Ok(None);
        };
        let store = &self.plain.store;
        let kept = store.idempotency_keep(self.request.clone(), &answer).await;
        match kept {
            Ok(true) => Ok(None),
            Ok(false) => earlier(&self.plain, &self.request).await,
            // It says how things are, and does so again.
            Err(error) => {
                tracing::warn!(%error, "the answer to a request with a key was not kept");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn keys_are_one_text_of_bounded_length() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(HeaderName::from_static(HEADER), value);
            }
            key(&headers).map(|key| key.map(str::to_owned))
        };
        let (longest, umlauts) = ("k".repeat(255), "ä".repeat(255));
        let too_long = format!("{longest}k");
        assert!(matches!(read(&[]), Ok(None)));
        for good in [
            "k",
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
            &longest,
            &umlauts,
        ] {
            assert_eq!(read(&[good]).unwrap().as_deref(), Some(good));
        }
        for bad in [&[""][..], &["a", "a"], &[too_long.as_str()]] {
            assert!(matches!(read(bad), Err(KeyError::Malformed)), "{bad:?}");
        }
        let mut headers = HeaderMap::new();
        let latin = HeaderValue::from_bytes(b"\xe4").unwrap();
        headers.append(HeaderName::from_static(HEADER), latin);
        assert!(matches!(key(&headers), Err(KeyError::Malformed)));
    }
}
