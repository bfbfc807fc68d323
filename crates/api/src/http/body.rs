//! How much of a body is read, and for how long it may take to arrive.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures::StreamExt;

/// A body that is not taken.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// More bytes than are read.
    TooLarge,
    /// It did not arrive, or broke off.
    Incomplete,
}

/// Says a body's declared length more than `limit`? Then nobody has to wait for it.
pub(crate) fn declares_more_than(limit: usize, headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| {
        usize::try_from(length).is_ok_and(|it| it > limit) || usize::try_from(length).is_err()
    })
}

/// Reads the body, at most `limit` bytes, within `patience`.
pub(crate) async fn read(
    payload: &mut Payload,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    let whole = async {
        let mut body = BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| BodyError::Incomplete)?;
            if body.len() + piece.len() > limit {
                return Err(BodyError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(patience, whole)
        .await
        .unwrap_or(Err(BodyError::Incomplete))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn declared_lengths() {
        let declares = |length: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static(length));
            declares_more_than(100, &headers)
        };
        assert!(declares("101") && declares("18446744073709551615"));
        assert!(!declares("100") && !declares("x") && !declares("-1"));
    }
}
