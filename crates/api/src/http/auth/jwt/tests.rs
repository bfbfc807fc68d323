//! Good tokens, and every kind of bad one.

use super::*;
use godwit_test_support::clock::TestClock;
use godwit_test_support::token::{TokenKey, forge_unsigned};
use serde_json::{Value, json};
use std::time::Duration;

const NOW: i64 = 1_800_000_000;

struct World {
    key: TokenKey,
    clock: Arc<TestClock>,
    revoked: Arc<Revocations>,
    authenticator: JwtAuthenticator,
}

fn world() -> World {
    let key = TokenKey::new().unwrap();
    let keys = KeySet::default()
        .with_pem("test", key.public_pem().as_bytes())
        .unwrap();
    let clock = Arc::new(TestClock::new(NOW));
    let revoked = Arc::new(Revocations::default());
    let authenticator = JwtAuthenticator::new(
        keys,
        100,
        Arc::clone(&clock) as Arc<dyn Clock>,
        Arc::clone(&revoked),
    );
    World {
        key,
        clock,
        revoked,
        authenticator,
    }
}

fn claims() -> Value {
    json!({"sub": "u", "project_id": "p", "roles": ["reader"], "exp": NOW + 60})
}

impl World {
    fn verify(&self, claims: &Value) -> Result<Arc<Principal>, InvalidToken> {
        self.authenticator.verify(&self.key.sign(claims).unwrap())
    }
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn a_good_token_says_who_bears_it() {
    let world = world();
    let principal = world.verify(&claims()).unwrap();
    assert_eq!(principal.user_id.as_deref(), Some("u"));
    assert_eq!(principal.project_id.as_deref(), Some("p"));
    assert!(!principal.is_system);
    let system = world.verify(&with("system_scope", json!("all"))).unwrap();
    assert!(system.is_system);
    let other = json!({"user_id": "w", "exp": NOW + 1});
    assert_eq!(world.verify(&other).unwrap().user_id.as_deref(), Some("w"));
}

#[test]
fn times_count() {
    let world = world();
    for (claims, good) in [
        (with("exp", json!(NOW + 1)), true),
        (with("exp", json!(NOW)), false),
        (with("exp", json!(NOW as f64 + 0.5)), false),
        (with("nbf", json!(NOW)), true),
        (with("nbf", json!(NOW + 1)), false),
    ] {
        assert_eq!(world.verify(&claims).is_ok(), good, "{claims}");
    }
}

#[test]
fn what_is_remembered_still_ends() {
    let world = world();
    let token = world.key.sign(&claims()).unwrap();
    assert!(world.authenticator.verify(&token).is_ok());
    assert!(world.authenticator.verify(&token).is_ok());
    world.clock.advance(60);
    let error = world.authenticator.verify(&token).unwrap_err();
    assert!(matches!(error, InvalidToken::Expired), "{error}");
}

#[test]
fn what_was_taken_back_is_no_good_even_if_remembered() {
    let world = world();
    let token = world.key.sign(&claims()).unwrap();
    assert!(world.authenticator.verify(&token).is_ok());
    let now = world.clock.now();
    world.revoked.add(
        TokenHash::of(&token),
        now.plus(Duration::from_secs(60)),
        now,
    );
    let error = world.authenticator.verify(&token).unwrap_err();
    assert!(matches!(error, InvalidToken::Revoked), "{error}");
}

#[test]
fn forgeries_are_no_good() {
    let (world, other) = (world(), TokenKey::new().unwrap());
    for forged in [
        other.sign(&claims()).unwrap(),
        world.key.forge_hmac(&claims()).unwrap(),
        forge_unsigned(&claims()).unwrap(),
        String::new(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
    ] {
        let error = world.authenticator.verify(&forged).unwrap_err();
        assert!(matches!(error, InvalidToken::Signature), "{error}");
    }
    let good = world.key.sign(&claims()).unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let tampered = forge_unsigned(&with("roles", json!(["admin"]))).unwrap();
    let payload = tampered.split('.').nth(1).unwrap();
    assert!(
        world
            .authenticator
            .verify(&format!("{header}.{payload}.{signature}"))
            .is_err()
    );
    let error = world.authenticator.verify(&"x".repeat(9_000)).unwrap_err();
    assert!(matches!(error, InvalidToken::TooLong), "{error}");
}

#[test]
fn claims_of_the_wrong_kind_are_no_good() {
    let world = world();
    let mut without = claims();
    without.as_object_mut().unwrap().remove("exp");
    let mut nobody = claims();
    nobody.as_object_mut().unwrap().remove("sub");
    for claims in [
        without,
        nobody,
        with("sub", json!("")),
        with("sub", json!(5)),
        with("exp", json!("soon")),
        with("exp", json!(1e300)),
        with("exp", json!(-1)),
        with("roles", json!("admin")),
        with("roles", json!([1])),
    ] {
        let error = world.verify(&claims).unwrap_err();
        assert!(matches!(error, InvalidToken::Claims), "{claims}: {error}");
    }
}
