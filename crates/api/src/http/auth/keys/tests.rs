//! The examples of RFC 7515 §A.2 and §A.3 and of RFC 8037 §A.4, and what is no key.

use serde_json::{Value, json};

use super::*;

const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.{}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.{}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn point() -> Value {
    json!({"kty": "EC", "crv": "P-256",
           "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
           "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

fn numbers() -> Value {
    json!({"kty": "RSA", "e": "AQAB",
           "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})
}

fn edwards_point() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

const EC_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n\
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n\
-----END PUBLIC KEY-----\n";
const RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\n\
NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\n\
P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n\
9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\n\
EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\n\
FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\n\
oQIDAQAB\n\
-----END PUBLIC KEY-----\n";
const ED25519_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
-----END PUBLIC KEY-----\n";

fn set(keys: &[Value]) -> Result<KeySet, KeyError> {
    KeySet::default().with_jwks("keys.json", json!({"keys": keys}).to_string().as_bytes())
}

fn pem(text: &str) -> Result<KeySet, KeyError> {
    KeySet::default().with_pem("key.pem", text.as_bytes())
}

fn token(header_and_signature: &str) -> String {
    header_and_signature.replace("{}", PAYLOAD)
}

/// Which of the three tokens a set of keys takes.
fn takes(keys: &KeySet) -> [bool; 3] {
    [ES256, RS256, EDDSA].map(|text| match keys.claims(&token(text)) {
        Ok(claims) => claims.expires_at().is_some(),
        // What this one says is no JSON, which is looked at only when its signature is good.
        Err(InvalidToken::Claims) => text == EDDSA,
        Err(_) => false,
    })
}

#[test]
fn each_kind_of_key_takes_what_it_signed() {
    for (keys, taken) in [
        (set(&[point()]), [true, false, false]),
        (pem(EC_PEM), [true, false, false]),
        (set(&[numbers()]), [false, true, false]),
        (pem(RSA_PEM), [false, true, false]),
        (set(&[edwards_point()]), [false, false, true]),
        (pem(ED25519_PEM), [false, false, true]),
        (set(&[numbers(), edwards_point(), point()]), [true; 3]),
    ] {
        assert_eq!(takes(&keys.unwrap()), taken);
    }
}

#[test]
fn what_was_changed_is_no_good() {
    let keys = set(&[numbers(), edwards_point(), point()]).unwrap();
    for text in [ES256, RS256, EDDSA] {
        let good = token(text);
        for place in (0..good.len()).step_by(7) {
            let mut bytes = good.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let error = keys.claims(&changed).unwrap_err();
            assert!(
                matches!(error, InvalidToken::Signature),
                "{changed}: {error}"
            );
        }
    }
}

#[test]
fn a_token_that_must_be_understood_better_is_no_good() {
    let header = |header: Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string())
    };
    for (json, parses) in [
        (json!({"alg": "ES256"}), true),
        (json!({"alg": "ES256", "typ": "JWT", "kid": null}), true),
        (
            json!({"alg": "ES256", "crit": ["b64"], "b64": false}),
            false,
        ),
        (json!({"alg": "HS256"}), false),
        (json!({"alg": "none"}), false),
        (json!({}), false),
    ] {
        let text = format!("{}.e30.", header(json.clone()));
        assert_eq!(Token::parse(&text).is_some(), parses, "{json}");
    }
    let text = format!("{}.e30.e30.", header(json!({"alg": "ES256"})));
    assert!(Token::parse(&text).is_none());
}

#[test]
fn a_named_key_is_asked_alone() {
    let mut other = edwards_point();
    other["kid"] = json!("other");
    let keys = set(&[other, point()]).unwrap();
    let asked = |id| {
        keys.candidates(id)
            .map(|key| key.algorithm)
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(Some("other")), [Algorithm::EdDSA]);
    assert_eq!(asked(Some("unknown")), [Algorithm::ES256]);
    assert_eq!(asked(None), [Algorithm::EdDSA, Algorithm::ES256]);
}

#[test]
fn what_is_no_key_is_named() {
    let with = |mut key: Value, name: &str, value: Value| {
        key[name] = value;
        key
    };
    for key in [
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        with(point(), "crv", json!("P-384")),
        with(point(), "x", json!("AAAA")),
        with(point(), "y", json!("*")),
        with(numbers(), "n", Value::Null),
        with(edwards_point(), "crv", json!("Ed448")),
    ] {
        let error = set(&[point(), key.clone()]).unwrap_err().to_string();
        assert!(
            error.starts_with("key 1 of keys.json is not"),
            "{key}: {error}"
        );
    }
    let error = KeySet::default().with_jwks("keys.json", b"[]").unwrap_err();
    assert!(matches!(error, KeyError::NotAKeySet { .. }), "{error}");
    for text in [
        "",
        "nonsense",
        &EC_PEM.replace('E', "F"),
        &EC_PEM.replace("PUBLIC", "PRIVATE"),
    ] {
        let error = pem(text).unwrap_err().to_string();
        assert!(error.starts_with("key.pem is not"), "{text}: {error}");
    }
}
