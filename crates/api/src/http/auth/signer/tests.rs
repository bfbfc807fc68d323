//! Keys of every kind, made elsewhere.

use serde_json::json;

use super::*;
use crate::http::auth::keys::KeySet;

/// RFC 8037 §A.1, without its public key.
const ED25519: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
-----END PRIVATE KEY-----\n";

const RSA: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCm9qnNLvdoON30\n\
i3HtflXABAf1SpDAP9Bqaqs7rPC9ad4ubycLH6QBTqurr6eYt8bQQ46grwFG3pCb\n\
1NaKca3XfsNfHesE82pXhK2YGiWqa/+Z2368KfPOXV6PK8b6bV9BX+928Hh9iduz\n\
INYXHA1KufTmm/VGV8BypyVKo1tj2EZZdYbuAajeqeADJeUvjj6oSw5+eHUAANtH\n\
2bL1y0Gq/aJWvN8tWP4lzHfuI1yXHtDZQ8kj5RaooPzjopJIqFj/ZEFuAQamjcjo\n\
qbaMEVt8HtgfS5LGRJOdYUwzTqVrQVh7WFs+g0+cVG7vAEEc31je+KU3qWJ6+08Y\n\
UhHKeokNAgMBAAECggEAB36VdyQXT2qUDfTPb5tm4nhb2hcXgcWrh4dTudlEsh/l\n\
LPzoyf9I15UuMAXxtjFzn2gU6CIK4uE9KP2IBs1dAgoK34NiiAWcHaMTPrtXuvtf\n\
jQq0+OHCM55tzuvmYdnUd4UEpPhc1DfCsJr1+TIVZ6gKtepEu3xXY14c1qmYAdaC\n\
AFQt62iTzowIHnEJqm0+AgcmkX30dcN6RSYawrl8xsdjgFhdHb+7Tkzn2cIN0/0r\n\
9Ca7rmuCVmT9BXV2aL0IqQPZLrC0F2/3UT6LvwOxMlR1gGb+QAMLP4ed2ueM4e6h\n\
/C8y3paQ3nxCqO8M47KHFPovGaLHyi9izbwLysj5+QKBgQDmfNHUEFzqjBD9Ir/E\n\
/Ub479V01+TzlZ8ODbcxpbELRUKmzBTDU+t08baEy0E1Ye287xfbAZQlBULE7QVQ\n\
gWFestPbxoUrxxAY99qEmKuki7Ia7DuFG79EH/DV/NxEpvXYxj3QzZn80AfFWdAC\n\
UrO5C4o6EXSmnc9KpaCpwNht5QKBgQC5cc2Okc2gIvdV1hhGOoKVj/rYiL89IIFB\n\
74uSUatCDpshKKMQl3/ZerrjheyF7blcYHaRKIsj0Ljh1j49QetfgKsYkfowGY1U\n\
SX9q5u/HsG1zLTuNODviSpudC3zGJm8OEj7u+KEkPHuOIcGAiSviAakyJKDSqr+h\n\
lFGXetk8CQKBgQCgfnwR4c8Bl8Tgr4i/n+oCv+ZwNUF9CEu4Gn7c+FZ+1ZyizusK\n\
VG5ZgVKpx2rBxE4qSIbg/ols+evTeoQ/2ce2jGmP2P20TSn9aOFlgXXL32aG7sZH\n\
WtnlkyQ9rZSnzWbVqr0yn2hBrY4rsu1wIKx7BvkalDsZJjxI62ojqmBKrQKBgFT7\n\
WvjXxkR5YaEbYLpmO8twVMMAP6syhymBLhPai0HVUa/rYHbNBpDSVmzHxbFGVKiJ\n\
qCwzSTgbgW408Qa/e66jV0UGOIHsY8DZgaOquv1m03FxrBW2THMSP6fDSOXBXSk0\n\
oVR/6dCiSvjCbVuLAOosWq4Y7P49s13Hi3CAoqaJAoGARVWIr4X6eVrBWfyxe9B2\n\
WmRtahaCDGxU+gUK2+xxbsyz7q2aIkpNWDVBKf/AClLanvGj1c8UEDrOsibW9oo9\n\
RPwgLe2j0FkptXqC/txiQLMmq/zNDwIX/WK3JQLEdLaDeQ7i7hTefUa2BS7r03vh\n\
aqSB2agsVzgSSwDSKXoWl6k=\n\
-----END PRIVATE KEY-----\n";

fn claims() -> Claims {
    serde_json::from_value(json!({"sub": "u", "roles": ["reader"], "exp": 1_800_000_000})).unwrap()
}

#[test]
fn what_a_key_signs_its_public_key_takes() {
    let made = Signer::make_key().unwrap();
    for (key, algorithm) in [
        (made.as_str(), Algorithm::ES256),
        (RSA, Algorithm::RS256),
        (ED25519, Algorithm::EdDSA),
    ] {
        let signer = Signer::from_pem(key.as_bytes()).unwrap();
        assert!(format!("{signer:?}").contains(algorithm.name()));
        let public = signer.public_key_pem();
        let keys = KeySet::default()
            .with_pem("test", public.as_bytes())
            .unwrap();
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(keys.claims(&token).unwrap(), claims());
        // A private key is none that verifies.
        KeySet::default()
            .with_pem("test", key.as_bytes())
            .unwrap_err();
    }
}

#[test]
fn the_public_key_is_written_as_others_write_it() {
    let signer = Signer::from_pem(ED25519.as_bytes()).unwrap();
    let expected = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";
    assert_eq!(signer.public_key_pem(), expected);
}

#[test]
fn what_is_no_private_key_signs_nothing() {
    let public = Signer::from_pem(RSA.as_bytes()).unwrap().public_key_pem();
    for text in ["", "nonsense", public.as_str()] {
        Signer::from_pem(text.as_bytes()).unwrap_err();
    }
}
